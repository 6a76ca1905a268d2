//! How an interface counts time.

use crate::time::Time;

/// The clock of an interface.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    /// Units in a second.
    pub(super) resolution: u64,
    /// Seconds to add.
    pub(super) offset: i64,
}

/// What the format says where the interface does not: microseconds.
impl Default for Clock {
    fn default() -> Self {
        Self {
            resolution: 1_000_000,
            offset: 0,
        }
    }
}

impl Clock {
    #[inline]
    pub(super) fn time(self, high: u32, low: u32) -> Time {
        let units = u64::from(high) << 32 | u64::from(low);
        let nanos = match self.resolution {
            1_000_000 => i128::from(units) * 1_000,
            1_000_000_000 => i128::from(units),
            resolution => i128::from(units) * 1_000_000_000 / i128::from(resolution),
        } + i128::from(self.offset) * 1_000_000_000;
        let nanos = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Time::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// Units a second of an `if_tsresol` option: a power of ten, or of two where the top bit is set.
/// `None` where it is finer than an u64 can tell.
pub(super) fn resolution(value: u8) -> Option<u64> {
    let exponent = u32::from(value & 0x7f);
    if value & 0x80 == 0 {
        10_u64.checked_pow(exponent)
    } else {
        2_u64.checked_pow(exponent)
    }
}
