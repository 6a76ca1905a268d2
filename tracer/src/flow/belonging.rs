//! Whether a segment belongs to a flow, or to a later one between the same endpoints.

use std::time::Duration;

use super::direction::Direction;
use super::{Flow, Roles, Side};
use crate::segment::{Endpoint, Segment};

/// A sequence number this far off on endpoints whose connection has ended, after a pause, is
/// another connection's whose handshake was not captured.
const ELSEWHERE: u32 = 1 << 26;
const PAUSE: Duration = Duration::from_secs(1);

/// A SYN that comes later than this after other segments was not merely captured out of order.
const MISORDERED_WITHIN: Duration = Duration::from_millis(100);

impl Flow {
    #[inline]
    pub(super) fn holds(&self, segment: &Segment<'_>) -> bool {
        self.is_between(segment.vantage, segment.source, segment.destination)
    }

    #[inline]
    pub(super) fn is_between(&self, vantage: u32, one: Endpoint, other: Endpoint) -> bool {
        let (client, server) = (self.endpoints.client, self.endpoints.server);
        self.vantage == vantage
            && ((one == client && other == server) || (one == server && other == client))
    }

    /// Reads a little of every cache line that the next segment needs.
    #[inline]
    pub(super) fn touch(&self) -> u32 {
        self.vantage
            ^ self.recent.touch()
            ^ self.sides.client.next.0
            ^ self.sides.server.next.0
            ^ u32::from(self.exchanges.answer_pending())
    }

    #[inline]
    pub(super) fn is_complete(&self) -> bool {
        self.endings
            .as_ref()
            .is_some_and(|endings| endings.complete())
    }

    /// Whether a segment between the endpoints of this ended flow belongs to a later connection.
    #[cold]
    pub(super) fn is_elsewhere(&self, segment: &Segment<'_>) -> bool {
        let side = &self.sides[self.side_of(segment.source)];
        !segment.flags.rst()
            && side.known
            && segment.seq.distance_from(side.next).unsigned_abs() > ELSEWHERE
            && segment.at.since(self.last_at) > PAUSE
    }

    /// Whether a SYN or SYN-ACK belongs to this flow rather than to a new one: the same initial
    /// sequence number again, or the one that what was seen before must have begun with.
    #[cold]
    pub(super) fn takes_syn(&mut self, segment: &Segment<'_>) -> bool {
        let by = self.side_of(segment.source);
        let isns = &self.opening.isns;
        let answers = isns[by.other()].is_some_and(|isn| {
            // A SYN may carry data (RFC 7413).
            segment.ack.is_after(isn) && !segment.ack.is_after(self.sides[by.other()].next)
        });
        let belongs = match isns[by] {
            Some(isn) => isn == segment.seq || (segment.flags.ack() && answers),
            None if segment.flags.ack() && isns[by.other()].is_some() => answers,
            // Both sides send a SYN (RFC 9293 section 3.5: simultaneous open).
            None if isns[by.other()].is_some() && self.opening.accepted_at.is_none() => true,
            None => self.began_with(&self.sides[by], segment),
        };
        let client_speaks = !segment.flags.ack();
        if belongs && self.roles != Roles::Seen {
            self.roles = Roles::Seen;
            if client_speaks != (by == Side::Client) {
                self.swap_roles();
            }
        }
        belongs
    }

    /// Whether the SYN was captured a little after what came after it.
    fn began_with(&self, me: &Direction, segment: &Segment<'_>) -> bool {
        segment.at.apart(self.first_at) <= MISORDERED_WITHIN && me.goes_on_from(segment.seq + 1)
    }
}
