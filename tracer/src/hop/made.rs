//! FINs and RSTs that the side they claim to come from never sent.

use super::clock::Clocks;
use super::order::Station;
use super::watch::Witness;
use super::{Made, Sight};
use crate::flow::{Closing, Side};
use crate::scene::Scene;

/// A FIN or RST as a sight shows it.
struct Shown {
    closing: Closing,
    /// The side of the hop whose it is said to be.
    by: Side,
    rst: bool,
}

/// The FINs and RSTs that one sight shows of a side of the hop.
fn shown<'s>(witness: &Witness<'s>, by: Side) -> impl Iterator<Item = Shown> + use<'s> {
    let side = witness.side(by);
    let flow = witness.seen.flow;
    let of = |rst: bool| {
        move |closing: &Closing| Shown {
            closing: *closing,
            by,
            rst,
        }
    };
    let fins = flow.fins().iter().map(of(false));
    let all = fins.chain(flow.rsts().iter().map(of(true)));
    all.filter(move |shown| shown.closing.by == side)
}

/// What the sight farther from a side shows of it and the nearer one does not: it was made between the
/// two, if the nearer one was watching. Where it is not known whether it was, the TTL must tell, too.
pub(super) fn between(
    scene: &Scene<'_>,
    clocks: &Clocks,
    [near, far]: [&Station; 2],
    by: Side,
) -> Vec<Made> {
    let nearer = Witness::of(scene, near, clocks);
    let farther = Witness::of(scene, far, clocks);
    let same = |one: &Shown, other: &Shown| {
        one.rst == other.rst && one.closing.end() == other.closing.end()
    };
    let mut found = Vec::new();
    for one in shown(&farther, by) {
        if shown(&nearer, by).any(|other| same(&one, &other)) {
            continue;
        }
        let at = farther.common(clocks, one.closing.at);
        let watching = nearer.is_whole(by)
            && nearer.seen.flow.segments(nearer.side(by)) > 0
            && nearer.watched(clocks, &farther, at);
        let made = made(scene, far, &one, watching);
        if watching || made.is_unlike() {
            found.push(made);
        }
    }
    found
}

/// FINs and RSTs whose TTL is unlike that of all other segments of their side at the only sight that
/// shows them.
pub(super) fn unlike(scene: &Scene<'_>, clocks: &Clocks, station: &Station) -> Vec<Made> {
    let witness = Witness::of(scene, station, clocks);
    [Side::Client, Side::Server]
        .into_iter()
        .flat_map(|by| shown(&witness, by))
        .map(|shown| made(scene, station, &shown, false))
        .filter(Made::is_unlike)
        .collect()
}

fn made(scene: &Scene<'_>, station: &Station, shown: &Shown, proved: bool) -> Made {
    let Sight { flow, .. } = station.sight();
    let events = &scene.flows[flow].trail.events;
    let event = events
        .iter()
        .find(|event| event.frame == shown.closing.frame);
    let head = event.and_then(|event| event.head);
    Made {
        by: shown.by,
        rst: shown.rst,
        at: shown.closing.at,
        flow,
        frame: shown.closing.frame,
        ttl: (head.map_or(0, |head| head.ttl), station.looks[shown.by].ttl),
        ip_id: head.and_then(|head| head.ip_id),
        proved,
    }
}
