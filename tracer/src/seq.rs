//! Sequence numbers, whose order wraps (RFC 9293 section 3.4).

use std::ops::{Add, Sub};

/// A TCP sequence number. Compare with [`Seq::is_after`] and friends: there is no total order.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Debug, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Seq(pub u32);

impl Seq {
    /// The distance from `earlier` to this, negative where this comes before it. Meaningful for
    /// numbers less than 2^31 apart.
    #[must_use]
    pub const fn distance_from(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0).cast_signed()
    }

    /// Whether this comes after `other`.
    #[must_use]
    pub const fn is_after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }

    /// Whether this comes before `other`.
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        self.distance_from(other) < 0
    }

    /// The later of the two.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.is_after(other) { self } else { other }
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }
}

impl Sub<u32> for Seq {
    type Output = Self;

    fn sub(self, count: u32) -> Self {
        Self(self.0.wrapping_sub(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_wraps() {
        let before = Seq(u32::MAX - 1);
        let after = before + 3;
        assert_eq!(after, Seq(1));
        assert!(after.is_after(before) && before.is_before(after));
        assert_eq!(before.max(after), after);
        assert_eq!(after - 3, before);
        assert_eq!(before.distance_from(after), -3);
    }
}
