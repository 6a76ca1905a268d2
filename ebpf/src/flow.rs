//! Flows as the kernel counts them: the state that decides which segments are telling.

use crate::tail::Tail;

/// How many flows are counted at once at most, over all namespaces watched.
pub const FLOWS: u32 = 131_072;

/// A pause this long, in nanoseconds, makes the next segment telling: shorter than any keepalive
/// timer and than the first zero-window probe (200 ms).
pub const SILENCE_NS: u64 = 150_000_000;

/// Indices into what is kept for each side.
pub mod side {
    /// The endpoint with the lower address, or the same and the lower port.
    pub const LOWER: usize = 0;
    /// The other.
    pub const HIGHER: usize = 1;
}

/// A connection at an interface.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(not(target_arch = "bpf"), derive(zerocopy::FromBytes))]
pub struct FlowKey {
    /// The addresses, the lower endpoint's first; IPv4 in its IPv4-mapped form.
    pub addresses: [[u8; 16]; 2],
    /// The ports likewise.
    pub ports: [u16; 2],
    /// The interface, by its index in its namespace.
    pub interface: u32,
}

/// What is known of a flow: with its key and what the kernel adds, just below 256 bytes, which is what
/// the kernel allots then. `sent` counts only segments that were not told; times, sequence and
/// acknowledgment numbers are those of all segments.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(not(target_arch = "bpf"), derive(zerocopy::FromBytes))]
pub struct Counters {
    /// When counting began.
    pub since: u64,
    /// The last segment.
    pub last_at: u64,
    /// The last segment with data, SYN, FIN or RST.
    pub active_at: u64,
    /// Longest time without a segment, in nanoseconds.
    pub longest_silence: u64,
    /// Longest time without data, SYN, FIN or RST, in nanoseconds.
    pub longest_payload_gap: u64,
    /// What each side sent.
    pub sent: [Sent; 2],
    /// Whose data came last: a [`side`] plus one, zero before any.
    pub turn: u32,
    /// Bits of [`mark`].
    pub marks: u32,
}

/// What a side of a flow sent.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(not(target_arch = "bpf"), derive(zerocopy::FromBytes))]
pub struct Sent {
    /// Payload bytes of segments that were not told.
    pub bytes: u64,
    /// The first of them.
    pub first_at: u64,
    /// The last of them.
    pub last_at: u64,
    /// The last of them with data.
    pub data_at: u64,
    /// How many segments those are.
    pub segments: u32,
    /// The sequence number after the last one sent.
    pub next: u32,
    /// The last acknowledgment number.
    pub acknowledged: u32,
    /// The sequence number after its FIN, where [`state::FIN`] is set.
    pub fin: u32,
    /// How often its data that was not told came after the other side's.
    pub turns: u32,
    /// The last window, not scaled.
    pub window: u16,
    /// Bits of [`state`].
    pub state: u16,
}

impl Sent {
    /// What its last bytes are.
    #[inline(always)]
    #[must_use]
    pub const fn tail(&self) -> Tail {
        (self.state >> state::TAIL_SHIFT) & state::TAIL
    }

    #[inline(always)]
    pub(crate) const fn end_with(&mut self, tail: Tail) {
        self.state = self.state & !(state::TAIL << state::TAIL_SHIFT) | tail << state::TAIL_SHIFT;
    }
}

/// Bits of [`Counters::marks`].
pub mod mark {
    /// A FIN was seen: from then on everything is told.
    pub const CLOSING: u32 = 1;
    /// The last byte was sent again, or a garbage byte probed: `active_at` may be too early, and the
    /// next data is told.
    pub const DOUBT: u32 = 2;
    /// How many segments with data the turn had until now, up to the mask's own number, shifted by
    /// [`PIECES_SHIFT`].
    pub const PIECES: u32 = 7;
    /// Where [`PIECES`] begin.
    pub const PIECES_SHIFT: u32 = 8;
}

/// Bits of [`Sent::state`].
pub mod state {
    /// A segment was seen: `next` and `window` mean something.
    pub const KNOWN: u16 = 1;
    /// The next segment is told: the other side sent a probe or opened its window.
    pub const ASKED: u16 = 2;
    /// A segment with an acknowledgment number was seen.
    pub const ACKNOWLEDGED: u16 = 16;
    /// A FIN was seen.
    pub const FIN: u16 = 4;
    /// The other side acknowledged it.
    pub const FIN_ACKNOWLEDGED: u16 = 8;
    /// What its last bytes are: a [`Tail`](crate::tail::Tail), shifted by [`TAIL_SHIFT`].
    pub const TAIL: u16 = 7;
    /// Where [`TAIL`] begins.
    pub const TAIL_SHIFT: u16 = 8;
}
