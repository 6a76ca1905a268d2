//! Joins turns by what they say, how large they are and when they were: each to the one that fits by
//! far the best, and where several fit as well, saying so.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::candidate::{Candidate, JITTER, SOON, nanos, weigh};
use super::context::{Context, Found, Joined};
use super::place::Nearness;
use super::turn::Seen;
use crate::flow::Side;
use crate::segment::Endpoint;
use crate::time::Time;

/// Turns that are looked at for each, on either side of it in time. What a proxy passes on at once is
/// among the next ones even where it serves thousands at a time.
const LOOKED_AT: usize = 48;

/// Where more turns than were looked at began within so many nanoseconds, one of them fits well by
/// chance.
const CROWD: u64 = 5_000_000;

/// A request id that more turns bear names none of them.
const BEARERS: usize = 32;

/// What fits worse by more than this factor is no alternative.
pub(super) const AS_LIKELY: u64 = 3;

/// What both of two joins would fit worse by, crosswise, to be no alternative.
const SWAP: u64 = 2;

/// The same where it is not known that both were seen in one place, so that the clocks may be two; and
/// where there were more candidates than were looked at.
const AS_LIKELY_UNSURE: u64 = 20;

/// Upstream turns by the stack that sends them, by when they began and when they were answered.
#[derive(Default)]
struct Index {
    began: HashMap<usize, Vec<(Time, usize)>, RandomState>,
    answered: HashMap<usize, Vec<(Time, usize)>, RandomState>,
    ids: HashMap<String, Vec<usize>, RandomState>,
}

/// Candidates, and which of them each turn is in.
pub(super) struct Candidates {
    /// The likeliest first.
    pub(super) all: Vec<Candidate>,
    pub(super) of_down: HashMap<usize, Vec<usize>, RandomState>,
    of_up: HashMap<usize, Vec<usize>, RandomState>,
    weights: HashMap<(usize, usize), u64, RandomState>,
    /// Turns of which not all candidates were looked at, and how many nanoseconds after it the first
    /// of the others began.
    crowded: HashMap<usize, u64, RandomState>,
}

/// Joins what is not joined yet.
pub(super) fn join(context: &Context<'_>, found: &mut Found) -> Candidates {
    let index = Index::new(context, found);
    let mut all = Vec::new();
    let mut crowded = HashMap::default();
    for down in 0..context.turns.all.len() {
        if found.next[down].is_none() {
            let (near, more) = index.near(context, down);
            if let Some(after) = more {
                crowded.insert(down, after);
            }
            all.extend(near.into_iter().filter_map(|up| weigh(context, down, up)));
        }
    }
    all.sort_by_key(|candidate| (candidate.weight, candidate.down, candidate.up));
    let candidates = Candidates::new(all, crowded);
    for candidate in &candidates.all {
        found.join(candidate.down, joined(candidate));
    }
    part_rings(context, found);
    for down in 0..context.turns.all.len() {
        let others = candidates.others(context, found, down);
        if let Some(joined) = &mut found.next[down] {
            joined.others.extend(others);
        }
    }
    candidates
}

pub(super) fn joined(candidate: &Candidate) -> Joined {
    Joined {
        to: candidate.up,
        by: candidate.by,
        content: candidate.content,
        weight: candidate.weight,
        held: candidate.held,
        others: Vec::new(),
    }
}

impl Index {
    fn new(context: &Context<'_>, found: &Found) -> Self {
        let mut index = Self::default();
        for (up, turn) in context.turns.all.iter().enumerate() {
            if found.before[up].is_some() {
                continue;
            }
            if let Some(id) = turn
                .request
                .as_ref()
                .and_then(|said| said.request_id.clone())
            {
                index.ids.entry(id).or_default().push(up);
            }
            let Some(vantage) = context.places.ends[turn.hop].client else {
                continue;
            };
            let Some(seen) = context.view(turn, Side::Client) else {
                continue;
            };
            let stack = context.places.stack(vantage);
            let began = index.began.entry(stack).or_default();
            began.push((seen.began, up));
            if let Some(finish) = seen.finish() {
                let answered = index.answered.entry(stack).or_default();
                answered.push((finish, up));
            }
        }
        for list in index.began.values_mut().chain(index.answered.values_mut()) {
            list.sort_unstable();
        }
        index
    }

    /// Turns that it may have gone on as, and how many nanoseconds after it the first of those began that
    /// are too many.
    fn near(&self, context: &Context<'_>, down: usize) -> (Vec<usize>, Option<u64>) {
        let mut more = None;
        let turn = &context.turns.all[down];
        let mut near = Vec::new();
        let id = turn
            .request
            .as_ref()
            .and_then(|said| said.request_id.as_ref());
        let bearers = id.and_then(|id| self.ids.get(id));
        near.extend(
            bearers
                .filter(|bearers| bearers.len() <= BEARERS)
                .into_iter()
                .flatten(),
        );
        let place = context.places.ends[turn.hop].server;
        let seen = context.view(turn, Side::Server);
        if let (Some(vantage), Some(seen)) = (place, seen) {
            let here = context.places.stack(vantage);
            for stack in context.places.stacks() {
                if context.places.between(here, stack) != Nearness::Apart {
                    let after = self.in_time(stack, &seen, &mut near);
                    more = more.into_iter().chain(after).min();
                }
            }
        }
        near.sort_unstable();
        near.dedup();
        (near, more)
    }

    /// The first that began soon after it did, and the last that were answered soon before it was;
    /// how long after it the first of those began that are too many.
    fn in_time(&self, stack: usize, seen: &Seen, near: &mut Vec<usize>) -> Option<u64> {
        let jitter = Duration::from_nanos(JITTER);
        let soon = Duration::from_nanos(SOON);
        let began = seen.began;
        let finish = seen.finish();
        let late = |at: Time| finish.is_some_and(|finish| at.since(finish) > jitter);
        let mut more = None;
        if let Some(list) = self.began.get(&stack) {
            let first = list.partition_point(|(at, _)| began.since(*at) > jitter);
            let next = list[first..].iter();
            let mut next = next.take_while(|(at, _)| !late(*at) && at.since(seen.asked) <= soon);
            near.extend(next.by_ref().take(LOOKED_AT).map(|(_, up)| *up));
            more = next.next().map(|(at, _)| nanos(at.since(began)));
        }
        if let Some((list, finish)) = self.answered.get(&stack).zip(finish) {
            let past = list.partition_point(|(at, _)| !late(*at));
            let before = list[..past].iter().rev();
            let before = before.take_while(|(at, _)| finish.since(*at) <= soon);
            near.extend(before.take(LOOKED_AT).map(|(_, up)| *up));
        }
        more
    }
}

impl Candidates {
    fn new(all: Vec<Candidate>, crowded: HashMap<usize, u64, RandomState>) -> Self {
        let weights = all.iter();
        let weights = weights
            .map(|candidate| ((candidate.down, candidate.up), candidate.weight))
            .collect();
        let mut of_down: HashMap<usize, Vec<usize>, RandomState> = HashMap::default();
        let mut of_up: HashMap<usize, Vec<usize>, RandomState> = HashMap::default();
        for (number, candidate) in all.iter().enumerate() {
            of_down.entry(candidate.down).or_default().push(number);
            of_up.entry(candidate.up).or_default().push(number);
        }
        Self {
            all,
            of_down,
            of_up,
            weights,
            crowded,
        }
    }

    pub(super) fn of<'a>(
        map: &'a HashMap<usize, Vec<usize>, RandomState>,
        turn: usize,
    ) -> impl Iterator<Item = usize> + use<'a> {
        map.get(&turn).into_iter().flatten().copied()
    }

    /// Hops that a turn could as well have gone on as, or that what it went on as could as well have
    /// come from.
    fn others(&self, context: &Context<'_>, found: &Found, down: usize) -> Vec<usize> {
        let Some(joined) = &found.next[down] else {
            return Vec::new();
        };
        // What names both connections needs no likelihood.
        if joined.weight == 0 {
            return Vec::new();
        }
        let turns = &context.turns.all;
        let hop = |turn: usize| turns[turn].hop;
        let unseen = self.crowded.get(&down);
        let near = joined.held.saturating_mul(AS_LIKELY).max(CROWD);
        let factor = if unseen.is_some_and(|after| *after <= near)
            || context.places.nearness(hop(down), hop(joined.to)) != Nearness::Same
        {
            AS_LIKELY_UNSURE
        } else {
            AS_LIKELY
        };
        let onward = Self::of(&self.of_down, down).filter_map(|number| {
            let other = &self.all[number];
            let instead = found.before[other.up].map(|before| (before, joined.to));
            (other.up != joined.to && self.as_likely(found, other, joined.weight, instead, factor))
                .then_some(hop(other.up))
        });
        let origin = Self::of(&self.of_up, joined.to).filter_map(|number| {
            let other = &self.all[number];
            let instead = found.next[other.down].as_ref().map(|next| (down, next.to));
            (other.down != down && self.as_likely(found, other, joined.weight, instead, factor))
                .then_some(hop(other.down))
        });
        let own = row(context, found, down);
        let mut others: Vec<usize> = onward.chain(origin).collect();
        others.retain(|hop| !own.contains(hop));
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Whether a candidate is as likely as what was joined with that weight. What was joined with its
    /// other end would have to be joined otherwise: `instead`, if that is possible.
    fn as_likely(
        &self,
        found: &Found,
        other: &Candidate,
        weight: u64,
        instead: Option<(usize, usize)>,
        factor: u64,
    ) -> bool {
        let taken = found.before[other.up]
            .and_then(|before| found.next[before].as_ref())
            .filter(|joined| joined.to == other.up);
        let taken = taken.or(found.next[other.down].as_ref().filter(|_| taken.is_none()));
        let swapped = instead.and_then(|pair| self.weights.get(&pair));
        match (taken, swapped) {
            (Some(taken), Some(swapped)) => {
                let now = weight.saturating_add(taken.weight);
                let then = other.weight.saturating_add(*swapped);
                then <= now.saturating_mul(SWAP.max(factor / 3))
            }
            (Some(taken), None) if taken.weight.saturating_mul(factor) < other.weight => false,
            _ => other.weight <= weight.saturating_mul(factor),
        }
    }
}

/// The hops of the chain that a turn is in: what is part of it is no alternative.
fn row(context: &Context<'_>, found: &Found, turn: usize) -> Vec<usize> {
    let mut first = turn;
    while let Some(before) = found.before[first] {
        first = before;
    }
    let hop = |turn: usize| context.turns.all[turn].hop;
    let mut row = vec![hop(first)];
    while let Some(joined) = &found.next[first] {
        first = joined.to;
        row.push(hop(first));
    }
    row
}

/// What goes from one service to another does not also go the other way round: where it seems so,
/// strangers met, and what happened more rarely is undone.
fn part_rings(context: &Context<'_>, found: &mut Found) {
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
            found.part(down);
        }
    }
}
