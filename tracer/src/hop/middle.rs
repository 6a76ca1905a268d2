//! Flows whose beginning was not captured, by what they have in common with others: segments with the
//! same numbers and timestamps, or a place where one side stood while the other sent.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::Likeness;
use super::family::{Families, ends};
use super::isn::{PASSED_WITHIN, ends_together, overlap};
use super::mark::{marks, shared};
use crate::flow::{Event, Side, What};
use crate::scene::{Scene, Seen};
use crate::segment::Endpoint;

/// So many telling segments of a flow's beginning, and of its end, are looked for in others. One in
/// common is enough.
const LOOKED_FOR: usize = 16;

/// More flows than this with one number are no connection seen at many vantages.
const CROWD: usize = 64;

/// What two flows of one connection may have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    /// A segment's own number and what it acknowledges.
    Segment(u32, u32),
    /// Where the receiver stood while the other side sent.
    Standing(u32),
    /// Where the sender and the other side stood at the end.
    End(u32, u32),
    /// The endpoints, where no address is translated.
    Ends([Endpoint; 2]),
}

/// Flows without a beginning, and whether the side that a key speaks of is their client.
type Index = HashMap<Key, Vec<(usize, bool)>, RandomState>;

/// Joins flows without a beginning to others.
pub(super) fn join(families: &mut Families<'_>) {
    let scene = families.scene;
    let index = index(scene);
    if index.is_empty() {
        return;
    }
    let mut tried: HashSet<(usize, usize), RandomState> = HashSet::default();
    for (place, seen) in scene.flows.iter().enumerate() {
        keys(seen, false, |key, client| {
            let known = index.get(&key).into_iter().flatten();
            for (other, others_client) in known.copied() {
                let pair = (place.min(other), place.max(other));
                if place == other || families.are_kin(place, other) || !tried.insert(pair) {
                    continue;
                }
                let swapped = client != others_client;
                if let Some(by) = likeness(scene, place, other, swapped) {
                    families.join(place, other, by, swapped);
                }
            }
        });
    }
}

fn index(scene: &Scene<'_>) -> Index {
    let mut index = Index::default();
    for (place, seen) in scene.flows.iter().enumerate() {
        if seen.flow.isn(Side::Client).is_none() && seen.flow.isn(Side::Server).is_none() {
            keys(seen, true, |key, client| {
                let flows = index.entry(key).or_default();
                if flows.last() != Some(&(place, client)) {
                    flows.push((place, client));
                }
            });
        }
    }
    // Numbers that so many share identify nothing.
    index.retain(|_, flows| flows.len() <= CROWD);
    index
}

/// What others may have in common with a flow; of a long one to be looked for only the beginning and
/// the end. The flag says that the side of the key is the client.
fn keys(seen: &Seen<'_>, to_be_found: bool, mut take: impl FnMut(Key, bool)) {
    let events = &seen.trail.events;
    let many = to_be_found && events.len() > 2 * LOOKED_FOR;
    let (first, last) = match many {
        true => (&events[..LOOKED_FOR], &events[events.len() - LOOKED_FOR..]),
        false => (&events[..], &events[..0]),
    };
    for event in first.iter().chain(last) {
        of_event(event, &mut take);
    }
    let next = |side| seen.flow.sequence(side).map(|[_, next]| next.0);
    if let (Some(client), Some(server)) = (next(Side::Client), next(Side::Server)) {
        take(Key::End(client, server), true);
        take(Key::End(server, client), false);
        take(Key::Standing(client), true);
        take(Key::Standing(server), false);
    }
    let [lower, _] = ends(seen.flow);
    let lower_is_client = seen.flow.endpoint(Side::Client) == lower;
    take(Key::Ends(ends(seen.flow)), lower_is_client);
}

fn of_event(event: &Event, take: &mut impl FnMut(Key, bool)) {
    let Some(head) = event.head else { return };
    let by_client = event.by == Side::Client;
    match event.what {
        What::Data { .. } => {
            take(Key::Segment(head.seq.0, head.ack.0), by_client);
            take(Key::Standing(head.ack.0), !by_client);
        }
        What::Fin | What::Rst | What::Retransmission { .. } => {
            take(Key::Segment(head.seq.0, head.ack.0), by_client);
        }
        _ => {}
    }
}

/// By what two flows are one connection, where they are.
fn likeness(scene: &Scene<'_>, one: usize, other: usize, swapped: bool) -> Option<Likeness> {
    let (one, other) = (&scene.flows[one], &scene.flows[other]);
    let sides = |side: Side| (side, if swapped { side.other() } else { side });
    let pairs = [sides(Side::Client), sides(Side::Server)];
    let same_ends = ends(one.flow) == ends(other.flow);
    let touch = |(side, others)| overlap(one.flow.sequence(side), other.flow.sequence(others));
    let touches = pairs.map(touch);
    let agree = pairs
        .into_iter()
        .all(|(side, others)| ends_together((one.flow, side), (other.flow, others)));
    // Between the same endpoints it is enough that one side was seen at both.
    if touches.contains(&Some(false))
        || !touches.contains(&Some(true))
        || !(same_ends || touches == [Some(true); 2])
        || !agree
        || !at_one_time(scene, one, other)
    {
        return None;
    }
    let (marks, others) = (marks(one.trail, false), marks(other.trail, swapped));
    let stamped = shared(&marks, &others).any(|(mark, _)| mark.mark.is_stamped());
    if stamped {
        return Some(Likeness::Timestamps);
    }
    // A number of zero or one may be what a program put in the place of the real one.
    let random = pairs.into_iter().all(|(side, _)| {
        let range = one.flow.sequence(side);
        range.is_some_and(|[first, _]| first.0 > 1)
    });
    (random || same_ends).then_some(Likeness::SequenceRanges)
}

/// Flows of one clock are one connection only where they were there at one time.
fn at_one_time(scene: &Scene<'_>, one: &Seen<'_>, other: &Seen<'_>) -> bool {
    let apart = one
        .flow
        .first_at()
        .max(other.flow.first_at())
        .since(one.flow.last_at().min(other.flow.last_at()));
    !scene.same_clock(one.vantage, other.vantage) || apart <= PASSED_WITHIN
}
