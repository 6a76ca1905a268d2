//! Hops: one TCP connection between two TCP stacks each, whatever address translation did to it on
//! the way, seen at one vantage or at several.

mod clock;
mod family;
mod home;
mod isn;
mod look;
mod lost;
mod made;
mod mark;
mod middle;
mod order;
mod outlived;
mod remark;
mod stand;
mod watch;

use self::clock::Bounds;
pub use self::clock::{Clocks, Offset};
use self::family::Families;
use self::home::Homes;
use self::order::{Station, Stations};
pub use self::remark::remarks;
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
    /// Whether that is proved, by the kernel or by what the capture says; otherwise it is likely.
    pub proved: Sides<bool>,
    /// What is known of the way between neighbouring sights, one fewer than there are.
    pub ways: Vec<Way>,
    /// Where there is one sight only: FINs and RSTs that may have been made on the way, by their TTL.
    pub unlike: Vec<Made>,
    /// RSTs that passed the vantages without anything odd about them, and that the kernel's socket of the
    /// side that they claim to come from outlived.
    pub outlived: Vec<Made>,
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

impl Sight {
    /// What the flow calls a side of the hop.
    #[must_use]
    pub const fn side(&self, side: Side) -> Side {
        if self.swapped { side.other() } else { side }
    }
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
    /// Its IPv4 identification.
    pub ip_id: Option<u16>,
    /// A vantage nearer to that side was watching and did not see it, and its TTL is unlike; or that
    /// side went on as if it had not; or the host of this vantage sent it; or its socket outlived it.
    /// Otherwise only its TTL tells.
    pub proved: bool,
    /// A vantage nearer to that side shows that it went on: with new data, or, after a RST, with
    /// anything.
    pub went_on: bool,
    /// The host of the vantage that shows it made it: it left that host without having come in.
    pub here: bool,
    /// The kernel's socket of that side was there long after it, as none is that has sent a RST.
    pub outlived: bool,
}

impl Made {
    /// The FIN or RST of a flow.
    fn is_of(&self, flow: usize, frame: u64) -> bool {
        (self.flow, self.frame) == (flow, frame)
    }

    /// Its TTL is unlike that of the other segments of the side that it claims to come from: it came
    /// another way, or from another host.
    #[must_use]
    pub fn is_unlike(&self) -> bool {
        self.ttl.1.is_some_and(|usual| usual != self.ttl.0)
    }
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
    let mut families = Families::alone(scene);
    isn::join(&mut families);
    middle::join(&mut families);
    let mut bounds = Bounds::new(scene);
    let families = families.finish().into_iter();
    let mut all: Vec<Stations> = families
        .map(|family| Stations::new(scene, family, &mut bounds))
        .collect();
    let clocks = bounds.solve();
    let homes = Homes::of(scene, &all);
    let mut hops: Vec<Hop> = Vec::with_capacity(all.len());
    for stations in &mut all {
        stations.settle(scene, &clocks, &homes);
        hops.push(Hop::of(scene, stations, &clocks));
    }
    hops.sort_by_key(|hop| hop.first_seen(scene, &clocks));
    Hops { hops, clocks }
}

impl Hop {
    fn of(scene: &Scene<'_>, stations: &Stations, clocks: &Clocks) -> Self {
        let Stations {
            all: stations,
            known,
            ..
        } = stations;
        let sights: Vec<Sight> = stations.iter().map(Station::sight).collect();
        let end = |sight: &Sight, side| scene.flows[sight.flow].flow.endpoint(sight.side(side));
        let stands = stand::stands(scene, stations, *known);
        let mut hop = Self {
            client: end(&sights[0], Side::Client),
            server: end(&sights[sights.len() - 1], Side::Server),
            sights,
            at: stands.map(|stand| stand.map(|stand| stand.vantage)),
            proved: stands.map(|stand| stand.is_some_and(|stand| stand.proved)),
            ways: stations
                .windows(2)
                .map(|pair| Way::of(scene, clocks, [&pair[0], &pair[1]]))
                .collect(),
            unlike: match &stations[..] {
                [only] => made::unlike(scene, clocks, only),
                _ => Vec::new(),
            },
            outlived: Vec::new(),
        };
        outlived::tell(scene, clocks, stations, &mut hop);
        hop
    }

    /// All FINs and RSTs that may have been made on the way.
    pub fn made(&self) -> impl Iterator<Item = &Made> {
        let between = self.ways.iter().flat_map(|way| &way.made);
        between.chain(&self.unlike).chain(&self.outlived)
    }

    /// When any vantage saw it first, by the common clock.
    fn first_seen(&self, scene: &Scene<'_>, clocks: &Clocks) -> Option<(Time, usize)> {
        let first = |sight: &Sight| {
            let seen = &scene.flows[sight.flow];
            (
                clocks.common(seen.vantage, seen.flow.first_at()),
                sight.flow,
            )
        };
        self.sights.iter().map(first).min()
    }
}

impl Way {
    /// Between two sights, the first of them nearer to the client.
    fn of(scene: &Scene<'_>, clocks: &Clocks, [near, far]: [&Station; 2]) -> Self {
        let (forth, back) = ([near, far], [far, near]);
        let mut made = made::between(scene, clocks, forth, Side::Client);
        made.extend(made::between(scene, clocks, back, Side::Server));
        made.sort_by_key(|made| clocks.common(scene.flows[made.flow].vantage, made.at));
        Self {
            lost: Sides {
                client: lost::between(scene, clocks, forth, Side::Client),
                server: lost::between(scene, clocks, back, Side::Server),
            },
            made,
        }
    }
}
