//! Where to look for what a turn may have gone on as.

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
        let mut groups: BTreeMap<(usize, u32), Group> = BTreeMap::new();
        for (number, turn) in context.turns.all.iter().enumerate() {
            if found.before[number].is_some() {
                continue;
            }
            let request = turn.request.as_ref();
            if let Some(id) = request.and_then(|said| said.request_id.clone()) {
                ids.entry(id).or_default().push(number);
            }
            let vantage = context.places.ends[turn.hop].client;
            let seen = context.view(turn, Side::Client);
            if let (Some(vantage), Some(seen)) = (vantage, seen) {
                let stack = context.places.stack(vantage);
                let client = context.places.client(turn.hop);
                let group = groups.entry((stack, client)).or_insert_with(|| Group {
                    stack,
                    client,
                    began: Vec::new(),
                    finished: Vec::new(),
                });
                group.add(number, turn.hop, &seen);
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        for group in &mut groups {
            group.began.sort_unstable();
            group.finished.sort_unstable();
        }
        groups.sort_by_key(|group| std::cmp::Reverse(group.began.len()));
        Self {
            compatible: compatible(context, &groups),
            groups,
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

/// The groups that may come from the server of each hop.
fn compatible(
    context: &Context<'_>,
    groups: &[Group],
) -> HashMap<(usize, u32), (Vec<usize>, bool), RandomState> {
    let places = &context.places;
    let mut compatible: HashMap<_, (Vec<usize>, bool), RandomState> = HashMap::default();
    for hop in 0..context.hops.hops.len() {
        let Some(vantage) = places.ends[hop].server else {
            continue;
        };
        let (stack, server) = (places.stack(vantage), places.server(hop));
        compatible.entry((stack, server)).or_insert_with(|| {
            let fits = |group: &&usize| {
                let group = &groups[**group];
                places.between(stack, group.stack) != Nearness::Apart
                    && !places.are_peers(group.client, server)
            };
            let all: Vec<usize> = (0..groups.len()).collect();
            let mut fitting = all.iter().filter(fits).copied();
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
