//! What each other hop did, and what keepalive probes did and did not do.

use std::time::Duration;

use super::case::Case;
use super::digest::{Mark, Probed};
use super::finding::Finding;
use super::words;
use crate::flow::Side;
use crate::time::Time;

/// What each other hop did when one had ended.
pub(super) fn then(case: &Case<'_>, finding: &Finding) -> Vec<String> {
    let Some(at) = finding.at else {
        return Vec::new();
    };
    let mut told: Vec<(Time, String)> = Vec::new();
    for (number, leg) in case.legs.iter().enumerate() {
        told.extend(stood_in(case, number, at));
        let Some(first) = leg.first() else {
            continue;
        };
        let named = finding
            .evidence
            .iter()
            .any(|line| line.starts_with(&format!("{}:", case.cite(first.cite))));
        if !named {
            told.push((first.at, closed(case, number, first, at)));
        }
        told.extend(late(case, number, first));
    }
    told.sort_by_key(|(at, _)| *at);
    told.into_iter().map(|(_, line)| line).collect()
}

/// `gw closed to app 1.1 ms later`.
fn closed(case: &Case<'_>, leg: usize, first: &Mark, at: Time) -> String {
    let when = if first.at >= at {
        format!("{} later", words::length(first.at.since(at)))
    } else {
        format!("{} before", words::length(at.since(first.at)))
    };
    format!(
        "{} {} to {} {when}",
        case.name(leg, first.by),
        if first.rst { "reset" } else { "closed" },
        case.name(leg, first.by.other())
    )
}

/// `gw answered 503 to lb 1.2 ms later`: a proxy's word for what failed behind it.
fn stood_in(case: &Case<'_>, number: usize, since: Time) -> Option<(Time, String)> {
    let leg = &case.legs[number];
    let status = leg.status().filter(|status| *status >= 500)?;
    let answered = leg.answered_at().filter(|at| *at > since)?;
    let line = format!(
        "{} answered {status} to {} {} later",
        case.name(number, Side::Server),
        case.name(number, Side::Client),
        words::length(answered.since(since))
    );
    Some((answered, line))
}

/// Data into a closed connection: a consequence, not an end.
fn late(case: &Case<'_>, leg: usize, first: &Mark) -> Option<(Time, String)> {
    let digest = case.legs[leg].digest;
    let late = digest
        .turns
        .iter()
        .find(|turn| turn.by != first.by && turn.at > first.at)?;
    let reset = digest
        .marks
        .iter()
        .find(|mark| mark.rst && mark.by == first.by && mark.at >= late.at)?;
    let line = format!(
        "{} answered into a closed connection at {}, and got a RST ({})",
        case.name(leg, first.by.other()),
        words::clock(late.at),
        case.cite(reset.cite)
    );
    Some((late.at, line))
}

/// Who probed whom, and what that did.
pub(super) fn keepalive(case: &Case<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, leg) in case.legs.iter().enumerate() {
        let ended = leg.first();
        for side in [Side::Client, Side::Server] {
            let probes = &leg.digest.probes[side];
            if probes.is_empty() {
                continue;
            }
            lines.push(run(case, number, side, probes, ended));
        }
    }
    lines
}

fn run(case: &Case<'_>, leg: usize, side: Side, probes: &[Probed], ended: Option<&Mark>) -> String {
    let (prober, peer) = (case.name(leg, side), case.name(leg, side.other()));
    let answered = probes.iter().filter(|probe| probe.answered).count();
    let sent = words::count(probes.len(), "probe");
    let every = match probes {
        [first, .., last] => {
            let gaps = u32::try_from(probes.len() - 1).unwrap_or(u32::MAX);
            let every: Duration = last.at.since(first.at) / gaps;
            format!(", about every {}", words::length(every))
        }
        _ => String::new(),
    };
    let answers = if answered == probes.len() {
        format!("all answered by the kernel of {peer}")
    } else if answered == 0 {
        "none answered".to_owned()
    } else {
        format!("{answered} answered")
    };
    let futile = ended.is_some_and(|end| end.by != side && answered > 0 && !end.rst);
    let but = if futile {
        "; that does not reset a proxy's own timer"
    } else {
        ""
    };
    format!(
        "{prober} sent {sent} to {peer} from {} on{every}, {answers}{but}",
        words::clock(probes[0].at)
    )
}
