//! What stands beyond all vantages: whom nobody watched may be a proxy, and what it did may come from
//! somebody behind it.

use super::Cause;
use super::case::Case;
use super::finding::{Culprit, Finding};
use crate::flow::Side;

/// What a proxy passes on, so that its client cannot tell it from the proxy's own doing: a close, an
/// answer, an alert, and that nothing is read. What the peer's kernel does is its own: a SYN that is refused or not
/// answered, probes that are not.
const PASSED_ON: [Cause; 7] = [
    Cause::RequestTimeout,
    Cause::ClosedMidExchange,
    Cause::IdleTimeout,
    Cause::MaxConnectionAge,
    Cause::Overload,
    Cause::ReceiverStalled,
    Cause::TlsHandshakeFailed,
];

/// Says that it may have been somebody behind whoever is named, where nothing was captured there or behind.
pub(super) fn tell(case: &Case<'_>, cause: Cause, finding: &mut Finding) {
    let Culprit::End(leg, side) = finding.culprit else {
        return;
    };
    let passed_on = match side {
        Side::Server => leg + 1 == case.legs.len() && PASSED_ON.contains(&cause),
        // Of a close of a client the rules say so themselves.
        Side::Client => cause == Cause::ReceiverStalled && is_out_of_sight(case, leg, side),
    };
    if !finding.alarm || !passed_on || case.at(leg, side).is_some() {
        return;
    }
    let (who, name) = (case.who(leg, side), case.name(leg, side));
    for named in [&who, &name] {
        if let Some(rest) = finding.summary.strip_prefix(named.as_str()) {
            finding.summary = format!("{named}, or somebody behind it,{rest}");
            break;
        }
    }
    finding.culprit = Culprit::Else(format!("{who}, or somebody behind it"));
    finding.against.push(format!(
        "no vantage is at {name}: if it is a proxy, it may have passed on what somebody behind it did; \
         capture there as well"
    ));
}

/// Whether what stands behind an end of a chain may have made it do what it did, and nobody would have
/// seen that. Where no vantage stands at either end of a hop in no chain, nothing tells ends from
/// proxies, and that is not weighed.
pub(super) fn is_out_of_sight(case: &Case<'_>, leg: usize, side: Side) -> bool {
    let end = match side {
        Side::Client => leg == 0,
        Side::Server => leg + 1 == case.legs.len(),
    };
    let placed = case.legs.len() > 1 || case.at(leg, side.other()).is_some();
    end && placed && case.at(leg, side).is_none()
}
