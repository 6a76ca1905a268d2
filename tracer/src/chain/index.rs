//! Where to look for what a turn may have gone on as.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::candidate::{JITTER, SOON, nanos};
use super::context::{Context, Found};
use super::place::{Nearness, Places};
use super::turn::Seen;
use crate::flow::Side;
use crate::time::Time;

/// Turns that are looked at for each, on either side of it in time. What a proxy passes on at once is
/// among the next ones even where it serves hundreds at a time.
const LOOKED_AT: usize = 48;

/// Addresses that a proxy may connect from which are looked at: those with the most turns.
const ADDRESSES: usize = 32;

/// A request id that more turns bear names none of them.
const BEARERS: usize = 32;

/// Upstream turns, by who sends them and when.
pub(super) struct Index {
    groups: Vec<Group>,
    /// Which groups may come from the server of a hop: by its stack and its address. Whether there
    /// are more than are looked at.
    compatible: HashMap<(usize, u32), (Vec<usize>, bool), RandomState>,
    ids: HashMap<String, Vec<usize>, RandomState>,
}

/// Turns that come from one address.
struct Group {
    stack: usize,
    client: u32,
    /// By when they began.
    began: Vec<Entry>,
    /// By when they were answered, or their connection ended.
    finished: Vec<Entry>,
}

/// A turn, and what tells at once that it cannot be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Time,
    turn: usize,
    hop: usize,
    answered: Option<Time>,
}

/// What was found near a turn.
#[derive(Default)]
pub(super) struct Near {
    /// Turns that it may have gone on as.
    pub(super) turns: Vec<usize>,
    /// How many nanoseconds after it the first of those began that were too many to be looked at.
    pub(super) unseen: Option<u64>,
}

impl Index {
    pub(super) fn new(context: &Context<'_>, found: &Found) -> Self {
        let mut ids: HashMap<String, Vec<usize>, RandomState> = HashMap::default();
        for (number, turn) in context.turns.all.iter().enumerate() {
            let request = turn.request.as_ref();
            let id = request.and_then(|said| said.request_id.clone());
            if let Some(id) = id.filter(|_| found.before[number].is_none()) {
                ids.entry(id).or_default().push(number);
            }
        }
        let (mut groups, group_of) = groups(context, found);
        let compatible = compatible(context, &groups);
        // Of clients that nobody connects on from there may be very many.
        let mut wanted = vec![false; groups.len()];
        for group in compatible.values().flat_map(|(groups, _)| groups) {
            wanted[*group] = true;
        }
        for (hop, group) in group_of.iter().enumerate() {
            let Some(group) = group.filter(|group| wanted[*group]) else {
                continue;
            };
            for (number, seen) in candidates(context, found, hop) {
                groups[group].add(number, hop, &seen);
            }
        }
        for group in &mut groups {
            group.began.sort_unstable();
            group.finished.sort_unstable();
        }
        Self {
            groups,
            compatible,
            ids,
        }
    }

    /// Turns that one may have gone on as.
    pub(super) fn near(&self, context: &Context<'_>, down: usize) -> Near {
        let turn = &context.turns.all[down];
        let mut near = Near::default();
        let request = turn.request.as_ref();
        let id = request.and_then(|said| said.request_id.as_ref());
        let bearers = id.and_then(|id| self.ids.get(id));
        let few = bearers.filter(|bearers| bearers.len() <= BEARERS);
        near.turns.extend(few.into_iter().flatten());
        let vantage = context.places.ends[turn.hop].server;
        let seen = context.view(turn, Side::Server);
        if let (Some(vantage), Some(seen)) = (vantage, seen) {
            let key = (
                context.places.stack(vantage),
                context.places.server(turn.hop),
            );
            if let Some((groups, more)) = self.compatible.get(&key) {
                near.unseen = more.then_some(0);
                for group in groups {
                    self.groups[*group].near(&context.places, turn.hop, &seen, &mut near);
                }
            }
        }
        near.turns.sort_unstable();
        near.turns.dedup();
        near
    }
}

/// The turns of a hop that something may have gone on as, as its client's end saw them.
fn candidates<'a>(
    context: &'a Context<'_>,
    found: &'a Found,
    hop: usize,
) -> impl Iterator<Item = (usize, Seen)> + 'a {
    let turns = context.turns.of[hop].clone();
    let free = turns.filter(|turn| found.before[*turn].is_none());
    free.filter_map(|turn| Some((turn, context.view(&context.turns.all[turn], Side::Client)?)))
}

/// Groups without their turns, those with the most first; and which of them each hop is of.
fn groups(context: &Context<'_>, found: &Found) -> (Vec<Group>, Vec<Option<usize>>) {
    let mut counts: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    let key = |hop: usize| {
        let vantage = context.places.ends[hop].client?;
        Some((context.places.stack(vantage), context.places.client(hop)))
    };
    let hops = 0..context.hops.hops.len();
    for hop in hops.clone() {
        let count = candidates(context, found, hop).count();
        if let Some(key) = key(hop).filter(|_| count > 0) {
            *counts.entry(key).or_default() += count;
        }
    }
    let mut order: Vec<((usize, u32), usize)> = counts.into_iter().collect();
    order.sort_by_key(|(_, count)| Reverse(*count));
    let numbers = order.iter().enumerate();
    let numbers: HashMap<(usize, u32), usize, RandomState> =
        numbers.map(|(number, (key, _))| (*key, number)).collect();
    let group_of = hops.map(|hop| numbers.get(&key(hop)?).copied()).collect();
    let group = |((stack, client), _)| Group {
        stack,
        client,
        began: Vec::new(),
        finished: Vec::new(),
    };
    (order.into_iter().map(group).collect(), group_of)
}

/// The groups that may come from the server of each hop.
fn compatible(
    context: &Context<'_>,
    groups: &[Group],
) -> HashMap<(usize, u32), (Vec<usize>, bool), RandomState> {
    let places = &context.places;
    let mut compatible: HashMap<_, (Vec<usize>, bool), RandomState> = HashMap::default();
    let mut of_stack: HashMap<usize, Vec<usize>, RandomState> = HashMap::default();
    for hop in 0..context.hops.hops.len() {
        let Some(vantage) = places.ends[hop].server else {
            continue;
        };
        let (stack, server) = (places.stack(vantage), places.server(hop));
        compatible.entry((stack, server)).or_insert_with(|| {
            let near = of_stack.entry(stack).or_insert_with(|| {
                let apart = |group: &Group| places.between(stack, group.stack) == Nearness::Apart;
                let near = groups.iter().enumerate().filter(|(_, group)| !apart(group));
                near.map(|(number, _)| number).collect()
            });
            let strange = |group: &&usize| !places.are_peers(groups[**group].client, server);
            let mut fitting = near.iter().filter(strange).copied();
            let first: Vec<usize> = fitting.by_ref().take(ADDRESSES).collect();
            (first, fitting.next().is_some())
        });
    }
    compatible
}

impl Group {
    fn add(&mut self, turn: usize, hop: usize, seen: &Seen) {
        let entry = |at| Entry {
            at,
            turn,
            hop,
            answered: seen.answered,
        };
        self.began.push(entry(seen.began));
        self.finished.extend(seen.finish().map(entry));
    }

    /// The first that began soon after a turn did, and the last that were answered soon before it was.
    fn near(&self, places: &Places, hop: usize, seen: &Seen, near: &mut Near) {
        let jitter = Duration::from_nanos(JITTER);
        let soon = Duration::from_nanos(SOON);
        let began = seen.began;
        let finish = seen.finish();
        let until = seen.worked_on();
        let late = |at: Time| until.is_some_and(|until| at.since(until) > jitter);
        let possible = |entry: &&Entry| {
            // An answer that came after the one that was sent is another.
            let both = seen.knew().zip(entry.answered);
            both.is_none_or(|(passed_on, came)| came.since(passed_on) <= jitter)
                && !places.strangers(hop, entry.hop)
        };
        let first = self
            .began
            .partition_point(|entry| seen.since.since(entry.at) > jitter);
        let in_time = |entry: &&Entry| !late(entry.at) && entry.at.since(seen.asked) <= soon;
        let mut next = self.began[first..].iter().take_while(in_time);
        let looked_at = next.by_ref().take(LOOKED_AT);
        near.turns
            .extend(looked_at.filter(possible).map(|entry| entry.turn));
        let unseen = next.next().map(|entry| nanos(entry.at.since(began)));
        near.unseen = near.unseen.into_iter().chain(unseen).min();
        if let Some(finish) = finish {
            let late = |at: Time| at.since(finish) > jitter;
            let past = self.finished.partition_point(|entry| !late(entry.at));
            let last = self.finished[..past].iter().rev();
            let last = last.take_while(|entry| finish.since(entry.at) <= soon);
            let last = last.take(LOOKED_AT).filter(possible);
            near.turns.extend(last.map(|entry| entry.turn));
        }
    }
}
