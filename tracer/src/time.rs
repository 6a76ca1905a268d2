//! Points in time, as the sources stamped them.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

/// Nanoseconds since the Unix epoch, UTC.
///
/// Time always comes with a segment; nothing in this crate reads a clock.
// The sign bit is flipped, which keeps the order when compared as unsigned and leaves zero free:
// flows hold many optional times, and `Option<Time>` takes eight bytes this way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(NonZeroU64);

const SIGN: u64 = 1 << 63;

impl Time {
    /// From nanoseconds since the Unix epoch. The lowest number stands for the one above it.
    #[must_use]
    #[inline]
    pub const fn from_nanos(nanos: i64) -> Self {
        match NonZeroU64::new(nanos.cast_unsigned() ^ SIGN) {
            Some(flipped) => Self(flipped),
            None => Self(NonZeroU64::MIN),
        }
    }

    /// Nanoseconds since the Unix epoch.
    #[must_use]
    #[inline]
    pub const fn as_nanos(self) -> i64 {
        (self.0.get() ^ SIGN).cast_signed()
    }

    /// How long after `earlier` this is; zero where it is not after it, as happens when a capture
    /// holds segments slightly out of order.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// How far the two are apart, whichever comes first.
    #[must_use]
    pub fn apart(self, other: Self) -> Duration {
        Duration::from_nanos(self.0.get().abs_diff(other.0.get()))
    }
}

/// Later by that; the latest time there is where that is later.
impl std::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        let later = i64::try_from(later.as_nanos()).unwrap_or(i64::MAX);
        Self::from_nanos(self.as_nanos().saturating_add(later))
    }
}

/// The epoch.
impl Default for Time {
    fn default() -> Self {
        Self::from_nanos(0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 3339 in UTC with nanoseconds: `2026-11-21T15:07:02.114000000Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.as_nanos())) {
            Ok(timestamp) => write!(f, "{timestamp:.9}"),
            // An i64 of nanoseconds spans the years 1677 to 2262, all of which jiff can write.
            Err(_) => write!(f, "{} ns since 1970", self.as_nanos()),
        }
    }
}

impl serde::Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let timestamp: jiff::Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        let nanos = i64::try_from(timestamp.as_nanosecond()).map_err(serde::de::Error::custom)?;
        Ok(Self::from_nanos(nanos))
    }
}

impl schemars::JsonSchema for Time {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "RFC 3339, UTC, nanoseconds",
            "type": "string",
            "format": "date-time",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_rfc_3339_with_nanoseconds() {
        let time = Time::from_nanos(1_795_273_622_114_000_007);
        assert_eq!(time.to_string(), "2026-11-21T15:07:02.114000007Z");
    }

    #[test]
    fn an_earlier_time_is_no_time_after_a_later_one() {
        let (early, late) = (Time::from_nanos(5), Time::from_nanos(9));
        assert_eq!(late.since(early), Duration::from_nanos(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.apart(late), Duration::from_nanos(4));
        assert!(Time::from_nanos(-1) < early);
        assert_eq!(early.since(Time::from_nanos(-1)), Duration::from_nanos(6));
    }

    #[test]
    fn an_optional_time_is_small_and_every_time_survives() {
        assert_eq!(size_of::<Option<Time>>(), 8);
        for nanos in [i64::MIN + 1, -1, 0, 1, i64::MAX] {
            assert_eq!(Time::from_nanos(nanos).as_nanos(), nanos);
        }
        assert_eq!(Time::from_nanos(i64::MIN).as_nanos(), i64::MIN + 1);
    }
}
