//! Measures how much processor time it takes to join what two vantages saw, beside reading it.
//!
//!     generate FILE 100000 && joining FILE FILE

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use rustix::time::{ClockId, clock_gettime};
use tracer::scene::Scene;
use tracer::source::Capture;
use tracer::vantage::{Gathered, Naming, read};

fn main() -> anyhow::Result<()> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    ensure!(!files.is_empty(), "usage: joining CAPTURE...");
    let began = busy();
    let sources: Vec<Gathered> = files
        .iter()
        .enumerate()
        .map(|(number, file)| gathered(&number.to_string(), file))
        .collect::<anyhow::Result<_>>()?;
    let reading = busy() - began;
    let flows: usize = sources.iter().map(|source| source.flows.len()).sum();
    let began = busy();
    let scene = Scene::new(&sources);
    let mut hops = tracer::hop::join(&scene);
    let joining = busy() - began;
    let began = busy();
    let chains = tracer::chain::join(&scene, &mut hops, &[]).chains.len();
    let chaining = busy() - began;
    println!(
        "read {flows} flows in {reading:.2?}, joined them to {} hops in {joining:.2?}: {:.2} of it",
        hops.hops.len(),
        joining.as_secs_f64() / reading.as_secs_f64()
    );
    println!(
        "joined these to {chains} chains in {chaining:.2?}: {:.2} of it",
        chaining.as_secs_f64() / reading.as_secs_f64()
    );
    Ok(())
}

/// Processor time used so far, which other programs do not change.
fn busy() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn gathered(name: &str, file: &str) -> anyhow::Result<Gathered> {
    let naming = Naming {
        name,
        source: file,
        prefixed: false,
    };
    let capture = Capture::open(Path::new(file))?;
    Ok(read(capture, &naming, None, 0, ())?.0)
}
