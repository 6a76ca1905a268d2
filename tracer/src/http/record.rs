//! One direction of a connection as records of TLS: what their headers say, and alerts in plain.

use super::alert::Alert;
use super::stream::Piece;
use crate::seq::Seq;

/// The content type of alerts (RFC 8446 section 5.1).
pub(super) const ALERT: u8 = 21;

/// An alert that is not encrypted is as long (RFC 8446 section 6).
const PLAIN: u16 = 2;

/// Bytes before what a record holds: its type, version and length.
const HEADER: usize = 5;

/// No record is longer (RFC 5246 section 6.2.3).
const LONGEST: u16 = (1 << 14) + 2048;

/// What is read of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) kind: u8,
    /// Bytes that it holds.
    pub(super) length: u16,
    /// What it says, where it is an alert that is not encrypted.
    pub(super) alert: Option<Alert>,
}

/// The records of a side.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// Where the next byte of a header is.
    pub(super) next: Option<Seq>,
    /// What there is of a header that is not whole.
    header: Vec<u8>,
    /// A header was not there: nothing that follows can be read.
    pub(super) lost: bool,
    /// It has sent a message of the handshake in plain.
    pub(super) greeted: bool,
    /// It has said that it changes to encrypted records.
    pub(super) changed: bool,
    /// It has sent encrypted records.
    pub(super) encrypts: bool,
    /// It has sent its Finished message, as far as that shows.
    pub(super) finished: bool,
    /// That is one of TLS 1.2, which says that it is of the handshake.
    pub(super) visible: bool,
}

impl Records {
    /// Finds the records whose headers a piece holds. False where one of them is not there, or is none.
    pub(super) fn read(&mut self, piece: Piece<'_>, found: &mut Vec<Record>) -> bool {
        let read = !self.lost && self.headers(piece, found).is_some();
        self.lost = !read;
        read
    }

    fn headers(&mut self, piece: Piece<'_>, found: &mut Vec<Record>) -> Option<()> {
        let next = *self.next.get_or_insert(piece.seq);
        let mut at = usize::try_from(next.distance_from(piece.seq)).ok()?;
        while at < piece.len as usize {
            self.header.push(*piece.bytes.get(at)?);
            at += 1;
            let Some((record, read)) = record(&self.header)? else {
                continue;
            };
            found.push(record);
            self.header.clear();
            at += usize::from(record.length) - read;
        }
        self.next = Some(piece.seq + u32::try_from(at).ok()?);
        Some(())
    }
}

/// The record that bytes begin, and how many of those that it holds were read; `None` in it where more are
/// needed. `None` where it is no record.
fn record(bytes: &[u8]) -> Option<Option<(Record, usize)>> {
    let [kind, major, _, high, low, ref held @ ..] = *bytes else {
        return Some(None);
    };
    let length = u16::from_be_bytes([high, low]);
    if !(20..=23).contains(&kind) || major != 3 || length > LONGEST {
        return None;
    }
    let mut record = Record {
        kind,
        length,
        alert: None,
    };
    if kind != ALERT || length != PLAIN {
        return Some(Some((record, 0)));
    }
    let [level, description] = *held else {
        return Some(None);
    };
    record.alert = Some(Alert { level, description });
    Some(Some((record, bytes.len() - HEADER)))
}
