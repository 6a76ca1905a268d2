//! `hopscope doctor`.

use tracer::doctor::Diagnosis;

use super::Outcome;
use crate::render;

/// Prints what works and what does not. Exit code 2 where nothing can be watched.
pub(super) fn run() -> anyhow::Result<Outcome> {
    let diagnosis = Diagnosis::new();
    render::doctor(&diagnosis)?;
    Ok(if diagnosis.probe || diagnosis.pcap {
        Outcome::Fine
    } else {
        Outcome::CouldNotRun
    })
}
