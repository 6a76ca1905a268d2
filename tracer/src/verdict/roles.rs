//! By what it is known who is client: where no handshake was seen, a verdict on who closed and what was owed
//! is worth no more than that.

use super::case::Case;
use super::finding::Finding;
use super::{Cause, Confidence};
use crate::flow::{Roles, Side};

/// What is the same whoever is client: it shows by who sent what.
const EITHER: [Cause; 6] = [
    Cause::InjectedReset,
    Cause::KeepaliveDeath,
    Cause::RetransmissionDeath,
    Cause::ReceiverStalled,
    Cause::Open,
    Cause::Unknown,
];

/// Takes back how sure a finding is, where who is client is not.
pub(super) fn weigh(case: &Case<'_>, cause: Cause, finding: &mut Finding) {
    if EITHER.contains(&cause) || finding.hop.is_some() {
        return;
    }
    let hop = case.legs[finding.leg].hop;
    let flows = hop.sights.iter();
    let flows = flows.map(|sight| case.world.scene.flows[sight.flow].flow);
    let Some(known) = flows.max_by_key(|flow| flow.roles()) else {
        return;
    };
    let [client, server] = [Side::Client, Side::Server].map(|side| known.endpoint(side));
    let (most, how) = match known.roles() {
        Roles::Seen | Roles::Told => return,
        // A log of a proxy tells whom it took and asked.
        Roles::Guessed if !case.entries.is_empty() => (
            Confidence::Likely,
            "by port numbers, and the access log agrees",
        ),
        Roles::Inferred => (
            Confidence::Likely,
            "by what was said, by other connections or by a system port",
        ),
        Roles::Guessed => (
            Confidence::Possible,
            "by port numbers alone: if it is the other way round, nothing of this holds",
        ),
    };
    finding.confidence = finding.confidence.min(most);
    finding.against.push(format!(
        "the handshake was not captured: that {client} is the client and {server} the server is inferred {how}"
    ));
}
