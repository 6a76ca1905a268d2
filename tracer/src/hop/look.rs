//! What a side's segments look like at a vantage: how many routers they passed, and which way they
//! passed the capturing host.

use crate::flow::{Side, Sides, Trail, What};
use crate::segment::Passage;

/// What most segments of a side have in common at a vantage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Look {
    /// The TTL or hop limit.
    pub(super) ttl: Option<u8>,
    /// Which way they passed; `None` where the capture does not tell, or some passed one way and some
    /// the other.
    pub(super) passage: Option<Passage>,
}

/// TTLs that stacks begin with: Linux and BSD 64, Windows 128, network devices 255.
const INITIAL: [u8; 3] = [64, 128, 255];

impl Look {
    /// No router has taken anything from the TTL.
    pub(super) fn is_fresh(self) -> bool {
        self.ttl.is_some_and(|ttl| INITIAL.contains(&ttl))
    }
}

/// The looks of both sides of a flow; `swapped` where its client is the hop's server. RSTs do not
/// count: whoever makes one in another's name sets its own TTL.
pub(super) fn looks(trail: &Trail, swapped: bool) -> Sides<Look> {
    let (client, server) = if swapped {
        (Side::Server, Side::Client)
    } else {
        (Side::Client, Side::Server)
    };
    Sides {
        client: look(trail, client),
        server: look(trail, server),
    }
}

fn look(trail: &Trail, side: Side) -> Look {
    let own = trail
        .events
        .iter()
        .filter(|event| event.by == side && event.what != What::Rst);
    let mut ttls: Vec<(u8, u32)> = Vec::new();
    let mut passages: Vec<Passage> = Vec::new();
    for head in own.filter_map(|event| event.head) {
        match ttls.iter_mut().find(|(ttl, _)| *ttl == head.ttl) {
            Some((_, count)) => *count += 1,
            None => ttls.push((head.ttl, 1)),
        }
        passages.extend(head.passage.filter(|passage| !passages.contains(passage)));
    }
    let usual = ttls.iter().max_by_key(|(ttl, count)| (*count, *ttl));
    Look {
        ttl: usual.map(|(ttl, _)| *ttl),
        passage: match passages[..] {
            [only] => Some(only),
            _ => None,
        },
    }
}
