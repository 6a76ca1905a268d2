//! The order of a hop's sights, from the client to the server, without trusting clocks.

use std::cmp::Ordering;

use super::Sight;
use super::clock::{Bounds, Clocks};
use super::family::Kin;
use super::look::{Look, looks};
use super::mark::{Lag, Marked, marks};
use crate::flow::{Side, Sides};
use crate::scene::{Scene, Seen};

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
        .then_with(|| Lag::between(&one.marks, &other.marks).order())
        .then_with(|| {
            if scene.same_clock(here.vantage, there.vantage) {
                by_time(here, there, |_, at| at)
            } else if let Some(clocks) = clocks {
                by_time(here, there, |vantage, at| clocks.common(vantage, at))
            } else {
                Ordering::Equal
            }
        })
}

/// Routers take one from the TTL: it falls from whoever sends.
fn by_ttl(one: Sides<Look>, other: Sides<Look>) -> Ordering {
    let falls = |near: Look, far: Look| match (near.ttl, far.ttl) {
        (Some(near), Some(far)) => far.cmp(&near),
        _ => Ordering::Equal,
    };
    let client = falls(one.client, other.client);
    let server = falls(other.server, one.server);
    match (client, server) {
        (Ordering::Equal, order) | (order, Ordering::Equal) => order,
        (one, other) if one == other => one,
        // Something on the way sets TTLs anew: they tell nothing.
        _ => Ordering::Equal,
    }
}

/// Who saw the first segment first, which is the client's where the connection began there.
fn by_time(
    one: &Seen<'_>,
    other: &Seen<'_>,
    common: impl Fn(usize, crate::time::Time) -> crate::time::Time,
) -> Ordering {
    if one.flow.isn(Side::Client).is_none() || other.flow.isn(Side::Client).is_none() {
        return Ordering::Equal;
    }
    let at = |seen: &Seen<'_>| common(seen.vantage, seen.flow.first_at());
    at(one).cmp(&at(other))
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
