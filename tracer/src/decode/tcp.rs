//! The TCP header (RFC 9293 section 3.1) and its options.

use super::ip::Header;
use super::{Bytes, Skip, u16_at, u32_at};
use crate::segment::{Flags, Options, Segment};
use crate::seq::Seq;
use crate::time::Time;

/// Two NOPs and a timestamp option: what nearly every segment of a connection carries.
const ALIGNED_TIMESTAMPS: u32 = 0x0101_080a;

#[inline]
pub(super) fn segment<'a>(ip: &Header, bytes: Bytes<'a>) -> Result<Segment<'a>, Skip> {
    let head = bytes.head::<20>()?;
    let header_len = usize::from(head[12] >> 4) * 4;
    #[expect(clippy::cast_possible_truncation, reason = "at most 60")]
    let len = match bytes.wire_len.checked_sub(header_len as u32) {
        Some(len) if header_len >= 20 => len,
        _ => return Err(Skip::BadTcpHeader),
    };
    // Options and payload may be cut by the snap length; what is there is used.
    let captured = header_len.min(bytes.data.len());
    Ok(Segment {
        vantage: 0,
        frame: 0,
        at: Time::default(),
        source: ip.source.port(u16_at(head, 0)),
        destination: ip.destination.port(u16_at(head, 2)),
        seq: Seq(u32_at(head, 4)),
        ack: Seq(u32_at(head, 8)),
        flags: Flags(head[13]),
        window: u16_at(head, 14),
        len,
        options: options(&bytes.data[20..captured]),
        ip_id: ip.ip_id,
        ttl: ip.ttl,
        passage: None,
        payload: &bytes.data[captured..],
    })
}

#[inline]
fn options(bytes: &[u8]) -> Options {
    if let Some(option) = bytes.first_chunk::<12>()
        && bytes.len() == 12
        && u32_at(option, 0) == ALIGNED_TIMESTAMPS
    {
        let timestamps = Some((u32_at(option, 4), u32_at(option, 8)));
        return Options {
            timestamps,
            ..Options::default()
        };
    }
    other_options(bytes)
}

fn other_options(mut bytes: &[u8]) -> Options {
    let mut options = Options::default();
    loop {
        match *bytes {
            [] | [0, ..] => return options,
            [1, ref rest @ ..] => bytes = rest,
            [kind, length, ..] if length >= 2 && usize::from(length) <= bytes.len() => {
                let (option, rest) = bytes.split_at(usize::from(length));
                option_of(kind, &option[2..], &mut options);
                bytes = rest;
            }
            // Cut short or of an impossible length: nothing after it can be found.
            _ => return options,
        }
    }
}

fn option_of(kind: u8, value: &[u8], options: &mut Options) {
    match (kind, value.len()) {
        (2, 2) => options.mss = Some(u16_at(value, 0)),
        (3, 1) => options.window_scale = Some(value[0]),
        (5, 8..) => options.sack = Some((Seq(u32_at(value, 0)), Seq(u32_at(value, 4)))),
        (8, 8) => options.timestamps = Some((u32_at(value, 0), u32_at(value, 4))),
        _ => {}
    }
}
