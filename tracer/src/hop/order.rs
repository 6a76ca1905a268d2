//! The order of a hop's sights, from the client to the server, without trusting clocks.

use std::cmp::Ordering;
use std::time::Duration;

use super::Sight;
use super::clock::{Bounds, Clocks};
use super::family::Kin;
use super::look::{Look, looks};
use super::mark::{Lag, Marked, marks};
use crate::flow::{Side, Sides};
use crate::scene::{Scene, Seen};
use crate::segment::Passage;

/// A sight, and what tells where on the way it was.
pub(super) struct Station {
    pub(super) kin: Kin,
    pub(super) marks: Vec<Marked>,
    pub(super) looks: Sides<Look>,
}

impl Station {
    pub(super) fn of(scene: &Scene<'_>, kin: Kin) -> Self {
        let seen = &scene.flows[kin.flow];
        Self {
            kin,
            marks: marks(seen.trail, kin.swapped),
            looks: looks(seen.trail, kin.swapped),
        }
    }

    pub(super) const fn sight(&self) -> Sight {
        Sight {
            flow: self.kin.flow,
            by: self.kin.by,
            swapped: self.kin.swapped,
        }
    }
}

/// Sorts the sights of a hop.
pub(super) fn sort(scene: &Scene<'_>, stations: &mut Vec<Station>, clocks: Option<&Clocks>) {
    let mut sorted: Vec<Station> = Vec::with_capacity(stations.len());
    for station in stations.drain(..) {
        // Behind the last that it does not come before: the order of what nothing tells apart stays.
        let place = sorted
            .iter()
            .rposition(|known| order(scene, known, &station, clocks) != Ordering::Greater)
            .map_or(0, |place| place + 1);
        sorted.insert(place, station);
    }
    *stations = sorted;
}

/// Whether a station is nearer to the client (`Less`) than another; `Equal` where nothing tells.
fn order(scene: &Scene<'_>, one: &Station, other: &Station, clocks: Option<&Clocks>) -> Ordering {
    let (here, there) = (&scene.flows[one.kin.flow], &scene.flows[other.kin.flow]);
    by_ttl(one.looks, other.looks)
        .then_with(|| by_passage(one.looks, other.looks))
        .then_with(|| Lag::between(&one.marks, &other.marks).order())
        .then_with(|| by_time(scene, here, there, clocks))
        .then_with(|| scene.name(here.vantage).cmp(scene.name(there.vantage)))
}

/// What leaves one host and comes in at another with the same TTL was sent from the first to the
/// second: no router is between them.
fn by_passage(one: Sides<Look>, other: Sides<Look>) -> Ordering {
    let passes = |near: Look, far: Look| match (near.passage, far.passage) {
        (Some(Passage::Out), Some(Passage::In)) => Ordering::Less,
        (Some(Passage::In), Some(Passage::Out)) => Ordering::Greater,
        _ => Ordering::Equal,
    };
    agreed(
        passes(one.client, other.client),
        passes(other.server, one.server),
    )
}

/// What both directions tell, or one of them; nothing where they contradict each other.
fn agreed(client: Ordering, server: Ordering) -> Ordering {
    match (client, server) {
        (Ordering::Equal, order) | (order, Ordering::Equal) => order,
        (one, other) if one == other => one,
        _ => Ordering::Equal,
    }
}

/// Routers take one from the TTL: it falls from whoever sends.
fn by_ttl(one: Sides<Look>, other: Sides<Look>) -> Ordering {
    let falls = |near: Look, far: Look| match (near.ttl, far.ttl) {
        (Some(near), Some(far)) => far.cmp(&near),
        _ => Ordering::Equal,
    };
    let client = falls(one.client, other.client);
    let server = falls(other.server, one.server);
    // Where they contradict each other, something on the way sets TTLs anew.
    agreed(client, server)
}

/// Who saw the first segment first, which is the client's where the connection began there, if the
/// clocks are good enough to tell.
fn by_time(
    scene: &Scene<'_>,
    one: &Seen<'_>,
    other: &Seen<'_>,
    clocks: Option<&Clocks>,
) -> Ordering {
    let began = |seen: &Seen<'_>| seen.flow.isn(Side::Client).is_some();
    if !began(one) || !began(other) {
        return Ordering::Equal;
    }
    if scene.same_clock(one.vantage, other.vantage) {
        return one.flow.first_at().cmp(&other.flow.first_at());
    }
    let Some(clocks) = clocks else {
        return Ordering::Equal;
    };
    let known = |seen: &Seen<'_>| clocks.offsets.get(seen.vantage).copied().flatten();
    let (Some(offset), Some(others)) = (known(one), known(other)) else {
        return Ordering::Equal;
    };
    let at = |seen: &Seen<'_>| clocks.common(seen.vantage, seen.flow.first_at());
    let (at, others_at) = (at(one), at(other));
    let error = offset.error.saturating_add(others.error);
    if at.apart(others_at) > Duration::from_nanos(error) {
        at.cmp(&others_at)
    } else {
        Ordering::Equal
    }
}

/// What neighbouring sights tell of the clocks of their vantages.
pub(super) fn bound(scene: &Scene<'_>, stations: &[Station], bounds: &mut Bounds) {
    for pair in stations.windows(2) {
        let [near, far] = pair else { continue };
        let vantages = [near, far].map(|station| scene.flows[station.kin.flow].vantage);
        if scene.same_clock(vantages[0], vantages[1]) {
            continue;
        }
        let round_trip = [near, far]
            .iter()
            .filter_map(|station| scene.flows[station.kin.flow].flow.handshake_rtt())
            .min();
        let round_trip = round_trip.and_then(|time| i64::try_from(time.as_nanos()).ok());
        bounds.add(
            scene,
            vantages,
            Lag::between(&near.marks, &far.marks),
            round_trip,
        );
    }
}
