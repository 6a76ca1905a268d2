//! IPv4 (RFC 791) and IPv6 (RFC 8200) headers.

use super::{Bytes, DEEPEST, Protocol, Skip, link, tcp, tunnel, u16_at};
use crate::segment::{Endpoint, Segment};

const HOP_BY_HOP: u8 = 0;
const IPV4: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const GRE: u8 = 47;
const ESP: u8 = 50;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// The addresses and the rest of an IP header that the segment keeps.
pub(super) struct Header {
    pub(super) source: Address,
    pub(super) destination: Address,
    pub(super) ip_id: Option<u16>,
    pub(super) ttl: u8,
}

#[derive(Clone, Copy)]
pub(super) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Address {
    #[inline]
    pub(super) const fn port(self, port: u16) -> Endpoint {
        match self {
            Self::V4(address) => Endpoint::v4(address, port),
            Self::V6(address) => Endpoint::v6(address, port),
        }
    }
}

/// The TCP segment in a packet, however it is wrapped.
#[inline]
pub(super) fn segment(
    protocol: Protocol,
    bytes: Bytes<'_>,
    depth: u8,
) -> Result<Segment<'_>, Skip> {
    match protocol {
        Protocol::Ipv4 => v4(bytes, depth),
        Protocol::Ipv6 => v6(bytes, depth),
        Protocol::Ip => match bytes.head::<1>()?[0] >> 4 {
            4 => v4(bytes, depth),
            6 => v6(bytes, depth),
            _ => Err(Skip::BadIpHeader),
        },
        Protocol::Ethernet => {
            let (protocol, bytes) = link::ethernet(bytes)?;
            segment(protocol, bytes, depth)
        }
    }
}

#[inline]
fn v4(bytes: Bytes<'_>, depth: u8) -> Result<Segment<'_>, Skip> {
    let head = bytes.head::<20>()?;
    let header_len = usize::from(head[0] & 0x0f) * 4;
    if head[0] >> 4 != 4 || header_len < 20 {
        return Err(Skip::BadIpHeader);
    }
    let total = match u16_at(head, 2) {
        // Left at zero where it does not fit (BIG TCP) and by some segmentation offloads.
        0 => bytes.wire_len,
        total => u32::from(total),
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most 60")]
    let Some(len) = total.checked_sub(header_len as u32) else {
        return Err(Skip::BadIpHeader);
    };
    // More fragments, or not the first one.
    if u16_at(head, 6) & 0x3fff != 0 {
        return Err(Skip::Fragment);
    }
    let header = Header {
        source: Address::V4([head[12], head[13], head[14], head[15]]),
        destination: Address::V4([head[16], head[17], head[18], head[19]]),
        ip_id: Some(u16_at(head, 4)),
        ttl: head[8],
    };
    payload(&header, head[9], bytes.skip(header_len)?.limit(len), depth)
}

fn v6(bytes: Bytes<'_>, depth: u8) -> Result<Segment<'_>, Skip> {
    let head = bytes.head::<40>()?;
    if head[0] >> 4 != 6 {
        return Err(Skip::BadIpHeader);
    }
    let mut source = [0; 16];
    let mut destination = [0; 16];
    source.copy_from_slice(&head[8..24]);
    destination.copy_from_slice(&head[24..40]);
    let header = Header {
        source: Address::V6(source),
        destination: Address::V6(destination),
        ip_id: None,
        ttl: head[7],
    };
    let mut bytes = bytes.skip(40)?;
    // A jumbogram (RFC 2675) and BIG TCP say zero: the wire length is what is left.
    if let len @ 1.. = u16_at(head, 4) {
        bytes = bytes.limit(u32::from(len));
    }
    let mut next = head[6];
    loop {
        let len = match next {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY => {
                usize::from(bytes.head::<2>()?[1]) * 8 + 8
            }
            AUTHENTICATION => usize::from(bytes.head::<2>()?[1]) * 4 + 8,
            FRAGMENT => {
                // Offset zero and no more fragments is a whole packet (RFC 6946).
                if u16_at(bytes.head::<8>()?, 2) & 0xfff9 != 0 {
                    return Err(Skip::Fragment);
                }
                8
            }
            _ => break,
        };
        next = bytes.head::<1>()?[0];
        bytes = bytes.skip(len)?;
    }
    payload(&header, next, bytes, depth)
}

#[inline]
fn payload<'a>(
    header: &Header,
    protocol: u8,
    bytes: Bytes<'a>,
    depth: u8,
) -> Result<Segment<'a>, Skip> {
    if protocol == TCP {
        return tcp::segment(header, bytes);
    }
    encapsulated(header, protocol, bytes, depth)
}

fn encapsulated<'a>(
    header: &Header,
    protocol: u8,
    bytes: Bytes<'a>,
    depth: u8,
) -> Result<Segment<'a>, Skip> {
    let (inner, bytes) = match protocol {
        IPV4 => (Protocol::Ipv4, bytes),
        IPV6 => (Protocol::Ipv6, bytes),
        UDP => tunnel::udp(bytes)?,
        GRE => tunnel::gre(bytes)?,
        ESP => return Err(Skip::Encrypted),
        // Over IPv4; over IPv6 it was passed as an extension header.
        AUTHENTICATION => {
            let [next, len] = *bytes.head::<2>()?;
            let bytes = bytes.skip(usize::from(len) * 4 + 8)?;
            if depth == DEEPEST {
                return Err(Skip::TooDeep);
            }
            return payload(header, next, bytes, depth + 1);
        }
        _ => return Err(Skip::NotTcp),
    };
    if depth == DEEPEST {
        return Err(Skip::TooDeep);
    }
    segment(inner, bytes, depth + 1)
}

impl Bytes<'_> {
    /// Leaves out what follows the packet: padding, a frame check sequence.
    #[inline]
    fn limit(self, len: u32) -> Self {
        let data = &self.data[..self.data.len().min(len as usize)];
        Self {
            data,
            wire_len: len,
        }
    }
}
