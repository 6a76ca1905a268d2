//! Keepalive probes were not answered, then the prober reset.
//!
//! Holds where the last probes of a side have no answer and its RST follows (`tcp_keepalive_timer`,
//! net/ipv4/tcp_timer.c: ETIMEDOUT after TCP_KEEPCNT probes or TCP_USER_TIMEOUT). The prober ended
//! it; the path or the peer's machine is to blame.
//!
//! Looks alike: a proxy that resets after a timer of its own, while its probes were answered.

use std::time::Duration;

use crate::flow::{RunEnd, Side};
use crate::kernel::{FactKind, TIMED_OUT};
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::{Mark, Probed};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::rules::unseen::GaveUp;
use crate::verdict::words;

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut answered = 0;
    for (number, leg) in case.legs.iter().enumerate() {
        for side in [Side::Client, Side::Server] {
            let probes = &leg.digest.probes[side];
            let from = probes
                .iter()
                .rposition(|probe| probe.answered)
                .map_or(0, |place| place + 1);
            answered += from;
            let unanswered = &probes[from..];
            let reset = leg.first().filter(|first| first.rst && first.by == side);
            match (unanswered, reset, leg.digest.run_end[side]) {
                ([], ..) => {}
                (_, Some(reset), Some(RunEnd::ResetByProber)) => {
                    return Ok(found(case, number, side, unanswered, reset));
                }
                ([_, _, ..], None, Some(RunEnd::CaptureEnd)) => {
                    return Ok(still(case, number, side, unanswered));
                }
                _ => {}
            }
        }
    }
    if let Some(finding) = unseen(case) {
        return Ok(finding);
    }
    if answered > 0 {
        return Err(format!("{} answered", words::count(answered, "keepalive probe")).into());
    }
    Err("no keepalive probe stayed unanswered before a RST of its sender".into())
}

fn found(case: &Case<'_>, leg: usize, side: Side, probes: &[Probed], reset: &Mark) -> Finding {
    let (prober, peer) = (case.name(leg, side), case.name(leg, side.other()));
    let kernel = case.legs[leg].digest.kernel(side, |kind| match kind {
        FactKind::Error(errno) => *errno == TIMED_OUT,
        FactKind::ResetSent(reason) => {
            let reason = reason.as_deref().unwrap_or_default();
            reason.contains("KEEPALIVE")
        }
        _ => false,
    });
    let confidence = if kernel.is_some() || probes.len() >= 2 {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let mut finding = Finding::new(leg, Culprit::End(leg, side), confidence);
    finding.proved = kernel.is_some();
    finding.at = Some(reset.at);
    finding.flow = Some(reset.cite.flow);
    let count = words::count(probes.len(), "keepalive probe");
    finding.because = format!("{count} of {prober} without an answer, then its RST");
    finding.summary = format!(
        "{} ended it: {peer} no longer answered keepalive probes",
        case.who(leg, side)
    );
    finding.story = format!(
        "{prober} sent {count} to {peer} from {} on, none was answered, and its kernel reset the connection at {} (ETIMEDOUT). {prober} is the one that noticed; what failed is {peer} or the way to it.",
        words::clock(probes[0].at),
        words::clock(reset.at)
    );
    finding.evidence.push(format!(
        "{}: first unanswered probe at {}{}",
        case.cite(probes[0].cite),
        words::clock(probes[0].at),
        interval(probes).map_or(String::new(), |every| format!(
            ", then every {}",
            words::length(every)
        ))
    ));
    finding.evidence.push(case.cite_mark(leg, reset));
    if kernel.is_some() {
        finding
            .evidence
            .push(format!("the kernel of {prober} says that it timed out"));
    }
    let silent = case.legs[leg].digest.first_by(side.other()).is_none();
    if silent {
        finding.against.push(format!(
            "not a close by {peer}: no FIN and no RST came from it"
        ));
    }
    finding.advice.push(format!(
        "find out what dropped segments between {prober} and {peer} from {} on: routes, a firewall, a machine that went away",
        words::clock(probes[0].at)
    ));
    finding.advice.push(format!(
        "how soon this is noticed is KEEPIDLE + KEEPCNT x KEEPINTVL of {prober}, or its TCP_USER_TIMEOUT, which goes before KEEPCNT where it is set ('hopscope sockets' shows them); whoever is on the other side of the dead path only learns it from a timer of its own, so set keepalive there as well"
    ));
    finding
}

/// A kernel gave up for its probes, of which no vantage shows the last.
fn unseen(case: &Case<'_>) -> Option<Finding> {
    let timed_out = |kind: &FactKind| match kind {
        FactKind::ResetSent(Some(reason)) => reason.contains("KEEPALIVE"),
        _ => false,
    };
    let gave_up = GaveUp::of(case, timed_out, |_, _| false)?;
    let ([prober, peer], at) = (gave_up.names(case), words::clock(gave_up.at));
    let mut finding = gave_up.finding(case, Confidence::Certain);
    finding.because = format!("the kernel of {prober} says that keepalive probes timed out");
    finding.summary = format!(
        "{} ended it: {peer} no longer answered keepalive probes",
        gave_up.who(case)
    );
    finding.story = format!(
        "The kernel of {prober} gave up at {at}: its keepalive probes were not answered (ETIMEDOUT). Neither they nor its RST were all seen at a vantage: what dropped them did so before they came there."
    );
    finding.evidence.push(format!(
        "the kernel of {prober} reset the connection at {at}, for a keepalive timeout"
    ));
    Some(finding)
}

/// Probes that were still unanswered when the capture ended.
fn still(case: &Case<'_>, leg: usize, side: Side, probes: &[Probed]) -> Finding {
    let (prober, peer) = (case.name(leg, side), case.name(leg, side.other()));
    let mut finding = Finding::new(leg, Culprit::Nobody, Confidence::Possible);
    let count = words::count(probes.len(), "keepalive probe");
    finding.flow = Some(probes[0].cite.flow);
    finding.because = format!("{count} of {prober} without an answer when the capture ended");
    finding.summary =
        format!("not over when the capture ended: {peer} does not answer keepalive probes");
    finding.story = format!(
        "{prober} has sent {count} to {peer} without an answer since {}.",
        words::clock(probes[0].at)
    );
    finding
        .evidence
        .push(format!("{}: the first of them", case.cite(probes[0].cite)));
    finding
        .advice
        .push(format!("look whether {peer} can be reached from {prober}"));
    finding
}

/// The time between unanswered probes.
fn interval(probes: &[Probed]) -> Option<Duration> {
    let [.., one, other] = probes else {
        return None;
    };
    Some(other.at.since(one.at))
}
