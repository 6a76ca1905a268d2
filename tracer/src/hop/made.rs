//! FINs and RSTs that the side they claim to come from never sent.
//!
//! That a vantage nearer to that side did not capture one proves nothing by itself: captures lose
//! frames, and few say so. It takes something that speaks against the side: another TTL than its other
//! segments have at the same vantage, its own later segments that it could not have sent after a RST or
//! FIN (RFC 9293 sections 3.5.2 and 3.6), or a host that sends out what never came in.

use super::clock::Clocks;
use super::look::Look;
use super::order::Station;
use super::watch::Witness;
use super::{Made, Sight};
use crate::flow::{Closing, Event, Side, What};
use crate::scene::Scene;
use crate::segment::{Head, Passage};
use crate::time::Time;

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

/// What the sight farther from a side shows of it and the nearer one does not, and speaks against that
/// side: it was made between the two.
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
        let mut made = made(scene, far, &one);
        made.went_on = went_on(clocks, [&nearer, &farther], &one);
        made.proved |= made.went_on || (watching && made.is_unlike());
        if made.proved || made.is_unlike() {
            found.push(made);
        }
    }
    found
}

/// Whether the nearer sight shows that the side went on as nobody does who has sent that: after a RST
/// its socket is gone, and after a FIN it has no new data. The number of a RST tells nothing: it may be
/// what the peer acknowledged last (`tcp_v4_send_reset`, net/ipv4/tcp_ipv4.c).
fn went_on(clocks: &Clocks, [nearer, farther]: [&Witness<'_>; 2], shown: &Shown) -> bool {
    let side = nearer.side(shown.by);
    if !shown.rst {
        let sent = nearer.seen.flow.sequence(side);
        return sent.is_some_and(|[_, next]| next.is_after(shown.closing.end()));
    }
    let Some(error) = clocks.error(nearer.seen.vantage, farther.seen.vantage) else {
        return false;
    };
    let at = farther.common(clocks, shown.closing.at);
    let at = at.saturating_add(i64::try_from(error).unwrap_or(i64::MAX));
    let own = nearer.seen.trail.events.iter();
    let mut own = own.filter(|event| event.by == side);
    own.any(|event| lives_until(event).is_some_and(|then| nearer.common(clocks, then) > at))
}

/// Until when a side had its socket, by what it did.
fn lives_until(event: &Event) -> Option<Time> {
    match event.what {
        What::Rst => None,
        What::Data { until, .. } => Some(until),
        _ => Some(event.at),
    }
}

/// FINs and RSTs whose TTL is unlike that of all other segments of their side at the only sight that
/// shows them, or which its host made itself.
pub(super) fn unlike(scene: &Scene<'_>, clocks: &Clocks, station: &Station) -> Vec<Made> {
    let witness = Witness::of(scene, station, clocks);
    [Side::Client, Side::Server]
        .into_iter()
        .flat_map(|by| shown(&witness, by))
        .map(|shown| made(scene, station, &shown))
        .filter(|made| made.proved || made.is_unlike())
        .collect()
}

/// A host that forwards has segments come in first; what leaves it in the name of a side whose segments
/// come in is its own. Unless it is what came in, less the one that forwarding takes from the TTL
/// (RFC 1812 section 5.3.1), and only its coming was not captured.
fn is_own(head: Option<Head>, look: Look) -> bool {
    look.passage == Some(Passage::In)
        && head.is_some_and(|head| head.passage == Some(Passage::Out) && !forwarded(head, look))
}

fn forwarded(head: Head, look: Look) -> bool {
    head.passage == Some(Passage::Out) && head.ttl.checked_add(1) == look.ttl
}

fn made(scene: &Scene<'_>, station: &Station, shown: &Shown) -> Made {
    told(scene, station, shown.by, shown.rst, &shown.closing)
}

/// What a sight shows of a FIN or RST in the name of that side of the hop.
pub(super) fn told(
    scene: &Scene<'_>,
    station: &Station,
    by: Side,
    rst: bool,
    closing: &Closing,
) -> Made {
    let Sight { flow, .. } = station.sight();
    let events = &scene.flows[flow].trail.events;
    let event = events.iter().find(|event| event.frame == closing.frame);
    let head = event.and_then(|event| event.head);
    let look = station.looks[by];
    let here = is_own(head, look);
    let usual = look
        .ttl
        .filter(|_| !head.is_some_and(|head| forwarded(head, look)));
    Made {
        by,
        rst,
        at: closing.at,
        flow,
        frame: closing.frame,
        ttl: (
            head.map_or(0, |head| head.ttl),
            usual.filter(|_| head.is_some()),
        ),
        ip_id: head.and_then(|head| head.ip_id),
        proved: here,
        went_on: false,
        here,
        outlived: false,
    }
}
