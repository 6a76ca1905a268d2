//! Nobody closed: it was still open when the capture ended.

use crate::flow::{End, Sides};
use crate::kernel::FactKind;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::words;

/// Retransmissions without an answer that are no passing loss.
const MANY: u32 = 3;

/// What the kernel tells of a socket that is no more, or is being closed.
const fn ends(kind: &FactKind) -> bool {
    match kind {
        FactKind::Closed(_) | FactKind::ResetSent(_) | FactKind::ResetReceived => true,
        FactKind::Error(_) | FactKind::Retransmitted => false,
    }
}

pub(super) fn judge(case: &Case<'_>) -> Found {
    let leg = &case.legs[0];
    let half = leg.digest.half.is_some();
    if !(leg.digest.end == End::Open || half) || leg.digest.first.is_some() {
        return Err("it ended".into());
    }
    if !case.origins.is_empty() {
        return Err("one of its hops ended".into());
    }
    // A segment of it may be lost, or have been dropped before it came to a vantage.
    if case
        .legs
        .iter()
        .any(|leg| leg.digest.told.iter().any(|told| ends(&told.kind)))
    {
        return Err("the kernel says that it was closed".into());
    }
    let unheard = |leg: &Leg<'_>| {
        let Sides { client, server } = leg.digest.unheard;
        client
            .or(server)
            .is_some_and(|unheard| unheard.times >= MANY)
    };
    if case.legs.iter().any(unheard) {
        return Err("data was sent again and again at the end, and never acknowledged".into());
    }
    let status = leg.status().filter(|status| *status >= 500);
    if let Some(status) = status.filter(|_| leg.answered()) {
        return Err(format!("the answer was {status}").into());
    }
    let mut finding = Finding::new(0, Culprit::Nobody, Confidence::Likely);
    finding.alarm = false;
    finding.flow = leg.hop.sights.first().map(|sight| sight.flow);
    finding.because = "neither FIN nor RST was seen".to_owned();
    let owed = leg.asked().is_some() && leg.owed();
    let waiting = leg
        .asked()
        .map_or_else(Default::default, |asked| leg.digest.last.since(asked));
    finding.summary = if owed {
        format!(
            "open when the capture ended, an answer owed for at least {}",
            words::length(waiting)
        )
    } else {
        "open when the capture ended".to_owned()
    };
    finding.story = format!(
        "The last segment was seen at {}; nobody had closed by then.",
        words::clock(leg.digest.last)
    );
    let vantage = finding
        .flow
        .map(|flow| case.world.scene.flows[flow].vantage);
    finding.evidence.push(format!(
        "{}neither FIN nor RST up to {}",
        vantage.map_or_else(String::new, |vantage| format!(
            "{}: ",
            case.world.scene.name(vantage)
        )),
        words::clock(leg.digest.last)
    ));
    Ok(finding)
}
