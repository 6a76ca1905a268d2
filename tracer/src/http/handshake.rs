//! Which turns of a TLS connection hold nothing but its handshake, as far as the headers of records tell.
//!
//! A client may send its request right behind its Finished message, and what comes back then may only be
//! session tickets (RFC 8446 section 4.6.1), which answer nothing. TLS 1.3 calls all of these records
//! application data; their order and their lengths still tell.

use super::stream::Piece;
use crate::flow::{Side, Sides};
use crate::seq::Seq;

/// Content types of records (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// No record is longer (RFC 5246 section 6.2.3).
const LONGEST: u16 = (1 << 14) + 2048;

/// A Finished message of TLS 1.2 in its record is no longer, whatever the cipher: 16 bytes, and with
/// AES-CBC and SHA-384 an initialization vector, a MAC and padding (RFC 5246 section 6.2.3.2).
const FINISHED_BEFORE: u16 = 96;

/// A Finished message of TLS 1.3 in its record: header 4, HMAC 32 (SHA-256) or 48 (SHA-384), content
/// type 1, tag 16 (RFC 8446 sections 4.4.4 and 5.2).
const FINISHED: [u16; 2] = [53, 69];

/// An alert of TLS 1.3 in its record: 2, content type 1, tag 16. No request is as short.
const ALERT: u16 = 19;

/// Session tickets are no longer, unless they hold certificates.
const TICKET: u16 = 2048;

/// Nobody sends more tickets at once: OpenSSL two, Go one, rustls two or four.
const TICKETS: u32 = 8;

/// No handshake has more turns.
const MOST: usize = 16;

/// Turns of the server behind the client's Finished message that are looked at.
const LOOKED_AT: u32 = 2;

/// A turn that holds nothing but a part of the handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshaking {
    /// The frame that the turn begins with.
    pub frame: u64,
    /// Whose turn it is.
    pub by: Side,
    /// Hardly anything else fits; otherwise it may as well be an answer.
    pub sure: bool,
}

/// What is read of both sides.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    records: Sides<Records>,
    /// The turns: a handshake has few.
    flights: Vec<Flight>,
    /// Turns of the server since the client's Finished message.
    turns: u32,
    over: bool,
}

/// The records of a side.
#[derive(Debug, Default)]
struct Records {
    /// Where the next byte of a header is.
    next: Option<Seq>,
    /// What there is of a header that is not whole.
    header: Vec<u8>,
    /// It has said that it changes to encrypted records.
    changed: bool,
    /// It has sent its Finished message, as far as that shows.
    finished: bool,
    /// That is one of TLS 1.2, which says that it is of the handshake.
    visible: bool,
}

/// The records of a turn.
#[derive(Debug)]
struct Flight {
    by: Side,
    frame: u64,
    /// Payload bytes that were looked at.
    bytes: u64,
    /// There is a header that was not captured.
    cut: bool,
    /// The client's Finished message is among them.
    finishes: bool,
    /// Records of application data that are neither Finished nor an alert.
    data: u32,
    /// The length of the first of them.
    length: u16,
    /// All of them have that length.
    alike: bool,
}

impl Handshake {
    /// Takes in bytes of a side that speaks TLS.
    pub(super) fn read(&mut self, by: Side, piece: Piece<'_>) {
        if piece.turns {
            self.begin(by, piece.place.turn);
        }
        let last = self.flights.last_mut();
        let Some(flight) = last.filter(|flight| flight.by == by && !self.over) else {
            self.over = true;
            return;
        };
        flight.bytes += u64::from(piece.len);
        let mut records = Vec::new();
        flight.cut = !self.records[by].read(piece, &mut records);
        self.over |= flight.cut;
        for (kind, length) in records {
            self.take(by, kind, length);
        }
    }

    fn begin(&mut self, by: Side, frame: u64) {
        self.over |= self.turns == LOOKED_AT || self.flights.len() > MOST;
        if self.over {
            return;
        }
        self.turns += u32::from(by == Side::Server && self.records.client.finished);
        self.flights.push(Flight::new(by, frame));
    }

    /// Client and server are the other way round: what was read so far tells nothing.
    pub(super) fn swap_sides(&mut self) {
        self.flights.clear();
        self.over = true;
    }

    fn take(&mut self, by: Side, kind: u8, length: u16) {
        let unanswered = self.records.server.next.is_none();
        let Some(flight) = self.flights.last_mut() else {
            return;
        };
        let records = &mut self.records[by];
        match kind {
            CHANGE_CIPHER_SPEC => records.changed = true,
            // What a client of TLS 1.3 sends after a HelloRetryRequest is longer.
            HANDSHAKE if records.changed && length <= FINISHED_BEFORE => {
                (records.finished, records.visible) = (true, true);
                flight.finishes = true;
            }
            APPLICATION_DATA if length == ALERT => {}
            APPLICATION_DATA if by == Side::Client && !records.finished => {
                records.finished = FINISHED.contains(&length);
                flight.finishes = records.finished;
                // Early data (RFC 8446 section 2.3) asks before any handshake.
                self.over |= unanswered;
            }
            APPLICATION_DATA => {
                flight.alike = flight.data == 0 || (flight.alike && flight.length == length);
                flight.length = length;
                flight.data += 1;
            }
            _ => {}
        }
    }

    /// The turns that hold nothing but a part of the handshake; `sent` tells how many bytes a turn had in
    /// all, by its frame. What was not shown of it may hold a request or an answer.
    pub(super) fn finish(self, sent: impl Fn(u64, Side) -> Option<u64>) -> Vec<Handshaking> {
        let Sides { client, server } = &self.records;
        let mut found = Vec::new();
        let mut asked = false;
        // The length of records that can only be tickets: they came when nothing had been asked.
        let mut ticket = None;
        let mut turns = 0;
        let mut finished = false;
        let last = self.flights.len().saturating_sub(1);
        for (place, flight) in self.flights.iter().enumerate() {
            let whole = !flight.cut && sent(flight.frame, flight.by) == Some(flight.bytes);
            let sure = if flight.by == Side::Client {
                finished |= flight.finishes;
                asked = finished && (flight.data > 0 || !whole);
                // Nothing has to come back for what ends the handshake: in TLS 1.2 where the server's Finished
                // message came first.
                let ends = flight.finishes && (!client.visible || server.visible);
                (ends && !asked && place == last && !self.over).then_some(true)
            } else if finished {
                turns += 1;
                let sure = match client.visible {
                    true => (flight.data == 0).then_some(true),
                    false => flight.tickets(turns, ticket),
                };
                ticket = ticket.or(sure.and((!asked).then_some(flight.length)));
                sure.filter(|_| asked && whole)
            } else {
                None
            };
            found.extend(sure.map(|sure| Handshaking {
                frame: flight.frame,
                by: flight.by,
                sure,
            }));
        }
        found
    }
}

impl Flight {
    const fn new(by: Side, frame: u64) -> Self {
        Self {
            by,
            frame,
            bytes: 0,
            cut: false,
            finishes: false,
            data: 0,
            length: 0,
            alike: false,
        }
    }

    /// Whether a turn of the server may hold nothing but session tickets, and is hardly anything else.
    fn tickets(&self, turn: u32, ticket: Option<u16>) -> Option<bool> {
        let fits = self.alike && self.length <= TICKET && self.data <= TICKETS;
        match turn {
            1 => fits.then_some(self.data > 1),
            // Some of them came before the request.
            _ => (fits && ticket == Some(self.length)).then_some(true),
        }
    }
}

impl Records {
    /// Finds the headers that a piece holds. False where one of them is not there, or is none.
    fn read(&mut self, piece: Piece<'_>, found: &mut Vec<(u8, u16)>) -> bool {
        let next = *self.next.get_or_insert(piece.seq);
        let Ok(mut at) = usize::try_from(next.distance_from(piece.seq)) else {
            return false;
        };
        while at < piece.len as usize {
            let Some(byte) = piece.bytes.get(at) else {
                return false;
            };
            self.header.push(*byte);
            at += 1;
            if let [kind, major, _, high, low] = self.header[..] {
                let length = u16::from_be_bytes([high, low]);
                if !(20..=23).contains(&kind) || major != 3 || length > LONGEST {
                    return false;
                }
                found.push((kind, length));
                self.header.clear();
                at += usize::from(length);
            }
        }
        let Ok(at) = u32::try_from(at) else {
            return false;
        };
        self.next = Some(piece.seq + at);
        true
    }
}
