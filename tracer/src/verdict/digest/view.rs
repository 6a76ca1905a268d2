//! A flow of a hop, as the digest reads it.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Cite, Mark};
use crate::flow::{Closing, Event, Flow, Side, What};
use crate::hop::{Hops, Sight};
use crate::scene::Scene;
use crate::segment::Head;
use crate::time::Time;

/// A flow of a hop, with times by the common clock and sides as the hop has them.
pub(super) struct View<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) hops: &'a Hops,
    pub(super) sight: Sight,
}

impl<'a> View<'a> {
    pub(super) fn flow(&self) -> &'a Flow {
        self.scene.flows[self.sight.flow].flow
    }

    pub(super) fn common(&self, at: Time) -> Time {
        let vantage = self.scene.flows[self.sight.flow].vantage;
        self.hops.clocks.common(vantage, at)
    }

    pub(super) fn side(&self, by: Side) -> Side {
        if self.sight.swapped { by.other() } else { by }
    }

    pub(super) fn events(&self) -> &'a [Event] {
        &self.scene.flows[self.sight.flow].trail.events
    }

    /// Nothing is asked or answered in that turn: it is of the handshake of TLS alone, or about an HTTP/2
    /// connection.
    pub(super) fn is_aside(&self, turn: &Event) -> bool {
        let trail = self.scene.flows[self.sight.flow].trail;
        trail.is_aside(turn)
    }

    pub(super) fn cite(&self, frame: u64) -> Cite {
        Cite {
            flow: self.sight.flow,
            frame,
        }
    }

    pub(super) fn heads(&self) -> HashMap<u64, Head, RandomState> {
        let closing = |event: &&Event| matches!(event.what, What::Fin | What::Rst);
        let events = self.events().iter().filter(closing);
        events
            .filter_map(|event| Some((event.frame, event.head?)))
            .collect()
    }

    pub(super) fn mark(
        &self,
        closing: &Closing,
        rst: bool,
        heads: &HashMap<u64, Head, RandomState>,
    ) -> Mark {
        Mark {
            by: self.side(closing.by),
            rst,
            at: self.common(closing.at),
            cite: self.cite(closing.frame),
            head: heads.get(&closing.frame).copied(),
        }
    }

    pub(super) fn marks(&self) -> Vec<Mark> {
        if self.flow().ending().is_none() && self.flow().rsts().is_empty() {
            return Vec::new();
        }
        let heads = self.heads();
        let fins = self.flow().fins().iter();
        let fins = fins.map(|fin| self.mark(fin, false, &heads));
        let rsts = self.flow().rsts().iter();
        fins.chain(rsts.map(|rst| self.mark(rst, true, &heads)))
            .collect()
    }
}
