//! `hopscope read`.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Context;
use signal_hook::consts::SIGINT;
use tracer::flow::{FlowId, Observer, Timeline};
use tracer::report::{Given, Report};
use tracer::source::{Capture, Filter, open_file};
use tracer::vantage::{Gathered, Naming};

use super::input::{Input, input};
use super::{Outcome, complain, known};
use crate::args::{Format, Read};
use crate::progress::Progress;
use crate::render::{self, Wanted};

/// How to see what the table leaves out.
const HINT: &str = "All of them: --all; one of them: --flow ID";

/// Endings that say that a file is a capture.
pub(super) const ENDINGS: [&str; 6] = [".gz", ".zst", ".pcap", ".pcapng", ".cap", ".dmp"];

/// Reads all captures that can be read, says which cannot, and prints the report.
pub(super) fn run(args: &Read) -> anyhow::Result<Outcome> {
    if let Some(expression) = &args.filter {
        Filter::new(expression)?;
    }
    let inputs = inputs(&args.captures);
    if let Some(index) = inputs
        .iter()
        .position(|input| input.path.as_os_str().is_empty())
    {
        let argument = args.captures[index].to_string_lossy();
        anyhow::bail!("argument {} names no file ('{argument}')", index + 1);
    }
    let on_stdin = inputs.iter().filter(|input| input.is_stdin()).count();
    anyhow::ensure!(
        on_stdin <= 1,
        "standard input can be read once: name '-' once"
    );
    if on_stdin > 0 {
        outlive_interrupt().context("cannot take signals")?;
    }
    let timeouts = known::timeouts(&args.known)?;
    let progress = Progress::new(inputs.iter().map(|input| input.path));
    if let Some(flow) = args.flow {
        return timeline(args, &inputs, FlowId(flow), &progress);
    }
    let read = in_parallel(&inputs, |input| {
        read_one(input, args, 0, (), &progress).map(|(source, ())| source)
    });
    progress.finish();
    let (sources, outcome) = sort_out(&inputs, read);
    if sources.is_empty() {
        return Ok(outcome);
    }
    let (logs, read) = known::access_logs(&args.known);
    let outcome = outcome.and(read);
    let given = Given {
        logs,
        timeouts,
        ladders: args.chain.into_iter().collect(),
        explain: args.explain,
    };
    let report = Report::new(&sources, &given);
    known::complain_of_strangers(&report, &given.logs);
    if let Some(chain) = args.chain {
        return ladder(args, &report, chain).map(|()| outcome);
    }
    match args.format {
        Format::Table => render::table(
            &report,
            &Wanted {
                all: args.all,
                explain: args.explain,
                hint: HINT,
            },
        )?,
        Format::Json => render::json(&report)?,
        Format::Ndjson => render::ndjson(&report)?,
    }
    // The process ends: its memory goes back at once, not value by value.
    mem::forget((report, sources));
    Ok(outcome)
}

/// One chain, step by step.
fn ladder(args: &Read, report: &Report, chain: u64) -> anyhow::Result<()> {
    let chains = report.chains.len() as u64;
    anyhow::ensure!(
        chain < chains,
        "there is no chain {chain}: {}",
        match chains {
            0 => "nothing joins the flows of what was read; --flow ID shows one".to_owned(),
            chains => format!("the chains are 0 to {}", chains - 1),
        }
    );
    let wanted = Wanted {
        all: args.all,
        explain: args.explain,
        hint: HINT,
    };
    render::chain(report, chain, &wanted)
}

/// The timeline of one flow. Captures are read one after the other, so that the numbers of flows
/// are known as they begin and only the events of this one are kept.
fn timeline(
    args: &Read,
    inputs: &[Input<'_>],
    flow: FlowId,
    progress: &Progress,
) -> anyhow::Result<Outcome> {
    let mut first_id = 0;
    let mut events = Vec::new();
    let read = inputs
        .iter()
        .map(|input| {
            let timeline = Timeline::of(flow);
            let (source, timeline) = read_one(input, args, first_id, timeline, progress)?;
            first_id += source.flows.len() as u64;
            events.extend(timeline.into_events());
            Ok(source)
        })
        .collect();
    progress.finish();
    let (sources, outcome) = sort_out(inputs, read);
    if sources.is_empty() {
        return Ok(outcome);
    }
    let report = Report::new(&sources, &Given::default());
    let place = usize::try_from(flow.0).unwrap_or(usize::MAX);
    let found = report
        .flows
        .get(place)
        .with_context(|| match report.flows.len() {
            0 if args.filter.is_some() => "the filter left no flow".to_owned(),
            0 => "there are no flows in what was read".to_owned(),
            count => format!(
                "there is no flow {}: the flows are 0 to {}",
                flow.0,
                count - 1
            ),
        })?;
    render::timeline(found, &events)?;
    Ok(outcome)
}

fn read_one<O: Observer>(
    input: &Input<'_>,
    args: &Read,
    first_id: u64,
    observer: O,
    progress: &Progress,
) -> anyhow::Result<(Gathered, O)> {
    let capture = if input.is_stdin() {
        anyhow::ensure!(
            !io::stdin().is_terminal(),
            "standard input is a terminal; pipe a capture into it (tcpdump -U -w - | hopscope read -)"
        );
        Capture::new(progress.count(io::stdin()))
    } else {
        Capture::new(progress.count(open_file(input.path)?))
    }?;
    let filter = args.filter.as_deref().map(Filter::new).transpose()?;
    let source = input.path.to_string_lossy();
    let naming = Naming {
        name: &input.name,
        source: &source,
        prefixed: input.named || args.captures.len() > 1,
    };
    Ok(tracer::vantage::read(
        capture, &naming, filter, first_id, observer,
    )?)
}

/// Says what could not be read and keeps the rest, in the order of the command line.
fn sort_out(inputs: &[Input<'_>], read: Vec<anyhow::Result<Gathered>>) -> (Vec<Gathered>, Outcome) {
    let mut outcome = Outcome::Fine;
    let mut sources = Vec::with_capacity(read.len());
    for (input, result) in inputs.iter().zip(read) {
        match result {
            Ok(source) => {
                let damage = source
                    .vantages
                    .first()
                    .and_then(|vantage| vantage.damage.as_ref());
                if let Some(damage) = damage.filter(|damage| damage.is_error()) {
                    complain(&format!(
                        "{}: {damage}; everything before it is reported; copy or record it again",
                        input.told()
                    ));
                    outcome = Outcome::CouldNotRun;
                }
                sources.push(source);
            }
            Err(error) => {
                let name = input.told();
                complain(&format!("{name}: {error:#}"));
                outcome = Outcome::CouldNotRun;
            }
        }
    }
    (sources, outcome)
}

/// Names every capture: as given, or by its file name without what says that it is a capture. Where
/// two would be called the same, their folders are named too.
fn inputs(captures: &[OsString]) -> Vec<Input<'_>> {
    let mut inputs: Vec<Input<'_>> = captures
        .iter()
        .map(|capture| input(capture, &ENDINGS))
        .collect();
    let mut times: HashMap<String, usize> = HashMap::new();
    for input in &inputs {
        *times.entry(input.name.clone()).or_default() += 1;
    }
    for input in inputs.iter_mut().filter(|input| times[&input.name] > 1) {
        if let Some(folder) = input.path.parent().and_then(Path::file_name) {
            input.name = format!("{}/{}", folder.to_string_lossy(), input.name);
        }
    }
    inputs
}

/// Does `work` for every item on as many threads as there are processors; results in order.
pub(super) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let work_on = || {
        while let index = next.fetch_add(1, Ordering::Relaxed)
            && let Some(item) = items.get(index)
        {
            let result = work(item);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no more can be started, those that there are do it all.
            let _ = thread::Builder::new().spawn_scoped(scope, work_on);
        }
        work_on();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Ctrl-C on a pipeline ends the capturing program, whose last frames still have to be reported:
/// only a second one ends this process.
fn outlive_interrupt() -> io::Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&interrupted))?;
    signal_hook::flag::register(SIGINT, interrupted)?;
    Ok(())
}
