//! Where the segments of a flow meet the rules of [`super::keepalive`]: which segment of which side
//! is a probe or an answer, and what ends a run of probes.

use super::direction::Direction;
use super::keepalive::{self, Shape};
use super::probe::RunEnd;
use super::{Flow, Observer, Side, Teller};
use crate::segment::Segment;
use crate::seq::Seq;
use crate::time::Time;

impl Flow {
    /// Whether it is a probe: then nothing else.
    #[inline]
    pub(super) fn probe<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        teller: &mut Teller<'_, O>,
    ) -> bool {
        let (me, peer) = self.both(by);
        let Some(shape) = keepalive::shape(me, peer, segment) else {
            return false;
        };
        let bare_ack = self.bare_acks[by.other()];
        let (me, peer) = self.both(by);
        // What looks like a probe by the number known proves the number.
        me.provisional = false;
        let rare = me.rare();
        rare.probing.dismiss();
        rare.lent_byte = shape == Shape::BeyondWindow;
        rare.probing
            .probe(segment, shape, peer, bare_ack, teller.probes(by));
        self.acknowledge(segment, by, teller);
        self.window(segment, by, teller);
        true
    }

    fn both(&mut self, by: Side) -> (&mut Direction, &Direction) {
        match by {
            Side::Client => (&mut self.sides.client, &self.sides.server),
            Side::Server => (&mut self.sides.server, &self.sides.client),
        }
    }

    /// A side shows that `seq` comes next for `by`, or was sent already: segments at `seq - 1` from
    /// where the capture begins were probes.
    #[inline]
    pub(super) fn promote_candidates(&mut self, by: Side, seq: Seq) {
        let zero_window = self.sides[by.other()].window() == Some(0);
        let side = &mut self.sides[by];
        if !side.provisional || seq.distance_from(side.next) != 1 {
            return;
        }
        side.provisional = false;
        if side.rare().probing.promote(zero_window) {
            side.next = seq;
        }
    }

    /// A segment of a side of which nothing but empty segments was seen: its sequence number may
    /// be a probe's.
    #[cold]
    pub(super) fn unproven(&mut self, segment: &Segment<'_>, by: Side) {
        self.promote_candidates(by, segment.seq);
        let side = &mut self.sides[by];
        let may_be_probe = segment.seq_len() == 0
            && (!side.known || (side.provisional && segment.seq == side.next));
        if may_be_probe {
            side.rare().probing.candidate(segment);
        } else {
            side.rare().probing.dismiss();
        }
    }

    pub(super) fn answer<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        teller: &mut Teller<'_, O>,
    ) {
        if let Some(rare) = self.sides[by.other()].rare_if_any_mut() {
            rare.probing.answer(segment, teller.probes(by.other()));
        }
    }

    /// A side sent data or its FIN.
    #[inline]
    pub(super) fn interrupt_probing<O: Observer>(
        &mut self,
        at: Time,
        by: Side,
        how: RunEnd,
        teller: &mut Teller<'_, O>,
    ) {
        let peer = by.other();
        let opened = match self.sides[peer].window() {
            // What opened it comes later in the capture.
            Some(0) => Some(at),
            _ => self.sides[peer].opened_at(),
        };
        if let Some(rare) = self.sides[by].rare_if_any_mut() {
            rare.probing.own_data(how, at, opened, teller.probes(by));
        }
        if let Some(rare) = self.sides[peer].rare_if_any_mut() {
            rare.probing.peer_data(how, teller.probes(peer));
        }
    }

    pub(super) fn end_probing<O: Observer>(
        &mut self,
        by: Side,
        own: RunEnd,
        peers: RunEnd,
        at: Time,
        teller: &mut Teller<'_, O>,
    ) {
        for (side, how) in [(by, own), (by.other(), peers)] {
            if let Some(rare) = self.sides[side].rare_if_any_mut() {
                rare.probing.end(how, at, teller.probes(side));
            }
        }
    }
}
