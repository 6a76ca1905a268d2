//! What a side's segments look like at a vantage: how many routers they passed, which way they passed
//! the capturing host, and how often they stand out.

use arrayvec::ArrayVec;

use crate::flow::{Event, Side, Sides, Trail, What};
use crate::segment::Passage;

/// What most segments of a side have in common at a vantage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Look {
    /// The TTL or hop limit.
    pub(super) ttl: Option<u8>,
    /// Which way they passed; `None` where the capture does not tell, or some passed one way and some
    /// the other.
    pub(super) passage: Option<Passage>,
    /// SYNs and SYN-ACKs.
    pub(super) opens: u32,
    /// FINs.
    pub(super) closes: u32,
    /// Retransmissions and RSTs.
    pub(super) others: u32,
}

/// TTLs that stacks begin with: Linux and BSD 64, Windows 128, network devices 255.
const INITIAL: [u8; 3] = [64, 128, 255];

impl Look {
    /// No router has taken anything from the TTL.
    pub(super) fn is_fresh(self) -> bool {
        self.ttl.is_some_and(|ttl| INITIAL.contains(&ttl))
    }
}

/// The looks of both sides of a flow; `swapped` where its client is the hop's server.
pub(super) fn looks(trail: &Trail, swapped: bool) -> Sides<Look> {
    let mut sides: Sides<Looking> = Sides::default();
    for event in &trail.events {
        let client = (event.by == Side::Client) != swapped;
        let side = if client { Side::Client } else { Side::Server };
        sides[side].at(event);
    }
    sides.map(Looking::usual)
}

/// A look that is being taken.
#[derive(Default)]
struct Looking {
    look: Look,
    /// More different ones than this have no usual one among them.
    ttls: ArrayVec<(u8, u32), 16>,
    passages: ArrayVec<Passage, 4>,
}

impl Looking {
    fn at(&mut self, event: &Event) {
        match event.what {
            What::Syn { .. } | What::SynAck => self.look.opens += 1,
            What::Fin => self.look.closes += 1,
            What::Retransmission { .. } => self.look.others += 1,
            What::Rst => {
                // Whoever makes one in another's name sets its own TTL.
                self.look.others += 1;
                return;
            }
            _ => {}
        }
        let Some(head) = event.head else { return };
        match self.ttls.iter_mut().find(|(ttl, _)| *ttl == head.ttl) {
            Some((_, count)) => *count += 1,
            None => _ = self.ttls.try_push((head.ttl, 1)),
        }
        if let Some(passage) = head.passage
            && !self.passages.contains(&passage)
        {
            _ = self.passages.try_push(passage);
        }
    }

    fn usual(self) -> Look {
        let usual = self.ttls.iter().max_by_key(|(ttl, count)| (*count, *ttl));
        Look {
            ttl: usual.map(|(ttl, _)| *ttl),
            passage: match self.passages[..] {
                [only] => Some(only),
                _ => None,
            },
            ..self.look
        }
    }
}
