//! The requests of an HTTP/2 connection, each on a stream of its own: which were begun and not ended,
//! and which turns ask for nothing (RFC 9113 sections 5.1 and 6).
//!
//! Only what is sure is told: where frames may be missing, what was open before may have been ended
//! by them, and nobody knows.

use std::collections::BTreeMap;

use super::event::{Event, What};
use super::{Side, Sides};
use crate::http::{Does, Framed, GoAway, Place};
use crate::time::Time;

/// So many streams are kept at once, and turns that ask for nothing.
const KEPT: usize = 1 << 12;

/// What became of the requests of an HTTP/2 connection.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Calls {
    /// Requests that were begun, and neither answered to the end nor given up, by their streams.
    pub open: Vec<OpenCall>,
    /// All frames were read: no others were open.
    pub all: bool,
    /// Requests of which the server gave up the stream right after both sides had ended it: when. There is
    /// nothing left to give up then, so it was not done with them (gRPC's C core ends calls so that it
    /// breaks off).
    pub broken_off: Vec<Time>,
    /// Requests that whoever had asked gave up before they were answered to the end.
    pub given_up: usize,
    /// What was open when a side first ended the connection for an error.
    pub failed: Option<Failed>,
    /// Turns of nothing but frames about the connection: the frames that they begin with, in order.
    pub control: Vec<u64>,
}

/// A request that was begun and not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenCall {
    /// The stream.
    pub stream: u32,
    /// Who asked.
    pub by: Side,
    /// When that began.
    pub at: Time,
    /// The frame that shows it.
    pub frame: u64,
    /// Something of the answer had come.
    pub answered: bool,
    /// All of the request had come.
    pub asked: bool,
}

/// A GOAWAY with an error, and what was under way then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failed {
    /// Who said so.
    pub by: Side,
    /// When.
    pub at: Time,
    /// The frame that shows it.
    pub frame: u64,
    /// What it says.
    pub goaway: GoAway,
    /// Requests that were certainly under way.
    pub open: usize,
    /// There were no others.
    pub all: bool,
}

/// Follows them frame by frame.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// It speaks HTTP/2.
    spoken: bool,
    /// Who asks.
    client: Option<Side>,
    open: BTreeMap<u32, OpenCall>,
    /// The highest stream that was begun: they only go up.
    highest: u32,
    /// Nothing was missed since the preface.
    all: bool,
    /// Requests that were asked and answered to the end, by the turn that ended the answers last.
    ended: (u64, BTreeMap<u32, Side>),
    broken_off: Vec<Time>,
    /// Requests that whoever had asked gave up, and when.
    given_up: Vec<(Time, OpenCall)>,
    failed: Option<Failed>,
    /// Turns that hold frames about the connection, and how many bytes these have.
    control: BTreeMap<u64, u64>,
}

impl Following {
    /// The preface: the connection begins here.
    pub(super) const fn begin(&mut self, by: Side) {
        self.client = Some(by);
        self.all = true;
    }

    pub(super) fn frame(&mut self, by: Side, framed: Framed, place: Place) {
        self.spoken = true;
        match framed.does {
            Does::Headers { ends } => {
                self.headers(by, framed.stream, place);
                self.said(by, framed.stream, ends, place);
            }
            Does::Data { ends } => self.said(by, framed.stream, ends, place),
            Does::Resets => {
                let open = self.open.remove(&framed.stream);
                let ended = self.ended.1.remove(&framed.stream);
                if ended == Some(by) && self.ended.0 == place.turn && self.broken_off.len() < KEPT {
                    self.broken_off.push(place.at);
                }
                if let Some(open) = open.filter(|open| open.by == by) {
                    self.give_up(open, place.at);
                }
                // Who gives up asks for nothing; who refuses answers.
                if self.client == Some(by) {
                    self.control(framed.length, place);
                }
            }
            Does::Control => self.control(framed.length, place),
            Does::Else => {}
        }
    }

    /// A client begins streams of odd numbers (section 5.1.1).
    fn headers(&mut self, by: Side, stream: u32, place: Place) {
        if stream <= self.highest || stream.is_multiple_of(2) {
            return;
        }
        self.highest = stream;
        self.client.get_or_insert(by);
        if self.open.len() == KEPT {
            self.all = false;
            return;
        }
        let open = OpenCall {
            stream,
            by,
            at: place.at,
            frame: place.frame,
            answered: false,
            asked: false,
        };
        self.open.insert(stream, open);
    }

    /// A side said something on a stream, and no more than that where it `ends` it.
    fn said(&mut self, by: Side, stream: u32, ends: bool, place: Place) {
        let Some(open) = self.open.get_mut(&stream) else {
            return;
        };
        if open.by == by {
            open.asked |= ends;
            return;
        }
        open.answered = true;
        if ends {
            if self.ended.0 != place.turn {
                self.ended = (place.turn, BTreeMap::new());
            }
            if open.asked {
                self.ended.1.insert(stream, by);
            }
            self.open.remove(&stream);
        }
    }

    fn give_up(&mut self, open: OpenCall, at: Time) {
        if self.given_up.len() == KEPT {
            self.all = false;
        } else {
            self.given_up.push((at, open));
        }
    }

    fn control(&mut self, length: u64, place: Place) {
        let known = self.control.len() < KEPT || self.control.contains_key(&place.turn);
        if known {
            *self.control.entry(place.turn).or_default() += length;
        }
    }

    pub(super) fn goaway(&mut self, by: Side, goaway: &GoAway, place: Place) {
        if goaway.error == 0 || self.failed.is_some() {
            return;
        }
        self.failed = Some(Failed {
            by,
            at: place.at,
            frame: place.frame,
            goaway: goaway.clone(),
            open: self.open.len(),
            all: self.all,
        });
    }

    /// Frames may be missing.
    pub(super) fn lose(&mut self) {
        self.all = false;
        self.open.clear();
        self.given_up.clear();
    }

    pub(super) fn swap_sides(&mut self) {
        self.client = self.client.map(Side::other);
        let open = self.open.values_mut().map(|open| &mut open.by);
        let failed = self.failed.iter_mut().map(|failed| &mut failed.by);
        let given_up = self.given_up.iter_mut().map(|(_, open)| &mut open.by);
        let ended = self.ended.1.values_mut();
        for by in open.chain(failed).chain(given_up).chain(ended) {
            *by = by.other();
        }
    }

    /// Nothing more comes of the connection on which this happened; `shown` tells how many bytes of each
    /// side were shown.
    pub(super) fn finish(mut self, events: &[Event], shown: Sides<u64>) -> Option<Box<Calls>> {
        if !self.spoken {
            return None;
        }
        let mut sent = Sides::default();
        let mut control = Vec::new();
        for event in events {
            if let What::Data { bytes, .. } = event.what {
                sent[event.by] += bytes;
                if self.control.get(&event.frame) == Some(&bytes) {
                    control.push(event.frame);
                }
            }
        }
        // What was counted and not shown may hold anything.
        if sent != shown {
            self.lose();
        }
        control.sort_unstable();
        // Whoever hears that the other side closed has nothing left to wait for.
        let mut closes = events.iter();
        let closed = closes.find(|event| matches!(event.what, What::Fin | What::Rst));
        let (later, given_up): (Vec<_>, Vec<_>) =
            self.given_up.into_iter().partition(|(at, open)| {
                closed.is_some_and(|closed| closed.by != open.by && closed.at <= *at)
            });
        let mut open: Vec<OpenCall> = self.open.into_values().collect();
        open.extend(later.into_iter().map(|(_, open)| open));
        open.sort_unstable_by_key(|open| open.stream);
        Some(Box::new(Calls {
            open,
            all: self.all,
            broken_off: self.broken_off,
            given_up: given_up.len(),
            failed: self.failed,
            control,
        }))
    }
}
