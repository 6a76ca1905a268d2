//! How connections between two places are used: how many, for how many exchanges, to which addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Chain;
use super::turn::{Turn, Turns};
use crate::flow::End;
use crate::hop::{Hop, Hops};
use crate::scene::Scene;
use crate::segment::Endpoint;
use crate::time::Time;

/// Connections from one place to one port, whatever addresses have it.
#[derive(Clone, Debug)]
pub struct Usage {
    /// The vantage at whoever opens them, by its place in the scene; `None` where none is known.
    pub vantage: Option<usize>,
    /// The address that they come from; the lowest where there are several.
    pub client: IpAddr,
    /// The port that they go to.
    pub port: u16,
    /// Connections, those that came to nothing included.
    pub connections: u64,
    /// Exchanges on them, answered or not.
    pub exchanges: u64,
    /// Exchanges at once, at most: so many connections would have done, had each been used again as
    /// soon as it was free.
    pub most_at_once: u64,
    /// Connections that were opened and requests that were sent for the second time or more often,
    /// for one and the same exchange.
    pub retries: u64,
    /// Where they go, by address.
    pub addresses: Vec<Share>,
}

/// What one address gets. Times are by the common clock.
#[derive(Clone, Debug)]
pub struct Share {
    /// The address.
    pub server: Endpoint,
    /// Connections to it.
    pub connections: u64,
    /// Exchanges with it.
    pub exchanges: u64,
    /// Connections that it did not answer.
    pub unanswered: u64,
    /// Connections that it refused.
    pub refused: u64,
    /// The first connection or exchange.
    pub first: Time,
    /// The last time that a connection to it was opened or an exchange began.
    pub last: Time,
    /// Its last exchange, where it is too unlikely that it got no other by chance: the others got so
    /// many after it.
    pub stopped_at: Option<Time>,
}

/// That an address gets nothing by chance must be less likely than this to be told.
const CHANCE: f64 = 0.001;

/// What is counted of a [`Usage`] while it grows.
#[derive(Default)]
struct Growing {
    clients: BTreeSet<IpAddr>,
    vantage: Option<usize>,
    /// By the server's address.
    hops: BTreeMap<Endpoint, Vec<usize>>,
    retries: u64,
}

/// How connections are used, by who opens them and to which port.
pub(super) fn usage(scene: &Scene<'_>, hops: &Hops, turns: &Turns, chains: &[Chain]) -> Vec<Usage> {
    let mut links: BTreeMap<(Opener, u16), Growing> = BTreeMap::new();
    let key = |hop: &Hop| (Opener::of(hop), hop.server.port());
    for (place, hop) in hops.hops.iter().enumerate() {
        let link = links.entry(key(hop)).or_default();
        link.vantage = link.vantage.or(hop.at.client);
        link.clients.insert(hop.client.address());
        link.hops.entry(hop.server).or_default().push(place);
    }
    for tried in chains.iter().flat_map(|chain| &chain.links) {
        let again = tried.tried.iter().skip(1).chain([&tried.hop]);
        for hop in again.take(tried.tried.len()) {
            if let Some(link) = links.get_mut(&key(&hops.hops[*hop])) {
                link.retries += 1;
            }
        }
    }
    // By when each was first seen: addresses are in an order of their own.
    let mut links: Vec<(u16, Growing)> = links
        .into_iter()
        .map(|((_, port), link)| (port, link))
        .collect();
    links.sort_by_key(|(_, link)| link.hops.values().flatten().min().copied());
    let links = links.into_iter();
    links
        .filter_map(|(port, link)| link.finish(scene, hops, turns, port))
        .collect()
}

/// Who opens connections: the stack at a vantage, else an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Opener {
    Vantage(usize),
    Address(IpAddr),
}

impl Opener {
    fn of(hop: &Hop) -> Self {
        hop.at
            .client
            .map_or(Self::Address(hop.client.address()), Self::Vantage)
    }
}

impl Growing {
    fn finish(self, scene: &Scene<'_>, hops: &Hops, turns: &Turns, port: u16) -> Option<Usage> {
        let of_hop = |hop: &usize| &turns.all[turns.of[*hop].clone()];
        let all = self.hops.values().flatten();
        let exchanges: Vec<&Turn> = all
            .flat_map(of_hop)
            .filter(|turn| turn.number.is_some())
            .collect();
        let mut began: Vec<Time> = exchanges
            .iter()
            .filter_map(|turn| Some(span(scene, hops, turn)?.0))
            .collect();
        began.sort_unstable();
        let spans = exchanges.iter();
        let spans = spans.filter_map(|turn| span(scene, hops, turn));
        let mut addresses: Vec<(&Endpoint, &Vec<usize>)> = self.hops.iter().collect();
        addresses.sort_by_key(|(_, places)| places.iter().min());
        let addresses = addresses.into_iter().filter_map(|(server, places)| {
            let turns: Vec<&Turn> = places.iter().flat_map(of_hop).collect();
            share(scene, hops, (*server, places), &turns, &began)
        });
        Some(Usage {
            vantage: self.vantage,
            client: *self.clients.first()?,
            port,
            connections: self.hops.values().map(|hops| hops.len() as u64).sum(),
            exchanges: exchanges.len() as u64,
            most_at_once: at_once(spans),
            retries: self.retries,
            addresses: addresses.collect(),
        })
    }
}

/// From when to when a turn takes its connection, by the common clock; to the end of what was seen
/// where it is not over.
fn span(scene: &Scene<'_>, hops: &Hops, turn: &Turn) -> Option<(Time, Time)> {
    let seen = turn.first_seen()?;
    let flow = &scene.flows[seen.flow];
    let last = scene.vantages[flow.vantage].vantage.last;
    let over = seen.done.or(seen.ended).or(last).unwrap_or(seen.began);
    let common = |at| hops.clocks.common(flow.vantage, at);
    Some((common(seen.began), common(over.max(seen.began))))
}

/// The most that were there at once.
fn at_once(spans: impl Iterator<Item = (Time, Time)>) -> u64 {
    let mut steps: Vec<(Time, bool)> = spans
        .flat_map(|(from, to)| [(from, true), (to, false)])
        .collect();
    // What ends in an instant makes room for what begins in it.
    steps.sort_unstable();
    let (mut now, mut most) = (0_u64, 0);
    for (_, begins) in steps {
        now = if begins {
            now + 1
        } else {
            now.saturating_sub(1)
        };
        most = most.max(now);
    }
    most
}

fn share(
    scene: &Scene<'_>,
    hops: &Hops,
    (server, places): (Endpoint, &[usize]),
    turns: &[&Turn],
    all: &[Time],
) -> Option<Share> {
    let ended = |end: End| {
        let hops = places
            .iter()
            .filter_map(|place| hops.hops[*place].sights.first());
        let ended = hops.filter(|sight| scene.flows[sight.flow].flow.end() == end);
        ended.count() as u64
    };
    let begins = |turn: &&Turn| Some(span(scene, hops, turn)?.0);
    let exchanges = turns.iter().filter(|turn| turn.number.is_some());
    let mut began: Vec<Time> = exchanges.filter_map(begins).collect();
    began.sort_unstable();
    let opened = places.iter().filter_map(|place| {
        let sight = hops.hops[*place].sights.first()?;
        let seen = &scene.flows[sight.flow];
        Some(hops.clocks.common(seen.vantage, seen.flow.first_at()))
    });
    let times: Vec<Time> = opened.chain(began.iter().copied()).collect();
    Some(Share {
        server,
        connections: places.len() as u64,
        exchanges: began.len() as u64,
        unanswered: ended(End::Unanswered),
        refused: ended(End::Refused),
        first: *times.iter().min()?,
        last: *times.iter().max()?,
        stopped_at: stopped(&began, all),
    })
}

/// The last of an address's exchanges, where it got none of those that came after it, though by its
/// share before it should have.
fn stopped(own: &[Time], all: &[Time]) -> Option<Time> {
    let last = *own.last()?;
    let before = all.partition_point(|at| *at <= last);
    let after = all.len() - before;
    if own.len() < 2 || after == 0 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a likelihood")]
    let (share, after) = (own.len() as f64 / before as f64, after as f64);
    ((1.0 - share).powf(after) < CHANCE).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(of: impl IntoIterator<Item = i64>) -> Vec<Time> {
        of.into_iter().map(Time::from_nanos).collect()
    }

    #[test]
    fn exchanges_one_after_the_other_need_one_connection() {
        let at = Time::from_nanos;
        let one_by_one = [(at(0), at(5)), (at(5), at(9)), (at(12), at(13))];
        assert_eq!(at_once(one_by_one.into_iter()), 1);
        let at_a_time = [(at(0), at(9)), (at(5), at(6)), (at(6), at(8))];
        assert_eq!(at_once(at_a_time.into_iter()), 2);
        assert_eq!(at_once(std::iter::empty()), 0);
    }

    #[test]
    fn an_address_that_gets_nothing_any_more_is_told() {
        // Two take turns until one stops.
        let all = times(0..40);
        let own = times((0..20).step_by(2));
        assert_eq!(stopped(&own, &all), Some(Time::from_nanos(18)));
    }

    #[test]
    fn an_address_that_may_get_the_next_one_did_not_stop() {
        let all = times(0..40);
        // Its last was one of the last.
        assert_eq!(stopped(&times((0..40).step_by(2)), &all), None);
        // It never got much.
        assert_eq!(stopped(&times([3, 19]), &all), None);
        // Nobody got anything after it.
        assert_eq!(stopped(&all, &all), None);
    }
}
