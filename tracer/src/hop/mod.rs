//! Hops: one TCP connection between two TCP stacks each, whatever address translation did to it on
//! the way, seen at one vantage or at several.

mod clock;

pub use self::clock::{Clocks, Offset};
use crate::flow::{Side, Sides};
use crate::scene::Scene;
use crate::segment::Endpoint;
use crate::time::Time;

/// One TCP connection.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Where it was seen, from the client to the server.
    pub sights: Vec<Sight>,
    /// The client's own endpoint, as seen nearest to it.
    pub client: Endpoint,
    /// The server's own endpoint, as seen nearest to it.
    pub server: Endpoint,
    /// The vantage at each end, by its place in the scene: in the namespace of the stack that sends;
    /// `None` where that is not known. No vantage is at both unless both stacks are there.
    pub at: Sides<Option<usize>>,
    /// What is known of the way between neighbouring sights, one fewer than there are.
    pub ways: Vec<Way>,
}

/// A hop as one flow shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    /// The flow, by its place in the scene.
    pub flow: usize,
    /// How it is known to be this hop's; `None` for the first of its sights that was found.
    pub by: Option<Likeness>,
    /// Its client is the hop's server: its roles were inferred wrongly.
    pub swapped: bool,
}

/// By what two flows are known to be one connection.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same pair of initial sequence numbers.
    InitialSequenceNumbers,
    /// The same TCP timestamps at the same sequence numbers.
    Timestamps,
    /// Overlapping ranges of sequence numbers, both ways, at the same time.
    SequenceRanges,
}

/// What happened between two neighbouring sights of a hop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    /// Segments that passed the nearer vantage and not the farther, by the side that sent them; `None`
    /// where that cannot be told: one of the vantages did not see everything.
    pub lost: Sides<Option<u64>>,
    /// FINs and RSTs seen at one of them that never passed the other, on the side that they claim to
    /// come from.
    pub made: Vec<Made>,
}

/// A FIN or RST that the side it claims to come from never sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Made {
    /// In whose name it was made.
    pub by: Side,
    /// It was a RST, not a FIN.
    pub rst: bool,
    /// When, by the clock of the vantage that saw it.
    pub at: Time,
    /// The flow that shows it, by its place in the scene.
    pub flow: usize,
    /// Its frame.
    pub frame: u64,
    /// Its TTL, and what that side's other segments have there.
    pub ttl: (u8, Option<u8>),
}

/// Hops, and the clocks of vantages.
#[derive(Clone, Debug, Default)]
pub struct Hops {
    /// By the first time each was seen.
    pub hops: Vec<Hop>,
    /// What is known of the clocks.
    pub clocks: Clocks,
}

/// Joins flows.
#[must_use]
pub fn join(scene: &Scene<'_>) -> Hops {
    let hops = scene
        .places()
        .map(|flow| Hop {
            sights: vec![Sight {
                flow,
                by: None,
                swapped: false,
            }],
            client: scene.flows[flow].flow.endpoint(Side::Client),
            server: scene.flows[flow].flow.endpoint(Side::Server),
            at: Sides::default(),
            ways: Vec::new(),
        })
        .collect();
    Hops {
        hops,
        clocks: Clocks::default(),
    }
}
