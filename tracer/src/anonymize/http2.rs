//! HTTP/2 (RFC 9113): of frames their headers stay, and what says how a connection ends.

/// Of every frame.
const HEADER: usize = 9;

/// What frames may have unless the peer asks for more (section 4.2).
const LONGEST: usize = 1 << 14;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame, as its header tells.
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, d, e, f, g] = *bytes.first_chunk::<HEADER>()?;
        Some(Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: u32::from_be_bytes([d & 0x7f, e, f, g]),
        })
    }

    /// It keeps the rules for its kind (section 6).
    fn is_sound(&self) -> bool {
        let connection = self.stream == 0;
        let flags = match self.kind {
            // END_STREAM, END_HEADERS, PADDED, PRIORITY; ACK.
            0 => 0x09,
            1 => 0x2d,
            4 | 6 => 0x01,
            5 => 0x0c,
            9 => 0x04,
            _ => 0,
        };
        let length = self.length;
        self.length <= LONGEST
            && self.flags & !flags == 0
            && match self.kind {
                0 | 1 | 5 | 9 => !connection,
                2 => !connection && length == 5,
                3 => !connection && length == 4,
                4 if self.flags == 1 => connection && length == 0,
                4 => connection && length.is_multiple_of(6) && length <= 120,
                6 => connection && length == 8,
                7 => connection && length >= 8,
                8 => length == 4,
                _ => false,
            }
    }

    /// How much of what follows its header are numbers of the protocol: error codes, settings, windows.
    const fn told(&self) -> usize {
        match self.kind {
            7 => 8,
            3 | 4 | 8 => self.length,
            _ => 0,
        }
    }
}

/// Rewrites the frames of a payload that begins with one and ends with one, as far as was captured;
/// how many bytes stay. Anything else does not stay: nothing but its frames tells HTTP/2.
pub(super) fn keep(payload: &mut [u8]) -> usize {
    let start = if payload.starts_with(PREFACE) {
        PREFACE.len()
    } else {
        0
    };
    let mut frames = Vec::new();
    let mut at = start;
    while at < payload.len() {
        let Some(frame) = Frame::read(&payload[at..]).filter(Frame::is_sound) else {
            return start;
        };
        let next = at + HEADER + frame.length;
        frames.push((at, frame));
        at = next;
    }
    if at != payload.len() {
        return start;
    }
    let mut kept = start;
    for (at, frame) in frames {
        // The reserved bit means nothing, and says nothing.
        payload[at + 5] &= 0x7f;
        let told = at + HEADER + frame.told();
        let end = at + HEADER + frame.length;
        payload[told..end].fill(0);
        kept = told;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).expect("short");
        [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
    }

    fn kept(payload: &[u8]) -> Vec<u8> {
        let mut bytes = payload.to_vec();
        let kept = keep(&mut bytes);
        bytes.truncate(kept);
        bytes
    }

    #[test]
    fn how_a_connection_ends_stays_and_what_was_said_does_not() {
        let goaway = [0, 0, 0, 7, 0, 0, 0, 11, b's', b'e', b'c', b'r', b'e', b't'];
        let payload = [
            frame(1, 5, 3, b"secret"),
            frame(7, 0, 0, &goaway),
            frame(6, 0, 0, b"secret!!"),
        ]
        .concat();
        let expected = [
            frame(1, 5, 3, &[0; 6]),
            frame(7, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0]),
            frame(6, 0, 0, &[0; 8]),
        ]
        .concat();
        assert_eq!(kept(&payload), expected[..expected.len() - 8]);
        let opening = [PREFACE, &frame(4, 0, 0, &[0, 3, 0, 0, 0, 100])].concat();
        assert_eq!(kept(&opening), opening);
    }

    #[test]
    fn what_is_not_all_frames_goes() {
        let ping = frame(6, 0, 0, b"12345678");
        for other in [
            &b"secret of no protocol"[..],
            &ping[..16],
            &[ping.clone(), b"secret".to_vec()].concat(),
            &frame(6, 0, 1, b"12345678"),
            &frame(6, 2, 0, b"12345678"),
            &frame(10, 0, 0, b"secret"),
            &frame(0, 0, 0, b"secret"),
        ] {
            assert_eq!(kept(other), b"", "{other:?}");
        }
        assert_eq!(kept(&[PREFACE, b"secret"].concat()), PREFACE);
    }
}
