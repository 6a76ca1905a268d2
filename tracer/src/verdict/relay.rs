//! What a proxy only passed on, where its hops are joined by nothing: a balancer that works on bytes
//! (layer 4) passes on a FIN, and what its client says after it, without a will of its own.

use std::time::Duration;

use super::case::Case;
use super::digest::{Cite, Digest, Mark, Turn};
use super::finding::Culprit;
use super::origin::TOGETHER;
use crate::flow::Side;
use crate::hop::Hops;
use crate::segment::Endpoint;
use crate::time::Time;

/// A proxy passes bytes on within this (FACTS 3.7).
const AT_ONCE: Duration = Duration::from_millis(20);

/// So near by the common clock is what is looked at.
const AROUND: Duration = Duration::from_millis(200);

/// Whose doing it was.
pub(super) struct Relayed {
    pub(super) culprit: Culprit,
    /// The same with no words before an address.
    pub(super) name: String,
}

/// The server behind the proxy that sent this FIN, whose own FIN had just come to it.
pub(super) fn closed(case: &Case<'_>, leg: usize, fin: &Mark) -> Option<Relayed> {
    source(case, leg, Side::Server, fin.at, |other| {
        let first = other.first.filter(|first| first.by == Side::Server);
        first.is_some_and(|first| {
            precedes(case, (first.at, first.cite), (fin.at, fin.cite), TOGETHER)
        })
    })
}

/// The client before the proxy that said this, which had just said it on a connection whose close it
/// had acknowledged.
pub(super) fn asked(case: &Case<'_>, leg: usize, request: &Turn) -> Option<Relayed> {
    source(case, leg, Side::Client, request.at, |other| {
        let mut deaf = other
            .turns
            .iter()
            .filter(|turn| other.deaf_at(turn.at).is_some());
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

/// What happened at each vantage that a proxy there may have passed on, by time: hops by their place.
#[derive(Debug)]
pub(super) struct Passed {
    /// Servers of the connections that it made closed.
    closed: Vec<Vec<(Time, usize)>>,
    /// Clients of those that it took spoke after a close.
    said: Vec<Vec<(Time, usize)>>,
}

impl Passed {
    pub(super) fn of(vantages: usize, hops: &Hops, digests: &[Digest]) -> Self {
        let mut closed = vec![Vec::new(); vantages];
        let mut said = closed.clone();
        for digest in digests {
            let at = hops.hops[digest.place].at;
            let first = digest.first.filter(|first| first.by == Side::Server);
            if let (Some(vantage), Some(first)) = (at.client, first) {
                closed[vantage].push((first.at, digest.place));
            }
            if let Some(vantage) = at.server {
                let deaf = digest.deaf.iter();
                said[vantage].extend(deaf.map(|said| (said.at, digest.place)));
            }
        }
        for times in closed.iter_mut().chain(&mut said) {
            times.sort_unstable();
        }
        Self { closed, said }
    }

    /// The hops with something at that vantage in the time before, and as long after, as clocks differ.
    fn around(&self, vantage: usize, side: Side, at: Time) -> impl Iterator<Item = usize> + '_ {
        let times = match side {
            Side::Client => &self.said[vantage],
            Side::Server => &self.closed[vantage],
        };
        let first = times.partition_point(|(time, _)| *time + AROUND < at);
        let near = times[first..].iter();
        near.take_while(move |(time, _)| *time <= at + AROUND)
            .map(|(_, place)| *place)
    }
}

/// Who is at the far end of the hops on the other side of a proxy on which that happened; `None` where
/// that is not one.
fn source(
    case: &Case<'_>,
    leg: usize,
    side: Side,
    at: Time,
    is: impl Fn(&Digest) -> bool,
) -> Option<Relayed> {
    let proxy = case.at(leg, side).filter(|_| case.is_proxy(leg, side))?;
    let hops = &case.world.hops.hops;
    let far = |place: usize| match side {
        Side::Client => (hops[place].at.client, address(hops[place].client)),
        Side::Server => (hops[place].at.server, hops[place].server.to_string()),
    };
    let near = case.world.passed.around(proxy, side, at);
    let mut found = near
        .filter(|place| is(&case.world.digests[*place]))
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
