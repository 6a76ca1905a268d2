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

/// So many events are gathered for each flow, on average, before they are sorted out by flow.
const GATHERED: usize = 16;

/// ... and so many at least.
const AT_LEAST: usize = 1 << 12;

impl Trail {
    /// Whether a turn certainly holds nothing but a part of a handshake of TLS.
    pub(crate) fn is_handshake(&self, turn: &Event) -> bool {
        let mut sure = self.handshakes.iter().filter(|known| known.sure);
        sure.any(|known| known.frame == turn.frame && known.by == turn.by)
    }
}

/// Keeps the trails of all flows of a table.
///
/// With many flows, segments come in turn, and each would find its trail in cold memory. So what
/// comes is written down one after the other, and sorted out by flow when there is enough of it.
#[derive(Debug, Default)]
pub struct Trails {
    flows: HashMap<FlowId, Growing, RandomState>,
    readings: HashMap<FlowId, Box<Reading>, RandomState>,
    events: Gathered<Event>,
    prints: Gathered<TurnPrint>,
}

/// What came and is not sorted out yet.
#[derive(Debug)]
struct Gathered<T> {
    of: Vec<(FlowId, T)>,
}

/// How much room is made for what comes.
#[derive(Clone, Copy, Debug)]
enum Room {
    /// More will come.
    ToGrow,
    /// Nothing more will come: none is wasted.
    Exact,
}

impl Room {
    fn make<T>(self, list: &mut Vec<T>, more: usize) {
        match self {
            Self::ToGrow => list.reserve(more),
            Self::Exact => list.reserve_exact(more),
        }
    }
}

/// A trail that is still added to.
#[derive(Debug, Default)]
struct Growing {
    first: Vec<Event>,
    later: Option<Box<Later>>,
    prints: Vec<TurnPrint>,
}

/// The end of a very long trail.
#[derive(Debug, Default)]
struct Later {
    last: VecDeque<Event>,
    omitted: u64,
}

impl Trails {
    /// What happened on a flow that is over, or of which nothing more will come.
    #[must_use]
    pub fn take(&mut self, flow: FlowId) -> Trail {
        if !self.events.of.is_empty() || !self.prints.of.is_empty() {
            self.sort_out(Room::Exact);
            (self.events, self.prints) = Default::default();
        }
        let growing = self.flows.remove(&flow).unwrap_or_default();
        let mut trail = growing.finish();
        if let Some(reading) = self.readings.remove(&flow) {
            reading.finish(&mut trail);
        }
        trail.headings.shrink_to_fit();
        trail.prints.shrink_to_fit();
        trail
    }

    fn is_enough(&self) -> bool {
        let enough = AT_LEAST.max(self.flows.len() * GATHERED);
        self.events.of.len() >= enough || self.prints.of.len() >= enough
    }

    fn sort_out(&mut self, room: Room) {
        let flows = &mut self.flows;
        self.events.sort_out(|flow, events| {
            let growing = flows.entry(flow).or_default();
            let fitting = KEPT.saturating_sub(growing.first.len());
            room.make(&mut growing.first, events.len().min(fitting));
            events.for_each(|event| growing.push(event));
        });
        self.prints.sort_out(|flow, prints| {
            let growing = flows.entry(flow).or_default();
            // The print of the last turn comes besides.
            room.make(&mut growing.prints, prints.len() + 1);
            growing.prints.extend(prints);
        });
    }
}

impl Observer for Trails {
    #[inline]
    fn event(&mut self, flow: FlowId, event: Event) {
        self.events.of.push((flow, event));
        if self.is_enough() {
            self.sort_out(Room::ToGrow);
        }
    }

    fn sides_swapped(&mut self, flow: FlowId) {
        self.sort_out(Room::ToGrow);
        if let Some(trail) = self.flows.get_mut(&flow) {
            trail.swap_sides();
        }
        if let Some(reading) = self.readings.get_mut(&flow) {
            reading.swap_sides();
        }
    }

    fn payload(&mut self, flow: FlowId, by: Side, segment: &Segment<'_>, new: New) {
        let reading = self.readings.entry(flow).or_default();
        let print = reading.read(by, segment, new);
        self.prints.of.extend(print.map(|print| (flow, print)));
    }

    #[inline]
    fn expect(&self, flow: FlowId) -> u64 {
        let reading = self.readings.get(&flow);
        reading.map_or(0, |reading| reading.touch())
    }

    fn let_go(&mut self, flow: FlowId) {
        self.sort_out(Room::ToGrow);
        self.flows.remove(&flow);
        self.readings.remove(&flow);
    }
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Self { of: Vec::new() }
    }
}

impl<T: Copy> Gathered<T> {
    /// Gives what came of each flow, in the order in which it came.
    fn sort_out(&mut self, mut give: impl FnMut(FlowId, Items<'_, T>)) {
        let flows = self.of.iter().enumerate();
        let mut order: Vec<(FlowId, usize)> =
            flows.map(|(place, (flow, _))| (*flow, place)).collect();
        order.sort_unstable();
        for of_flow in order.chunk_by(|one, other| one.0 == other.0) {
            let items = Items {
                of: &self.of,
                order: of_flow.iter(),
            };
            give(of_flow[0].0, items);
        }
        self.of.clear();
    }
}

/// What came of one flow.
struct Items<'a, T> {
    of: &'a [(FlowId, T)],
    order: std::slice::Iter<'a, (FlowId, usize)>,
}

impl<T: Copy> Iterator for Items<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let (_, place) = self.order.next()?;
        Some(self.of[*place].1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.order.size_hint()
    }
}

impl<T: Copy> ExactSizeIterator for Items<'_, T> {}

impl Growing {
    fn push(&mut self, event: Event) {
        if self.first.len() < KEPT {
            self.first.push(event);
            return;
        }
        let later = self.later.get_or_insert_default();
        if later.last.len() == KEPT {
            later.last.pop_front();
            later.omitted += 1;
        }
        later.last.push_back(event);
    }

    fn swap_sides(&mut self) {
        let later = self.later.iter_mut().flat_map(|later| &mut later.last);
        let events = self.first.iter_mut().chain(later);
        let sides = events.map(|event| &mut event.by);
        for by in sides.chain(self.prints.iter_mut().map(|turn| &mut turn.by)) {
            *by = by.other();
        }
    }

    fn finish(self) -> Trail {
        let Later { last, omitted } = self.later.map(|later| *later).unwrap_or_default();
        let mut events = self.first;
        events.extend(last);
        Trail {
            events: settled(events),
            prints: self.prints,
            omitted,
            ..Trail::default()
        }
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
