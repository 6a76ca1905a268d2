//! One direction of a connection, as a row of units: messages of HTTP/1, frames of HTTP/2. Each tells
//! where the next begins, by its sequence number, so that what was not captured or not shown can be
//! passed over.

use std::sync::Arc;
use std::time::Duration;

use super::frame::{self, Does, Footing, Framed};
use super::{Heading, head, proxied, tls};
use crate::seq::Seq;
use crate::time::Time;

/// The client's preface (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A unit that is longer before it tells its length is given up.
const LONGEST: usize = 16 * 1024;

/// Where something stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The frame that its turn begins with.
    pub(crate) turn: u64,
    /// The frame that it begins in itself.
    pub(crate) frame: u64,
    /// When that was seen.
    pub(crate) at: Time,
    /// For how long nothing had moved the connection on then.
    pub(crate) after: Duration,
}

/// Bytes that a side sent, for the first time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a> {
    /// Sequence number of the first.
    pub(crate) seq: Seq,
    /// Those that were captured.
    pub(crate) bytes: &'a [u8],
    /// How many were sent.
    pub(crate) len: u32,
    /// A turn begins with them.
    pub(crate) turns: bool,
    /// Where they stand.
    pub(crate) place: Place,
}

/// What is found in them.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// What a unit says, and where it begins.
    Heading(Heading, Place),
    /// Bytes of the body of the message that the last heading of the side is about, from its beginning
    /// on and without a gap.
    Body(&'a [u8]),
    /// A frame of HTTP/2, or the preface.
    Frame(Framed, Place),
    /// Frames of HTTP/2 may be missing here.
    Lost,
}

/// What bytes are found to begin with.
#[derive(Debug)]
pub(super) enum Unit {
    /// More of them are needed to tell.
    Partial,
    /// None of what is known.
    Foreign,
    /// A PROXY protocol header or a preface, and its length.
    Read(Option<Heading>, usize),
    /// A message of HTTP/1, the length of its head, and its body.
    Message(Heading, usize, Body),
    /// A frame of HTTP/2.
    Frame {
        heading: Option<Heading>,
        framed: Framed,
    },
    /// Nothing that follows can be read.
    Opaque(Heading),
}

/// The body of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    /// So many bytes.
    Of(u64),
    /// Its end is not known.
    Unknown,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The unit that is not complete. Apart, for few streams have one.
    kept: Option<Box<Kept>>,
    /// Behind the last byte that was shown.
    next: Option<Seq>,
    /// Where a unit begins; not known at first, nor after what could not be read.
    boundary: Option<Seq>,
    /// Up to where the body was told.
    body: Option<Seq>,
    /// Something was read: what may only come first comes no more.
    begun: bool,
    /// Nothing can be read.
    opaque: bool,
    /// It is a tunnel: whatever it carries is not about the connection itself.
    tunnel: bool,
}

/// How a unit begins.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    rest: Rest,
}

/// What is known of bytes whose unit is not read yet.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// How far they were looked at in vain.
    looked: usize,
    /// The unit before ended here: it is not only supposed to begin because a turn does.
    firm: bool,
    place: Place,
}

impl Stream {
    /// Reads a little of it.
    #[inline]
    pub(super) fn touch(&self) -> u32 {
        self.next.map_or(0, |next| next.0)
    }

    pub(super) fn read(
        &mut self,
        piece: Piece<'_>,
        http2: &mut bool,
        tell: &mut impl FnMut(Found<'_>),
    ) {
        let follows = self.next == Some(piece.seq);
        self.next = Some(piece.seq + piece.len);
        if self.opaque {
            return;
        }
        if !follows {
            if *http2 && self.kept.is_some() {
                tell(Found::Lost);
            }
            self.give_up(tell);
        }
        #[expect(clippy::cast_possible_truncation, reason = "of one segment")]
        let end = piece.seq + piece.bytes.len() as u32;
        if *http2 && self.begun && self.kept.is_none() && self.lacks(piece.seq) {
            tell(Found::Lost);
        }
        if let Some(kept) = self.kept.take() {
            let Kept { mut bytes, rest } = *kept;
            bytes.extend_from_slice(piece.bytes);
            let left = self.units(&bytes, end, rest, piece.place, http2, tell);
            self.kept = left.map(|(from, rest)| {
                bytes.drain(..from);
                Box::new(Kept { bytes, rest })
            });
        } else if let Some((bytes, firm)) = self.skip_to_boundary(piece, tell) {
            let rest = Rest {
                looked: 0,
                firm,
                place: piece.place,
            };
            let left = self.units(bytes, end, rest, piece.place, http2, tell);
            self.kept = left.map(|(from, rest)| {
                let bytes = bytes[from..].to_vec();
                Box::new(Kept { bytes, rest })
            });
        }
        if piece.bytes.len() < piece.len as usize {
            self.give_up(tell);
        }
        let read = self.kept.is_some() || !self.lacks(piece.seq + piece.len);
        if *http2 && !read && !self.tunnel {
            tell(Found::Lost);
        }
    }

    /// What comes next begins behind the beginning of a unit that was not read, or it is not known where
    /// units begin.
    fn lacks(&self, next: Seq) -> bool {
        self.boundary
            .is_none_or(|boundary| boundary.distance_from(next) < 0)
    }

    /// What follows is a tunnel's (RFC 9110 section 9.3.6).
    pub(super) fn tunnel(&mut self) {
        self.tunnel = true;
        self.kept = None;
        self.boundary = None;
        self.body = None;
    }

    /// It speaks TLS, and nothing that follows can be read.
    pub(super) const fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// What follows a unit that is not complete will not be seen: tells as much as there is of it.
    pub(super) fn give_up(&mut self, tell: &mut impl FnMut(Found<'_>)) {
        let Some(kept) = self.kept.take() else {
            return;
        };
        let Kept { bytes, rest } = *kept;
        self.boundary = None;
        self.begun = true;
        if let Some(heading) = head::cut(&bytes) {
            self.body = None;
            tell(Found::Heading(heading, rest.place));
        }
    }

    /// Nothing more comes. Of a head that has not ended, all that there is was captured.
    pub(super) fn finish(&mut self, tell: &mut impl FnMut(Found<'_>)) {
        let there = self.kept.as_ref().map(|kept| kept.bytes.len() as u64);
        self.give_up(&mut |found| match found {
            Found::Heading(Heading::Request(mut request), place) => {
                Arc::make_mut(&mut request).unended = there;
                tell(Found::Heading(Heading::Request(request), place));
            }
            other => tell(other),
        });
    }

    /// The bytes of a piece from where a unit begins, and whether that is known and not only
    /// supposed.
    fn skip_to_boundary<'a>(
        &mut self,
        piece: Piece<'a>,
        tell: &mut impl FnMut(Found<'_>),
    ) -> Option<(&'a [u8], bool)> {
        let ahead = self.boundary.map(|place| place.distance_from(piece.seq));
        let supposed = piece.turns.then_some((piece.bytes, false));
        match ahead {
            Some(0) => Some((piece.bytes, true)),
            // The length of an answer to HEAD is that of a body which never comes, and after
            // `expect: 100-continue` the client may think better of sending one.
            Some(1..) if piece.turns && head::begins(piece.bytes) => supposed,
            Some(ahead @ 1..) => {
                let ahead = ahead.unsigned_abs();
                let passed = piece.bytes.len().min(ahead as usize);
                self.pass(piece.seq, &piece.bytes[..passed], tell);
                // It may be among the bytes that were not captured.
                let rest = piece.bytes.get(ahead as usize..);
                rest.filter(|_| ahead < piece.len).map(|rest| (rest, true))
            }
            _ => {
                self.boundary = None;
                supposed
            }
        }
    }

    /// Passes over bytes of a body.
    fn pass(&mut self, from: Seq, bytes: &[u8], tell: &mut impl FnMut(Found<'_>)) {
        if self.body == Some(from) && !bytes.is_empty() {
            #[expect(clippy::cast_possible_truncation, reason = "of one segment")]
            let after = from + bytes.len() as u32;
            self.body = Some(after);
            tell(Found::Body(bytes));
        }
    }

    /// Reads units. Of one that is not complete, where it begins in `bytes`. `end` is the sequence
    /// number behind the bytes, `later` where those units stand that begin after the first.
    fn units(
        &mut self,
        bytes: &[u8],
        end: Seq,
        mut rest: Rest,
        later: Place,
        http2: &mut bool,
        tell: &mut impl FnMut(Found<'_>),
    ) -> Option<(usize, Rest)> {
        let mut from = 0;
        while from < bytes.len() {
            let left = &bytes[from..];
            let footing = match (rest.firm, *http2) {
                (true, true) => Footing::Firm,
                (false, true) => Footing::Regained,
                (_, false) => Footing::None,
            };
            let unit = self.unit(left, footing, &mut rest.looked);
            if matches!(unit, Unit::Partial) && left.len() < LONGEST {
                return Some((from, rest));
            }
            *http2 |= matches!(
                unit,
                Unit::Frame { .. } | Unit::Read(Some(Heading::Http2), _)
            );
            #[expect(
                clippy::cast_possible_truncation,
                reason = "no longer than LONGEST and a segment"
            )]
            let begins = end - left.len() as u32;
            self.begun = true;
            self.boundary = self.take(unit, left, begins, rest.place, tell);
            let ahead = self.boundary?.distance_from(begins).unsigned_abs();
            from += left.len().min(ahead as usize);
            rest = Rest {
                looked: 0,
                firm: true,
                place: later,
            };
        }
        None
    }

    /// What bytes begin with.
    fn unit(&self, bytes: &[u8], footing: Footing, looked: &mut usize) -> Unit {
        if self.tunnel {
            return tls::read(bytes);
        }
        let preface = || match bytes {
            _ if !begins_like(bytes, PREFACE) => Unit::Foreign,
            _ if bytes.len() < PREFACE.len() => Unit::Partial,
            _ => Unit::Read(Some(Heading::Http2), PREFACE.len()),
        };
        let unit = preface();
        if !matches!(unit, Unit::Foreign) {
            return unit;
        }
        if footing != Footing::None {
            return frame::read(bytes, footing);
        }
        let others: [&mut dyn FnMut() -> Unit; 4] = [
            &mut || match self.begun {
                true => Unit::Foreign,
                false => proxied::read(bytes),
            },
            &mut || tls::read(bytes),
            &mut || head::read(bytes, looked),
            &mut || frame::read(bytes, footing),
        ];
        let mut units = others.into_iter().map(|read| read());
        units
            .find(|unit| !matches!(unit, Unit::Foreign))
            .unwrap_or(Unit::Foreign)
    }

    /// Tells what a unit says that begins at `begins`; where the next begins.
    fn take(
        &mut self,
        unit: Unit,
        bytes: &[u8],
        begins: Seq,
        place: Place,
        tell: &mut impl FnMut(Found<'_>),
    ) -> Option<Seq> {
        match unit {
            Unit::Partial | Unit::Foreign => None,
            Unit::Opaque(heading) => {
                tell(Found::Heading(heading, place));
                self.opaque = true;
                None
            }
            Unit::Read(heading, length) => {
                let preface = heading == Some(Heading::Http2);
                if let Some(heading) = heading {
                    tell(Found::Heading(heading, place));
                }
                if preface {
                    let framed = Framed {
                        length: length as u64,
                        stream: 0,
                        does: Does::Control,
                    };
                    tell(Found::Frame(framed, place));
                }
                after(begins, length as u64)
            }
            Unit::Message(heading, head, body) => {
                tell(Found::Heading(heading, place));
                let begins = after(begins, head as u64)?;
                self.body = None;
                let Body::Of(length) = body else { return None };
                self.body = Some(begins);
                let there = usize::try_from(length).unwrap_or(usize::MAX);
                let rest = &bytes[head..];
                self.pass(begins, &rest[..rest.len().min(there)], tell);
                after(begins, length)
            }
            Unit::Frame { heading, framed } => {
                if let Some(heading) = heading {
                    tell(Found::Heading(heading, place));
                }
                tell(Found::Frame(framed, place));
                after(begins, framed.length)
            }
        }
    }
}

/// As far as both go, they are the same.
pub(super) fn begins_like(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(byte, other)| byte == other)
}

/// Sequence numbers tell no more than this before from behind.
fn after(begins: Seq, length: u64) -> Option<Seq> {
    let length = u32::try_from(length).ok()?;
    (length < 1 << 30).then(|| begins + length)
}
