//! Whether what a side sent ends with an empty line, as the heads of messages and chunked bodies do (RFC
//! 9112 sections 2.1 and 7.1). Known of all data, told or only counted: it says whether a message was
//! complete when its sender closed.

/// How far the last bytes are `\r\n\r\n`: so many of them plus one, or [`UNKNOWN`].
pub type Tail = u16;

/// Nothing is known of the last bytes.
pub const UNKNOWN: Tail = 0;

/// They are nothing of it, or nothing was sent yet.
pub const NONE: Tail = 1;

/// They are all of it.
pub const EMPTY_LINE: Tail = 5;

/// The tail after `len` more bytes, the last of which are the last of `bytes`, as many as there are.
#[inline(always)]
#[must_use]
pub const fn after(before: Tail, bytes: [u8; 4], len: u32) -> Tail {
    let [one, two, three, four] = bytes;
    let mut tail = if len >= 4 { NONE } else { before };
    if tail == UNKNOWN {
        return UNKNOWN;
    }
    if len >= 4 {
        tail = step(tail, one);
    }
    if len >= 3 {
        tail = step(tail, two);
    }
    if len >= 2 {
        tail = step(tail, three);
    }
    if len >= 1 {
        tail = step(tail, four);
    }
    tail
}

/// One byte more.
#[inline(always)]
const fn step(tail: Tail, byte: u8) -> Tail {
    match (byte, tail) {
        (b'\r', 3 | EMPTY_LINE) => 4,
        (b'\r', _) => 2,
        (b'\n', 2 | 4) => tail + 1,
        _ => NONE,
    }
}
