//! Turns that were joined and cannot be one, as what else was joined shows: strangers that met by chance.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::Content;
use super::context::{Context, Found, Joined};
use super::passages;
use super::place::Nearness;
use crate::flow::Side;
use crate::segment::Endpoint;

/// Of so many turns more than one goes on, if any do.
pub(super) const MANY: u64 = 8;

/// Pairs of turns, before and behind a proxy.
pub(super) type Pairs = HashSet<(usize, usize), RandomState>;

/// Parts those that cannot be one, and returns them: what is surer first, for what is left then may look
/// otherwise when it is joined anew.
pub(super) fn part(context: &Context<'_>, found: &mut Found) -> Pairs {
    for part in [passages::part, part_chances, part_rings, part_returns] {
        let parted = part(context, found);
        if !parted.is_empty() {
            return parted;
        }
    }
    Pairs::default()
}

/// What goes from one service to another does not also go the other way round: where it seems so,
/// strangers met, and what happened more rarely is undone.
fn part_rings(context: &Context<'_>, found: &mut Found) -> Pairs {
    let servers = |down: usize, joined: &Joined| -> (Endpoint, Endpoint) {
        let server = |turn: usize| context.hops.hops[context.turns.all[turn].hop].server;
        (server(down), server(joined.to))
    };
    let mut ways: HashMap<(Endpoint, Endpoint), (u64, u64), RandomState> = HashMap::default();
    for (down, joined) in found.next.iter().enumerate() {
        if let Some(joined) = joined {
            let way = ways.entry(servers(down, joined)).or_default();
            way.0 += 1;
            way.1 = way.1.saturating_add(joined.weight);
        }
    }
    let mut parted = Pairs::default();
    for down in 0..found.next.len() {
        let Some(joined) = &found.next[down] else {
            continue;
        };
        let (from, to) = servers(down, joined);
        let back = ways.get(&(to, from)).filter(|_| from != to);
        let there = ways[&(from, to)];
        let rarer = back.is_some_and(|back| {
            (back.0, std::cmp::Reverse(back.1)) > (there.0, std::cmp::Reverse(there.1))
        });
        if rarer && joined.weight > 0 {
            parted.extend(found.part(down).map(|joined| (down, joined.to)));
        }
    }
    parted
}

/// What goes on from one address to a server does not come by there again: where it seems so, the
/// unlikeliest join between is one of strangers, if it is not known that they meet in one place.
fn part_returns(context: &Context<'_>, found: &mut Found) -> Pairs {
    let firsts = 0..found.next.len();
    let firsts: Vec<usize> = firsts
        .filter(|turn| found.before[*turn].is_none() && found.next[*turn].is_some())
        .collect();
    let mut strangers = Pairs::default();
    for first in firsts {
        let mut start = first;
        while let Some(weakest) = weakest_of_return(context, found, start) {
            let Some(parted) = found.part(weakest) else {
                break;
            };
            strangers.insert((weakest, parted.to));
            // What went on from there is a chain of its own now.
            if weakest_of_return(context, found, start).is_none() {
                start = parted.to;
            }
        }
    }
    strangers
}

/// Where many turns come to one place and many begin at another, and it is not known that the two are
/// one, a single turn that seems to go on from here to there met a stranger.
fn part_chances(context: &Context<'_>, found: &mut Found) -> Pairs {
    let stack = |turn: usize, end: Side| -> Option<usize> {
        let vantage = context.places.ends[context.turns.all[turn].hop][end]?;
        Some(context.places.stack(vantage))
    };
    let mut turns: HashMap<(usize, Side), u64, RandomState> = HashMap::default();
    let mut joins: HashMap<(usize, usize), Vec<usize>, RandomState> = HashMap::default();
    for (down, joined) in found.next.iter().enumerate() {
        for end in [Side::Client, Side::Server] {
            if let Some(at) = stack(down, end) {
                *turns.entry((at, end)).or_default() += 1;
            }
        }
        let ends = joined.as_ref().and_then(|joined| {
            let ends = (stack(down, Side::Server)?, stack(joined.to, Side::Client)?);
            let by_chance = joined.weight > 0 && joined.content != Content::SameId;
            (by_chance && ends.0 != ends.1).then_some(ends)
        });
        if let Some(ends) = ends {
            joins.entry(ends).or_default().push(down);
        }
    }
    let many = |at: usize, end: Side| turns.get(&(at, end)).is_some_and(|turns| *turns >= MANY);
    let met = joins.into_iter().filter_map(|((here, there), downs)| {
        let [down] = downs.as_slice() else {
            return None;
        };
        (many(here, Side::Server) && many(there, Side::Client)).then_some(*down)
    });
    let met: Vec<usize> = met.collect();
    let parted = met.into_iter();
    parted
        .filter_map(|down| found.part(down).map(|joined| (down, joined.to)))
        .collect()
}

/// The turn whose join is to be undone for the chain from `first` not to come by one place twice.
fn weakest_of_return(context: &Context<'_>, found: &Found, first: usize) -> Option<usize> {
    let mut row = vec![first];
    let mut at = first;
    while let Some(joined) = &found.next[at] {
        at = joined.to;
        let way = |turn: usize| context.places.way(context.turns.all[turn].hop);
        if let Some(since) = row.iter().position(|before| way(*before) == way(at)) {
            let unsure = |down: &&usize| -> Option<u64> {
                let joined = found.next[**down].as_ref()?;
                let hop = |turn: usize| context.turns.all[turn].hop;
                let nearness = context.places.nearness(hop(**down), hop(joined.to));
                (joined.weight > 0 && nearness > Nearness::Same).then_some(joined.weight)
            };
            let unsure = row[since..]
                .iter()
                .filter_map(|down| Some((unsure(&down)?, *down)));
            return unsure.max().map(|(_, down)| down);
        }
        row.push(at);
    }
    None
}
