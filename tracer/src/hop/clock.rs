//! Clocks of vantages: how far they are apart, by segments that both saw.
//!
//! A segment takes time from one vantage to the next. So the second one stamps what comes towards it
//! later than its clock is ahead, and what comes from it less: between the least of the one and the
//! most of the other is how far the clocks are apart (as in NTP, RFC 5905 section 8, of whose four
//! stamps these are two pairs). Every segment that both saw makes the room between the two smaller,
//! never wrong. The middle of it is reported, and half of it as the error.
//!
//! One offset is given for a whole capture. Where clocks drift, the bounds of early segments
//! contradict those of later ones: the offset is that of the middle of the time then, and the error
//! half of the drift.

use std::collections::BTreeMap;

use super::mark::Lag;
use crate::flow::Sides;
use crate::scene::Scene;
use crate::time::Time;

/// Where segments were seen in one direction only and no round trip is known, a segment may have been
/// on its way for so long; ways around the earth and over satellites are shorter.
const LONGEST_WAY: i64 = 1_000_000_000;

/// What must be added to the times of each vantage to get those of the first.
///
/// Vantages that no hop joins to the first, however many others are in between, are islands: within
/// one, clocks are known to each other, and nothing is known between two.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    /// By the place of the vantage in the scene; `None` where nothing joins it to the first.
    pub offsets: Vec<Option<Offset>>,
    /// By the place of the vantage in the scene, all of them.
    tied: Vec<Tied>,
}

/// How a vantage's clock is known.
#[derive(Clone, Copy, Debug, Default)]
struct Tied {
    /// The first vantage of its island.
    island: usize,
    /// The first vantage of its source: those of one source share a clock.
    source: usize,
    /// What must be added to get the times of its island's first vantage.
    offset: Offset,
}

/// How far a clock is off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offset {
    /// What must be added to it, in nanoseconds.
    pub add: i64,
    /// How far that may be wrong either way, in nanoseconds.
    pub error: u64,
}

impl Clocks {
    /// A time of a vantage, by the clock of the first. Where it is not known how far they are apart,
    /// the first of each island is taken to agree with it.
    #[must_use]
    pub fn common(&self, vantage: usize, at: Time) -> Time {
        let add = self.tied.get(vantage).map_or(0, |tied| tied.offset.add);
        Time::from_nanos(at.as_nanos().saturating_add(add))
    }

    /// How far times of two vantages by the common clock may be wrong against each other, in
    /// nanoseconds; `None` where nothing is known of their clocks.
    #[must_use]
    pub fn error(&self, one: usize, other: usize) -> Option<u64> {
        let (one, other) = (self.tied.get(one)?, self.tied.get(other)?);
        (one.island == other.island).then(|| {
            if one.source == other.source {
                0
            } else {
                one.offset.error.saturating_add(other.offset.error)
            }
        })
    }

    /// Something that passed both vantages, or made one follow from the other, tells how far their
    /// clocks are apart: `ahead` is what the second one's is ahead of the first one's at least and at
    /// most, in nanoseconds, by their own stamps. Joins the islands of the two; nothing changes where
    /// they are of one island, which knows better.
    ///
    /// What a proxy does is as good as what a link does: it asks after it was asked, which bounds
    /// `ahead` from above (by how much later the second vantage stamps the request), and answers after
    /// it was answered, which bounds it from below.
    pub fn link(&mut self, [one, other]: [usize; 2], ahead: [i64; 2]) {
        let (Some(&one), Some(&other)) = (self.tied.get(one), self.tied.get(other)) else {
            return;
        };
        let Some((ahead, error)) = middle(ahead).filter(|_| one.island != other.island) else {
            return;
        };
        // The island that begins later moves.
        let apart = one
            .offset
            .add
            .saturating_sub(ahead)
            .saturating_sub(other.offset.add);
        let (target, moved, by) = if one.island < other.island {
            (one.island, other.island, apart)
        } else {
            (other.island, one.island, apart.saturating_neg())
        };
        let error = error
            .saturating_add(one.offset.error)
            .saturating_add(other.offset.error);
        for tied in self.tied.iter_mut().filter(|tied| tied.island == moved) {
            tied.island = target;
            tied.offset.add = tied.offset.add.saturating_add(by);
            tied.offset.error = tied.offset.error.saturating_add(error);
        }
        self.tell();
    }

    /// Tells what is known of the first vantage's island.
    fn tell(&mut self) {
        let offset = |tied: &Tied| (tied.island == 0).then_some(tied.offset);
        self.offsets = self.tied.iter().map(offset).collect();
    }
}

/// The middle between two bounds, and how far it may be wrong.
fn middle([from, to]: [i64; 2]) -> Option<(i64, u64)> {
    let half = (i128::from(to) - i128::from(from))
        .unsigned_abs()
        .div_ceil(2);
    let middle = i128::midpoint(from.into(), to.into());
    Some((i64::try_from(middle).ok()?, u64::try_from(half).ok()?))
}

/// Bounds of how far the clocks of two sources are apart, by the first vantage of each.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    between: BTreeMap<(usize, usize), Room>,
    /// The first vantage that shares a clock with each.
    firsts: Vec<usize>,
}

/// What the second clock is ahead of the first, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Room {
    at_least: Option<i64>,
    at_most: Option<i64>,
    /// A round trip between the two at most.
    round_trip: Option<i64>,
}

impl Room {
    fn add(&mut self, at_least: Option<i64>, at_most: Option<i64>, round_trip: Option<i64>) {
        self.at_least = self.at_least.max(at_least);
        let least = |one: Option<i64>, other: Option<i64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.at_most = least(self.at_most, at_most);
        self.round_trip = least(self.round_trip, round_trip);
    }

    /// How far the second clock is ahead, and how far that may be wrong.
    fn ahead(&self) -> Option<(i64, u64)> {
        let way = self.round_trip.unwrap_or(LONGEST_WAY).max(0);
        let (from, to) = match (self.at_least, self.at_most) {
            // Contradictory, for a clock drifts: it was right by either of them at some time, give or
            // take the way.
            (Some(from), Some(to)) if from > to => {
                let way = self.round_trip.unwrap_or(0) / 2;
                (from.saturating_add(way), to.saturating_sub(way))
            }
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, from.saturating_add(way)),
            (None, Some(to)) => (to.saturating_sub(way), to),
            (None, None) => return None,
        };
        middle([from, to])
    }
}

impl Bounds {
    /// None yet.
    pub(super) fn new(scene: &Scene<'_>) -> Self {
        let mut firsts: Vec<usize> = Vec::with_capacity(scene.vantages.len());
        for place in 0..scene.vantages.len() {
            let before = place
                .checked_sub(1)
                .filter(|last| scene.same_clock(*last, place));
            firsts.push(before.map_or(place, |last| firsts[last]));
        }
        Self {
            between: BTreeMap::new(),
            firsts,
        }
    }

    /// Of two vantages, the second of which is nearer to the server, and by how much later it stamps
    /// what both see.
    pub(super) fn add(&mut self, [near, far]: [usize; 2], lag: Lag, round_trip: Option<i64>) {
        let [near, far] = [near, far].map(|vantage| self.firsts[vantage]);
        if near == far {
            return;
        }
        let at_least = lag.by.server.map(|(_, most)| most);
        let at_most = lag.by.client.map(|(least, _)| least);
        if near < far {
            let room = self.between.entry((near, far)).or_default();
            room.add(at_least, at_most, round_trip);
        } else {
            let negative = |bound: Option<i64>| bound.map(i64::saturating_neg);
            let room = self.between.entry((far, near)).or_default();
            room.add(negative(at_most), negative(at_least), round_trip);
        }
    }

    /// Of two vantages of which it is not known which is nearer to the server, and that share segments of
    /// one direction only: they were on their way from the one to the other, or from the other to the
    /// one.
    pub(super) fn add_either_way(&mut self, vantages: [usize; 2], lag: Lag) {
        let Some((least, most)) = lag.by.client.or(lag.by.server) else {
            return;
        };
        let (from, to) = (
            least.saturating_sub(LONGEST_WAY),
            most.saturating_add(LONGEST_WAY),
        );
        let room = Lag {
            by: Sides {
                client: Some((to, to)),
                server: Some((from, from)),
            },
        };
        self.add(vantages, room, None);
    }

    /// The clocks, each by the surest way from the first vantage of its island.
    pub(super) fn solve(&self) -> Clocks {
        let count = self.firsts.len();
        let mut found: Vec<Option<(usize, Offset)>> = vec![None; count];
        for root in 0..count {
            if found[root].is_none() && self.firsts[root] == root {
                self.island(root, &mut found);
            }
        }
        let of = |vantage: usize| {
            let source = self.firsts[vantage];
            let (island, offset) = found[source].unwrap_or_default();
            Tied {
                island,
                source,
                offset,
            }
        };
        let mut clocks = Clocks {
            offsets: Vec::new(),
            tied: (0..count).map(of).collect(),
        };
        clocks.tell();
        clocks
    }

    /// All that bounds join to a vantage (Dijkstra's algorithm, by errors; there are few vantages, so
    /// no heap).
    fn island(&self, root: usize, found: &mut [Option<(usize, Offset)>]) {
        let mut reached: BTreeMap<usize, Offset> = BTreeMap::from([(root, Offset::default())]);
        while let Some((place, offset)) = reached
            .iter()
            .filter(|(place, _)| found[**place].is_none())
            .map(|(place, offset)| (*place, *offset))
            .min_by_key(|(place, offset)| (offset.error, *place))
        {
            found[place] = Some((root, offset));
            for (&(one, other), room) in &self.between {
                let Some((ahead, error)) = room.ahead() else {
                    continue;
                };
                let (next, ahead) = match place {
                    _ if one == place => (other, ahead),
                    _ if other == place => (one, ahead.saturating_neg()),
                    _ => continue,
                };
                let further = Offset {
                    add: offset.add.saturating_sub(ahead),
                    error: offset.error.saturating_add(error),
                };
                let known = reached.entry(next).or_insert(further);
                if further.error < known.error {
                    *known = further;
                }
            }
        }
    }
}
