//! Link layers: where the IP header begins.
//!
//! Numbers and layouts: <https://www.tcpdump.org/linktypes.html>.

use super::{Bytes, Protocol, Skip, u16_at};
use crate::segment::Passage;

/// What the frames of an interface begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkType {
    /// Ethernet, with any number of VLAN tags.
    Ethernet,
    /// Linux cooked capture v1, as `-i any` of older libpcap gives.
    LinuxSll,
    /// Linux cooked capture v2, as `-i any` gives.
    LinuxSll2,
    /// IPv4 or IPv6 without a link layer (tun devices).
    Raw,
    /// BSD loopback: the address family in four bytes, of the capturing machine's byte order.
    Null,
    /// OpenBSD loopback: the same in network byte order.
    Loop,
    /// Another one, by its number.
    Unsupported(u32),
}

impl LinkType {
    /// From a `LINKTYPE_` number; `None` for one that is not decoded.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Null),
            1 => Some(Self::Ethernet),
            // 12 and 14 are the DLT values that some programs write instead of 101; 228 and 229
            // promise one version.
            12 | 14 | 101 | 228 | 229 => Some(Self::Raw),
            108 => Some(Self::Loop),
            113 => Some(Self::LinuxSll),
            276 => Some(Self::LinuxSll2),
            _ => None,
        }
    }

    /// Its `LINKTYPE_` number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Raw => 101,
            other => other.dlt(),
        }
    }

    /// The `DLT_` value that libpcap on Linux uses for it.
    pub(crate) const fn dlt(self) -> u32 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Raw => 12,
            Self::Loop => 108,
            Self::LinuxSll => 113,
            Self::LinuxSll2 => 276,
            Self::Unsupported(number) => number,
        }
    }
}

/// The network layer of a frame.
#[inline]
pub(super) fn network(link: LinkType, bytes: Bytes<'_>) -> Result<(Protocol, Bytes<'_>), Skip> {
    match link {
        LinkType::Ethernet => ethernet(bytes),
        LinkType::LinuxSll => {
            let head = bytes.head::<16>()?;
            tagged(u16_at(head, 14), bytes.skip(16)?)
        }
        LinkType::LinuxSll2 => {
            let head = bytes.head::<20>()?;
            tagged(u16_at(head, 0), bytes.skip(20)?)
        }
        LinkType::Raw => Ok((Protocol::Ip, bytes)),
        LinkType::Null | LinkType::Loop => {
            // The family's number differs between systems (AF_INET6 is 10, 24, 28 or 30) and its
            // byte order between machines; the IP version says it reliably.
            let family = bytes.head::<4>()?;
            match family {
                [0, 0, 0, 2 | 10 | 24 | 28 | 30] | [2 | 10 | 24 | 28 | 30, 0, 0, 0] => {
                    Ok((Protocol::Ip, bytes.skip(4)?))
                }
                _ => Err(Skip::NotIp),
            }
        }
        LinkType::Unsupported(_) => Err(Skip::LinkType),
    }
}

/// `ARPHRD_LOOPBACK` (include/uapi/linux/if_arp.h).
const LOOPBACK: u16 = 772;

/// How a frame passed the host that captured it: cooked captures say it
/// (<https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL2.html>).
#[inline]
pub(super) fn passage(link: LinkType, data: &[u8]) -> Option<Passage> {
    let (kind, device) = match link {
        LinkType::LinuxSll => {
            let head = data.first_chunk::<4>()?;
            (u16_at(head, 0), u16_at(head, 2))
        }
        LinkType::LinuxSll2 => {
            let head = data.first_chunk::<11>()?;
            (u16::from(head[10]), u16_at(head, 8))
        }
        _ => return None,
    };
    match kind {
        _ if device == LOOPBACK => Some(Passage::Loopback),
        // What is for another host came in as well: `PACKET_OTHERHOST` is what an interface that takes
        // everything got to see (include/uapi/linux/if_packet.h).
        0 | 3 => Some(Passage::In),
        4 => Some(Passage::Out),
        // Broadcast and multicast.
        _ => None,
    }
}

#[inline]
pub(super) fn ethernet(bytes: Bytes<'_>) -> Result<(Protocol, Bytes<'_>), Skip> {
    let head = bytes.head::<14>()?;
    tagged(u16_at(head, 12), bytes.skip(14)?)
}

/// Passes over VLAN tags (802.1Q, 802.1ad and the older QinQ types).
#[inline]
fn tagged(mut ethertype: u16, mut bytes: Bytes<'_>) -> Result<(Protocol, Bytes<'_>), Skip> {
    while matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300) {
        ethertype = u16_at(bytes.head::<4>()?, 2);
        bytes = bytes.skip(4)?;
    }
    match Protocol::from_ethertype(ethertype) {
        Some(Protocol::Ethernet) | None => Err(Skip::NotIp),
        Some(protocol) => Ok((protocol, bytes)),
    }
}
