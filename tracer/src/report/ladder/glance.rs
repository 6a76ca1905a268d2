//! A flow, as it is looked at for what one of its sides did.

use std::collections::{HashMap, HashSet};

use crate::flow::{Event, Side, What};
use crate::hop::Sight;
use crate::http::Heading;
use crate::scene::{Scene, Seen};

/// A flow as it is looked at for what one side did.
pub(super) struct Glance<'a> {
    /// The flow, by its place in the scene.
    pub(super) flow: usize,
    pub(super) seen: &'a Seen<'a>,
    /// What the flow calls that side.
    pub(super) by: Side,
    /// What turns say of themselves, by the frame that they begin with.
    headings: HashMap<u64, &'a Heading>,
    /// Frames of probes that were answered.
    answered: HashSet<u64>,
    /// The connection was accepted.
    accepted: bool,
}

impl<'a> Glance<'a> {
    pub(super) fn of(scene: &'a Scene<'a>, sight: &Sight, by: Side) -> Self {
        let by = if sight.swapped { by.other() } else { by };
        let seen = &scene.flows[sight.flow];
        let mut headings: HashMap<u64, &Heading> = HashMap::new();
        for turn in seen.trail.headings.iter().filter(|turn| turn.by == by) {
            // The end announced, else the request or the answer, of several the last, which no interim
            // answer is.
            let told = headings.entry(turn.frame).or_insert(&turn.heading);
            if rank(&turn.heading) >= rank(told) {
                *told = &turn.heading;
            }
        }
        let probes = seen.flow.probes(by).iter();
        let answered = probes.filter(|probe| probe.answered.is_some());
        let mut events = seen.trail.events.iter();
        Self {
            flow: sight.flow,
            seen,
            by,
            headings,
            answered: answered.map(|probe| probe.frame).collect(),
            accepted: events.any(|event| event.what == What::SynAck),
        }
    }

    /// What the turn that an event begins says of itself.
    pub(super) fn text(&self, event: &Event) -> Option<String> {
        match event.what {
            What::Data { .. } => Some(self.headings.get(&event.frame)?.to_string()),
            _ => None,
        }
    }

    /// Whether what asks for an answer got one.
    pub(super) fn answered(&self, event: &Event) -> Option<bool> {
        match event.what {
            What::KeepaliveProbe { .. } => Some(self.answered.contains(&event.frame)),
            What::Syn { .. } => Some(self.accepted),
            _ => None,
        }
    }
}

/// How much a heading tells.
const fn rank(heading: &Heading) -> u8 {
    match heading {
        Heading::GoAway(_) => 3,
        Heading::Request(_) | Heading::Status(_) => 2,
        Heading::ResetStream { .. } | Heading::Http2 => 1,
        Heading::Ping { .. } | Heading::Proxied { .. } | Heading::Tls => 0,
    }
}
