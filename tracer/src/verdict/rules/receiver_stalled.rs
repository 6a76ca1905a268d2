//! A side held its window at zero: it stopped reading.
//!
//! Holds where that took a second or longer, and a tenth of the connection's life or until its end.
//! Whoever closes then does so for what the reader did: the reader is the one that is named.
//!
//! Looks alike: a window that is zero for a moment while much is sent, and keepalive probes, which a
//! zero-window probe has the shape of (FACTS 3.2).

use std::time::Duration;

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::Stall;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::words;

/// Shorter is what flow control is for.
const LONG: Duration = Duration::from_secs(1);

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut short = None;
    for (number, leg) in case.legs.iter().enumerate() {
        let lived = leg.digest.last.since(leg.digest.begun);
        for side in [Side::Client, Side::Server] {
            let Some(stall) = leg.digest.stalls[side] else {
                continue;
            };
            if stall.held >= LONG && (!stall.opened || stall.held * 10 >= lived) {
                return Ok(found(case, number, side, stall));
            }
            short = Some(stall.held);
        }
    }
    match short {
        Some(held) => Err(format!("a window was zero for {} only", words::length(held)).into()),
        None => Err("no window was zero".into()),
    }
}

fn found(case: &Case<'_>, leg: usize, side: Side, stall: Stall) -> Finding {
    let (reader, sender) = (case.name(leg, side), case.name(leg, side.other()));
    let first = case.legs[leg].first();
    let held = words::length(stall.held);
    let mut finding = Finding::new(leg, Culprit::End(leg, side), Confidence::Certain);
    finding.at = first.map(|first| first.at).or(Some(stall.since));
    finding.flow = Some(stall.cite.flow);
    finding.because = format!("{reader} held its window at zero for {held}");
    finding.summary = format!("{reader} read nothing for {held}, and {sender} could not send");
    finding.story = format!(
        "From {} on {reader} advertised a window of zero, for {held} in all{}.{}",
        words::clock(stall.since),
        if stall.opened {
            ""
        } else {
            ", and never opened it again"
        },
        first.map_or_else(String::new, |first| format!(
            " {} closed first, at {}.",
            case.name(leg, first.by),
            words::clock(first.at)
        ))
    );
    finding.evidence.push(format!(
        "{}: window 0 from {reader} at {}",
        case.cite(stall.cite),
        words::clock(stall.since)
    ));
    finding
        .evidence
        .extend(first.map(|first| case.cite_mark(leg, first)));
    finding.against.push(
        "not a network that loses segments: they were acknowledged, with a window of zero"
            .to_owned(),
    );
    finding.advice.push(format!(
        "find out why the process at {reader} does not read: it is blocked, overloaded, or waits for something else ('hopscope sockets' shows its receive queue)"
    ));
    finding
}
