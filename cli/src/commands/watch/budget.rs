//! How many events are printed when there are more than anybody can read.

use std::time::{Duration, Instant};

/// Lines a second for what every connection does: SYN, SYN-ACK, FIN, data.
const ROUTINE: u32 = 500;
/// Lines a second for the rest, which routine lines leave alone.
const TELLING: u32 = 2000;

const SECOND: Duration = Duration::from_secs(1);

/// What may still be printed in this second, and what was left out.
pub(super) struct Budget {
    began: Instant,
    routine: u32,
    telling: u32,
    omitted: u64,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            routine: ROUTINE,
            telling: TELLING,
            omitted: 0,
        }
    }

    /// Whether an event may be printed; counts it if not.
    pub(super) fn allows(&mut self, telling: bool) -> bool {
        let left = if telling {
            &mut self.telling
        } else {
            &mut self.routine
        };
        let allowed = *left > 0;
        *left = left.saturating_sub(1);
        self.omitted += u64::from(!allowed);
        allowed
    }

    /// Counts what could not be printed after all.
    pub(super) fn omit(&mut self, events: u64) {
        self.omitted += events;
    }

    /// Begins a new second where one has passed. How many events were left out, to be said: at most
    /// once a second.
    pub(super) fn renew(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.began) < SECOND {
            return None;
        }
        let omitted = self.left_out();
        *self = Self::new(now);
        omitted
    }

    /// How many events were left out since that was said.
    pub(super) fn left_out(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.omitted)).filter(|omitted| *omitted > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_routine_leaves_room_for_what_tells() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let printed = (0..10_000).filter(|_| budget.allows(false)).count();
        assert_eq!(printed, 500);
        assert!(budget.allows(true));
        assert_eq!(budget.renew(start + Duration::from_millis(900)), None);
        assert_eq!(budget.renew(start + SECOND), Some(9500));
        assert!(budget.allows(false));
        assert_eq!(budget.left_out(), None);
    }
}
