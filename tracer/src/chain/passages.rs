//! Passages that nobody saw: a turn that comes to one watched place and seems to go on from another one.
//!
//! It does so where the two are one host, of which two interfaces were captured each by itself, or where
//! a hop between them was not captured. Time and size alone do not tell that from two requests that were
//! made at the same time and have nothing to do with each other. What vantages say against it does:
//!
//! - turns go the other way round, from the second place to the first, as was seen;
//! - the chain comes back to a place where it has been;
//! - one watch watched both, and knows that they are two network namespaces;
//! - both captures are of all interfaces, and would each show both hops if they were of one host.
//!
//! All but the first can be, as filters leave out hops; then most of what comes to the one place goes on
//! from the other.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::Content;
use super::context::{Context, Found, Joined};
use super::place::Nearness;
use super::strangers::{MANY, Pairs};
use crate::flow::Side;

/// Two stacks, the one that a request was at first before the other.
type Stacks = (usize, usize);

/// Parts turns that passed where nobody saw them pass, as what was seen contradicts it.
pub(super) fn part(context: &Context<'_>, found: &mut Found) -> Pairs {
    let passages = found.next.iter().enumerate().filter_map(|(down, joined)| {
        let passage = Passage::of(context, down, joined.as_deref()?)?;
        Some((down, passage))
    });
    let passages: Vec<(usize, Passage)> = passages.collect();
    if passages.is_empty() {
        return Pairs::default();
    }
    let seen = seen_order(context, found);
    let usual = usual(context, &passages);
    let parted = passages.into_iter().filter(|(down, passage)| {
        let (here, there) = passage.stacks;
        let back = || !passage.loopback && comes_back(context, found, *down);
        let doubtful = || passage.parted || back();
        seen.contains(&(there, here)) || (!usual.contains(&passage.stacks) && doubtful())
    });
    let parted: Vec<usize> = parted.map(|(down, _)| down).collect();
    let parted = parted.into_iter();
    parted
        .filter_map(|down| found.part(down).map(|joined| (down, joined.to)))
        .collect()
}

/// From one watched place to another.
struct Passage {
    stacks: Stacks,
    /// Two hosts, or namespaces, as far as their captures show all that passes.
    parted: bool,
    /// One of the hops never leaves its host, of which other interfaces are captured by themselves.
    loopback: bool,
}

impl Passage {
    /// That of a turn to what it was joined with by nothing but time and size; `None` where both were
    /// seen in one place, or nobody is known to stand at one of them.
    fn of(context: &Context<'_>, down: usize, joined: &Joined) -> Option<Self> {
        let hop = |turn: usize| context.turns.all[turn].hop;
        let (before, behind) = (hop(down), hop(joined.to));
        if is_told(joined) || context.places.nearness(before, behind) != Nearness::Maybe {
            return None;
        }
        let hops = &context.hops.hops;
        let (here, there) = (hops[before].at.server?, hops[behind].at.client?);
        let namespace = |vantage: usize| context.scene.vantages[vantage].vantage.namespace.as_ref();
        let known = namespace(here).is_some() && namespace(there).is_some();
        let all = shows_all(context, before, here) && shows_all(context, behind, there);
        Some(Self {
            stacks: (context.places.stack(here), context.places.stack(there)),
            parted: all || (known && context.scene.same_clock(here, there)),
            loopback: [before, behind].iter().any(|hop| {
                let at = hops[*hop].at;
                at.client == at.server
            }),
        })
    }
}

/// Whether the capture of a vantage that sees a hop is of all interfaces of its host: only those say which
/// way segments passed, and name no interface.
fn shows_all(context: &Context<'_>, hop: usize, vantage: usize) -> bool {
    let interface = context.scene.vantages[vantage].vantage.interface.as_deref();
    let sights = context.hops.hops[hop].sights.iter();
    let flows = sights.map(|sight| &context.scene.flows[sight.flow]);
    let mut own = flows.filter(|seen| seen.vantage == vantage);
    let passes = own.any(|seen| {
        let mut heads = seen.trail.events.iter().filter_map(|event| event.head);
        heads.any(|head| head.passage.is_some())
    });
    passes && interface.is_none_or(|name| name == "any")
}

/// Whether something names both turns, or the request.
fn is_told(joined: &Joined) -> bool {
    joined.weight == 0 || joined.content == Content::SameId
}

/// The stack that somebody stands in at that end of a turn's hop.
fn stack(context: &Context<'_>, turn: usize, end: Side) -> Option<usize> {
    let vantage = context.hops.hops[context.turns.all[turn].hop].at[end]?;
    Some(context.places.stack(vantage))
}

/// Which stacks turns come by before which others, as far as it was seen how they go on.
fn seen_order(context: &Context<'_>, found: &Found) -> HashSet<Stacks, RandomState> {
    let mut order = HashSet::default();
    let mut passed: Vec<usize> = Vec::new();
    for first in 0..found.next.len() {
        if seen_before(context, found, first) {
            continue;
        }
        passed.clear();
        let mut at = Some(first);
        while let Some(turn) = at {
            for end in [Side::Client, Side::Server] {
                let Some(stack) = stack(context, turn, end) else {
                    continue;
                };
                let before = passed.iter().filter(|before| **before != stack);
                order.extend(before.map(|before| (*before, stack)));
                if !passed.contains(&stack) {
                    passed.push(stack);
                }
            }
            at = seen_next(context, found, turn);
        }
    }
    order
}

/// What a turn goes on as, where that was seen in one place, or is told.
fn seen_next(context: &Context<'_>, found: &Found, turn: usize) -> Option<usize> {
    let joined = found.next[turn].as_ref()?;
    let hop = |turn: usize| context.turns.all[turn].hop;
    let same = context.places.nearness(hop(turn), hop(joined.to)) == Nearness::Same;
    (same || is_told(joined)).then_some(joined.to)
}

fn seen_before(context: &Context<'_>, found: &Found, turn: usize) -> bool {
    found.before[turn].is_some_and(|before| seen_next(context, found, before).is_some())
}

/// Passages of more than half of what comes to the one place, or begins at the other: no chance.
fn usual(context: &Context<'_>, passages: &[(usize, Passage)]) -> HashSet<Stacks, RandomState> {
    let mut times: HashMap<Stacks, u64, RandomState> = HashMap::default();
    for (_, passage) in passages {
        *times.entry(passage.stacks).or_default() += 1;
    }
    times.retain(|_, times| *times >= MANY);
    let mut turns: HashMap<(usize, Side), u64, RandomState> = HashMap::default();
    if !times.is_empty() {
        for turn in 0..context.turns.all.len() {
            for end in [Side::Client, Side::Server] {
                if let Some(stack) = stack(context, turn, end) {
                    *turns.entry((stack, end)).or_default() += 1;
                }
            }
        }
    }
    let of = |stack: usize, end: Side| turns.get(&(stack, end)).copied().unwrap_or_default();
    let times = times.into_iter();
    times
        .filter(|((here, there), times)| {
            times * 2 > of(*here, Side::Server).min(of(*there, Side::Client))
        })
        .map(|(stacks, _)| stacks)
        .collect()
}

/// Whether the chain comes back to a host where it has been, if this turn goes on in the host that it
/// came to.
fn comes_back(context: &Context<'_>, found: &Found, down: usize) -> bool {
    let mut turn = down;
    while let Some(before) = found.before[turn] {
        turn = before;
    }
    // The stacks that each host would have, in order.
    let mut hosts: Vec<Vec<usize>> = vec![stack(context, turn, Side::Client).into_iter().collect()];
    let mut here = 0;
    loop {
        let (client, server) = (
            stack(context, turn, Side::Client),
            stack(context, turn, Side::Server),
        );
        if client.is_none() || client != server {
            hosts.push(server.into_iter().collect());
        }
        let host = hosts.len() - 1;
        if turn == down {
            here = host;
        }
        let Some(joined) = &found.next[turn] else {
            break;
        };
        turn = joined.to;
        hosts[host].extend(stack(context, turn, Side::Client));
    }
    let (to, from) = (&hosts[..=here], &hosts[here..]);
    to.iter().enumerate().any(|(first, before)| {
        let later = from.iter().enumerate();
        let mut later = later.filter(|(second, _)| here + second > first);
        later.any(|(_, after)| after.iter().any(|stack| before.contains(stack)))
    })
}
