//! Which turns of a TLS connection hold nothing but its handshake, as far as the headers of records tell.
//!
//! A client may send its request right behind its Finished message, and what comes back then may only be
//! session tickets (RFC 8446 section 4.6.1), which answer nothing. TLS 1.3 calls all of these records
//! application data; their order and their lengths still tell. So they do where a handshake failed.

use std::time::Duration;

use super::alert::{Failing, HandshakeFailure};
use super::record::{Record, Records};
use super::stream::{Piece, Place};
use crate::flow::{Side, Sides};

/// Content types of records (RFC 8446 section 5.1, RFC 5246 section 6.2.1).
const CHANGE_CIPHER_SPEC: u8 = 20;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// A Finished message of TLS 1.2 in its record is no longer, whatever the cipher: 16 bytes, and with
/// AES-CBC and SHA-384 an initialization vector, a MAC and padding (RFC 5246 section 6.2.3.2).
const FINISHED_BEFORE: u16 = 96;

/// A Finished message of TLS 1.3 in its record: header 4, HMAC 32 (SHA-256) or 48 (SHA-384), content
/// type 1, tag 16 (RFC 8446 sections 4.4.4 and 5.2).
const FINISHED: [u16; 2] = [53, 69];

/// An alert of TLS 1.3 in its record: 2, content type 1, tag 16. No request is as short.
const ALERT: u16 = 19;

/// A turn with such an alert, its header and the record before that changes to encrypted records.
const ALERT_ALONE: u64 = 6 + 5 + ALERT as u64;

/// Whoever refuses a certificate does so as it comes. What is later closes in good order.
const AT_ONCE: Duration = Duration::from_secs(1);

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
    /// How it failed, and the turn that shows it.
    failure: Option<(HandshakeFailure, u64)>,
}

/// The records of a turn.
#[derive(Debug)]
struct Flight {
    by: Side,
    /// Where it begins.
    place: Place,
    /// Payload bytes that were looked at.
    bytes: u64,
    /// There is a header that was not captured.
    cut: bool,
    /// The client's Finished message is among them.
    finishes: bool,
    /// Records of application data that are neither Finished nor an alert.
    data: u32,
    /// Alerts as those of TLS 1.3.
    alerts: u32,
    /// The length of the first of them.
    length: u16,
    /// All of them have that length.
    alike: bool,
}

impl Handshake {
    /// Takes in bytes of a side that speaks TLS.
    pub(super) fn read(&mut self, by: Side, piece: Piece<'_>) {
        if piece.turns {
            self.begin(by, piece.place);
        }
        let last = self.flights.last_mut();
        let mut flight = last.filter(|flight| flight.by == by && !self.over);
        self.over |= flight.is_none();
        // Until it encrypts, a side's own records tell whether it failed.
        if self.over && self.records[by].encrypts {
            return;
        }
        let mut records = Vec::new();
        let read = self.records[by].read(piece, &mut records);
        if let Some(flight) = &mut flight {
            flight.bytes += u64::from(piece.len);
            flight.cut |= !read;
            // Of a server's long records only the first may be shown. What its client says tells all the same.
            self.over |= flight.cut && by == Side::Client;
        }
        for record in records {
            self.fail(by, record, piece.place);
            self.take(by, record);
        }
    }

    fn begin(&mut self, by: Side, place: Place) {
        self.over |= self.turns == LOOKED_AT || self.flights.len() > MOST;
        if self.over {
            return;
        }
        self.turns += u32::from(by == Side::Server && self.records.client.finished);
        self.flights.push(Flight::new(by, place));
    }

    /// Client and server are the other way round: what was read so far tells little.
    pub(super) fn swap_sides(&mut self) {
        self.flights.clear();
        self.records.swap();
        self.over = true;
        if let Some((failure, _)) = &mut self.failure {
            failure.by = failure.by.other();
        }
    }

    /// A record that says that the handshake failed.
    fn fail(&mut self, by: Side, record: Record, place: Place) {
        let heard = self.records[by.other()].next.is_some();
        let own = &self.records[by];
        let alert = record
            .alert
            .filter(|alert| !own.changed && alert.is_failure());
        // The client's first encrypted record is its certificate or its Finished message, unless it asks
        // before it has heard anything (RFC 8446 section 2.3).
        let encrypted = by == Side::Client
            && heard
            && !own.encrypts
            && record.kind == APPLICATION_DATA
            && record.length == ALERT;
        let shown = match alert {
            Some(alert) => Failing::Alert(alert),
            None if encrypted => Failing::Encrypted,
            None => return,
        };
        let failure = HandshakeFailure {
            by,
            frame: place.frame,
            at: place.at,
            shown,
        };
        self.failure.get_or_insert((failure, place.turn));
    }

    fn take(&mut self, by: Side, record: Record) {
        let Record { kind, length, .. } = record;
        let unanswered = self.records.server.next.is_none();
        let records = &mut self.records[by];
        let changed = records.changed;
        records.greeted |= kind == HANDSHAKE && !changed;
        records.changed |= kind == CHANGE_CIPHER_SPEC;
        records.encrypts |= kind == APPLICATION_DATA || (kind == HANDSHAKE && changed);
        let last = self.flights.last_mut();
        let Some(flight) = last.filter(|flight| flight.by == by) else {
            return;
        };
        match kind {
            // What a client of TLS 1.3 sends after a HelloRetryRequest is longer.
            HANDSHAKE if changed && length <= FINISHED_BEFORE => {
                (records.finished, records.visible) = (true, true);
                flight.finishes = true;
            }
            APPLICATION_DATA if length == ALERT => flight.alerts += 1,
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

    /// How the handshake failed, as far as that shows when nothing more comes. `sent` tells all turns:
    /// whose, and how many bytes.
    pub(super) fn failure(&self, sent: &[(u64, Side, u64)]) -> Option<HandshakeFailure> {
        if let Some((failure, _)) = self.failure {
            return Some(failure);
        }
        let shown = |flight: &Flight| !flight.cut && flight.is_of(sent);
        let mut asked = self
            .flights
            .iter()
            .filter(|flight| flight.by == Side::Client);
        if self.over || sent.len() != self.flights.len() || !asked.all(shown) {
            return None;
        }
        let last = self.flights.last().filter(|last| last.by == Side::Server)?;
        let begun = self.flights.first()?;
        let refused = || {
            let mut finishes = self.flights.iter().filter(|flight| flight.finishes);
            let finished = finishes.find(|flight| flight.by == Side::Client)?;
            let soon = last.place.at.since(finished.place.at) < AT_ONCE;
            let alone = last.alerts == 1 && last.data == 0 && shown(last);
            (alone && soon && self.turns == 1).then_some((Side::Server, Failing::Encrypted))
        };
        let (by, shown) = if self.records.client.finished {
            refused()?
        } else {
            let Sides { client, server } = &self.records;
            let begun = begun.by == Side::Client && client.greeted && server.greeted;
            (begun && !client.encrypts).then_some((Side::Client, Failing::LeftOff))?
        };
        Some(HandshakeFailure {
            by,
            frame: last.place.frame,
            at: last.place.at,
            shown,
        })
    }

    /// The turns that hold nothing but a part of the handshake; `sent` tells all turns, how many bytes
    /// each had. What was not shown of it may hold a request or an answer.
    pub(super) fn finish(self, sent: &[(u64, Side, u64)]) -> Vec<Handshaking> {
        let Sides { client, server } = &self.records;
        let mut found = Vec::new();
        let mut asked = false;
        // The length of records that can only be tickets: they came when nothing had been asked.
        let mut ticket = None;
        let mut turns = 0;
        let mut finished = false;
        let last = self.flights.len().saturating_sub(1);
        for (place, flight) in self.flights.iter().enumerate() {
            let whole = !flight.cut && flight.is_of(sent);
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
                frame: flight.place.turn,
                by: flight.by,
                sure,
            }));
        }
        // Nobody answers a client's alert.
        let alert = self.failure.filter(|(failure, turn)| {
            let mut turns = sent
                .iter()
                .filter(|(frame, by, _)| (frame, by) == (turn, &failure.by));
            let alone = turns.any(|(_, by, bytes)| *by == Side::Client && *bytes <= ALERT_ALONE);
            alone && !found.iter().any(|known| known.frame == *turn)
        });
        found.extend(alert.map(|(failure, turn)| Handshaking {
            frame: turn,
            by: failure.by,
            sure: true,
        }));
        found
    }
}

impl Flight {
    const fn new(by: Side, place: Place) -> Self {
        Self {
            by,
            place,
            bytes: 0,
            cut: false,
            finishes: false,
            data: 0,
            alerts: 0,
            length: 0,
            alike: false,
        }
    }

    /// All of the turn was looked at.
    fn is_of(&self, sent: &[(u64, Side, u64)]) -> bool {
        sent.contains(&(self.place.turn, self.by, self.bytes))
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
