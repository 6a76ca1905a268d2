//! The order of a hop's sights, from the client to the server, without trusting clocks.

use std::cmp::Ordering;
use std::time::Duration;

use super::Sight;
use super::clock::{Bounds, Clocks};
use super::family::Kin;
use super::home::Homes;
use super::look::{Look, looks};
use super::mark::{Lag, Marked, marks};
use super::stand;
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
    /// Without its marks, of which there may be many.
    pub(super) fn of(scene: &Scene<'_>, kin: Kin) -> Self {
        let seen = &scene.flows[kin.flow];
        Self {
            kin,
            marks: Vec::new(),
            looks: looks(seen.trail, kin.swapped),
        }
    }

    fn mark(&mut self, scene: &Scene<'_>) {
        self.marks = marks(scene.flows[self.kin.flow].trail, self.kin.swapped);
    }

    pub(super) const fn sight(&self) -> Sight {
        Sight {
            flow: self.kin.flow,
            by: self.kin.by,
            swapped: self.kin.swapped,
        }
    }
}

/// The sights of a hop.
pub(super) struct Stations {
    pub(super) all: Vec<Station>,
    /// Their order is known without clocks.
    pub(super) decided: bool,
    /// Their order is known, by clocks too: not by the names of vantages alone.
    pub(super) known: bool,
}

impl Stations {
    /// In order, as far as that is known without clocks; and what they tell of clocks.
    pub(super) fn new(scene: &Scene<'_>, family: Vec<Kin>, bounds: &mut Bounds) -> Self {
        let all = family.into_iter().map(|kin| Station::of(scene, kin));
        let mut stations = Self {
            all: all.collect(),
            decided: true,
            known: true,
        };
        if stations.all.len() > 1 {
            stations.mark(scene);
            stations.sort(|one, other| evidence(scene, one, other));
            stations.decided = stations
                .all
                .windows(2)
                .all(|pair| evidence(scene, &pair[0], &pair[1]) != Ordering::Equal);
            bound(scene, &stations.all, bounds);
            stations.forget();
        }
        stations
    }

    /// In order, also by who is known to be where, by clocks, and at last by the names of vantages: not
    /// by the order of files.
    pub(super) fn settle(&mut self, scene: &Scene<'_>, clocks: &Clocks, homes: &Homes) {
        if self.decided {
            return;
        }
        self.mark(scene);
        let sends = |side| stand::senders(scene, &self.all, side);
        let senders = Sides {
            client: sends(Side::Client),
            server: sends(Side::Server),
        };
        let order = |one: &Station, other: &Station| {
            let [here, there] = [one, other].map(|station| &scene.flows[station.kin.flow]);
            evidence(scene, one, other)
                .then_with(|| by_sender(&senders, one, other))
                .then_with(|| homes.order(scene, one, other))
                .then_with(|| by_clock(here, there, clocks))
        };
        self.sort(|one, other| {
            let [here, there] = [one, other].map(|station| &scene.flows[station.kin.flow]);
            order(one, other).then_with(|| scene.name(here.vantage).cmp(scene.name(there.vantage)))
        });
        self.known = self
            .all
            .windows(2)
            .all(|pair| order(&pair[0], &pair[1]) != Ordering::Equal);
        self.forget();
    }

    /// Few are compared with each other, and not all of them can be: what nothing tells apart keeps its
    /// order.
    fn sort(&mut self, order: impl Fn(&Station, &Station) -> Ordering) {
        let mut sorted: Vec<Station> = Vec::with_capacity(self.all.len());
        for station in self.all.drain(..) {
            let place = sorted
                .iter()
                .rposition(|known| order(known, &station) != Ordering::Greater)
                .map_or(0, |place| place + 1);
            sorted.insert(place, station);
        }
        self.all = sorted;
    }

    fn mark(&mut self, scene: &Scene<'_>) {
        self.all.iter_mut().for_each(|station| station.mark(scene));
    }

    fn forget(&mut self) {
        let all = self.all.iter_mut();
        all.for_each(|station| station.marks = Vec::new());
    }
}

/// Whether a station is nearer to the client (`Less`) than another, by what does not depend on clocks;
/// `Equal` where nothing tells.
fn evidence(scene: &Scene<'_>, one: &Station, other: &Station) -> Ordering {
    let (here, there) = (&scene.flows[one.kin.flow], &scene.flows[other.kin.flow]);
    by_ttl(one.looks, other.looks)
        .then_with(|| match scene.same_clock(here.vantage, there.vantage) {
            false => by_passage(one.looks, other.looks),
            // What one host has come in and leave under another address.
            true if here.vantage == there.vantage => by_passage(other.looks, one.looks),
            true => Ordering::Equal,
        })
        .then_with(|| Lag::between(&one.marks, &other.marks).order())
        .then_with(|| match scene.same_clock(here.vantage, there.vantage) {
            true if began(here) && began(there) => here.flow.first_at().cmp(&there.flow.first_at()),
            _ => Ordering::Equal,
        })
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

/// Whoever sends stands nearest to itself. One that was only asked, and never answered, tells by this
/// alone: what passes in one direction takes time between two vantages whichever is nearer.
fn by_sender(senders: &Sides<Vec<usize>>, one: &Station, other: &Station) -> Ordering {
    let sends = |side: Side, station: &Station| senders[side].contains(&station.kin.flow);
    let nearer = |side| sends(side, other).cmp(&sends(side, one));
    agreed(nearer(Side::Client), nearer(Side::Server).reverse())
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

/// The first segment that was seen is the client's.
fn began(seen: &Seen<'_>) -> bool {
    seen.flow.isn(Side::Client).is_some()
}

/// Who saw the first segment first, if the clocks are good enough to tell.
fn by_clock(one: &Seen<'_>, other: &Seen<'_>, clocks: &Clocks) -> Ordering {
    let Some(error) = clocks.error(one.vantage, other.vantage) else {
        return Ordering::Equal;
    };
    if !began(one) || !began(other) {
        return Ordering::Equal;
    }
    let at = |seen: &Seen<'_>| clocks.common(seen.vantage, seen.flow.first_at());
    let (at, others_at) = (at(one), at(other));
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
        let lag = Lag::between(&near.marks, &far.marks);
        let one_way = lag.by.client.is_none() || lag.by.server.is_none();
        if one_way && evidence(scene, near, far) == Ordering::Equal {
            bounds.add_either_way(vantages, lag);
        } else {
            bounds.add(vantages, lag, round_trip);
        }
    }
}
