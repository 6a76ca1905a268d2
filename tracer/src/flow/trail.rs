//! What is kept of flows beside their sums: what happened on each, by time, and how its turns begin.
//! Whoever joins flows or looks for causes reads these.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;

use super::event::{Event, New, Observer, What};
use super::reading::{Reading, TurnHeading, TurnPrint};
use super::{FlowId, Side, Sides};
use crate::http::Handshaking;
use crate::segment::Segment;

/// Events kept of the beginning of a flow, and as many of its end. What comes between is only
/// counted: a connection that lives for days must not fill the memory.
const KEPT: usize = 1 << 15;

/// What happened on a flow.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// What happened, by time; of a flow with very many events the first and the last.
    pub events: Vec<Event>,
    /// What can be read of turns, in the order in which it was sent; of a flow with very many turns
    /// the first.
    pub headings: Vec<TurnHeading>,
    /// How turns begin, in their order; of a flow with very many turns the first. Turns of which no
    /// byte was captured are not among them.
    pub prints: Vec<TurnPrint>,
    /// The highest HTTP/2 stream on which each side sent headers. The client's have odd numbers:
    /// of `n`, `(n + 1) / 2` requests were begun on the connection.
    pub streams: Sides<Option<u32>>,
    /// Turns that hold nothing but a part of a handshake of TLS, by which nothing is asked or answered.
    /// There are few.
    pub handshakes: Vec<Handshaking>,
    /// Events that were not kept.
    pub omitted: u64,
}

impl Trail {
    /// Whether a turn certainly holds nothing but a part of a handshake of TLS.
    pub(crate) fn is_handshake(&self, turn: &Event) -> bool {
        let mut sure = self.handshakes.iter().filter(|known| known.sure);
        sure.any(|known| known.frame == turn.frame && known.by == turn.by)
    }
}

/// Keeps the trails of all flows of a table.
#[derive(Debug, Default)]
pub struct Trails {
    flows: HashMap<FlowId, Growing, RandomState>,
}

/// A trail that is still added to.
#[derive(Debug, Default)]
struct Growing {
    first: Vec<Event>,
    last: VecDeque<Event>,
    omitted: u64,
    reading: Option<Box<Reading>>,
}

impl Trails {
    /// What happened on a flow that is over, or of which nothing more will come.
    #[must_use]
    pub fn take(&mut self, flow: FlowId) -> Trail {
        self.flows
            .remove(&flow)
            .map_or_else(Trail::default, Growing::finish)
    }
}

impl Observer for Trails {
    fn event(&mut self, flow: FlowId, event: Event) {
        self.flows.entry(flow).or_default().push(event);
    }

    fn sides_swapped(&mut self, flow: FlowId) {
        if let Some(trail) = self.flows.get_mut(&flow) {
            trail.swap_sides();
        }
    }

    fn payload(&mut self, flow: FlowId, by: Side, segment: &Segment<'_>, new: New) {
        self.flows
            .entry(flow)
            .or_default()
            .reading
            .get_or_insert_default()
            .read(by, segment, new);
    }

    fn let_go(&mut self, flow: FlowId) {
        self.flows.remove(&flow);
    }
}

impl Growing {
    fn push(&mut self, event: Event) {
        if self.first.len() < KEPT {
            self.first.push(event);
            return;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
            self.omitted += 1;
        }
        self.last.push_back(event);
    }

    fn swap_sides(&mut self) {
        for event in self.first.iter_mut().chain(&mut self.last) {
            event.by = event.by.other();
        }
        if let Some(reading) = &mut self.reading {
            reading.swap_sides();
        }
    }

    fn finish(self) -> Trail {
        let mut events = self.first;
        events.extend(self.last);
        let mut trail = Trail {
            events: settled(events),
            omitted: self.omitted,
            ..Trail::default()
        };
        if let Some(reading) = self.reading {
            reading.finish(&mut trail);
        }
        trail
    }
}

/// Events by time, without those that turned out to be something else.
pub(super) fn settled(mut events: Vec<Event>) -> Vec<Event> {
    // What was told as a keepalive probe at once may have turned out to probe the window.
    let superseded: HashSet<u64> = events
        .iter()
        .filter(|event| event.what == What::ZeroWindowProbe)
        .map(|event| event.frame)
        .collect();
    events.retain(|event| match event.what {
        What::KeepaliveProbe { .. } => !superseded.contains(&event.frame),
        _ => true,
    });
    events.sort_by_key(|event| (event.at, event.frame));
    events
}
