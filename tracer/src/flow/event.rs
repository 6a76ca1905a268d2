//! What happens on a flow, told as it is found out.

use std::time::Duration;

use super::trail::settled;
use crate::flow::{FlowId, Side};
use crate::segment::{Head, Segment};
use crate::seq::Seq;
use crate::time::Time;

/// Something worth telling about a flow.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Event {
    /// When it happened. Events come in the order in which they are understood, which may be
    /// later: order them by time.
    pub at: Time,
    /// The frame that shows it.
    pub frame: u64,
    /// Who did it.
    pub by: Side,
    /// What.
    pub what: What,
    /// The headers of the segment that shows it; `None` where it was only counted, or understood
    /// later than it was seen.
    pub head: Option<Head>,
}

/// What a side did.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum What {
    /// Asked for a connection, for the nth time.
    Syn {
        /// 1 for the first.
        attempt: u32,
    },
    /// Accepted the connection.
    SynAck,
    /// Sent data, until the other side did or nothing more came.
    Data {
        /// Payload bytes of the turn.
        bytes: u64,
        /// When the last of them came.
        until: Time,
        /// What came before the other side's FIN, where more came after it. That may only answer it, as
        /// the close_notify alert of TLS does (RFC 8446 section 6.1), or find nobody who reads it.
        before_fin: Option<BeforeFin>,
        /// The last of them are an empty line, as heads of HTTP and chunked bodies end with; `None` where
        /// they were not captured.
        ends: Option<bool>,
    },
    /// Sent a keepalive probe.
    KeepaliveProbe {
        /// Its number among those of this side, from 1.
        number: u32,
        /// Silence before it: since something was heard from the peer, or since the unanswered
        /// probe before. `None` where the capture began later.
        after: Option<Duration>,
    },
    /// Answered a keepalive probe.
    KeepaliveAnswer {
        /// How long it took.
        after: Duration,
    },
    /// Probed a window of zero.
    ZeroWindowProbe,
    /// Probed a peer whose window is zero, or not known: of which kind the probe is, only what follows
    /// will show. Told to [`Observer::as_it_happens`] alone.
    Probe,
    /// Advertised a window of zero: stopped reading.
    ZeroWindow,
    /// Opened a window of zero.
    WindowOpened {
        /// How long it had been zero.
        after: Duration,
    },
    /// Sent again what it had sent before.
    Retransmission {
        /// Payload bytes.
        bytes: u32,
        /// Bytes among them that were not seen here before: what was sent first did not come this
        /// way, or was not captured.
        fresh: u32,
    },
    /// Sent its FIN: closed its direction.
    Fin,
    /// Reset the connection.
    Rst,
}

/// The part of a turn that came before the other side's FIN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BeforeFin {
    /// Payload bytes.
    pub bytes: u64,
    /// When the last of them came.
    pub until: Time,
}

/// Takes the events of flows.
pub trait Observer {
    /// Something happened on a flow.
    fn event(&mut self, flow: FlowId, event: Event);

    /// What is sure now of something that [`Observer::in_hindsight`] will tell of, when all is known of
    /// it: for those who do not want to wait.
    fn as_it_happens(&mut self, _: FlowId, _: Event) {}

    /// Something happened, perhaps long ago, that is understood only now.
    fn in_hindsight(&mut self, flow: FlowId, event: Event) {
        self.event(flow, event);
    }

    /// A SYN, captured late, shows that client and server of what was told before are the other
    /// way round.
    fn sides_swapped(&mut self, _: FlowId) {}

    /// The side of a flow that asks, where anything that was read of it says so.
    fn asks(&self, _: FlowId) -> Option<Side> {
        None
    }

    /// New payload within the first [`OPENING`] bytes of a turn. What was captured of the segment's
    /// payload may end earlier.
    fn payload(&mut self, _: FlowId, _: Side, _: &Segment<'_>, _: New) {}

    /// Soon something may happen on a flow: looks at what will be needed then, so that the processor
    /// fetches it in time. What it returns is of no meaning.
    #[inline]
    fn expect(&self, _: FlowId) -> u64 {
        0
    }

    /// A flow is let go: nothing more comes of it, and nobody will ask for it.
    fn let_go(&mut self, _: FlowId) {}
}

/// What is new in a segment's payload: it may have begun with what was sent before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct New {
    /// Payload bytes of the turn that came earlier: with zero a turn begins.
    pub before: u64,
    /// Payload bytes of the segment before what is new.
    pub from: u32,
    /// Payload bytes that are new.
    pub len: u32,
    /// For how long nothing had moved the connection on.
    pub after: Duration,
}

impl New {
    /// Of a segment that brings `len` new bytes, where `expected` should have come next; `None` where
    /// they are not its last, because it fills a hole.
    pub(super) fn of(
        segment: &Segment<'_>,
        before: u64,
        len: u32,
        expected: Option<Seq>,
        after: Duration,
    ) -> Option<Self> {
        let sent = expected.map_or(0, |expected| expected.distance_from(segment.seq));
        let from = u32::try_from(sent).unwrap_or(0);
        (from.saturating_add(len) == segment.len).then_some(Self {
            before,
            from,
            len,
            after,
        })
    }
}

/// So many bytes of each turn are shown to observers, as far as they were captured.
pub const OPENING: u64 = 16 * 1024;

/// Two look.
impl<A: Observer, B: Observer> Observer for (A, B) {
    #[inline]
    fn event(&mut self, flow: FlowId, event: Event) {
        self.0.event(flow, event);
        self.1.event(flow, event);
    }

    fn as_it_happens(&mut self, flow: FlowId, event: Event) {
        self.0.as_it_happens(flow, event);
        self.1.as_it_happens(flow, event);
    }

    fn in_hindsight(&mut self, flow: FlowId, event: Event) {
        self.0.in_hindsight(flow, event);
        self.1.in_hindsight(flow, event);
    }

    fn sides_swapped(&mut self, flow: FlowId) {
        self.0.sides_swapped(flow);
        self.1.sides_swapped(flow);
    }

    fn asks(&self, flow: FlowId) -> Option<Side> {
        self.0.asks(flow).or_else(|| self.1.asks(flow))
    }

    #[inline]
    fn payload(&mut self, flow: FlowId, by: Side, segment: &Segment<'_>, new: New) {
        self.0.payload(flow, by, segment, new);
        self.1.payload(flow, by, segment, new);
    }

    #[inline]
    fn expect(&self, flow: FlowId) -> u64 {
        self.0.expect(flow) ^ self.1.expect(flow)
    }

    fn let_go(&mut self, flow: FlowId) {
        self.0.let_go(flow);
        self.1.let_go(flow);
    }
}

/// Nobody looks.
impl Observer for () {
    #[inline]
    fn event(&mut self, _: FlowId, _: Event) {}
}

/// Collects the events of one flow.
#[derive(Debug)]
pub struct Timeline {
    flow: FlowId,
    events: Vec<Event>,
}

impl Timeline {
    /// Of that flow.
    #[must_use]
    pub const fn of(flow: FlowId) -> Self {
        Self {
            flow,
            events: Vec::new(),
        }
    }

    /// What happened, by time.
    #[must_use]
    pub fn into_events(self) -> Vec<Event> {
        settled(self.events)
    }
}

impl Observer for Timeline {
    fn event(&mut self, flow: FlowId, event: Event) {
        if flow == self.flow {
            self.events.push(event);
        }
    }

    fn sides_swapped(&mut self, flow: FlowId) {
        if flow == self.flow {
            self.events
                .iter_mut()
                .for_each(|event| event.by = event.by.other());
        }
    }
}
