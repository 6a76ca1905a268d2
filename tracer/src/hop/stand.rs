//! Where vantages stand: in the namespace of the stack that sends, or on the way between the two.
//!
//! What proves that a vantage stands at a side:
//!
//! - the kernel told of the socket there;
//! - loopback: both stacks are in one namespace;
//! - the capture says that this side's segments left the host, with a TTL that no router has touched,
//!   and did not come in before, under another address. What a host forwards is seen coming in
//!   first; and forwarding takes one from the TTL (RFC 1812 section 5.3.1).
//!
//! Without proof, where captures of different hosts show a hop, the one nearest to a side is taken to
//! stand there, if that side's segments have an untouched TTL there and do not come in: people
//! capture on the hosts that talk rather than on a switch right before them. That is likely, not
//! certain. A single capture that does not say which way segments passed stands nowhere: the same
//! segments are to be seen all along a link.

use std::net::{IpAddr, Ipv6Addr};

use super::order::Station;
use crate::flow::{Side, Sides};
use crate::scene::Scene;
use crate::segment::Passage;

/// The vantage at a side, and whether that is proved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stand {
    pub(super) vantage: usize,
    pub(super) proved: bool,
}

/// Where the vantages of a hop stand, whose sights are in order; where that order is not `known`, as far
/// as it is proved.
pub(super) fn stands(scene: &Scene<'_>, stations: &[Station], known: bool) -> Sides<Option<Stand>> {
    let mut found = Sides {
        client: proved(scene, stations.iter(), stations, Side::Client),
        server: proved(scene, stations.iter().rev(), stations, Side::Server),
    };
    let (Some(first), Some(last)) = (stations.first(), stations.last()) else {
        return found;
    };
    if !known || same_host(scene, first, last) {
        return found;
    }
    for (side, station) in [(Side::Client, first), (Side::Server, last)] {
        let vantage = scene.flows[station.kin.flow].vantage;
        let elsewhere = found[side.other()]
            .is_some_and(|other| other.vantage == vantage && !stands_at_both(scene, station));
        let look = station.looks[side];
        if found[side].is_none() && !elsewhere && look.is_fresh() && look.passage.is_none() {
            found[side] = Some(Stand {
                vantage,
                proved: false,
            });
        }
    }
    found
}

/// The first of these that is proved to stand at a side.
fn proved<'s>(
    scene: &Scene<'_>,
    mut nearest_first: impl Iterator<Item = &'s Station>,
    all: &[Station],
    side: Side,
) -> Option<Stand> {
    let found = nearest_first.find(|station| {
        told(scene, station, side)
            || stands_at_both(scene, station)
            || sends(scene, station, all, side)
    })?;
    Some(Stand {
        vantage: scene.flows[found.kin.flow].vantage,
        proved: true,
    })
}

/// The kernel told of the socket at this side.
fn told(scene: &Scene<'_>, station: &Station, side: Side) -> bool {
    let sockets = &scene.flows[station.kin.flow].facts.sockets;
    sockets[station.kin.side(side)].is_some()
}

/// The stacks of both sides are there: nothing else uses the loopback interface, its addresses
/// (RFC 1122 section 3.2.1.3), or one address for both ends.
fn stands_at_both(scene: &Scene<'_>, station: &Station) -> bool {
    let seen = &scene.flows[station.kin.flow];
    let [client, server] = [Side::Client, Side::Server].map(|side| seen.flow.endpoint(side));
    let interface = scene.vantages[seen.vantage].vantage.interface.as_deref();
    let looks = station.looks;
    [looks.client, looks.server]
        .iter()
        .any(|look| look.passage == Some(Passage::Loopback))
        || [client, server].iter().any(|end| is_local(end.address()))
        || client.address() == server.address()
        || interface == Some("lo")
}

/// Whether an address never leaves its host: loopback, or `::6`, from which Istio's sidecar speaks to
/// its application as it does from `127.0.0.6` (`InboundPassthroughBindIpv6`, pilot/pkg/networking/util
/// of Istio).
fn is_local(address: IpAddr) -> bool {
    const SIDECAR: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);
    address.is_loopback() || address == IpAddr::V6(SIDECAR)
}

/// The flows among the sights of a hop, in any order, that are proved to be seen where a side sends.
pub(super) fn senders(scene: &Scene<'_>, stations: &[Station], side: Side) -> Vec<usize> {
    let here =
        |station: &&Station| told(scene, station, side) || sends(scene, station, stations, side);
    let here = stations.iter().filter(here);
    here.map(|station| station.kin.flow).collect()
}

/// The segments of this side leave the host there and did not come in.
fn sends(scene: &Scene<'_>, station: &Station, all: &[Station], side: Side) -> bool {
    let comes_in = |other: &&Station| {
        same_host(scene, station, other) && other.looks[side].passage == Some(Passage::In)
    };
    let look = station.looks[side];
    look.passage == Some(Passage::Out)
        && look.is_fresh()
        && !all.iter().any(|other| comes_in(&other))
}

/// Whether two sights are of one host for certain: those of one capture are.
fn same_host(scene: &Scene<'_>, one: &Station, other: &Station) -> bool {
    let [one, other] = [one, other].map(|station| scene.flows[station.kin.flow].vantage);
    let namespace = |vantage: usize| scene.vantages[vantage].vantage.namespace.as_deref();
    scene.same_clock(one, other) && namespace(one) == namespace(other)
}
