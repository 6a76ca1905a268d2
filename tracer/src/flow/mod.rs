//! Flows: one TCP connection each, as seen at one vantage.
//!
//! [`FlowTable`] sorts segments into [`Flow`]s; a flow asks each segment the questions that the
//! submodules answer: [`opening`], [`ending`], [`keepalive`] ([`probing`], [`zero_window`],
//! [`duplicate`]), [`exchange`], [`direction`] (sequence numbers) and [`roles`].

mod batch;
mod belonging;
mod calls;
mod direction;
mod duplicate;
mod ending;
mod event;
mod exchange;
mod facts;
mod keepalive;
mod opening;
mod probe;
mod probing;
mod reading;
mod retire;
mod roles;
mod side;
mod table;
mod teller;
mod telling;
mod thinned;
mod trail;
mod zero_window;

use std::time::Duration;

pub use self::calls::{Calls, Failed, OpenCall};
use self::direction::Direction;
use self::duplicate::Recent;
use self::ending::Endings;
pub use self::ending::{Closing, End, Ending};
pub use self::event::{BeforeFin, Event, New, OPENING, Observer, Timeline, What};
use self::exchange::{Exchanges, Last};
use self::keepalive::BareAck;
use self::opening::Opening;
pub use self::probe::{Probe, RunEnd, Wait};
pub(crate) use self::probe::{idle, interval};
pub use self::reading::{TurnHeading, TurnPrint};
pub use self::roles::Roles;
pub use self::side::{Side, Sides};
pub use self::table::{FlowId, FlowTable};
use self::teller::Teller;
pub use self::trail::{Trail, Trails};
use crate::segment::{Endpoint, Segment};
use crate::seq::Seq;
use crate::tally::Tally;
use crate::time::Time;

/// One TCP connection as seen at one vantage.
///
/// With many flows, time goes into waiting for memory: what every segment needs comes first, in as
/// few cache lines as possible.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Flow {
    endpoints: Sides<Endpoint>,
    vantage: u32,
    last_at: Time,
    /// Last segment that moved the connection on: data, SYN, FIN, RST.
    active_at: Time,
    longest_silence: u64,
    recent: Recent,
    sides: Sides<Direction>,
    exchanges: Exchanges,
    endings: Option<Box<Endings>>,
    longest_payload_gap: u64,
    opening: Opening,
    /// The first sequence number seen of each side, or acknowledged by its peer.
    begins: Sides<Option<Seq>>,
    first_at: Time,
    duplicates: u64,
    bare_acks: Sides<Option<BareAck>>,
    /// By what it is known who is client.
    roles: Roles,
    /// What a thinned source had counted when it was last asked.
    counted: Option<Box<Tally>>,
}

impl Flow {
    fn new(segment: &Segment<'_>, by: Side, roles: Roles) -> Self {
        let endpoints = match by {
            Side::Client => Sides {
                client: segment.source,
                server: segment.destination,
            },
            Side::Server => Sides {
                client: segment.destination,
                server: segment.source,
            },
        };
        Self {
            endpoints,
            vantage: segment.vantage,
            roles,
            first_at: segment.at,
            last_at: segment.at,
            active_at: segment.at,
            longest_silence: 0,
            longest_payload_gap: 0,
            duplicates: 0,
            recent: Recent::default(),
            sides: Sides::default(),
            bare_acks: Sides::default(),
            opening: Opening::default(),
            begins: Sides::default(),
            exchanges: Exchanges::default(),
            endings: None,
            counted: None,
        }
    }

    fn side_of(&self, source: Endpoint) -> Side {
        if source == self.endpoints.client {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// Takes in a segment. False where it was a duplicate.
    fn handle<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        teller: &mut Teller<'_, O>,
    ) -> bool {
        let number = self.sides.client.segments + self.sides.server.segments;
        if self.recent.repeats(segment, number) {
            self.duplicates += 1;
            return false;
        }
        self.longest_silence = self
            .longest_silence
            .max(nanos(segment.at.since(self.last_at)));
        if segment.at >= self.last_at {
            self.last_at = segment.at;
        } else {
            // Far from the rest: only what is out of order can be earlier than the first.
            self.first_at = self.first_at.min(segment.at);
        }
        self.sides[by].segments += 1;
        if segment.flags.rst() {
            self.reset(segment, by, teller);
        } else if segment.flags.syn() {
            self.synchronize(segment, by, teller);
        } else {
            self.carry(segment, by, teller);
        }
        true
    }

    fn synchronize<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        teller: &mut Teller<'_, O>,
    ) {
        self.active(segment.at);
        let side = &mut self.sides[by];
        side.sent_at = Some(segment.at);
        let again = self.opening.isns[by] == Some(segment.seq);
        if again {
            side.rare().retransmissions += 1;
        } else {
            self.opening.isns[by] = Some(segment.seq);
            side.provisional = false;
            // Otherwise it was captured after what it came before.
            if !side.goes_on_from(segment.seq + 1) {
                side.known = true;
                side.next = segment.seq_end();
                side.bytes += u64::from(segment.len);
            }
        }
        if segment.flags.ack() {
            self.sides[by.other()].acknowledged(segment.ack, segment.at);
            if !again {
                self.endings
                    .iter_mut()
                    .for_each(|endings| endings.went_on());
            }
            self.opening.accepted(segment.at);
            teller.tell(segment, by, What::SynAck);
        } else {
            if by == Side::Client {
                self.opening.syn(segment.at);
            }
            let attempt = self.opening.syns.max(1);
            teller.tell(segment, by, What::Syn { attempt });
        }
        self.heard(by, segment.at);
    }

    fn reset<O: Observer>(&mut self, segment: &Segment<'_>, by: Side, teller: &mut Teller<'_, O>) {
        self.active(segment.at);
        self.begin(segment, by);
        self.promote_candidates(by, segment.seq);
        self.end_probing(
            by,
            RunEnd::ResetByProber,
            RunEnd::ResetByPeer,
            segment.at,
            teller,
        );
        let next = self
            .sides
            .as_ref()
            .map(|side| side.known.then_some(side.next));
        self.endings.get_or_insert_default().rst(segment, by, next);
        teller.tell(segment, by, What::Rst);
    }

    /// A segment of an established connection.
    #[inline]
    fn carry<O: Observer>(&mut self, segment: &Segment<'_>, by: Side, teller: &mut Teller<'_, O>) {
        if !self.sides[by].went_on {
            if self.is_older(segment, by) {
                return;
            }
            self.begin(segment, by);
            self.sides[by].went_on = true;
            if by == Side::Client {
                self.opening.client_went_on(segment.at);
            }
        }
        if segment.len <= 1 && self.probe(segment, by, teller) {
            return;
        }
        let of_what_was_seen = self.take_ack(segment, by, teller);
        let bare = segment.seq_len() == 0;
        if bare && let Some(endings) = &mut self.endings {
            endings.heard(segment, by);
        }
        if self.sides[by].provisional || (bare && !self.sides[by].known) {
            self.unproven(segment, by);
        }
        let expected = self.sides[by].known.then_some(self.sides[by].next);
        let progress = self.sides[by].advance(segment);
        if progress.retransmission {
            let again = What::Retransmission {
                bytes: segment.len,
                fresh: progress.new_bytes,
            };
            teller.tell(segment, by, again);
        }
        if !bare {
            self.sides[by].sent_at = Some(segment.at);
            self.data(segment, by, progress.new_bytes, expected, teller);
        } else if of_what_was_seen {
            self.answer(segment, by, teller);
        }
        self.heard(by, segment.at);
        self.window(segment, by, teller);
    }

    /// The first segment of a side that is no SYN, or one that may be.
    #[cold]
    fn begin(&mut self, segment: &Segment<'_>, by: Side) {
        self.begins[by].get_or_insert(segment.seq);
        if segment.flags.ack() {
            self.begins[by.other()].get_or_insert(segment.ack);
        }
    }

    /// Whether a segment of a side whose SYN was not seen answers the SYN with the numbers of an
    /// older connection (RFC 9293 section 3.5.1).
    #[cold]
    fn is_older(&self, segment: &Segment<'_>, by: Side) -> bool {
        let peers = self.opening.isns[by.other()];
        self.opening.isns[by].is_none()
            && !self.sides[by.other()].went_on
            && self.opening.accepted_at.is_none()
            && peers.is_some_and(|isn| !(1..1 << 20).contains(&segment.ack.distance_from(isn)))
    }

    /// Takes in the acknowledgment of a segment that is no probe. True where it is of all that the
    /// peer is known to have sent, and of nothing else.
    #[inline]
    fn take_ack<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        teller: &mut Teller<'_, O>,
    ) -> bool {
        if !segment.flags.ack() {
            return false;
        }
        let peer = &self.sides[by.other()];
        if segment.seq_len() == 0 && peer.acked_known && peer.acked == segment.ack {
            let heard_before = self.sides[by].heard_at;
            self.bare_acks[by] = Some(BareAck {
                at: segment.at,
                frame: segment.frame,
                heard_before,
            });
        }
        self.acknowledge(segment, by, teller)
    }

    /// What an acknowledgment tells of the peer. True where it is of all that the peer is known to
    /// have sent, and of nothing else.
    #[inline]
    fn acknowledge<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        teller: &mut Teller<'_, O>,
    ) -> bool {
        let peer = by.other();
        self.promote_candidates(peer, segment.ack);
        let of_what_was_seen = self.sides[peer].known && self.sides[peer].next == segment.ack;
        if self.sides[peer].acknowledged(segment.ack, segment.at) {
            // What it acknowledges was sent before, though not seen, or not yet.
            teller.pass(self.exchanges.data(segment, peer, 0, None));
        }
        if let Some(endings) = &mut self.endings
            && endings.outlived(segment.ack, peer)
        {
            for side in [by, peer] {
                if let Some(rare) = self.sides[side].rare_if_any_mut() {
                    rare.probing.outlive_reset();
                }
            }
        }
        of_what_was_seen
    }

    #[inline]
    fn data<O: Observer>(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        new_bytes: u32,
        expected: Option<Seq>,
        teller: &mut Teller<'_, O>,
    ) {
        let after = segment.at.since(self.active_at);
        self.active(segment.at);
        if new_bytes > 0 {
            let before = self.exchanges.opening(by);
            // What fills a hole says nothing of the end.
            let is_last = self.sides[by].next == segment.seq_end();
            let last = is_last.then(|| Last::of(segment, expected));
            teller.pass(self.exchanges.data(segment, by, new_bytes, last));
            if let Some(before) = before
                && let Some(new) = New::of(segment, before, new_bytes, expected, after)
            {
                teller.observer.payload(teller.flow, by, segment, new);
            }
            self.interrupt_probing(segment.at, by, RunEnd::Data, teller);
        }
        if segment.flags.fin() && self.endings.get_or_insert_default().fin(segment, by) {
            self.exchanges.fin(by);
            self.interrupt_probing(segment.at, by, RunEnd::Fin, teller);
            teller.tell(segment, by, What::Fin);
        }
    }

    #[inline]
    fn window<O: Observer>(&mut self, segment: &Segment<'_>, by: Side, teller: &mut Teller<'_, O>) {
        let side = &mut self.sides[by];
        side.advertise(segment.window);
        if segment.window == 0 {
            let rare = side.rare();
            if rare.zero_since.is_none() {
                rare.zero_since = Some(segment.at);
                rare.zero_windows += 1;
                teller.tell(segment, by, What::ZeroWindow);
            }
        } else if let Some(rare) = side.rare_if_any_mut()
            && let Some(since) = rare.zero_since.take()
        {
            rare.opened_at = Some(segment.at);
            let after = segment.at.since(since);
            teller.tell(segment, by, What::WindowOpened { after });
        }
    }

    #[inline]
    fn heard(&mut self, by: Side, at: Time) {
        self.sides[by].heard_at = Some(at);
    }

    #[inline]
    fn active(&mut self, at: Time) {
        self.longest_payload_gap = self
            .longest_payload_gap
            .max(nanos(at.since(self.active_at)));
        self.active_at = self.active_at.max(at);
    }

    /// A SYN came after what it was sent before, and says that the roles were inferred wrongly.
    fn swap_roles(&mut self) {
        self.endpoints.swap();
        self.sides.swap();
        self.bare_acks.swap();
        self.opening.isns.swap();
        self.begins.swap();
        self.exchanges.swap_sides();
        self.endings
            .iter_mut()
            .for_each(|endings| endings.swap_sides());
    }

    /// Nothing more will come.
    fn finish<O: Observer>(&mut self, teller: &mut Teller<'_, O>) {
        let end = RunEnd::CaptureEnd;
        self.end_probing(Side::Client, end, end, self.last_at, teller);
        teller.pass(self.exchanges.end());
    }
}

/// A [`Duration`] in half the space; the longest that two times can be apart fits.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
