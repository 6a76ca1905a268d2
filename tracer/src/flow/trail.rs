//! What is kept of flows beside their sums: what happened on each, by time, and how its turns begin.
//! Whoever joins flows or looks for causes reads these.

use std::collections::{HashMap, HashSet, VecDeque};

use foldhash::fast::RandomState;

use super::event::{Event, Observer, What};
use super::{FlowId, Side};
use crate::http::{Heading, Reader};
use crate::segment::Segment;

/// Events kept of the beginning of a flow, and as many of its end. What comes between is only
/// counted: a connection that lives for days must not fill the memory.
const KEPT: usize = 1 << 15;

/// What happened on a flow.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// What happened, by time; of a flow with very many events the first and the last.
    pub events: Vec<Event>,
    /// How turns begin, as far as that can be read, in the order of their first frames.
    pub headings: Vec<TurnHeading>,
    /// Events that were not kept, and headings with them.
    pub omitted: u64,
}

/// How a turn begins.
#[derive(Clone, PartialEq, Debug)]
pub struct TurnHeading {
    /// The frame that the turn begins with, which is that of its [`What::Data`] event.
    pub frame: u64,
    /// Whose turn it is.
    pub by: Side,
    /// What its first bytes say.
    pub heading: Heading,
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
    headings: Vec<TurnHeading>,
    omitted: u64,
    reader: Option<Box<(u64, Side, Reader)>>,
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

    fn payload(&mut self, flow: FlowId, by: Side, segment: &Segment<'_>, before: u64) {
        self.flows
            .entry(flow)
            .or_default()
            .read(by, segment, before);
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

    fn read(&mut self, by: Side, segment: &Segment<'_>, before: u64) {
        if before == 0 {
            self.reader = Some(Box::new((segment.frame, by, Reader::default())));
        }
        let Some(reading) = &mut self.reader else {
            return;
        };
        let (frame, side, reader) = &mut **reading;
        if *side != by {
            return;
        }
        // What follows bytes that were not captured would be read as their continuation.
        let cut = segment.payload.len() < segment.len as usize;
        let found = reader.read(segment.payload, cut);
        if let Some(heading) = found {
            let heading = TurnHeading {
                frame: *frame,
                by,
                heading,
            };
            if self.headings.len() < KEPT {
                self.headings.push(heading);
            }
        }
        if reader.is_done() {
            self.reader = None;
        }
    }

    fn swap_sides(&mut self) {
        for event in self.first.iter_mut().chain(&mut self.last) {
            event.by = event.by.other();
        }
        for turn in &mut self.headings {
            turn.by = turn.by.other();
        }
        if let Some(reading) = &mut self.reader {
            reading.1 = reading.1.other();
        }
    }

    fn finish(self) -> Trail {
        let mut events = self.first;
        events.extend(self.last);
        Trail {
            events: settled(events),
            headings: self.headings,
            omitted: self.omitted,
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
