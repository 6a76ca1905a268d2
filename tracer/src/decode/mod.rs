//! From a captured frame to a TCP segment: link layer, IP, tunnels, TCP.
//!
//! Frames are foreign bytes: every read is checked, and what cannot be read is a [`Skip`] that the
//! caller counts. Lengths come from the headers, never from how much was captured, so that a snap
//! length changes nothing but the payload at hand.
//!
//! Own code rather than etherparse, because every frame of a capture passes here; etherparse is
//! the reference that the tests compare with, and `make bench` measures both.

mod ip;
mod link;
mod skip;
mod tcp;
mod tunnel;

pub use self::link::LinkType;
pub use self::skip::{Skip, Skipped};

use crate::segment::Segment;
use crate::source::Frame;

/// Encapsulations followed at most; more than any real overlay has, few enough to bound the work.
const DEEPEST: u8 = 8;

/// The TCP segment in a frame.
///
/// # Errors
///
/// The reason for which the frame holds no segment that can be used.
#[inline]
pub fn segment<'a>(frame: &Frame<'a>) -> Result<Segment<'a>, Skip> {
    let bytes = Bytes {
        data: frame.data,
        wire_len: frame.wire_len,
    };
    let (protocol, bytes) = link::network(frame.link, bytes)?;
    let mut segment = ip::segment(protocol, bytes, 0)?;
    segment.vantage = frame.interface;
    segment.frame = frame.number;
    segment.at = frame.at;
    segment.passage = link::passage(frame.link, frame.data);
    Ok(segment)
}

/// The rest of a frame: what of it was captured, and how long it was on the wire.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    data: &'a [u8],
    wire_len: u32,
}

impl<'a> Bytes<'a> {
    /// Moves past `count` bytes.
    #[inline]
    fn skip(self, count: usize) -> Result<Self, Skip> {
        match self.data.get(count..) {
            Some(data) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "count is a header's length"
                )]
                let wire_len = self.wire_len.saturating_sub(count as u32);
                Ok(Self { data, wire_len })
            }
            None => Err(self.short()),
        }
    }

    /// The first `N` bytes.
    #[inline]
    fn head<const N: usize>(self) -> Result<&'a [u8; N], Skip> {
        self.data.first_chunk().ok_or_else(|| self.short())
    }

    /// Why a header is not there whole: cut by the snap length, or never sent.
    #[cold]
    fn short(self) -> Skip {
        if self.wire_len as usize > self.data.len() {
            Skip::CutShort
        } else {
            Skip::ShortFrame
        }
    }
}

/// What follows a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Protocol {
    Ipv4,
    Ipv6,
    /// Told by the version in the first byte.
    Ip,
    Ethernet,
}

impl Protocol {
    const fn from_ethertype(ethertype: u16) -> Option<Self> {
        match ethertype {
            0x0800 => Some(Self::Ipv4),
            0x86dd => Some(Self::Ipv6),
            0x6558 => Some(Self::Ethernet),
            _ => None,
        }
    }
}

#[inline]
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
