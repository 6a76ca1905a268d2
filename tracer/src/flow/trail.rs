//! What is kept of flows beside their sums: what happened on each, by time, and how its turns begin.
//! Whoever joins flows or looks for causes reads these.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;

use super::batch::Batch;
use super::event::{Event, New, Observer, What};
use super::reading::{Reading, TurnHeading, TurnPrint};
use super::{Calls, FlowId, Side, Sides};
use crate::http::{HandshakeFailure, Handshaking};
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
    /// What became of the requests of an HTTP/2 connection; `None` of any other.
    pub calls: Option<Box<Calls>>,
    /// Turns that hold nothing but a part of a handshake of TLS, by which nothing is asked or answered.
    /// There are few.
    pub handshakes: Vec<Handshaking>,
    /// The handshake of TLS failed, as far as records tell.
    pub handshake_failure: Option<HandshakeFailure>,
    /// Events that were not kept.
    pub omitted: u64,
}

/// So many events are gathered for each flow, on average, before they are sorted out by flow.
const GATHERED: usize = 16;

/// ... and so many at least.
const AT_LEAST: usize = 1 << 12;

/// ... and at most: they take 185 MB.
const AT_MOST: usize = 1 << 21;

impl Trail {
    /// Whether a turn certainly asks for nothing and answers nothing: it holds a part of a handshake of TLS, or
    /// frames about an HTTP/2 connection, and nothing else.
    pub(crate) fn is_aside(&self, turn: &Event) -> bool {
        let control = self.calls.as_ref().map(|calls| &calls.control);
        if control.is_some_and(|control| control.binary_search(&turn.frame).is_ok()) {
            return true;
        }
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
    events: Batch<Event>,
    prints: Batch<TurnPrint>,
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
        if self.events.len() + self.prints.len() > 0 {
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
        let enough = (self.flows.len() * GATHERED).clamp(AT_LEAST, AT_MOST);
        self.events.len() >= enough || self.prints.len() >= enough
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
        self.events.add(flow, event);
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

    fn asks(&self, flow: FlowId) -> Option<Side> {
        self.readings.get(&flow)?.asks()
    }

    fn payload(&mut self, flow: FlowId, by: Side, segment: &Segment<'_>, new: New) {
        let reading = self.readings.entry(flow).or_default();
        let print = reading.read(by, segment, new);
        if let Some(print) = print {
            self.prints.add(flow, print);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;

    const FLOWS: u64 = 300;

    fn data(frame: u64) -> Event {
        let at = Time::from_nanos(i64::try_from(frame).expect("a small number"));
        Event {
            at,
            frame,
            by: Side::Client,
            what: What::Fin,
            head: None,
        }
    }

    /// Flows take turns, as long as it takes to sort out several times.
    fn interleaved(trails: &mut Trails, frames: u64) {
        for frame in 0..frames {
            trails.event(FlowId(frame % FLOWS), data(frame));
        }
    }

    fn frames(trail: &Trail) -> Vec<u64> {
        trail.events.iter().map(|event| event.frame).collect()
    }

    #[test]
    fn each_flow_gets_its_own_events_in_their_order() {
        let mut trails = Trails::default();
        let all = 3 * AT_LEAST as u64 + 1;
        interleaved(&mut trails, all);
        for flow in (0..FLOWS).rev() {
            let own: Vec<u64> = (0..all).filter(|frame| frame % FLOWS == flow).collect();
            assert_eq!(frames(&trails.take(FlowId(flow))), own, "flow {flow}");
        }
        assert!(frames(&trails.take(FlowId(0))).is_empty(), "it was taken");
    }

    #[test]
    fn what_was_told_before_the_sides_are_known_is_swapped_and_nothing_else() {
        let mut trails = Trails::default();
        let before = AT_LEAST as u64 + 7;
        interleaved(&mut trails, before);
        trails.sides_swapped(FlowId(3));
        trails.event(FlowId(3), data(before));
        let swapped = trails.take(FlowId(3)).events;
        let (last, first) = swapped.split_last().expect("events");
        assert!(first.iter().all(|event| event.by == Side::Server));
        assert_eq!(last.by, Side::Client);
        let other = trails.take(FlowId(4)).events;
        assert!(other.iter().all(|event| event.by == Side::Client));
    }

    #[test]
    fn of_a_flow_that_was_let_go_nothing_comes_back() {
        let mut trails = Trails::default();
        interleaved(&mut trails, 2 * FLOWS);
        trails.let_go(FlowId(5));
        assert!(frames(&trails.take(FlowId(5))).is_empty());
        assert_eq!(frames(&trails.take(FlowId(6))), [6, 6 + FLOWS]);
    }

    #[test]
    fn of_very_many_events_the_first_and_the_last_are_kept() {
        let mut trails = Trails::default();
        let all = 3 * KEPT as u64;
        for frame in 0..all {
            trails.event(FlowId(0), data(frame));
        }
        let trail = trails.take(FlowId(0));
        assert_eq!(trail.omitted, KEPT as u64);
        let kept = (0..KEPT as u64).chain(2 * KEPT as u64..all);
        assert_eq!(frames(&trail), kept.collect::<Vec<u64>>());
    }
}
