//! How a flow began.

use std::time::Duration;

use super::Sides;
use crate::seq::Seq;
use crate::time::Time;

/// The handshake, as far as it was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct Opening {
    /// Initial sequence numbers, where the SYNs were seen.
    pub(super) isns: Sides<Option<Seq>>,
    /// SYNs of the client, retransmissions included.
    pub(super) syns: u32,
    /// The first of them.
    pub(super) first_syn: Option<Time>,
    /// The server accepted.
    pub(super) accepted_at: Option<Time>,
    /// Round trip between client and server, from a SYN to the ACK that ends the handshake.
    pub(super) round_trip: Option<Duration>,
}

impl Opening {
    pub(super) fn syn(&mut self, at: Time) {
        self.syns += 1;
        self.first_syn = Some(self.first_syn.map_or(at, |first| first.min(at)));
    }

    pub(super) fn accepted(&mut self, at: Time) {
        self.accepted_at.get_or_insert(at);
    }

    /// The client sent its first segment that is no SYN.
    pub(super) fn client_went_on(&mut self, at: Time) {
        // With a retransmitted SYN it is not known which of them was answered.
        if let (1, Some(syn), Some(_)) = (self.syns, self.first_syn, self.accepted_at) {
            self.round_trip = Some(at.since(syn));
        }
    }
}
