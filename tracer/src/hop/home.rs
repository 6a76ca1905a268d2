//! Where addresses are at home, and where requests came in: what hops whose sights are in order for
//! certain tell of those of which they are not.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::order::{Station, Stations};
use crate::flow::{Side, What};
use crate::scene::Scene;
use crate::time::Time;

/// A proxy connects within this time after it was asked, in nanoseconds; longer is not told from chance.
const SOON: i64 = 300_000_000;

/// Addresses and the vantages that are nearest to them among those that saw a hop of theirs.
#[derive(Debug, Default)]
pub(super) struct Homes {
    known: HashSet<(usize, IpAddr), RandomState>,
    /// When a request came in at a vantage that is nearest to whoever was asked, by its own clock.
    asked: HashMap<usize, Vec<Time>, RandomState>,
}

impl Homes {
    /// By hops that several vantages saw, in an order that is known without clocks.
    pub(super) fn of(scene: &Scene<'_>, hops: &[Stations]) -> Self {
        let mut homes = Self::default();
        if hops.iter().all(|hop| hop.decided) {
            return homes;
        }
        for hop in hops.iter().filter(|hop| hop.decided) {
            let [first, .., last] = &hop.all[..] else {
                continue;
            };
            homes.add(scene, first, Side::Client);
            homes.add(scene, last, Side::Server);
            homes.ask(scene, last);
        }
        homes
            .asked
            .values_mut()
            .for_each(|times| times.sort_unstable());
        homes
    }

    fn ask(&mut self, scene: &Scene<'_>, last: &Station) {
        let seen = &scene.flows[last.kin.flow];
        let client = last.kin.side(Side::Client);
        let events = seen.trail.events.iter();
        let data =
            events.filter(|event| event.by == client && matches!(event.what, What::Data { .. }));
        let times = self.asked.entry(seen.vantage).or_default();
        times.extend(data.map(|event| event.at));
    }

    fn add(&mut self, scene: &Scene<'_>, station: &Station, side: Side) {
        let vantage = scene.flows[station.kin.flow].vantage;
        self.known.insert((vantage, address(scene, station, side)));
    }

    /// Which of two sights is nearer to the client (`Less`), as its address or the server's is at home
    /// at one of them; `Equal` where that is not known, or they contradict each other.
    pub(super) fn order(&self, scene: &Scene<'_>, one: &Station, other: &Station) -> Ordering {
        let at_home = |station: &Station, side| {
            let vantage = scene.flows[station.kin.flow].vantage;
            self.known
                .contains(&(vantage, address(scene, station, side)))
        };
        let nearer = |side| at_home(other, side).cmp(&at_home(one, side));
        let by_address = match (nearer(Side::Client), nearer(Side::Server).reverse()) {
            (Ordering::Equal, order) | (order, Ordering::Equal) => order,
            (client, server) if client == server => client,
            _ => return Ordering::Equal,
        };
        let was_asked = |station: &Station| self.was_asked(scene, station);
        by_address.then_with(|| was_asked(other).cmp(&was_asked(one)))
    }

    /// Whether a request came in just before the connection began, at the same vantage and by its own
    /// clock: whoever was asked there connects onward.
    fn was_asked(&self, scene: &Scene<'_>, station: &Station) -> bool {
        let seen = &scene.flows[station.kin.flow];
        let began = seen.flow.first_at();
        let times = self.asked.get(&seen.vantage).map_or(&[][..], Vec::as_slice);
        let past = times.partition_point(|at| *at <= began);
        let last = past.checked_sub(1).and_then(|place| times.get(place));
        last.is_some_and(|at| began.as_nanos().saturating_sub(at.as_nanos()) <= SOON)
    }
}

/// The address of a side, as a sight shows it.
fn address(scene: &Scene<'_>, station: &Station, side: Side) -> IpAddr {
    let flow = scene.flows[station.kin.flow].flow;
    flow.endpoint(station.kin.side(side)).address()
}
