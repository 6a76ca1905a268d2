//! RSTs that the kernel's own socket outlived: a firewall sent them in its name.
//!
//! Whoever sends a RST has no connection afterwards: RFC 9293 section 3.10.7, and in Linux every
//! `tcp_send_active_reset` and `tcp_v4_send_reset` of a connection's socket goes with its end. So a socket
//! that was established before a RST in its name, and was still there well after it, did not send it. That
//! holds where notes were lost, too: it rests on a socket that is there, not on a note that is not.
//!
//! Looks alike: a socket that closed at the time of the RST, or shortly after, as who resets does; one
//! that took the place of another between the same endpoints; and one of which the kernel said that it
//! sent a RST.

use std::time::Duration;

use super::clock::Clocks;
use super::order::Station;
use super::{Hop, Made, made};
use crate::flow::{Ending, Side};
use crate::kernel::{Account, FactKind};
use crate::note::Moment;
use crate::scene::{FlowFacts, Scene};
use crate::socket::State;
use crate::time::Time;

/// A socket's end may be told so long after its RST was seen: one is stamped as the kernel sends, the
/// other with the clock of day.
const AFTER: Duration = Duration::from_millis(100);

/// Finds the RSTs that ended a hop and that its sockets outlived.
pub(super) fn tell(scene: &Scene<'_>, clocks: &Clocks, stations: &[Station], hop: &mut Hop) {
    for side in [Side::Client, Side::Server] {
        let Some((vantage, account)) = own_socket(scene, stations, side) else {
            continue;
        };
        // Nearest to the side first: what it did not send is best shown where it began.
        let nearest: Vec<&Station> = match side {
            Side::Client => stations.iter().collect(),
            Side::Server => stations.iter().rev().collect(),
        };
        for station in nearest {
            let sight = station.sight();
            let seen = &scene.flows[sight.flow];
            let Some(Ending::Rst(rst)) = seen.flow.ending() else {
                continue;
            };
            if rst.by != sight.side(side) {
                continue;
            }
            let error = clocks.error(vantage, seen.vantage);
            let Some(error) = error.map(Duration::from_nanos) else {
                continue;
            };
            let common = |at| clocks.common(vantage, at);
            let at = clocks.common(seen.vantage, rst.at);
            if is_alive(account, common, at, error) {
                add(hop, made::told(scene, station, side, true, &rst));
                break;
            }
        }
    }
}

/// The socket of a side that the kernel told of, and the vantage that shows it, where it did not say that
/// it sent a RST.
fn own_socket<'s>(
    scene: &Scene<'s>,
    stations: &[Station],
    side: Side,
) -> Option<(usize, &'s Account)> {
    let facts = |station: &Station| -> (&FlowFacts<'s>, Side, usize) {
        let sight = station.sight();
        let seen = &scene.flows[sight.flow];
        (&seen.facts, sight.side(side), seen.vantage)
    };
    let has_reset = |station: &Station| {
        let (facts, side, _) = facts(station);
        let mut all = facts.facts.iter();
        all.any(|(by, fact)| *by == side && matches!(fact.kind, FactKind::ResetSent(_)))
    };
    if stations.iter().any(has_reset) {
        return None;
    }
    stations.iter().find_map(|station| {
        let (facts, side, vantage) = facts(station);
        Some((vantage, facts.sockets[side]?))
    })
}

/// Whether a socket was there before that time and well after it.
fn is_alive(account: &Account, common: impl Fn(Time) -> Time, at: Time, error: Duration) -> bool {
    let before = account.seen.iter().any(|seen| {
        matches!(seen.moment, Moment::Established | Moment::Found) && common(seen.at) <= at
    });
    // What is told as it closes was open until then.
    let open = |moment, state| match moment {
        Moment::Closing => true,
        Moment::Left => state != State::Closed,
        Moment::Found | Moment::Established => false,
    };
    let after = account
        .seen
        .iter()
        .any(|seen| open(seen.moment, seen.socket.state) && common(seen.at) > at + AFTER + error);
    before && after
}

/// Adds to what is known of a RST, or the RST.
fn add(hop: &mut Hop, found: Made) {
    let between = hop.ways.iter_mut().flat_map(|way| &mut way.made);
    let mut known = between.chain(&mut hop.unlike);
    let known = known.find(|known| known.is_of(found.flow, found.frame));
    let outlived = |made: &mut Made| {
        made.proved = true;
        made.outlived = true;
    };
    match known {
        Some(known) => outlived(known),
        None => {
            let mut found = found;
            outlived(&mut found);
            hop.outlived.push(found);
        }
    }
}
