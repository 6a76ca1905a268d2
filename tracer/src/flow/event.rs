//! What happens on a flow, told as it is found out.

use std::collections::HashSet;
use std::time::Duration;

use crate::flow::{FlowId, Side};
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
    },
    /// Sent its FIN: closed its direction.
    Fin,
    /// Reset the connection.
    Rst,
}

/// Takes the events of flows.
pub trait Observer {
    /// Something happened on a flow.
    fn event(&mut self, flow: FlowId, event: Event);

    /// A SYN, captured late, shows that client and server of what was told before are the other
    /// way round.
    fn sides_swapped(&mut self, _: FlowId) {}
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
    pub fn into_events(mut self) -> Vec<Event> {
        // What was told as a keepalive probe at once may have turned out to probe the window.
        let superseded: HashSet<u64> = self
            .events
            .iter()
            .filter(|event| event.what == What::ZeroWindowProbe)
            .map(|event| event.frame)
            .collect();
        self.events.retain(|event| match event.what {
            What::KeepaliveProbe { .. } => !superseded.contains(&event.frame),
            _ => true,
        });
        self.events.sort_by_key(|event| (event.at, event.frame));
        self.events
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
