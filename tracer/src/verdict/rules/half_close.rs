//! A FIN one way, normal life the other way, honoured to the end (`shutdown(SHUT_WR)`): nothing is
//! wrong.
//!
//! Holds where the other side sent data after the first FIN, and its own FIN after that, and nobody
//! reset.
//!
//! Looks alike: an answer into a closed connection, which is reset; a FIN that the other side answers
//! with its own.

use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::words;

pub(super) fn judge(case: &Case<'_>) -> Found {
    let Some(origin) = case.origins.first() else {
        return Err("nobody closed".into());
    };
    let leg = &case.legs[origin.leg];
    let first = origin.mark;
    if first.rst {
        return Err("it began with a RST".into());
    }
    let mut turns = leg.digest.turns.iter();
    let Some(after) = turns.find(|turn| turn.by != first.by && turn.at > first.at) else {
        return Err("no data came from the other side after the first FIN".into());
    };
    if case
        .legs
        .iter()
        .any(|leg| leg.digest.marks.iter().any(|mark| mark.rst))
    {
        return Err("what came after the first FIN was reset".into());
    }
    let Some(second) = leg.digest.first_by(first.by.other()) else {
        return Err("the other side never closed".into());
    };
    let (closer, other) = (
        case.name(origin.leg, first.by),
        case.name(origin.leg, first.by.other()),
    );
    let open = second.at.since(first.at);
    let culprit = Culprit::End(origin.leg, first.by);
    let mut finding = Finding::new(origin.leg, culprit, Confidence::Certain);
    finding.alarm = false;
    finding.at = Some(first.at);
    finding.flow = Some(first.cite.flow);
    finding.because = format!("data from {other} after the FIN of {closer}, and no RST");
    finding.summary = format!(
        "nothing wrong: {} closed its direction and got its answer {} later",
        case.who(origin.leg, first.by),
        words::length(after.at.since(first.at))
    );
    finding.story = format!(
        "{closer} closed its direction at {} (shutdown for writing), {other} went on sending and closed {} later.",
        words::clock(first.at),
        words::length(open)
    );
    finding.evidence.push(case.cite_mark(origin.leg, &first));
    finding.evidence.push(format!(
        "{}: data from {other} at {}",
        case.cite(after.cite),
        words::clock(after.at)
    ));
    finding.evidence.push(case.cite_mark(origin.leg, second));
    finding
        .against
        .push(format!("not {closer} giving up: it took the answer"));
    Ok(finding)
}
