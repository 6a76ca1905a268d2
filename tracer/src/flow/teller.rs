//! Tells an observer what happens on one flow.

use super::keepalive::Known;
use super::{Event, FlowId, Observer, Side, What};
use crate::segment::Segment;
use crate::time::Time;

/// Emits the events of one flow.
pub(super) struct Teller<'a, O> {
    pub(super) observer: &'a mut O,
    pub(super) flow: FlowId,
}

impl<O: Observer> Teller<'_, O> {
    /// For probes of `by`, and their answers.
    pub(super) fn probes(&mut self, by: Side) -> impl FnMut(Known, Time, u64, What) {
        move |known, at, frame, what| {
            let by = if matches!(what, What::KeepaliveAnswer { .. }) {
                by.other()
            } else {
                by
            };
            let event = Event {
                at,
                frame,
                by,
                what,
                head: None,
            };
            match known {
                Known::Now => self.observer.event(self.flow, event),
                Known::InPart => self.observer.as_it_happens(self.flow, event),
                Known::Late => self.observer.in_hindsight(self.flow, event),
            }
        }
    }

    #[inline]
    pub(super) fn tell(&mut self, segment: &Segment<'_>, by: Side, what: What) {
        let event = Event {
            at: segment.at,
            frame: segment.frame,
            by,
            what,
            head: Some(segment.head()),
        };
        self.observer.event(self.flow, event);
    }

    #[inline]
    pub(super) fn pass(&mut self, event: Option<Event>) {
        if let Some(event) = event {
            self.observer.event(self.flow, event);
        }
    }
}
