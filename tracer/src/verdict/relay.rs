//! What a proxy only passed on, where its hops are joined by nothing: a balancer that works on bytes
//! (layer 4) passes on a FIN, and what its client says after it, without a will of its own.

use std::time::Duration;

use super::case::Case;
use super::digest::{Cite, Digest, Mark, Turn};
use super::finding::Culprit;
use super::origin::TOGETHER;
use crate::flow::Side;
use crate::segment::Endpoint;
use crate::time::Time;

/// A proxy passes bytes on within this (FACTS 3.7).
const AT_ONCE: Duration = Duration::from_millis(20);

/// Whose doing it was.
pub(super) struct Relayed {
    pub(super) culprit: Culprit,
    /// The same with no words before an address.
    pub(super) name: String,
}

/// The server behind the proxy that sent this FIN, whose own FIN had just come to it.
pub(super) fn closed(case: &Case<'_>, leg: usize, fin: &Mark) -> Option<Relayed> {
    source(case, leg, Side::Server, |other| {
        let first = other.first.filter(|first| first.by == Side::Server);
        first.is_some_and(|first| {
            precedes(case, (first.at, first.cite), (fin.at, fin.cite), TOGETHER)
        })
    })
}

/// The client before the proxy that said this, which had just said it on a connection whose close it
/// had acknowledged.
pub(super) fn asked(case: &Case<'_>, leg: usize, request: &Turn) -> Option<Relayed> {
    source(case, leg, Side::Client, |other| {
        let mut deaf = other
            .turns
            .iter()
            .filter(|turn| other.deaf.contains(&turn.at));
        deaf.any(|turn| {
            let (one, other) = ((turn.at, turn.cite), (request.at, request.cite));
            precedes(case, one, other, AT_ONCE)
        })
    })
}

fn precedes(case: &Case<'_>, one: (Time, Cite), other: (Time, Cite), within: Duration) -> bool {
    let error = case.error(one.1.flow, other.1.flow).unwrap_or_default();
    one.0 <= other.0 + error && other.0.since(one.0) <= within + error
}

/// Who is at the far end of the hops on the other side of a proxy on which that happened; `None` where
/// that is not one.
fn source(
    case: &Case<'_>,
    leg: usize,
    side: Side,
    is: impl Fn(&Digest) -> bool,
) -> Option<Relayed> {
    let proxy = case.at(leg, side).filter(|_| case.is_proxy(leg, side))?;
    let hops = &case.world.hops.hops;
    let far = |digest: &Digest| match side {
        Side::Client => (
            hops[digest.place].at.client,
            address(hops[digest.place].client),
        ),
        Side::Server => (
            hops[digest.place].at.server,
            hops[digest.place].server.to_string(),
        ),
    };
    let beyond = case.world.digests.iter();
    let mut found = beyond
        .filter(|other| hops[other.place].at[side.other()] == Some(proxy) && is(other))
        .map(far);
    let (vantage, end) = found.next()?;
    if found.any(|(_, other)| other != end) {
        return None;
    }
    Some(match vantage {
        Some(vantage) => Relayed {
            culprit: Culprit::At(vantage),
            name: case.world.scene.name(vantage).to_owned(),
        },
        None => Relayed {
            culprit: Culprit::Else(match side {
                Side::Client => format!("the client {end}"),
                Side::Server => format!("the server {end}"),
            }),
            name: end,
        },
    })
}

fn address(client: Endpoint) -> String {
    client.address().to_string()
}
