//! Joins turns by what they say, how large they are and when they were: each to the one that fits by
//! far the best, and where several fit as well, saying so.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::candidate::{Candidate, weigh};
use super::context::{Context, Found, Joined};
use super::index::Index;
use super::place::Nearness;
use super::strangers;
use crate::flow::Sides;

/// Where more turns than were looked at began within so many nanoseconds, one of them fits well by
/// chance.
const CROWD: u64 = 5_000_000;

/// What fits worse by more than this factor is no alternative.
pub(super) const AS_LIKELY: u64 = 3;

/// So many turns of one hop that go on as those of another are no chance.
const FAMILIAR: u64 = 2;

/// So many that go on from one place to another, by whatever hops, and more than go on elsewhere.
const PASSAGE: u64 = 6;

/// So many turns of one hop that all go on by one other, by which nothing else goes on, are no chance: a
/// proxy at layer 4 opens a connection for each that it accepts.
const BOUND: u64 = 3;

/// How often what was parted is joined otherwise, at most.
const ROUNDS: usize = 8;

/// What both of two joins would fit worse by, crosswise, to be no alternative.
const SWAP: u64 = 2;

/// The same where it is not known that both were seen in one place, so that the clocks may be two; and
/// where there were more candidates than were looked at.
const AS_LIKELY_UNSURE: u64 = 20;

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
            let near = index.near(context, down);
            if let Some(after) = near.unseen {
                crowded.insert(down, after);
            }
            all.extend(
                near.turns
                    .into_iter()
                    .filter_map(|up| weigh(context, down, up)),
            );
        }
    }
    all.sort_by_key(|candidate| (candidate.weight, candidate.down, candidate.up));
    fill(context, found, &mut all);
    let candidates = Candidates::new(all, crowded);
    let turns = 0..context.turns.all.len();
    let others = turns.map(|down| candidates.others(context, found, down));
    let others: Vec<Vec<usize>> = others.collect();
    for (down, others) in others.into_iter().enumerate() {
        // Whoever cannot be named may be among those that were not looked at.
        if others.is_empty() && candidates.is_crowded(found, down) {
            found.part(down);
        } else if let Some(joined) = &mut found.next[down] {
            joined.others = others;
        }
    }
    candidates
}

/// Joins the likeliest first. What turns out to be none of them is no candidate any more, and leaves
/// both its ends to what fits next.
fn fill(context: &Context<'_>, found: &mut Found, all: &mut Vec<Candidate>) {
    for _ in 0..ROUNDS {
        for candidate in all.iter() {
            found.join(candidate.down, joined(candidate));
        }
        let strangers = strangers::part(context, found);
        if strangers.is_empty() {
            return;
        }
        all.retain(|candidate| !strangers.contains(&(candidate.down, candidate.up)));
    }
    while !strangers::part(context, found).is_empty() {}
}

/// Learns of what was joined between which places turns go on, and which hops go together. True where
/// there is something new; all but what was told is to be joined anew then, for what took too long to
/// be more than chance may be joined now.
pub(super) fn learn(context: &mut Context<'_>, found: &mut Found) -> bool {
    let hop = |turn: usize| context.turns.all[turn].hop;
    let mut times: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut between: HashMap<(usize, usize), u64, RandomState> = HashMap::default();
    let mut from: HashMap<usize, u64, RandomState> = HashMap::default();
    let mut unsure = Vec::new();
    for (down, joined) in found.next.iter().enumerate() {
        if let Some(joined) = joined {
            let pair = (hop(down), hop(joined.to));
            if joined.others.is_empty() {
                *times.entry(pair).or_default() += 1;
                if let Some(places) = context.places.pair(pair.0, pair.1) {
                    *between.entry(places).or_default() += 1;
                    *from.entry(places.0).or_default() += 1;
                }
            } else {
                unsure.push(pair);
            }
        }
    }
    let mut new = false;
    for ((before, behind), times) in &times {
        let passage = context.places.pair(*before, *behind).is_some_and(|places| {
            between[&places] >= PASSAGE && between[&places] * 2 > from[&places.0]
        });
        let familiar = *times >= FAMILIAR || passage;
        if familiar && context.places.nearness(*before, *behind) == Nearness::Maybe {
            new |= context.places.meet(*before, *behind);
        }
    }
    let partners = Sides {
        server: partners(times.keys().copied()),
        client: partners(times.keys().map(|(before, behind)| (*behind, *before))),
    };
    for ((before, behind), times) in &times {
        let alone = partners.server[before] == 1 && partners.client[behind] == 1;
        if alone && *times >= BOUND {
            context.places.bind(*before, *behind);
        }
    }
    let mut unsure = unsure.into_iter();
    new |= unsure.any(|(before, behind)| context.places.are_bound_elsewhere(before, behind));
    if new {
        for down in 0..found.next.len() {
            if found.next[down]
                .as_ref()
                .is_some_and(|joined| joined.weight > 0)
            {
                found.part(down);
            }
        }
    }
    new
}

/// With how many others each is paired.
fn partners(pairs: impl Iterator<Item = (usize, usize)>) -> HashMap<usize, u64, RandomState> {
    let mut partners = HashMap::default();
    for (one, _) in pairs {
        *partners.entry(one).or_default() += 1;
    }
    partners
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

    /// That these two are one.
    pub(super) fn candidate(&self, down: usize, up: usize) -> Option<&Candidate> {
        Self::of(&self.of_down, down)
            .map(|number| &self.all[number])
            .find(|candidate| candidate.up == up)
    }

    pub(super) fn of<'a>(
        map: &'a HashMap<usize, Vec<usize>, RandomState>,
        turn: usize,
    ) -> impl Iterator<Item = usize> + use<'a> {
        map.get(&turn).into_iter().flatten().copied()
    }

    /// Whether what a turn went on as may be among those that were too many to be looked at.
    fn is_crowded(&self, found: &Found, down: usize) -> bool {
        let joined = found.next[down].as_ref().filter(|joined| joined.weight > 0);
        joined
            .zip(self.crowded.get(&down))
            .is_some_and(|(joined, unseen)| {
                *unseen <= joined.held.saturating_mul(AS_LIKELY).max(CROWD)
            })
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
        let factor = if self.is_crowded(found, down)
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
