//! What can be read of a flow's payload, turn by turn.

use std::sync::Arc;
use std::time::Duration;

use super::calls::Following;
use super::event::{New, What};
use super::trail::Trail;
use super::{Side, Sides};
use crate::http::{Conversation, Does, Found, Heading, Piece, Place, Print};
use crate::segment::Segment;
use crate::seq::Seq;
use crate::time::Time;

/// So many headings of a flow are kept, and prints of as many turns: a connection that lives for
/// days must not fill the memory.
const KEPT: usize = 1 << 15;

/// What can be read of a turn. A turn may have several: a PROXY protocol header before a request,
/// pipelined requests, `100 Continue` before an answer, frames of HTTP/2.
#[derive(Clone, PartialEq, Debug)]
pub struct TurnHeading {
    /// The frame that the turn begins with, which is that of its [`What::Data`] event.
    ///
    /// [`What::Data`]: super::What::Data
    pub frame: u64,
    /// Whose turn it is.
    pub by: Side,
    /// The frame in which this begins itself.
    pub seen: u64,
    /// When that was seen.
    pub at: Time,
    /// For how long nothing had moved the connection on then.
    pub after: Duration,
    /// What it says.
    pub heading: Heading,
    /// How the body of an HTTP/1 message begins, where its head tells its length and any of it was
    /// seen. Proxies pass bodies on, whatever they do to heads.
    pub body: Option<Print>,
}

/// How a turn begins. Proxies at layer 4 pass its bytes on, encrypted or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TurnPrint {
    /// The frame that the turn begins with, which is that of its [`What::Data`] event.
    ///
    /// [`What::Data`]: super::What::Data
    pub frame: u64,
    /// Whose turn it is.
    pub by: Side,
    /// The fingerprint of its first bytes.
    pub print: Print,
}

/// What is being read of a flow.
#[derive(Debug, Default)]
pub(super) struct Reading {
    conversation: Conversation,
    turn: Option<Turn>,
    headings: Vec<TurnHeading>,
    /// The last heading of each side, whose body may follow.
    last: Sides<Option<usize>>,
    /// Turns that have a print.
    prints: usize,
    streams: Sides<Option<u32>>,
    calls: Following,
    /// Bytes of each side that were shown, captured or not.
    shown: Sides<u64>,
}

/// The turn whose bytes come.
#[derive(Debug)]
struct Turn {
    frame: u64,
    by: Side,
    /// Behind the last byte that was shown.
    next: Seq,
    /// Every byte of it was captured so far.
    whole: bool,
    /// How many were shown.
    bytes: u64,
    /// How it begins.
    print: Option<Print>,
}

impl Turn {
    fn printed(&self) -> Option<TurnPrint> {
        Some(TurnPrint {
            frame: self.frame,
            by: self.by,
            print: self.print?,
        })
    }
}

impl Reading {
    /// Takes in what a segment brings. Tells the print of the turn that this ends.
    pub(super) fn read(&mut self, by: Side, segment: &Segment<'_>, new: New) -> Option<TurnPrint> {
        let seq = segment.seq + new.from;
        let turns = new.before == 0;
        let mut ended = None;
        if turns {
            ended = self.turn.replace(Turn {
                frame: segment.frame,
                by,
                next: seq,
                whole: true,
                bytes: 0,
                print: None,
            });
        }
        let ended = ended.and_then(|turn| turn.printed());
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.by == by) else {
            return ended;
        };
        let captured = segment.payload.get(new.from as usize..).unwrap_or(&[]);
        let bytes = &captured[..captured.len().min(new.len as usize)];
        let place = Place {
            turn: turn.frame,
            frame: segment.frame,
            at: segment.at,
            after: new.after,
        };
        turn.whole &= turn.next == seq;
        turn.next = seq + new.len;
        turn.bytes += bytes.len() as u64;
        if turn.whole {
            if turns && !bytes.is_empty() && self.prints < KEPT {
                self.prints += 1;
                turn.print = Some(Print::default());
            }
            if let Some(print) = &mut turn.print {
                print.add(bytes);
            }
        }
        turn.whole &= bytes.len() == new.len as usize;
        let piece = Piece {
            seq,
            bytes,
            len: new.len,
            turns,
            place,
        };
        let Self {
            conversation,
            headings,
            last,
            streams,
            calls,
            shown,
            ..
        } = self;
        shown[by] += u64::from(new.len);
        conversation.read(by, piece, |found| match found {
            Found::Heading(heading, place) => {
                match &heading {
                    Heading::Http2 => calls.begin(by),
                    Heading::GoAway(said) => calls.goaway(by, said, place),
                    _ => {}
                }
                last[by] = put(headings, by, heading, place, last[by]);
            }
            Found::Body(bytes) => {
                if let Some(of) = last[by].and_then(|place| headings.get_mut(place)) {
                    of.body.get_or_insert_default().add(bytes);
                }
            }
            Found::Frame(framed, place) => {
                if matches!(framed.does, Does::Headers { .. }) {
                    streams[by] = streams[by].max(Some(framed.stream));
                }
                calls.frame(by, framed, place);
            }
            Found::Lost => calls.lose(),
        });
        ended
    }

    /// Reads a little of what the next turn needs.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.turn.as_ref().map_or(0, |turn| turn.frame) ^ self.conversation.touch()
    }

    /// The side that asks: it sent a request first, or the other one an answer.
    pub(super) fn asks(&self) -> Option<Side> {
        self.headings.iter().find_map(|said| match said.heading {
            Heading::Request(_) => Some(said.by),
            Heading::Status(_) => Some(said.by.other()),
            _ => None,
        })
    }

    /// Client and server are the other way round.
    pub(super) fn swap_sides(&mut self) {
        self.conversation.swap_sides();
        self.last.swap();
        self.streams.swap();
        self.shown.swap();
        self.calls.swap_sides();
        let headings = self.headings.iter_mut().map(|turn| &mut turn.by);
        let turn = self.turn.iter_mut().map(|turn| &mut turn.by);
        for by in headings.chain(turn) {
            *by = by.other();
        }
    }

    /// Marks the last answer, where its chunks have no end and nothing more was said: they end with an empty
    /// line, behind the last of them or its trailers (RFC 9112 section 7.1).
    fn chunks(&mut self, trail: &Trail) {
        let Some(turn) = self.turn.as_ref().filter(|turn| turn.by == Side::Server) else {
            return;
        };
        let mut turns = trail.events.iter().rev();
        let last = turns.find_map(|event| match event.what {
            What::Data { bytes, ends, .. } => Some((event.frame, event.by, bytes, ends)),
            _ => None,
        });
        let own = last.filter(|(frame, by, ..)| (*frame, *by) == (turn.frame, turn.by));
        let Some((_, _, sent, Some(false))) = own else {
            return;
        };
        let read = turn.whole && turn.bytes == sent;
        if !read && !self.is_only_answer(turn.frame) {
            return;
        }
        let last = self.headings.iter_mut().rfind(|said| said.by == turn.by);
        if let Some(last) = last
            && last.frame == turn.frame
            && let Heading::Status(status) = &mut last.heading
            && status.chunked
        {
            Arc::make_mut(status).unended = Some(sent);
        }
    }

    /// A turn of the server holds the answer to one request only: what was not read of it is of that answer.
    fn is_only_answer(&self, frame: u64) -> bool {
        let is_request = |said: &&TurnHeading| matches!(said.heading, Heading::Request(_));
        let is_final = |said: &&TurnHeading| match &said.heading {
            Heading::Status(status) => said.frame == frame && status.code >= 200,
            _ => false,
        };
        let asked = self.headings.iter().filter(is_request);
        let last = asked.clone().next_back().map(|last| last.frame);
        let asked = asked.filter(|said| Some(said.frame) == last);
        asked.count() == 1 && self.headings.iter().filter(is_final).count() == 1
    }

    /// Nothing more comes.
    pub(super) fn finish(mut self, trail: &mut Trail) {
        let Self {
            conversation,
            headings,
            ..
        } = &mut self;
        for by in [Side::Client, Side::Server] {
            conversation.finish(by, |found| {
                if let Found::Heading(heading, place) = found {
                    put(headings, by, heading, place, None);
                }
            });
        }
        // What is not complete is told late.
        self.headings.sort_by_key(|turn| (turn.at, turn.seen));
        if self.conversation.is_tls() {
            let turns = trail.events.iter();
            let turns = turns.filter_map(|event| match event.what {
                What::Data { bytes, .. } => Some((event.frame, event.by, bytes)),
                _ => None,
            });
            let sent: Vec<(u64, Side, u64)> = turns.collect();
            (trail.handshakes, trail.handshake_failure) = self.conversation.handshakes(&sent);
        }
        self.chunks(trail);
        let last = self.turn.and_then(|turn| turn.printed());
        trail.prints.extend(last);
        trail.headings = self.headings;
        trail.streams = self.streams;
        trail.calls = self.calls.finish(&trail.events, self.shown);
    }
}

/// Keeps a heading; its place.
///
/// Clients that ask again and again ask for the same and get the same: such heads are kept once.
fn put(
    headings: &mut Vec<TurnHeading>,
    by: Side,
    heading: Heading,
    place: Place,
    before: Option<usize>,
) -> Option<usize> {
    if headings.len() == KEPT {
        return None;
    }
    let before = before.and_then(|before| headings.get(before));
    let same = before.filter(|before| before.heading == heading);
    let heading = same.map_or(heading, |before| before.heading.clone());
    headings.push(TurnHeading {
        frame: place.turn,
        by,
        seen: place.frame,
        at: place.at,
        after: place.after,
        heading,
        body: None,
    });
    Some(headings.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;

    #[test]
    fn heads_that_repeat_are_kept_once_and_others_are_not() {
        let place = Place {
            turn: 1,
            frame: 1,
            at: Time::default(),
            after: Duration::ZERO,
        };
        let mut headings = Vec::new();
        let mut before = None;
        for code in [200, 200, 503] {
            let status = Status {
                code,
                ..Status::default()
            };
            let heading = Heading::Status(Arc::new(status));
            before = put(&mut headings, Side::Server, heading, place, before);
        }
        let statuses: Vec<&Arc<Status>> = headings
            .iter()
            .filter_map(|turn| match &turn.heading {
                Heading::Status(status) => Some(status),
                _ => None,
            })
            .collect();
        assert!(Arc::ptr_eq(statuses[0], statuses[1]));
        let codes: Vec<u16> = statuses.iter().map(|status| status.code).collect();
        assert_eq!(codes, [200, 200, 503]);
    }
}
