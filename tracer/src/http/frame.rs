//! HTTP/2 frames, as far as their headers and what tells of endings (RFC 9113 sections 4.1 and 6).
//! Written here because nine bytes are all that is needed: the h2 crate holds connections, and reads
//! frames in no other way.

use super::stream::Unit;
use super::{GoAway, Heading};

/// So much of what a GOAWAY says beside its code is kept.
const DEBUG: usize = 64;

/// What a frame does to the streams of its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Framed {
    /// Bytes of it, with its header.
    pub(crate) length: u64,
    /// Its stream; 0 for the connection.
    pub(crate) stream: u32,
    pub(crate) does: Does,
}

/// The same without numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Does {
    /// It carries headers; the last that its sender says on the stream, where it `ends` it.
    Headers { ends: bool },
    /// It carries data; in the same way.
    Data { ends: bool },
    /// It gives the stream up.
    Resets,
    /// It is about the connection, or how a stream is served: it asks for nothing and answers nothing.
    Control,
    /// Something else.
    Else,
}

/// The header of every frame.
const HEADER: usize = 9;

/// A frame's header.
#[derive(Clone, Copy)]
struct Frame {
    length: u32,
    kind: u8,
    flags: u8,
    stream: u32,
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;

/// How sure it is that a frame begins here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Footing {
    /// The one before ended here.
    Firm,
    /// The connection speaks HTTP/2, and a turn begins here.
    Regained,
    /// A turn begins here, of a connection that may speak anything.
    None,
}

/// The frame that bytes begin with.
pub(super) fn read(bytes: &[u8], footing: Footing) -> Unit {
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        return match footing {
            Footing::None if !may_begin(bytes) => Unit::Foreign,
            _ => Unit::Partial,
        };
    };
    let frame = Frame::new(*header);
    if !frame.is_sound() || !frame.is_likely(footing) {
        return Unit::Foreign;
    }
    let told = frame.told();
    let Some(payload) = bytes[HEADER..].get(..told) else {
        return Unit::Partial;
    };
    let more = &bytes[HEADER + told..];
    let more = &more[..more.len().min(frame.length as usize - told)];
    frame.unit(payload, more, footing)
}

/// Those frames that are known without footing are short.
fn may_begin(bytes: &[u8]) -> bool {
    bytes.iter().take(2).all(|byte| *byte <= 1)
}

impl Frame {
    const fn new(header: [u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = header;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            // The highest bit is reserved and ignored (RFC 9113 section 4.1).
            stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff,
        }
    }

    /// It keeps the rules for its kind, which are connection errors to break.
    const fn is_sound(self) -> bool {
        match self.kind {
            DATA | HEADERS | PUSH_PROMISE | CONTINUATION => self.stream != 0,
            PRIORITY => self.stream != 0 && self.length == 5,
            RST_STREAM => self.stream != 0 && self.length == 4,
            SETTINGS if self.flags & ACK != 0 => self.stream == 0 && self.length == 0,
            SETTINGS => self.stream == 0 && self.length.is_multiple_of(6),
            PING => self.stream == 0 && self.length == 8,
            GOAWAY => self.stream == 0 && self.length >= 8,
            WINDOW_UPDATE => self.length == 4,
            _ => true,
        }
    }

    /// The less footing there is, the more a frame must look like one.
    const fn is_likely(self, footing: Footing) -> bool {
        match footing {
            Footing::Firm => true,
            // Frames are no longer than 16 KiB unless the peer asks for it (section 4.2).
            Footing::Regained => self.kind <= CONTINUATION && self.length <= 1 << 14,
            Footing::None => match self.kind {
                PING => self.flags & !ACK == 0,
                GOAWAY => self.flags == 0 && self.length < 512,
                SETTINGS => self.flags == 0 && self.length > 0 && self.length < 120,
                _ => false,
            },
        }
    }

    /// How much of its payload is looked at.
    const fn told(self) -> usize {
        match self.kind {
            GOAWAY => 8,
            RST_STREAM => 4,
            SETTINGS if self.length > 0 => 6,
            _ => 0,
        }
    }

    fn unit(self, payload: &[u8], more: &[u8], footing: Footing) -> Unit {
        let number = |at: usize| {
            let bytes = payload.get(at..).and_then(<[u8]>::first_chunk);
            u32::from_be_bytes(*bytes.unwrap_or(&[0; 4]))
        };
        let heading = match self.kind {
            GOAWAY => Some(Heading::GoAway(GoAway {
                last_stream: number(0) & 0x7fff_ffff,
                error: number(4),
                debug: debug(more),
            })),
            PING => Some(Heading::Ping {
                answer: self.flags & ACK != 0,
            }),
            RST_STREAM => Some(Heading::ResetStream {
                stream: self.stream,
                error: number(0),
            }),
            _ => None,
        };
        // Without footing, error codes and the identifiers of settings must be known ones
        // (RFC 9113 sections 6.5.2 and 7, RFC 8441 section 3, RFC 9218 section 2.1).
        let odd = match (self.kind, footing) {
            (GOAWAY, Footing::None) => number(4) > 0xd,
            (SETTINGS, Footing::None) => !(1..=9).contains(&(number(0) >> 16)),
            _ => false,
        };
        if odd {
            return Unit::Foreign;
        }
        Unit::Frame {
            heading,
            framed: Framed {
                length: HEADER as u64 + u64::from(self.length),
                stream: self.stream,
                does: self.does(),
            },
        }
    }

    const fn does(self) -> Does {
        let ends = self.flags & END_STREAM != 0;
        match self.kind {
            HEADERS => Does::Headers { ends },
            DATA => Does::Data { ends },
            RST_STREAM => Does::Resets,
            SETTINGS | PING | GOAWAY | WINDOW_UPDATE | PRIORITY => Does::Control,
            // Extensions (RFC 9113 section 5.5) that are about the connection.
            10.. if self.stream == 0 => Does::Control,
            _ => Does::Else,
        }
    }
}

/// What a GOAWAY says beside its code, as far as it is there and in plain words: it means something to
/// people only (RFC 9113 section 6.8).
fn debug(bytes: &[u8]) -> Option<Box<str>> {
    let bytes = &bytes[..bytes.len().min(DEBUG)];
    let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let words = std::str::from_utf8(bytes).ok()?;
    (!words.is_empty() && bytes.iter().all(plain)).then(|| words.into())
}
