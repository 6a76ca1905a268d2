//! Whether a vantage would have seen what another saw.

use super::clock::Clocks;
use super::order::Station;
use crate::flow::Side;
use crate::scene::{Scene, Seen};
use crate::time::Time;

/// A sight as a witness: what it did not see was not there.
#[derive(Clone, Copy)]
pub(super) struct Witness<'s> {
    pub(super) seen: &'s Seen<'s>,
    /// The flow's own name of each side of the hop is another.
    swapped: bool,
    /// From when until when its capture ran at least, by the common clock.
    watched: Option<[i64; 2]>,
    /// Its capture is whole.
    whole: bool,
}

impl<'s> Witness<'s> {
    pub(super) fn of(scene: &'s Scene<'s>, station: &Station, clocks: &Clocks) -> Self {
        let seen = &scene.flows[station.kin.flow];
        let vantage = scene.vantages[seen.vantage].vantage;
        let common = |at: Time| clocks.common(seen.vantage, at).as_nanos();
        let watched = vantage.first.zip(vantage.last);
        Self {
            seen,
            swapped: station.kin.swapped,
            watched: watched.map(|(first, last)| [common(first), common(last)]),
            whole: vantage.dropped.unwrap_or(0) == 0
                && !vantage.lower_bounds
                && seen.trail.omitted == 0,
        }
    }

    /// What its flow calls a side of the hop.
    pub(super) const fn side(&self, side: Side) -> Side {
        if self.swapped { side.other() } else { side }
    }

    /// Whether it shows all that a side sent: its capture lost nothing that is known of, nor anything
    /// that the peer acknowledged.
    pub(super) fn is_whole(&self, side: Side) -> bool {
        self.whole && self.seen.flow.unseen_bytes(self.side(side)) == 0
    }

    /// Whether its capture ran at a time by the common clock that another vantage tells: from its first
    /// frame to its last, for certain.
    pub(super) fn watched(&self, clocks: &Clocks, by: &Self, at: i64) -> bool {
        let error = clocks.error(self.seen.vantage, by.seen.vantage);
        let (Some(error), Some([first, last])) = (error, self.watched) else {
            return false;
        };
        let error = i64::try_from(error).unwrap_or(i64::MAX);
        first <= at.saturating_sub(error) && at.saturating_add(error) <= last
    }

    /// A time of its own, by the common clock.
    pub(super) fn common(&self, clocks: &Clocks, at: Time) -> i64 {
        clocks.common(self.seen.vantage, at).as_nanos()
    }
}
