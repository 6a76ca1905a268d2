//! What there is to judge: digests of hops, who is a proxy, and the cases.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::case::{Case, World};
use super::digest::Digest;
use super::leg::Leg;
use super::origin::origins;
use crate::chain::{Chain, Join, Link, nodes};
use crate::flow::Side;
use crate::hop::Hops;
use crate::log::{AccessLog, Entry};
use crate::scene::Scene;

pub(super) fn digests(scene: &Scene<'_>, hops: &Hops) -> Vec<Digest> {
    (0..hops.hops.len())
        .map(|place| Digest::of(scene, hops, place))
        .collect()
}

/// Hops, by their place, of which a reader held its window at zero where a vantage stands: few of very many.
pub(super) fn stalled(hops: &Hops, digests: &[Digest]) -> Vec<usize> {
    let watched = |digest: &&Digest| {
        let at = hops.hops[digest.place].at;
        let held = |side| digest.stalls[side].is_some() && at[side].is_some();
        held(Side::Client) || held(Side::Server)
    };
    let stalled = digests.iter().filter(watched);
    stalled.map(|digest| digest.place).collect()
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
    // Whoever takes connections at one interface of a namespace may make others at another one.
    let mut places: HashMap<_, [bool; 2], RandomState> = HashMap::default();
    // Where none is told, a vantage stands for itself.
    let place = |vantage: usize| {
        let seeing = &scene.vantages[vantage];
        let namespace = seeing.vantage.namespace.as_deref();
        let whose = std::ptr::from_ref(seeing.source);
        (whose, namespace.ok_or(vantage))
    };
    for vantage in 0..takes.len() {
        let [any_takes, any_makes] = places.entry(place(vantage)).or_default();
        *any_takes |= takes[vantage];
        *any_makes |= makes[vantage];
    }
    let mut both: Vec<bool> = (0..takes.len())
        .map(|vantage| places.get(&place(vantage)) == Some(&[true, true]))
        .collect();
    for join in chains.iter().flat_map(|chain| &chain.joins) {
        for vantage in &join.vantages {
            both[*vantage] = true;
        }
    }
    both
}

/// What a case is of, by its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    Chain(usize),
    /// A hop alone.
    Hop(usize),
}

/// Every chain, and every hop that is in none.
pub(super) fn subjects(hops: &Hops, chains: &[Chain]) -> Vec<Subject> {
    let mut joined = vec![false; hops.hops.len()];
    let mut subjects = Vec::with_capacity(chains.len());
    for (place, chain) in chains.iter().enumerate() {
        for link in &chain.links {
            joined[link.hop] = true;
            link.tried.iter().for_each(|hop| joined[*hop] = true);
        }
        if !chain.links.is_empty() {
            subjects.push(Subject::Chain(place));
        }
    }
    let alone = joined.iter().enumerate().filter(|(_, joined)| !**joined);
    subjects.extend(alone.map(|(place, _)| Subject::Hop(place)));
    subjects
}

/// The case of a subject. There may be a great many: whoever judges them looks at one after the other.
pub(super) fn case_of<'a>(world: &'a World<'a>, chains: &'a [Chain], subject: Subject) -> Case<'a> {
    match subject {
        Subject::Chain(place) => of_chain(world, place, &chains[place]),
        Subject::Hop(place) => {
            let legs = vec![Leg::new(world, place, None, &[])];
            case(world, None, legs, &[], Vec::new())
        }
    }
}

/// Pooled connections of a case that ended by themselves when all chains that they served were over.
pub(super) fn ended_later(case: &Case<'_>) -> impl Iterator<Item = usize> {
    // The first is what the chain's own verdict is about.
    let later = case.origins.iter().skip(1).filter_map(|origin| {
        let leg = &case.legs[origin.leg];
        (origin.leg > 0 && !leg.owed()).then_some(leg.digest.place)
    });
    later.collect::<Vec<usize>>().into_iter()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Sides;
    use crate::hop::Hop;
    use crate::segment::Endpoint;
    use crate::vantage::{Gathered, Vantage};

    /// A hop with these vantages at its ends.
    fn hop(client: Option<usize>, server: Option<usize>) -> Hop {
        Hop {
            sights: Vec::new(),
            client: Endpoint::v4([10, 0, 0, 1], 1),
            server: Endpoint::v4([10, 0, 0, 2], 2),
            at: Sides { client, server },
            proved: Sides::default(),
            ways: Vec::new(),
            unlike: Vec::new(),
            outlived: Vec::new(),
        }
    }

    /// Who takes connections at the first vantage and makes one at the second, by their namespaces.
    fn passes_on(namespaces: [Option<&str>; 2]) -> Vec<bool> {
        let vantage = |namespace: Option<&str>| Vantage {
            namespace: namespace.map(str::to_owned),
            ..Vantage::default()
        };
        let sources = [Gathered {
            vantages: namespaces.map(vantage).into(),
            ..Gathered::default()
        }];
        let hops = Hops {
            hops: vec![hop(None, Some(0)), hop(Some(1), None)],
            ..Hops::default()
        };
        upstreams(&Scene::new(&sources), &hops, &[])
    }

    #[test]
    fn interfaces_of_one_namespace_are_one_place() {
        assert_eq!(passes_on([Some("gw"), Some("gw")]), [true, true]);
        assert_eq!(passes_on([Some("gw"), Some("app")]), [false, false]);
        // Captures do not say.
        assert_eq!(passes_on([None, None]), [false, false]);
    }
}
