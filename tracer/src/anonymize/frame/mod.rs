//! A frame without what it carries and under other addresses.
//!
//! The way goes through the same headers as [`decode`](crate::decode)'s, and a frame that yields a
//! segment yields the same one afterwards, with other endpoints and no payload. What is not known to
//! be harmless is left out: bytes stay because a header field is named here, never by default. A
//! frame without a segment keeps the headers up to where that shows, so that frames keep their
//! numbers and reasons.

mod ip;
mod link;
mod tcp;
mod tunnel;

use super::{Mapping, Settings};
use crate::decode::LinkType;

/// Encapsulations followed at most, as when decoding.
const DEEPEST: u8 = 8;

/// Why the way through the headers ends before a TCP segment.
enum Stop {
    /// What follows is none of our business, or was not captured: it is cut off.
    Cut,
    /// What follows contradicts itself: zeros do as well.
    Blank,
}

type Walk<T> = Result<T, Stop>;

/// What follows a header.
#[derive(Clone, Copy)]
enum Protocol {
    Ipv4,
    Ipv6,
    Ip,
    Ethernet,
}

/// A frame on its way.
struct Frame<'a> {
    mapping: &'a mut Mapping,
    settings: Settings,
    /// The captured bytes; those before `at` are done.
    data: &'a mut Vec<u8>,
    at: usize,
    /// Where the captured part of the packet ends, without what pads it.
    end: usize,
    /// How much of the packet follows `at` on the wire.
    wire: usize,
    /// A PROXY protocol header had no room for other addresses.
    crowded: bool,
}

/// What is no longer in a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Removed {
    /// Bytes of payload, and of headers that are not known.
    pub(super) bytes: u64,
    /// A PROXY protocol header had no room for other addresses.
    pub(super) crowded: bool,
}

/// Rewrites what was captured of a frame; what is gone of it.
pub(super) fn rewrite(
    mapping: &mut Mapping,
    settings: Settings,
    link: LinkType,
    wire_len: u32,
    data: &mut Vec<u8>,
) -> Removed {
    let before = data.len();
    let mut frame = Frame {
        mapping,
        settings,
        at: 0,
        end: before,
        wire: wire_len as usize,
        crowded: false,
        data,
    };
    let walked = frame
        .link(link)
        .and_then(|protocol| frame.packet(protocol, 0));
    let (done, crowded) = (frame.at, frame.crowded);
    match walked {
        Ok(()) | Err(Stop::Cut) => data.truncate(done),
        Err(Stop::Blank) => data[done..].fill(0),
    }
    Removed {
        bytes: (before - done.min(before)) as u64,
        crowded,
    }
}

impl Frame<'_> {
    /// The next bytes, which are there, or why not.
    fn head<const N: usize>(&self) -> Walk<[u8; N]> {
        let bytes = self.data[self.at..self.end].first_chunk().copied();
        bytes.ok_or_else(|| self.short())
    }

    /// Why a header is not there whole: cut by the snap length, or never sent.
    fn short(&self) -> Stop {
        if self.wire > self.end - self.at {
            Stop::Cut
        } else {
            Stop::Blank
        }
    }

    /// Replaces the next bytes.
    fn put(&mut self, bytes: &[u8]) {
        self.data[self.at..self.at + bytes.len()].copy_from_slice(bytes);
    }

    /// The next `count` bytes are done, or as many as are there.
    fn pass(&mut self, count: usize) -> Walk<()> {
        let there = count.min(self.end - self.at);
        let short = (there < count).then(|| self.short());
        self.at += there;
        self.wire = self.wire.saturating_sub(there);
        short.map_or(Ok(()), Err)
    }

    /// Replaces the next `count` bytes by zeros, or as many as are there.
    fn blank(&mut self, count: usize) -> Walk<()> {
        let end = self.end.min(self.at + count);
        self.data[self.at..end].fill(0);
        self.pass(count)
    }

    /// The packet ends `count` bytes on; padding and a frame check sequence may follow.
    fn limit(&mut self, count: usize) {
        self.end = self.end.min(self.at + count);
        self.wire = count;
    }

    fn packet(&mut self, protocol: Protocol, depth: u8) -> Walk<()> {
        match protocol {
            Protocol::Ipv4 => self.v4(depth),
            Protocol::Ipv6 => self.v6(depth),
            Protocol::Ip => {
                let version = self.head::<1>()?[0] >> 4;
                let header = if version == 4 { 20 } else { 40 };
                if matches!(version, 4 | 6) && self.end - self.at < header {
                    // The version alone says that there is less than it promises.
                    self.put(&[version << 4]);
                    self.pass(1)?;
                    return Err(self.short());
                }
                match version {
                    4 => self.v4(depth),
                    6 => self.v6(depth),
                    _ => Err(Stop::Blank),
                }
            }
            Protocol::Ethernet => {
                let inner = self.ethernet()?;
                self.packet(inner, depth)
            }
        }
    }

    fn payload(&mut self, protocol: u8, depth: u8) -> Walk<()> {
        let inner = match protocol {
            6 => return self.tcp(),
            4 => Protocol::Ipv4,
            41 => Protocol::Ipv6,
            17 => self.udp()?,
            47 => self.gre()?,
            51 => {
                let next = self.extension(4)?;
                if depth == DEEPEST {
                    return Err(Stop::Cut);
                }
                return self.payload(next, depth + 1);
            }
            // ICMP quotes packets, and everything else is unknown.
            _ => return Err(Stop::Cut),
        };
        if depth == DEEPEST {
            return Err(Stop::Cut);
        }
        self.packet(inner, depth + 1)
    }
}
