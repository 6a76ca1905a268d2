//! The eBPF probe: loaded and attached for a moment.

use super::{Check, Verdict};
use crate::live::{Interfaces, Link, Settings};
use crate::netns::Namespace;
use crate::probe::{Port, Probe, Trial};

const NAME: &str = "eBPF probe";

/// Loads every program and attaches it for a moment, TC programs to the loopback where there is one:
/// a line each. The first check is of the probe as a whole.
pub(super) fn checks() -> Vec<Check> {
    match attached() {
        Ok((link, trials, remarks)) => {
            let whole = Check::works(NAME, format!("loaded, and attached to {}", link.name));
            let mut checks = vec![whole];
            checks.extend(trials.into_iter().map(part));
            // What has no part of its own.
            let whole = remarks
                .into_iter()
                .filter(|remark| !remark.starts_with("not told:"));
            checks.extend(whole.map(|what| Check::not(Verdict::Partly, NAME, "in part", what)));
            checks
        }
        Err(why) => vec![Check::not(Verdict::Missing, NAME, "not to be had", why)],
    }
}

fn part(trial: Trial) -> Check {
    let Trial {
        part,
        purpose,
        outcome,
    } = trial;
    match outcome {
        Ok(how) => Check::works(&part, format!("{how}: {purpose}")),
        Err(why) => Check::not(
            Verdict::Missing,
            &part,
            why,
            format!("without it watching does not tell {purpose}"),
        ),
    }
}

fn attached() -> Result<(Link, Vec<Trial>, Vec<String>), String> {
    let here = Namespace::current().map_err(|error| error.to_string())?;
    let interfaces = Interfaces::of(&here).map_err(|error| error.to_string())?;
    let namespaces = [here];
    let mut probe =
        Probe::load(&namespaces, &Settings::default()).map_err(|error| error.to_string())?;
    let known = interfaces
        .iter()
        .filter_map(|link| Some((link, link.link_type()?)));
    let (link, link_type) = known
        .min_by_key(|(link, _)| !link.loopback)
        .ok_or("there is no interface that it knows")?;
    let port = Port {
        index: link.index,
        name: &link.name,
        link: link_type,
        // Both directions are tried.
        loopback: false,
        number: 0,
    };
    probe
        .attach(&namespaces[0], 0, &port)
        .map_err(|error| error.to_string())?;
    Ok((link.clone(), probe.trials(), probe.remarks()))
}
