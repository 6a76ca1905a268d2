//! Clocks of vantages: how far they are apart, by segments that both saw.
//!
//! A segment takes time from one vantage to the next. So the second one stamps what comes towards it
//! later than its clock is ahead, and what comes from it less: between the least of the one and the
//! most of the other is how far the clocks are apart (as in NTP, RFC 5905 section 8, of whose four
//! stamps these are two pairs). Every segment that both saw makes the room between the two smaller,
//! never wrong. The middle of it is reported, and half of it as the error.
//!
//! One offset is given for a whole capture. Where clocks drift, the bounds of early segments
//! contradict those of later ones; half of the contradiction is the error then, which is half of the
//! drift.

use std::collections::BTreeMap;

use super::mark::Lag;
use crate::scene::Scene;
use crate::time::Time;

/// Where segments were seen in one direction only and no round trip is known, a segment may have been
/// on its way for so long; ways around the earth and over satellites are shorter.
const LONGEST_WAY: i64 = 1_000_000_000;

/// What must be added to the times of each vantage to get those of the first.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    /// By the place of the vantage in the scene; `None` where nothing joins it to the first.
    pub offsets: Vec<Option<Offset>>,
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
    /// they are taken to agree.
    #[must_use]
    pub fn common(&self, vantage: usize, at: Time) -> Time {
        let offset = self.offsets.get(vantage).copied().flatten();
        let add = offset.map_or(0, |offset| offset.add);
        Time::from_nanos(at.as_nanos().saturating_add(add))
    }
}

/// Bounds of how far the clocks of two sources are apart, by the first vantage of each.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    between: BTreeMap<(usize, usize), Room>,
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
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, from.saturating_add(way)),
            (None, Some(to)) => (to.saturating_sub(way), to),
            (None, None) => return None,
        };
        let middle = i128::midpoint(from.into(), to.into());
        let half = (i128::from(to) - i128::from(from))
            .unsigned_abs()
            .div_ceil(2);
        Some((
            i64::try_from(middle).ok()?,
            u64::try_from(half).unwrap_or(u64::MAX),
        ))
    }
}

impl Bounds {
    /// Of two vantages, the second of which is nearer to the server, and by how much later it stamps
    /// what both see.
    pub(super) fn add(
        &mut self,
        scene: &Scene<'_>,
        [near, far]: [usize; 2],
        lag: Lag,
        round_trip: Option<i64>,
    ) {
        let [near, far] = [near, far].map(|vantage| first_of(scene, vantage));
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

    /// The clocks, each by the surest way from the first vantage.
    pub(super) fn solve(&self, scene: &Scene<'_>) -> Clocks {
        let mut offsets: Vec<Option<Offset>> = vec![None; scene.vantages.len()];
        let mut settled = vec![false; scene.vantages.len()];
        if let Some(first) = offsets.first_mut() {
            *first = Some(Offset::default());
        }
        // The surest that is not settled yet, until there is none: few vantages, so no heap.
        while let Some((place, offset)) = offsets
            .iter()
            .enumerate()
            .filter(|(place, _)| !settled[*place])
            .filter_map(|(place, offset)| Some((place, (*offset)?)))
            .min_by_key(|(place, offset)| (offset.error, *place))
        {
            settled[place] = true;
            for (&(one, other), room) in &self.between {
                let Some((ahead, error)) = room.ahead() else {
                    continue;
                };
                let (next, ahead) = match place {
                    _ if one == place => (other, ahead),
                    _ if other == place => (one, ahead.saturating_neg()),
                    _ => continue,
                };
                let found = Offset {
                    add: offset.add.saturating_sub(ahead),
                    error: offset.error.saturating_add(error),
                };
                if !settled[next] && offsets[next].is_none_or(|known| found.error < known.error) {
                    offsets[next] = Some(found);
                }
            }
        }
        let all = 0..scene.vantages.len();
        let offsets = all
            .map(|vantage| offsets[first_of(scene, vantage)])
            .collect();
        Clocks { offsets }
    }
}

/// The first vantage that shares a clock with this one.
fn first_of(scene: &Scene<'_>, vantage: usize) -> usize {
    let source = scene.vantages[vantage].source;
    let before = scene.vantages[..vantage]
        .iter()
        .rposition(|seeing| !std::ptr::eq(seeing.source, source));
    before.map_or(0, |place| place + 1)
}
