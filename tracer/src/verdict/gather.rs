//! What there is to judge: digests of hops, who is a proxy, and the cases.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::case::{Case, Leg, World};
use super::digest::Digest;
use super::origin::origins;
use crate::chain::{Chain, Join, Link, nodes};
use crate::hop::Hops;
use crate::log::{AccessLog, Entry};
use crate::scene::Scene;

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
    let mut joined: HashSet<usize, RandomState> = HashSet::default();
    let mut cases = Vec::with_capacity(chains.len());
    for (place, chain) in chains.iter().enumerate() {
        for link in &chain.links {
            joined.insert(link.hop);
            joined.extend(&link.tried);
        }
        if !chain.links.is_empty() {
            cases.push(of_chain(world, place, chain));
        }
    }
    for place in 0..world.hops.hops.len() {
        if !joined.contains(&place) {
            let legs = vec![Leg::new(world, place, None, &[])];
            cases.push(case(world, None, legs, &[], Vec::new()));
        }
    }
    cases
}

/// Pooled connections that ended by themselves when all chains that they served were over: each alone.
pub(super) fn later<'a>(world: &'a World<'a>, cases: &[Case<'a>]) -> Vec<Case<'a>> {
    let mut hops: Vec<usize> = Vec::new();
    for case in cases {
        // The first is what the chain's own verdict is about.
        for origin in case.origins.iter().skip(1) {
            let leg = &case.legs[origin.leg];
            if origin.leg > 0 && !leg.owed() {
                hops.push(leg.digest.place);
            }
        }
    }
    hops.sort_unstable();
    hops.dedup();
    let alone = |hop| {
        case(
            world,
            None,
            vec![Leg::new(world, hop, None, &[])],
            &[],
            Vec::new(),
        )
    };
    hops.into_iter().map(alone).collect()
}

fn of_chain<'a>(world: &'a World<'a>, place: usize, chain: &'a Chain) -> Case<'a> {
    let leg = |link: &'a Link| Leg::new(world, link.hop, link.exchange.as_ref(), &link.tried);
    let legs = chain.links.iter().map(leg).collect();
    let named = chain.links.iter().flat_map(|link| &link.entries);
    let entries = named.filter_map(|(log, entry)| {
        let log = world.logs.get(*log)?;
        Some((log, log.entries.get(*entry)?))
    });
    case(world, Some(place), legs, &chain.joins, entries.collect())
}

fn case<'a>(
    world: &'a World<'a>,
    chain: Option<usize>,
    legs: Vec<Leg<'a>>,
    joins: &'a [Join],
    entries: Vec<(&'a AccessLog, &'a Entry)>,
) -> Case<'a> {
    let hops: Vec<usize> = legs.iter().map(|leg| leg.digest.place).collect();
    let mut case = Case {
        nodes: nodes::of(world.scene, world.hops, &hops, joins),
        world,
        chain,
        legs,
        joins,
        origins: Vec::new(),
        entries,
    };
    case.origins = origins(&case);
    case
}
