//! What a flow came to: the answers to every question, for reports.

use std::time::Duration;

use super::{Closing, End, Ending, Flow, Probe, Roles, RunEnd, Side};
use crate::segment::Endpoint;
use crate::seq::Seq;
use crate::time::Time;

impl Flow {
    /// Index of the vantage that saw it, in its source.
    #[must_use]
    pub fn vantage(&self) -> u32 {
        self.vantage
    }

    /// The address and port of a side, as seen at this vantage.
    #[must_use]
    pub fn endpoint(&self, side: Side) -> Endpoint {
        self.endpoints[side]
    }

    /// A SYN or SYN-ACK told who is client; otherwise it is inferred.
    #[must_use]
    pub fn roles_seen(&self) -> bool {
        self.roles == Roles::Seen
    }

    /// By what it is known who is client.
    #[must_use]
    pub fn roles(&self) -> Roles {
        self.roles
    }

    /// First segment.
    #[must_use]
    pub fn first_at(&self) -> Time {
        self.first_at
    }

    /// Last segment.
    #[must_use]
    pub fn last_at(&self) -> Time {
        self.last_at
    }

    /// The first SYN.
    #[must_use]
    pub fn opened_at(&self) -> Option<Time> {
        self.opening.first_syn
    }

    /// The first FIN or RST.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.endings.as_ref()?.first
    }

    /// The initial sequence number of a side, where its SYN was seen.
    #[must_use]
    pub fn isn(&self, side: Side) -> Option<Seq> {
        self.opening.isns[side]
    }

    /// The sequence numbers of a side that were seen, or acknowledged by its peer: the first, and the
    /// one after the last.
    #[must_use]
    pub fn sequence(&self, side: Side) -> Option<[Seq; 2]> {
        let first = self.opening.isns[side].or(self.begins[side])?;
        let direction = &self.sides[side];
        let next = if direction.known {
            direction.next
        } else {
            first
        };
        Some([first, next.max(first)])
    }

    /// How it ended.
    #[must_use]
    pub fn end(&self) -> End {
        match self.ending() {
            Some(Ending::Fin(_)) => End::Fin,
            Some(Ending::Rst(rst)) if rst.by == Side::Server && self.refused() => End::Refused,
            Some(Ending::Rst(_)) => End::Rst,
            None if self.unanswered() => End::Unanswered,
            None => End::Open,
        }
    }

    /// The side that sent the first FIN or RST.
    #[must_use]
    pub fn ended_by(&self) -> Option<Side> {
        self.ending().map(|ending| ending.closing().by)
    }

    /// When both sides had sent their FIN, or one a RST.
    #[must_use]
    pub fn closed_at(&self) -> Option<Time> {
        self.endings.as_ref()?.completed_at()
    }

    /// FINs in the order in which they were sent.
    #[must_use]
    pub fn fins(&self) -> &[Closing] {
        self.endings.as_ref().map_or(&[], |endings| &endings.fins)
    }

    /// RSTs.
    #[must_use]
    pub fn rsts(&self) -> &[Closing] {
        self.endings.as_ref().map_or(&[], |endings| &endings.rsts)
    }

    /// The server had nothing but RSTs for the client's SYN.
    #[must_use]
    pub fn refused(&self) -> bool {
        let from_server = self
            .rsts()
            .iter()
            .filter(|rst| rst.by == Side::Server)
            .count();
        self.opening.syns > 0
            && self.opening.accepted_at.is_none()
            && self.sides.server.segments == from_server as u64
    }

    /// The server was silent, and the client sent nothing but SYNs.
    #[must_use]
    pub fn unanswered(&self) -> bool {
        self.sides.server.segments == 0
            && self.opening.syns > 0
            && self.sides.client.segments == u64::from(self.opening.syns)
    }

    /// SYNs of the client, retransmissions included.
    #[must_use]
    pub fn syns(&self) -> u32 {
        self.opening.syns
    }

    /// Round trip between client and server, by the handshake.
    #[must_use]
    pub fn handshake_rtt(&self) -> Option<Duration> {
        self.opening.round_trip
    }

    /// Keepalive probes that a side sent.
    #[must_use]
    pub fn probes(&self, side: Side) -> &[Probe] {
        self.sides[side]
            .rare_if_any()
            .map_or(&[], |rare| &rare.probing.probes)
    }

    /// How a side's last run of keepalive probes ended.
    #[must_use]
    pub fn run_end(&self, side: Side) -> Option<RunEnd> {
        self.sides[side].rare_if_any()?.probing.ended
    }

    /// Probes of a window of zero that a side sent.
    #[must_use]
    pub fn zero_window_probes(&self, side: Side) -> u32 {
        self.sides[side]
            .rare_if_any()
            .map_or(0, |rare| rare.probing.window_probes)
    }

    /// How often a side advertised a window of zero after one that was not.
    #[must_use]
    pub fn zero_windows(&self, side: Side) -> u32 {
        self.sides[side]
            .rare_if_any()
            .map_or(0, |rare| rare.zero_windows)
    }

    /// Segments of a side whose sequence numbers had been sent before, SYN and FIN included.
    #[must_use]
    pub fn retransmissions(&self, side: Side) -> u64 {
        self.sides[side]
            .rare_if_any()
            .map_or(0, |rare| rare.retransmissions)
    }

    /// Sequence numbers that a side used and its peer has not acknowledged, FIN included; `None`
    /// where that is not known.
    #[must_use]
    pub fn unacknowledged(&self, side: Side) -> Option<u32> {
        let side = &self.sides[side];
        (side.known && side.acked_known)
            .then(|| u32::try_from(side.next.distance_from(side.acked)).unwrap_or(0))
    }

    /// Payload bytes of a side, each counted once.
    #[must_use]
    pub fn bytes(&self, side: Side) -> u64 {
        self.sides[side].bytes
    }

    /// Sequence numbers that a side used, by what it sent later or its peer acknowledged, in
    /// segments that were not captured.
    #[must_use]
    pub fn unseen_bytes(&self, side: Side) -> u64 {
        self.sides[side]
            .rare_if_any()
            .map_or(0, |rare| rare.unseen_bytes)
    }

    /// Sequence numbers of a side that the peer acknowledged and the capture missed: when that was found,
    /// by the clock of the vantage, and how many at once. Of very many the last ones.
    pub fn missed(&self, side: Side) -> impl Iterator<Item = (Time, u64)> {
        self.sides[side].missed()
    }

    /// Segments of a side, without duplicates.
    #[must_use]
    pub fn segments(&self, side: Side) -> u64 {
        self.sides[side].segments
    }

    /// Frames that were captured twice.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Turns: bytes of the client, then bytes of the server.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.exchanges.complete()
    }

    /// The last data came from the client.
    #[must_use]
    pub fn answer_pending(&self) -> bool {
        self.exchanges.answer_pending()
    }

    /// Longest time without any segment.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        Duration::from_nanos(self.longest_silence)
    }

    /// Longest time without data, SYN, FIN or RST.
    #[must_use]
    pub fn longest_payload_gap(&self) -> Duration {
        Duration::from_nanos(self.longest_payload_gap)
    }
}
