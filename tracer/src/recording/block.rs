//! Blocks and options of pcapng, little-endian.
//!
//! Format: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>.

use crate::source::Frame;
use crate::time::Time;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const SHB_USERAPPL: u16 = 4;
pub(crate) const IF_NAME: u16 = 2;
pub(crate) const IF_DESCRIPTION: u16 = 3;
pub(crate) const IF_TSRESOL: u16 = 9;
/// Units of time: ten to the power of minus this, in seconds.
pub(crate) const NANOSECONDS: u8 = 9;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;
const END_OF_OPTIONS: u16 = 0;

/// Appends a block.
pub(crate) fn block(to: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend(kind.to_le_bytes());
    to.extend([0; 4]);
    body(to);
    pad(to, start);
    let length = u32::try_from(to.len() - start + 4).unwrap_or(u32::MAX);
    to[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
    to.extend(length.to_le_bytes());
}

/// Appends an option; one too long for the format is left out.
pub(crate) fn option(to: &mut Vec<u8>, code: u16, value: impl FnOnce(&mut Vec<u8>)) {
    let start = to.len();
    to.extend(code.to_le_bytes());
    to.extend([0; 2]);
    value(to);
    match u16::try_from(to.len() - start - 4) {
        Ok(length) => to[start + 2..start + 4].copy_from_slice(&length.to_le_bytes()),
        Err(_) => to.truncate(start),
    }
    pad(to, start);
}

/// Fills up to four bytes. What begins at `start` is a whole block or option.
fn pad(to: &mut Vec<u8>, start: usize) {
    to.resize(start + (to.len() - start).next_multiple_of(4), 0);
}

/// The header of a section of unknown length, written by `program`.
pub(crate) fn section(to: &mut Vec<u8>, program: &str) {
    block(to, SECTION, |body| {
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        body.extend(u64::MAX.to_le_bytes());
        option(body, SHB_USERAPPL, |value| value.extend(program.as_bytes()));
        option(body, END_OF_OPTIONS, |_| {});
    });
}

/// An interface.
pub(crate) fn interface(
    to: &mut Vec<u8>,
    link: u16,
    snaplen: u32,
    options: impl FnOnce(&mut Vec<u8>),
) {
    block(to, INTERFACE, |body| {
        body.extend(link.to_le_bytes());
        body.extend([0; 2]);
        body.extend(snaplen.to_le_bytes());
        options(body);
        option(body, END_OF_OPTIONS, |_| {});
    });
}

/// A frame.
pub(crate) fn packet(to: &mut Vec<u8>, frame: &Frame<'_>, options: impl FnOnce(&mut Vec<u8>)) {
    let captured = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
    block(to, ENHANCED_PACKET, |body| {
        let [high, low] = units(frame.at);
        for number in [frame.interface, high, low, captured, frame.wire_len] {
            body.extend(number.to_le_bytes());
        }
        let start = body.len();
        body.extend(frame.data);
        pad(body, start);
        let before = body.len();
        options(body);
        if body.len() > before {
            option(body, END_OF_OPTIONS, |_| {});
        }
    });
}

/// What an interface received and lost, where known.
pub(crate) fn statistics(
    to: &mut Vec<u8>,
    interface: u32,
    at: Time,
    received: Option<u64>,
    dropped: Option<u64>,
) {
    block(to, STATISTICS, |body| {
        let [high, low] = units(at);
        for number in [interface, high, low] {
            body.extend(number.to_le_bytes());
        }
        for (code, count) in [(ISB_IFRECV, received), (ISB_IFDROP, dropped)] {
            if let Some(count) = count {
                option(body, code, |value| value.extend(count.to_le_bytes()));
            }
        }
        option(body, END_OF_OPTIONS, |_| {});
    });
}

/// A time in nanoseconds, the upper half first. The format has none before 1970.
fn units(at: Time) -> [u32; 2] {
    let nanos = u64::try_from(at.as_nanos()).unwrap_or_default();
    let [a, b, c, d, e, f, g, h] = nanos.to_be_bytes();
    [
        u32::from_be_bytes([a, b, c, d]),
        u32::from_be_bytes([e, f, g, h]),
    ]
}
