//! Why frames hold no segment, counted.

use std::fmt;

/// Why a frame yields no segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Skip {
    /// Its link type is not decoded.
    LinkType,
    /// No IP in it: ARP, LLDP, spanning tree ...
    NotIp,
    /// IP, but no TCP: UDP, ICMP, QUIC ...
    NotTcp,
    /// A fragment of an IP packet; fragments are not put together.
    Fragment,
    /// Encrypted (ESP).
    Encrypted,
    /// The snap length cut it before the end of the TCP header.
    CutShort,
    /// It ends before its headers do, although nothing was cut.
    ShortFrame,
    /// An IP header that contradicts itself.
    BadIpHeader,
    /// A TCP header that contradicts itself.
    BadTcpHeader,
    /// More encapsulations within each other than are followed.
    TooDeep,
    /// The capture gives no time for it (pcapng simple packet block).
    NoTime,
    /// A live probe counted it as holding no TCP, and did not show it.
    NotShown,
}

impl Skip {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 12] = [
        Self::LinkType,
        Self::NotIp,
        Self::NotTcp,
        Self::Fragment,
        Self::Encrypted,
        Self::CutShort,
        Self::ShortFrame,
        Self::BadIpHeader,
        Self::BadTcpHeader,
        Self::TooDeep,
        Self::NoTime,
        Self::NotShown,
    ];

    /// The name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::LinkType => "unsupported_link_type",
            Self::NotIp => "not_ip",
            Self::NotTcp => "not_tcp",
            Self::Fragment => "ip_fragment",
            Self::Encrypted => "encrypted",
            Self::CutShort => "cut_before_tcp",
            Self::ShortFrame => "short_frame",
            Self::BadIpHeader => "bad_ip_header",
            Self::BadTcpHeader => "bad_tcp_header",
            Self::TooDeep => "too_deep",
            Self::NoTime => "no_timestamp",
            Self::NotShown => "no_tcp_not_shown",
        }
    }

    /// Whether the frame is broken, rather than none of our business.
    #[must_use]
    pub const fn is_malformed(self) -> bool {
        matches!(
            self,
            Self::ShortFrame | Self::BadIpHeader | Self::BadTcpHeader | Self::TooDeep
        )
    }

    /// Whether TCP segments may be missing from the analysis because of it.
    #[must_use]
    pub const fn may_hide_tcp(self) -> bool {
        !matches!(self, Self::NotIp | Self::NotTcp | Self::NotShown)
    }
}

/// What it means, in words.
impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkType => "of an unsupported link type",
            Self::NotIp => "not IP",
            Self::NotTcp => "IP but not TCP",
            Self::Fragment => "IP fragments",
            Self::Encrypted => "encrypted (ESP)",
            Self::CutShort => "cut by the snap length before the end of the TCP header",
            Self::ShortFrame => "shorter than their headers",
            Self::BadIpHeader => "with an impossible IP header",
            Self::BadTcpHeader => "with an impossible TCP header",
            Self::TooDeep => "with too many encapsulations",
            Self::NoTime => "without a timestamp",
            Self::NotShown => "without TCP, only counted",
        })
    }
}

/// Frames that yielded no segment, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Skipped([u64; Skip::ALL.len()]);

impl Skipped {
    /// Counts one frame.
    #[inline]
    pub fn count(&mut self, reason: Skip) {
        self.0[reason as usize] += 1;
    }

    /// Counts several at once.
    pub fn add(&mut self, reason: Skip, count: u64) {
        self.0[reason as usize] += count;
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (Skip, u64)> + '_ {
        Skip::ALL
            .into_iter()
            .map(|reason| (reason, self.0[reason as usize]))
            .filter(|c| c.1 > 0)
    }

    /// Frames that are broken.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.iter()
            .filter(|(reason, _)| reason.is_malformed())
            .map(|(_, count)| count)
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        let mut skipped = Skipped::default();
        for (times, reason) in Skip::ALL.into_iter().enumerate() {
            (0..=times).for_each(|_| skipped.count(reason));
        }
        let counts: Vec<u64> = skipped.iter().map(|(_, count)| count).collect();
        assert_eq!(counts, (1..=12).collect::<Vec<_>>());
        assert_eq!(skipped.malformed(), 7 + 8 + 9 + 10);
    }
}
