//! The same frame captured twice at one vantage: `-i any`, a veth and its bridge, `lo` in and out.
//!
//! A duplicate is identical down to the IPv4 identification and the TCP timestamps, which a
//! retransmission renews, and follows at once: before any retransmission timer could have fired.

use crate::segment::Segment;

/// Time is counted in units of about 134 ms; a duplicate comes in the same or the next one, about
/// the smallest retransmission timeout of Linux (`TCP_RTO_MIN`, 200 ms) ...
const UNIT_BITS: u32 = 27;

/// ... or of about 2 ms, where neither an IPv4 identification nor a timestamp could tell a
/// retransmission or a repeated probe.
const UNIT_BITS_WITHOUT_MARKS: u32 = 21;

/// Copies may come after as many other segments: a whole burst may be queued before the first of
/// it is received.
const REMEMBERED: usize = 16;

/// The last segments of a flow, as fingerprints, in one cache line.
#[derive(Clone, Debug, Default)]
#[repr(align(64))]
pub(super) struct Recent {
    fingerprints: [u32; REMEMBERED],
}

impl Recent {
    /// Whether `segment`, the flow's segment of that number, was seen already; remembers it if not.
    #[inline]
    pub(super) fn repeats(&mut self, segment: &Segment<'_>, number: u64) -> bool {
        let marked =
            segment.options.timestamps.is_some() || segment.ip_id.is_some_and(|id| id != 0);
        let bits = if marked {
            UNIT_BITS
        } else {
            UNIT_BITS_WITHOUT_MARKS
        };
        let unit = segment.at.as_nanos() >> bits;
        let base = mixed(segment);
        let [before, now, after] = [unit - 1, unit, unit + 1].map(|unit| fingerprint(base, unit));
        let seen = |known: &u32| *known == now || *known == before || *known == after;
        if self.fingerprints.iter().any(seen) {
            return true;
        }
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is small")]
        let place = (number % REMEMBERED as u64) as usize;
        self.fingerprints[place] = now;
        false
    }

    /// Brings it near.
    #[inline]
    pub(super) fn touch(&self) -> u32 {
        self.fingerprints[0]
    }
}

/// Never zero, so that an empty place matches nothing.
#[inline]
fn fingerprint(base: u64, unit: i64) -> u32 {
    let hash = (base ^ unit.cast_unsigned()).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (hash >> 32) as u32 | 1
}

/// Mixes everything that two different transmissions do not share.
#[inline]
fn mixed(segment: &Segment<'_>) -> u64 {
    let (value, echo) = segment.options.timestamps.unwrap_or_default();
    let (left, right) = segment.options.sack.unwrap_or_default();
    // The port tells the directions apart.
    let marks = u64::from(segment.source.port()) << 48
        | u64::from(segment.window) << 32
        | u64::from(segment.ip_id.unwrap_or_default()) << 16
        | u64::from(segment.flags.0);
    let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
    for (low, high) in [
        (segment.seq.0, segment.ack.0),
        (value, echo),
        (segment.len, left.0 ^ right.0.rotate_left(16)),
    ] {
        hash =
            (hash ^ (u64::from(high) << 32 | u64::from(low))).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^= hash >> 32;
    }
    (hash ^ marks).wrapping_mul(0x9fb2_1c65_1e98_df25)
}
