//! Clocks of vantages: how far they are apart, by segments that both saw.

use crate::time::Time;

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
