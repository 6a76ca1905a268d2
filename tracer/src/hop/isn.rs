//! Flows of one connection by the pair of their initial sequence numbers, which RFC 6528 makes as good
//! as random and no address translation changes.

use std::collections::HashSet;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Likeness;
use super::family::{Families, ends};
use crate::flow::{Closing, Flow, Side, Trail, What};
use crate::scene::{Scene, Seen};
use crate::seq::Seq;

/// More flows than this with one initial sequence number are no connection seen at many vantages: the
/// numbers were taken out of the captures, or never were random.
const CROWD: usize = 64;

/// A host passes a segment on within this time: what it sees on one side of an address translation
/// later than on the other belongs to another connection.
pub(super) const PASSED_WITHIN: Duration = Duration::from_secs(5);

/// Joins flows that begin with the same numbers.
pub(super) fn join(families: &mut Families<'_>) {
    let scene = families.scene;
    let known = |side: Side| {
        let flows = scene.flows.iter().enumerate();
        flows.filter_map(move |(place, seen)| Some((seen.flow.isn(side)?.0, place)))
    };
    let clients: Vec<(u32, usize)> = known(Side::Client).collect();
    in_buckets(families, clients);
    // Where only the answer to the SYN was seen.
    let lone: HashSet<u32, RandomState> = known(Side::Server)
        .filter(|(_, place)| scene.flows[*place].flow.isn(Side::Client).is_none())
        .map(|(isn, _)| isn)
        .collect();
    if !lone.is_empty() {
        let servers = known(Side::Server).filter(|(isn, _)| lone.contains(isn));
        let servers = servers.collect();
        in_buckets(families, servers);
    }
}

/// Flows by a number; those of the same may be one connection.
fn in_buckets(families: &mut Families<'_>, mut flows: Vec<(u32, usize)>) {
    flows.sort_unstable();
    for bucket in flows.chunk_by(|one, other| one.0 == other.0) {
        let flows: Vec<usize> = bucket.iter().map(|(_, place)| *place).collect();
        match flows.len() {
            1 => {}
            ..=CROWD => one_bucket(families, &flows, false),
            _ => crowd(families, flows),
        }
    }
}

/// Too many flows to compare each with each: only those between the same endpoints with the same
/// numbers are.
fn crowd(families: &mut Families<'_>, mut flows: Vec<usize>) {
    let scene = families.scene;
    let key = |place: &usize| {
        let seen = &scene.flows[*place];
        let isn = |side| seen.flow.isn(side).map(|isn| isn.0);
        (ends(seen.flow), isn(Side::Client), isn(Side::Server))
    };
    flows.sort_by_cached_key(|place| (key(place), *place));
    for same in flows.chunk_by(|one, other| key(one) == key(other)) {
        if (2..=CROWD).contains(&same.len()) {
            one_bucket(families, same, true);
        }
    }
}

/// Joins what agrees among flows with one initial sequence number in common.
fn one_bucket(families: &mut Families<'_>, flows: &[usize], same_ends: bool) {
    let scene = families.scene;
    if let Some(copies) = copies(scene, flows) {
        for (number, flow) in copies.iter().enumerate() {
            let mut before = copies[..number].iter();
            let twin =
                before.find(|other| other.0 == flow.0 && agree(scene, other.1, flow.1, same_ends));
            if let Some(twin) = twin {
                families.join(twin.1, flow.1, Likeness::InitialSequenceNumbers, false);
            }
        }
    }
}

/// Each flow with its number among those between the same endpoints at the same vantage: a recording
/// that was played twice shows each connection twice. `None` where vantages do not have as many of
/// them, so that it is not known which is which.
fn copies(scene: &Scene<'_>, flows: &[usize]) -> Option<Vec<(usize, usize)>> {
    let lane = |place: &usize| (scene.flows[*place].vantage, ends(scene.flows[*place].flow));
    let mut sorted = flows.to_vec();
    sorted.sort_by_key(|place| (lane(place), scene.flows[*place].flow.first_at(), *place));
    let mut lanes = sorted.chunk_by(|one, other| lane(one) == lane(other));
    let count = lanes.clone().next()?.len();
    if !lanes.clone().all(|lane| lane.len() == count) {
        return None;
    }
    let mut all: Vec<(usize, usize)> = lanes
        .by_ref()
        .flat_map(|lane| lane.iter().copied().enumerate())
        .collect();
    all.sort_by_key(|(_, place)| *place);
    Some(all)
}

/// Whether nothing that two flows show contradicts that they are one connection.
fn agree(scene: &Scene<'_>, one: usize, other: usize, same_ends: bool) -> bool {
    let (one, other) = (&scene.flows[one], &scene.flows[other]);
    let stamps = same_stamps(one.trail, other.trail);
    if stamps == Some(false) {
        return false;
    }
    let sides = [Side::Client, Side::Server];
    if !sides.into_iter().all(|side| {
        same_numbers(one.flow, other.flow, side)
            && (stamps == Some(true) || ends_together((one.flow, side), (other.flow, side)))
    }) {
        return false;
    }
    let same_ends = same_ends || ends(one.flow) == ends(other.flow);
    if same_ends || stamps == Some(true) {
        return on_time(scene, one, other);
    }
    is_random(one.flow) && on_time(scene, one, other)
}

/// Whether the SYNs of two flows carry the same timestamps; `None` where there are none.
fn same_stamps(one: &Trail, other: &Trail) -> Option<bool> {
    let stamps = |trail: &Trail| -> Vec<(Side, u32)> {
        let syns = trail
            .events
            .iter()
            .filter(|event| matches!(event.what, What::Syn { .. } | What::SynAck));
        syns.filter_map(|event| Some((event.by, event.head?.timestamp?)))
            .collect()
    };
    let (one, other) = (stamps(one), stamps(other));
    let both = |side: Side| {
        let of = |(by, _): &&(Side, u32)| *by == side;
        (one.iter().any(|stamp| of(&stamp)) && other.iter().any(|stamp| of(&stamp)))
            .then(|| one.iter().filter(of).any(|stamp| other.contains(stamp)))
    };
    match (both(Side::Client), both(Side::Server)) {
        (Some(client), Some(server)) => Some(client && server),
        (client, server) => client.or(server),
    }
}

/// Whether a side's numbers are the same: the initial ones where both are known, else those that were
/// used.
fn same_numbers(one: &Flow, other: &Flow, side: Side) -> bool {
    match (one.isn(side), other.isn(side)) {
        (Some(one), Some(other)) => one == other,
        _ => overlap(one.sequence(side), other.sequence(side)) != Some(false),
    }
}

/// Whether two ranges of sequence numbers touch, or all but: a keepalive probe alone shows one less
/// than what comes next, a FIN takes one more. `None` where one is not known.
pub(super) fn overlap(one: Option<[Seq; 2]>, other: Option<[Seq; 2]>) -> Option<bool> {
    let ([first, next], [others_first, others_next]) = (one?, other?);
    Some(!first.is_after(others_next + 1) && !others_first.is_after(next + 1))
}

/// Whether a FIN of a side ends what it sent at both, as far as both saw it.
pub(super) fn ends_together(one: (&Flow, Side), other: (&Flow, Side)) -> bool {
    let fin = |(flow, side): (&Flow, Side)| {
        let mut fins = flow.fins().iter();
        fins.find(|fin| fin.by == side).map(Closing::end)
    };
    let beyond = |(flow, side): (&Flow, Side), end: Seq| {
        let next = flow.sequence(side).map(|[_, next]| next);
        next.is_some_and(|next| next.is_after(end))
    };
    match (fin(one), fin(other)) {
        (Some(one), Some(other)) => one == other,
        (Some(end), None) => !beyond(other, end),
        (None, Some(end)) => !beyond(one, end),
        (None, None) => true,
    }
}

/// Two flows of one clock are one connection only where they began together. Clocks of different
/// sources tell nothing.
fn on_time(scene: &Scene<'_>, one: &Seen<'_>, other: &Seen<'_>) -> bool {
    !scene.same_clock(one.vantage, other.vantage)
        || one.flow.first_at().apart(other.flow.first_at()) <= PASSED_WITHIN
}

/// Whether the initial numbers are more than what a program puts in the place of the real ones.
fn is_random(flow: &Flow) -> bool {
    let isn = |side| flow.isn(side).map_or(0, |isn| isn.0);
    isn(Side::Client) > 1 || isn(Side::Server) > 1
}
