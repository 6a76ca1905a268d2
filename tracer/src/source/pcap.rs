//! The classic pcap format: a file header, then records of a header and a frame.
//!
//! Format: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcap/>. Own code, because this is
//! the hot path: `make bench` shows it beside the pcap-parser crate.

use super::error::{Damage, SourceError};
use super::window::Window;
use super::{Interface, Record};
use crate::decode::LinkType;
use crate::time::Time;

/// Longest record believed: larger than any GSO frame (512 KiB with BIG TCP), small enough to tell
/// a damaged length.
pub(super) const LONGEST: u32 = 16 * 1024 * 1024;

const FILE_HEADER: usize = 24;

#[derive(Clone, Copy)]
pub(super) struct Reader {
    little_endian: bool,
    nanoseconds: bool,
    record_header: usize,
}

impl Reader {
    pub(super) fn open(
        window: &mut Window,
        magic: [u8; 4],
    ) -> Result<(Self, Interface), SourceError> {
        let little_endian = magic[0] != 0xa1;
        let number = if little_endian {
            u32::from_le_bytes(magic)
        } else {
            u32::from_be_bytes(magic)
        };
        let (nanoseconds, record_header) = match number {
            0xa1b2_c3d4 => (false, 16),
            0xa1b2_3c4d => (true, 16),
            // The "modified" format of some old Linux distributions: eight more bytes a record.
            0xa1b2_cd34 => (false, 24),
            _ => return Err(SourceError::NotACapture { hint: hint(magic) }),
        };
        let reader = Self {
            little_endian,
            nanoseconds,
            record_header,
        };
        if !window.fill(FILE_HEADER).map_err(SourceError::Read)? {
            return Err(SourceError::NotACapture {
                hint: "its file header is cut short",
            });
        }
        let header = window.data();
        let snaplen = reader.u32(&header[16..20]);
        // The upper bits tell the length of a frame check sequence.
        let link = reader.u32(&header[20..24]) & 0x03ff_ffff;
        let link = LinkType::from_number(link).ok_or(SourceError::LinkType(link))?;
        window.consume(FILE_HEADER);
        Ok((
            reader,
            Interface {
                snaplen,
                ..Interface::new(link)
            },
        ))
    }

    #[inline]
    pub(super) fn advance(self, window: &mut Window) -> Result<Option<Record>, Damage> {
        let position = window.position();
        let read = |error: std::io::Error| Damage::reading(position, &error);
        if !window.fill(self.record_header).map_err(read)? {
            return if window.data().is_empty() {
                Ok(None)
            } else {
                Err(Damage::CutInHalf { position })
            };
        }
        let header = window.data();
        let seconds = self.u32(&header[0..4]);
        let fraction = self.u32(&header[4..8]);
        let captured = self.u32(&header[8..12]);
        let wire_len = self.u32(&header[12..16]);
        if captured > LONGEST {
            return Err(Damage::BadRecord {
                position,
                what: "a record of impossible length",
            });
        }
        let record = self.record_header + captured as usize;
        if !window.fill(record).map_err(read)? {
            return Err(Damage::cut(position, captured));
        }
        window.consume(record);
        let nanos = if self.nanoseconds { 1 } else { 1_000 } * i64::from(fraction);
        Ok(Some(Record {
            interface: 0,
            at: Time::from_nanos(i64::from(seconds) * 1_000_000_000 + nanos),
            data: self.record_header..record,
            wire_len,
        }))
    }

    #[inline]
    fn u32(self, bytes: &[u8]) -> u32 {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if self.little_endian {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        }
    }
}

/// What a file that is no capture looks like.
fn hint(magic: [u8; 4]) -> &'static str {
    match &magic {
        [0xfd, b'7', b'z', b'X'] => "it is compressed with xz; decompress it first (xz -dc)",
        [0x04, 0x22, 0x4d, 0x18] => "it is compressed with lz4; decompress it first (lz4 -dc)",
        [b'B', b'Z', b'h', _] => "it is compressed with bzip2; decompress it first (bzip2 -dc)",
        [b'P', b'K', ..] => "it is a zip archive; unpack it first",
        b"snoo" => "it is a snoop capture; convert it first (editcap -F pcap)",
        _ if magic
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) =>
        {
            "it begins like a text file; record with tcpdump -w FILE"
        }
        _ => "its first bytes are of no known format; record with tcpdump -w FILE",
    }
}
