//! From the kernel's clock to that of the calendar.

use rustix::time::{ClockId, clock_gettime};

use crate::time::Time;

/// What must be added to CLOCK_MONOTONIC, which the probe's records carry, to get CLOCK_REALTIME,
/// which captures carry. Taken once: a step of the calendar's clock does not tear a trace apart.
#[derive(Debug)]
pub(super) struct Clock {
    offset: i64,
}

impl Clock {
    pub(super) fn new() -> Self {
        // The closest of a few: between two readings another process may run.
        let samples = (0..16).map(|_| {
            let before = nanos(ClockId::Monotonic);
            let calendar = nanos(ClockId::Realtime);
            let after = nanos(ClockId::Monotonic);
            (after - before, calendar - before.midpoint(after))
        });
        let (_, offset) = samples.min().unwrap_or_default();
        Self { offset }
    }

    /// The time on the clock of records.
    pub(super) fn now() -> u64 {
        nanos(ClockId::Monotonic).cast_unsigned()
    }

    pub(super) fn at(&self, monotonic: u64) -> Time {
        Time::from_nanos(monotonic.cast_signed().saturating_add(self.offset))
    }
}

fn nanos(clock: ClockId) -> i64 {
    let now = clock_gettime(clock);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}
