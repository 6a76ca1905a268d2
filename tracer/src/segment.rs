//! One TCP segment as seen at one vantage: what every source yields and everything else reads.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::seq::Seq;
use crate::time::Time;

/// An address and a port.
///
/// IPv4 addresses are kept in their IPv4-mapped form, so that both families compare and hash as
/// sixteen bytes; that form means the IPv4 address itself (RFC 4291 section 2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    address: [u8; 16],
    port: u16,
}

impl Endpoint {
    /// From an address of either family and a port.
    #[must_use]
    pub const fn new(address: IpAddr, port: u16) -> Self {
        let address = match address {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        Self { address, port }
    }

    /// From the four bytes of an IPv4 header.
    #[must_use]
    pub const fn v4([a, b, c, d]: [u8; 4], port: u16) -> Self {
        let address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
        Self { address, port }
    }

    /// From the sixteen bytes of an IPv6 header.
    #[must_use]
    pub const fn v6(address: [u8; 16], port: u16) -> Self {
        Self { address, port }
    }

    /// The address, in its own family.
    #[must_use]
    pub fn address(self) -> IpAddr {
        Ipv6Addr::from(self.address).to_canonical()
    }

    /// The port.
    #[must_use]
    pub const fn port(self) -> u16 {
        self.port
    }

    /// Its port is one of those that Linux gives to callers (`net.ipv4.ip_local_port_range`), and with it of
    /// RFC 6335 section 6, whose range begins at 49152; and none that servers customarily listen on all the
    /// same: MySQL's X protocol, OpenStack's Keystone, gRPC in its own examples.
    pub(crate) fn is_ephemeral(self) -> bool {
        self.port >= 32_768 && ![33_060, 35_357, 50_051].contains(&self.port)
    }

    /// Its port is a system port (RFC 6335 section 6), which only those who may listen there are given
    /// (`net.ipv4.ip_unprivileged_port_start`).
    pub(crate) const fn is_system(self) -> bool {
        self.port < 1024
    }

    /// The address as sixteen bytes: an IPv4 address in its IPv4-mapped form.
    pub(crate) const fn octets(self) -> [u8; 16] {
        self.address
    }

    /// The address as two words and the port, for hashing.
    pub(crate) fn words(self) -> (u64, u64, u16) {
        let address = u128::from_ne_bytes(self.address);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        ((address >> 64) as u64, address as u64, self.port)
    }
}

/// `10.0.0.1:80`, `[fd00::1]:80`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            IpAddr::V4(v4) => write!(f, "{v4}:{}", self.port),
            IpAddr::V6(v6) => write!(f, "[{v6}]:{}", self.port),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As [`Endpoint`] is written.
impl std::str::FromStr for Endpoint {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address: std::net::SocketAddr = text.parse()?;
        Ok(Self::new(address.ip(), address.port()))
    }
}

impl serde::Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The flag bits of a TCP header (RFC 9293 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// FIN: no more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// SYN: synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// RST: reset the connection.
    pub const RST: Self = Self(0x04);
    /// PSH: push.
    pub const PSH: Self = Self(0x08);
    /// ACK: the acknowledgment field is significant.
    pub const ACK: Self = Self(0x10);

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any flag of `other` is set.
    #[must_use]
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// FIN is set.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.any(Self::FIN)
    }

    /// SYN is set.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.any(Self::SYN)
    }

    /// RST is set.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.any(Self::RST)
    }

    /// ACK is set.
    #[must_use]
    pub const fn ack(self) -> bool {
        self.any(Self::ACK)
    }

    /// ACK without SYN, FIN and RST: a segment of an established connection.
    #[must_use]
    pub const fn is_plain_ack(self) -> bool {
        self.0 & 0x17 == Self::ACK.0
    }
}

/// The options of a TCP header that the analysis uses. Options cut off by the snap length read as
/// absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// Timestamps (RFC 7323): TSval and TSecr.
    pub timestamps: Option<(u32, u32)>,
    /// First block of a selective acknowledgment (RFC 2018).
    pub sack: Option<(Seq, Seq)>,
    /// Window scale shift of a SYN (RFC 7323).
    pub window_scale: Option<u8>,
    /// Maximum segment size of a SYN (RFC 9293 section 3.7.1).
    pub mss: Option<u16>,
}

/// One TCP segment as seen at one vantage.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Which vantage of the source saw it.
    pub vantage: u32,
    /// Number of the frame in its source, counted from 1 as Wireshark does.
    pub frame: u64,
    /// When the source stamped it.
    pub at: Time,
    /// The sender.
    pub source: Endpoint,
    /// The receiver.
    pub destination: Endpoint,
    /// Sequence number of the first payload byte, or of the SYN.
    pub seq: Seq,
    /// Acknowledgment number; significant where the ACK flag is set.
    pub ack: Seq,
    /// The flags.
    pub flags: Flags,
    /// The window field as sent, not scaled.
    pub window: u16,
    /// Payload bytes on the wire, computed from the headers: a snap length does not change it.
    pub len: u32,
    /// The options.
    pub options: Options,
    /// IPv4 identification; `None` for IPv6.
    pub ip_id: Option<u16>,
    /// TTL or hop limit.
    pub ttl: u8,
    /// How it passed the host that captured it, where the capture tells.
    pub passage: Option<Passage>,
    /// The captured part of the payload: foreign bytes, possibly cut.
    pub payload: &'a [u8],
}

/// What a segment's headers tell beside what it was taken for: enough to know it again at another
/// vantage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head {
    /// Sequence number of the first payload byte, or of the SYN.
    pub seq: Seq,
    /// Acknowledgment number; significant where the ACK flag is set.
    pub ack: Seq,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 identification; `None` for IPv6.
    pub ip_id: Option<u16>,
    /// TSval (RFC 7323): the sender's clock when it sent this very copy, which no address
    /// translation changes.
    pub timestamp: Option<u32>,
    /// How it passed the host that captured it, where the capture tells.
    pub passage: Option<Passage>,
}

/// How a segment passed the host that captured it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passage {
    /// Out of an interface: sent by this host, or forwarded.
    Out,
    /// Into an interface: for this host, or to be forwarded.
    In,
    /// Over the loopback interface: both stacks are in this network namespace.
    Loopback,
}

impl Segment<'_> {
    /// What its headers tell.
    #[must_use]
    pub const fn head(&self) -> Head {
        Head {
            seq: self.seq,
            ack: self.ack,
            ttl: self.ttl,
            ip_id: self.ip_id,
            timestamp: match self.options.timestamps {
                Some((value, _)) => Some(value),
                None => None,
            },
            passage: self.passage,
        }
    }

    /// How much sequence space it takes: payload, SYN and FIN count.
    #[must_use]
    pub fn seq_len(&self) -> u32 {
        self.len
            .wrapping_add(u32::from(self.flags.syn()))
            .wrapping_add(u32::from(self.flags.fin()))
    }

    /// The sequence number after its last byte.
    #[must_use]
    pub fn seq_end(&self) -> Seq {
        self.seq + self.seq_len()
    }
}
