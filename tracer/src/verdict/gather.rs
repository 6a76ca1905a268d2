//! What there is to judge: digests of hops, who is a proxy, and the cases.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::case::{Case, Leg, World};
use super::digest::Digest;
use super::origin::origins;
use crate::chain::{Chain, Link};
use crate::hop::{Hop, Hops};
use crate::log::{AccessLog, Entry};
use crate::scene::Scene;
use crate::segment::Endpoint;
use crate::time::Time;

/// A log's clock and a vantage's may be so far apart, in nanoseconds, and ports come again after much
/// longer.
const LOGGED_WITHIN: i64 = 5_000_000_000;

/// Entries of logs by the endpoints that they name.
type Index<'a> = HashMap<Endpoint, Vec<(&'a AccessLog, &'a Entry)>, RandomState>;

pub(super) fn digests(scene: &Scene<'_>, hops: &Hops) -> Vec<Digest> {
    (0..hops.hops.len())
        .map(|place| Digest::of(scene, hops, place))
        .collect()
}

/// For each vantage, whether somebody there takes connections and makes others.
pub(super) fn upstreams(scene: &Scene<'_>, hops: &Hops, chains: &[Chain]) -> Vec<bool> {
    let mut takes = vec![false; scene.vantages.len()];
    let mut makes = takes.clone();
    for hop in &hops.hops {
        if let Some(vantage) = hop.at.server {
            takes[vantage] = true;
        }
        if let Some(vantage) = hop.at.client {
            makes[vantage] = true;
        }
    }
    let mut both: Vec<bool> = takes
        .iter()
        .zip(&makes)
        .map(|(one, two)| *one && *two)
        .collect();
    for join in chains.iter().flat_map(|chain| &chain.joins) {
        for vantage in &join.vantages {
            both[*vantage] = true;
        }
    }
    both
}

/// Every chain, and every hop that is in none.
pub(super) fn cases<'a>(world: &'a World<'a>, chains: &'a [Chain]) -> Vec<Case<'a>> {
    let index = index(world.logs);
    let mut joined: HashSet<usize, RandomState> = HashSet::default();
    let mut cases = Vec::with_capacity(chains.len());
    for (place, chain) in chains.iter().enumerate() {
        for link in &chain.links {
            joined.insert(link.hop);
            joined.extend(&link.tried);
        }
        if !chain.links.is_empty() {
            cases.push(of_chain(world, &index, place, chain));
        }
    }
    for place in 0..world.hops.hops.len() {
        if !joined.contains(&place) {
            let legs = vec![Leg::new(world, place, None, &[])];
            cases.push(case(world, &index, None, legs, &[]));
        }
    }
    cases
}

fn of_chain<'a>(
    world: &'a World<'a>,
    index: &Index<'a>,
    place: usize,
    chain: &'a Chain,
) -> Case<'a> {
    let leg = |link: &'a Link| Leg::new(world, link.hop, link.exchange.as_ref(), &link.tried);
    let legs = chain.links.iter().map(leg).collect();
    case(world, index, Some(place), legs, &chain.joins)
}

fn case<'a>(
    world: &'a World<'a>,
    index: &Index<'a>,
    chain: Option<usize>,
    legs: Vec<Leg<'a>>,
    joins: &'a [crate::chain::Join],
) -> Case<'a> {
    let mut case = Case {
        world,
        chain,
        legs,
        joins,
        origins: Vec::new(),
        entries: Vec::new(),
    };
    case.entries = entries(&case, index);
    case.origins = origins(&case);
    case
}

fn index(logs: &[AccessLog]) -> Index<'_> {
    let mut index = Index::default();
    for log in logs {
        for entry in &log.entries {
            if let Some(client) = entry.downstream_remote {
                index.entry(client).or_default().push((log, entry));
            }
        }
    }
    index
}

/// Entries on the connections of a case: of each log the one nearest in time, for a connection that
/// serves several requests has one for each.
fn entries<'a>(case: &Case<'a>, index: &Index<'a>) -> Vec<(&'a AccessLog, &'a Entry)> {
    if index.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(&AccessLog, &Entry)> = Vec::new();
    for leg in &case.legs {
        let began = leg
            .exchange
            .map_or(leg.digest.begun, |exchange| exchange.began);
        let mut nearest: Vec<(&AccessLog, &Entry)> = Vec::new();
        for client in clients(case.world.scene, leg.hop) {
            for &(log, entry) in index.get(&client).into_iter().flatten() {
                if !near(entry, leg.digest) {
                    continue;
                }
                let same = |known: &&mut (&AccessLog, &Entry)| std::ptr::eq(known.0, log);
                match nearest.iter_mut().find(same) {
                    None => nearest.push((log, entry)),
                    Some(known) if off(entry, began) < off(known.1, began) => known.1 = entry,
                    Some(_) => {}
                }
            }
        }
        found.extend(nearest);
    }
    found
}

/// How far an entry is from that time.
fn off(entry: &Entry, from: Time) -> Duration {
    entry.began.map_or(Duration::MAX, |began| began.apart(from))
}

/// The client's endpoint as each vantage sees it.
fn clients(scene: &Scene<'_>, hop: &Hop) -> Vec<Endpoint> {
    let mut clients = vec![hop.client];
    for sight in &hop.sights {
        let side = if sight.swapped {
            crate::flow::Side::Server
        } else {
            crate::flow::Side::Client
        };
        let seen = scene.flows[sight.flow].flow.endpoint(side);
        if !clients.contains(&seen) {
            clients.push(seen);
        }
    }
    clients
}

/// Whether an entry is of the time of a hop.
fn near(entry: &Entry, digest: &Digest) -> bool {
    let Some(at) = entry.began.map(Time::as_nanos) else {
        return true;
    };
    let from = digest.begun.as_nanos().saturating_sub(LOGGED_WITHIN);
    let to = digest.last.as_nanos().saturating_add(LOGGED_WITHIN);
    (from..=to).contains(&at)
}
