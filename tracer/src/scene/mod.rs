//! What all vantages saw, under one numbering: where joining flows begins.

mod facts;

use std::ops::Range;

pub(crate) use self::facts::{FlowFacts, Joined, join as facts};
use crate::flow::{Flow, FlowId, Sides, Trail};
use crate::kernel::{Account, Fact};
use crate::vantage::{Gathered, Vantage};

/// Of a flow of which only sums are known.
static UNKNOWN: Trail = Trail {
    events: Vec::new(),
    headings: Vec::new(),
    prints: Vec::new(),
    streams: Sides {
        client: None,
        server: None,
    },
    calls: None,
    handshakes: Vec::new(),
    handshake_failure: None,
    omitted: 0,
};

/// What all vantages of all sources saw.
#[derive(Debug, Default)]
pub struct Scene<'a> {
    /// The vantages, source by source.
    pub vantages: Vec<Seeing<'a>>,
    /// Flows as each vantage saw them, by their numbers.
    pub flows: Vec<Seen<'a>>,
    /// What the kernel told of no flow, and whose source it is.
    pub unjoined: Vec<(&'a Gathered, &'a Account, &'a Fact)>,
}

/// A vantage, and the source that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Seeing<'a> {
    /// The vantage.
    pub vantage: &'a Vantage,
    /// What its source yielded.
    pub source: &'a Gathered,
}

/// A connection as seen at one vantage.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Its number in the report, which need not be its place in [`Scene::flows`].
    pub id: FlowId,
    /// Its vantage, by its place in [`Scene::vantages`].
    pub vantage: usize,
    /// What came of its segments.
    pub flow: &'a Flow,
    /// What happened on it, by time.
    pub trail: &'a Trail,
    /// What the kernel told of the sockets at its ends.
    pub(crate) facts: FlowFacts<'a>,
}

impl<'a> Scene<'a> {
    /// Of what came of these sources, one after the other.
    #[must_use]
    pub fn new(sources: &'a [Gathered]) -> Self {
        let mut scene = Self::default();
        let mut before = 0;
        for source in sources {
            scene.add(source, before);
            let left_out = source.left_out.iter().map(|gone| gone.flows);
            before += source.flows.len() as u64 + left_out.sum::<u64>();
        }
        scene
    }

    /// Adds what came of a source, whose flows are numbered on from those `before` it.
    fn add(&mut self, source: &'a Gathered, before: u64) {
        let first = self.vantages.len();
        let vantages = source.vantages.iter();
        self.vantages
            .extend(vantages.map(|vantage| Seeing { vantage, source }));
        let Joined { flows, unjoined } = facts(source);
        for (place, (flow, facts)) in source.flows.iter().zip(flows).enumerate() {
            let number = source.numbers.as_ref().map(|numbers| numbers[place].0);
            self.flows.push(Seen {
                id: FlowId(before + number.unwrap_or(place as u64)),
                vantage: first + flow.vantage() as usize,
                flow,
                trail: source.trails.get(place).unwrap_or(&UNKNOWN),
                facts,
            });
        }
        let unjoined = unjoined.into_iter();
        self.unjoined
            .extend(unjoined.map(|(account, fact)| (source, account, fact)));
    }

    /// Whether two vantages share a clock: those of one capture or of one live session do.
    #[must_use]
    pub fn same_clock(&self, one: usize, other: usize) -> bool {
        std::ptr::eq(self.vantages[one].source, self.vantages[other].source)
    }

    /// The name of a vantage.
    #[must_use]
    pub fn name(&self, vantage: usize) -> &'a str {
        &self.vantages[vantage].vantage.name
    }

    /// All places of flows.
    #[must_use]
    pub fn places(&self) -> Range<usize> {
        0..self.flows.len()
    }
}
