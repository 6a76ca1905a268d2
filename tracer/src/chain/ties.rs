//! What chains tell of clocks: a proxy asks after it was asked, and answers after it was answered. That
//! ties vantages on its two sides together that saw no segment in common.

use std::collections::BTreeMap;

use super::{Chain, Exchange, Link};
use crate::hop::{Clocks, Hops};
use crate::scene::Scene;
use crate::time::Time;

/// A proxy passes a request on within this, in nanoseconds, where no answer tells better.
const PASSED_ON_WITHIN: i64 = 50_000_000;

/// What the clock of the second vantage is ahead of the first one's: at least and at most.
type Room = (Option<i64>, Option<i64>);

/// Ties clocks that nothing tied before. True where that changed what is known: joining again then
/// gives times by one clock.
pub fn tie(scene: &Scene<'_>, hops: &mut Hops, chains: &[Chain]) -> bool {
    let mut rooms: BTreeMap<[usize; 2], Room> = BTreeMap::new();
    for chain in chains {
        for pair in chain.links.windows(2) {
            if let [down, up] = pair {
                look(scene, &hops.clocks, [down, up], &mut rooms);
            }
        }
    }
    let mut changed = false;
    for ([one, other], (at_least, at_most)) in rooms {
        if hops.clocks.error(one, other).is_some() {
            continue;
        }
        let Some(to) = at_most else {
            continue;
        };
        // What contradicts itself was joined wrongly, or clocks drift: the error is as large then.
        let from = at_least.unwrap_or_else(|| to.saturating_sub(PASSED_ON_WITHIN));
        hops.clocks.link([one, other], [from.min(to), from.max(to)]);
        changed = true;
    }
    changed
}

/// When a request and its answer were at a vantage, by its own clock.
struct Stamps {
    vantage: usize,
    began: i64,
    answered: Option<i64>,
}

fn look(
    scene: &Scene<'_>,
    clocks: &Clocks,
    [down, up]: [&Link; 2],
    rooms: &mut BTreeMap<[usize; 2], Room>,
) {
    let stamps = down
        .exchange
        .as_ref()
        .and_then(|exchange| at_server(scene, clocks, exchange));
    let (Some(down), Some(up)) = (
        stamps,
        up.exchange
            .as_ref()
            .and_then(|exchange| at_client(scene, clocks, exchange)),
    ) else {
        return;
    };
    if clocks.error(down.vantage, up.vantage).is_some() {
        return;
    }
    let room = rooms.entry([down.vantage, up.vantage]).or_default();
    let at_most = up.began.saturating_sub(down.began);
    room.1 = Some(room.1.map_or(at_most, |known| known.min(at_most)));
    if let (Some(down), Some(up)) = (down.answered, up.answered) {
        room.0 = room.0.max(Some(up.saturating_sub(down)));
    }
}

fn at_server(scene: &Scene<'_>, clocks: &Clocks, exchange: &Exchange) -> Option<Stamps> {
    let Some(moments) = &exchange.at_server else {
        return at_client(scene, clocks, exchange);
    };
    let vantage = scene.flows[moments.frame?.0].vantage;
    Some(Stamps {
        vantage,
        began: own(clocks, vantage, moments.began),
        answered: moments.answered.map(|at| own(clocks, vantage, at)),
    })
}

fn at_client(scene: &Scene<'_>, clocks: &Clocks, exchange: &Exchange) -> Option<Stamps> {
    let vantage = scene.flows[exchange.frame?.0].vantage;
    Some(Stamps {
        vantage,
        began: own(clocks, vantage, exchange.began),
        answered: exchange.answered.map(|at| own(clocks, vantage, at)),
    })
}

/// A common time by a vantage's own clock.
fn own(clocks: &Clocks, vantage: usize, at: Time) -> i64 {
    let zero = Time::from_nanos(0);
    let add = clocks.common(vantage, zero).as_nanos();
    at.as_nanos().saturating_sub(add)
}
