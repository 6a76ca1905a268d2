//! Which segments are telling: the rest is only counted.
//!
//! A segment is regular, and only counted, where user space could not learn anything from it that
//! the counters do not say: in order, acknowledging what was sent, without SYN, FIN or RST, with an
//! open window, soon after the one before. So keepalive probes (a sequence number below the next),
//! their answers, zero-window probes, retransmissions, holes and silences are always told.
//!
//! Nothing here needs the kernel: tests run it over whole captures.

use crate::{Counters, Counts, SILENCE_NS, STRETCH_NS, Sent, TURNS_TOLD, mark, side, state, tail};

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;
const CONTROL: u8 = FIN | SYN | RST;

/// A segment that is shorter is not full, whatever the path's MTU: its sender had no more to send.
const SMALL: u32 = 512;

/// So many pieces of a turn are told, while they are small and do not end with an empty line: a head may
/// be written line by line.
const PIECES_TOLD: u32 = 4;

/// What is looked at of a segment.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The sender: a [`side`].
    pub by: usize,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Payload bytes.
    pub len: u32,
    /// Window, not scaled.
    pub window: u16,
    /// Flags, as in the header.
    pub flags: u8,
    /// The last bytes of the payload, the last of them last; fewer where it is shorter.
    pub last: [u8; 4],
    /// They could be read.
    pub last_known: bool,
}

impl Seen {
    /// A SYN that accepts nothing: a connection begins, or is begun once more.
    #[inline(always)]
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.flags & (SYN | ACK) == SYN
    }

    /// Nothing of its sender was seen before.
    #[inline(always)]
    #[must_use]
    pub const fn is_first(&self, flow: &Counters) -> bool {
        let [lower, higher] = &flow.sent;
        let me = if self.by == side::LOWER {
            lower
        } else {
            higher
        };
        me.state & state::KNOWN == 0
    }

    /// Whether what its flow has counted is told with it: if anything, and how data ended before the close.
    #[inline(always)]
    #[must_use]
    pub const fn brings_counters(&self, flow: &Counters) -> bool {
        let [lower, higher] = &flow.sent;
        let closing = self.flags & (FIN | RST) != 0 || flow.marks & mark::CLOSING != 0;
        lower.segments + higher.segments > 0 || (closing && flow.turn != 0)
    }
}

impl Counters {
    /// A flow that begins now.
    #[must_use]
    pub fn beginning(now: u64) -> Self {
        let mut flow = Self::default();
        flow.begin(now);
        flow
    }

    /// A segment was seen: otherwise there is nothing to forget.
    #[inline(always)]
    fn is_begun(&self) -> bool {
        let [lower, higher] = &self.sent;
        (lower.state | higher.state) & state::KNOWN != 0
    }

    /// Counts from zero, from now on.
    #[inline(always)]
    pub fn begin(&mut self, now: u64) {
        for sent in &mut self.sent {
            sent.segments = 0;
            sent.bytes = 0;
            sent.first_at = 0;
            sent.last_at = 0;
            sent.data_at = 0;
            sent.turns = 0;
            sent.state = 0;
        }
        self.since = now;
        self.last_at = now;
        self.active_at = now;
        self.longest_silence = 0;
        self.longest_payload_gap = 0;
        self.turn = 0;
        self.marks = 0;
    }
}

/// Whether `segment`, the next one of its flow, is telling.
#[inline(always)]
#[must_use]
pub fn is_telling(flow: &Counters, segment: &Seen, now: u64, counts: &mut Counts) -> bool {
    let (me, peer) = both(flow, segment.by);
    let beyond = peer.state & state::KNOWN != 0
        && segment.flags & ACK != 0
        && is_after(segment.ack, peer.next);
    segment.flags & CONTROL != 0
        || segment.flags & ACK == 0
        || flow.marks & mark::CLOSING != 0
        || (flow.marks & mark::DOUBT != 0 && segment.len > 0)
        || me.state & (state::KNOWN | state::ASKED) != state::KNOWN
        || segment.seq != me.next
        || segment.window == 0
        || me.window == 0
        || peer.window == 0 && peer.state & state::KNOWN != 0
        // A probe, or what a probe is mistaken for.
        || segment.len == 1
        || beyond
        || now.wrapping_sub(flow.last_at) >= SILENCE_NS
        || (segment.len > 0 && flow.turn != segment.by as u32 + 1 && is_affordable(counts, now, TURNS_TOLD))
        // Turns go first: what goes on may take half of what there is for them.
        || (goes_on(flow, me, segment) && is_affordable(counts, now, TURNS_TOLD / 2))
}

/// Whether a segment may bring more of a head that has not ended.
#[inline(always)]
fn goes_on(flow: &Counters, me: &Sent, segment: &Seen) -> bool {
    let pieces = (flow.marks >> mark::PIECES_SHIFT) & mark::PIECES;
    segment.len > 0
        && segment.len < SMALL
        && flow.turn == segment.by as u32 + 1
        && pieces < PIECES_TOLD
        && me.tail() != tail::EMPTY_LINE
}

/// Turns of the conversation are told while there are few: they carry request and status lines.
#[inline(always)]
fn is_affordable(counts: &mut Counts, now: u64, most: u64) -> bool {
    if now.wrapping_sub(counts.stretch) >= STRETCH_NS {
        counts.stretch = now;
        counts.told = 0;
    }
    let affordable = counts.told < most;
    if affordable {
        counts.told += 1;
    } else {
        // Not what only goes on.
        counts.turns_not_told += u64::from(most == TURNS_TOLD);
    }
    affordable
}

/// Takes a segment in. True where it was the last of its flow.
#[inline(always)]
#[must_use]
pub fn take(flow: &mut Counters, segment: &Seen, now: u64, told: bool) -> bool {
    if segment.opens() && flow.is_begun() {
        // Another connection, or this one's SYN again: nothing was counted since.
        flow.begin(now);
    }
    let by = segment.by as u32 + 1;
    let [lower, higher] = &mut flow.sent;
    let (me, peer) = if segment.by == side::LOWER {
        (lower, higher)
    } else {
        (higher, lower)
    };
    let probe = is_probe(me, segment);
    let active = segment.flags & CONTROL != 0 || (segment.len > 0 && !probe);
    if !told {
        me.segments += 1;
        me.bytes += u64::from(segment.len);
        if me.first_at == 0 {
            me.first_at = now;
        }
        me.last_at = now;
        // Pauses before segments that are told are measured where they are told.
        let silence = now.wrapping_sub(flow.last_at);
        if silence > flow.longest_silence {
            flow.longest_silence = silence;
        }
        if segment.len > 0 {
            me.data_at = now;
            me.turns += u32::from(flow.turn != by);
            let gap = now.wrapping_sub(flow.active_at);
            if gap > flow.longest_payload_gap {
                flow.longest_payload_gap = gap;
            }
        }
    }
    flow.last_at = now;
    if active {
        flow.active_at = now;
        flow.marks &= !mark::DOUBT;
    } else if segment.len > 0 {
        flow.marks |= mark::DOUBT;
    }
    if segment.flags & FIN != 0 {
        flow.marks |= mark::CLOSING;
    }
    let fresh = advance(me, peer, segment, probe);
    let done = segment.flags & RST != 0 || me.state & peer.state & state::FIN_ACKNOWLEDGED != 0;
    if fresh && segment.len > 0 {
        let pieces = (flow.marks >> mark::PIECES_SHIFT) & mark::PIECES;
        let pieces = match flow.turn == by {
            true if pieces == mark::PIECES => pieces,
            true => pieces + 1,
            false => 1,
        };
        flow.marks =
            flow.marks & !(mark::PIECES << mark::PIECES_SHIFT) | pieces << mark::PIECES_SHIFT;
        flow.turn = by;
    }
    done
}

/// Whether a segment may be a keepalive or zero-window probe.
#[inline(always)]
fn is_probe(me: &Sent, segment: &Seen) -> bool {
    me.state & state::KNOWN != 0 && segment.len <= 1 && segment.seq.wrapping_add(1) == me.next
}

/// Moves the numbers of a side on. True where it sent something for the first time.
#[inline(always)]
fn advance(me: &mut Sent, peer: &mut Sent, segment: &Seen, probe: bool) -> bool {
    let end = segment
        .seq
        .wrapping_add(segment.len)
        .wrapping_add(u32::from(segment.flags & SYN != 0))
        .wrapping_add(u32::from(segment.flags & FIN != 0));
    let known = me.state & state::KNOWN != 0;
    // What the other side does about it is told: whether it answers a probe; whether data was
    // waiting for a window to open, which tells what the probes before it were.
    if probe || (known && me.window == 0 && segment.window != 0) {
        peer.state |= state::ASKED;
    }
    let fresh = !known || is_after(end, me.next);
    me.state |= state::KNOWN;
    if !probe {
        me.state &= !state::ASKED;
    }
    if segment.flags & FIN != 0 {
        me.fin = end;
        me.state |= state::FIN;
    }
    if segment.flags & RST != 0 {
        return fresh;
    }
    if segment.flags & SYN != 0 {
        me.end_with(tail::NONE);
    }
    if fresh && segment.len > 0 {
        let follows = known && segment.seq == me.next;
        let before = if follows { me.tail() } else { tail::UNKNOWN };
        me.end_with(match segment.last_known {
            true => tail::after(before, segment.last, segment.len),
            false => tail::UNKNOWN,
        });
    }
    if fresh {
        me.next = end;
    }
    me.window = segment.window;
    if segment.flags & ACK != 0 {
        acknowledge(me, peer, segment.ack);
    }
    fresh
}

#[inline(always)]
fn acknowledge(me: &mut Sent, peer: &mut Sent, ack: u32) {
    if me.state & state::ACKNOWLEDGED == 0 || is_after(ack, me.acknowledged) {
        me.acknowledged = ack;
        me.state |= state::ACKNOWLEDGED;
    }
    // What is acknowledged was sent, seen or not.
    if peer.state & state::KNOWN != 0 && is_after(ack, peer.next) {
        peer.next = ack;
        peer.end_with(tail::UNKNOWN);
    }
    if peer.state & state::FIN != 0 && !is_after(peer.fin, ack) {
        peer.state |= state::FIN_ACKNOWLEDGED;
    }
}

#[inline(always)]
fn both(flow: &Counters, by: usize) -> (&Sent, &Sent) {
    let [lower, higher] = &flow.sent;
    if by == side::LOWER {
        (lower, higher)
    } else {
        (higher, lower)
    }
}

/// Whether a sequence number comes after another (RFC 9293 section 3.4).
#[inline(always)]
fn is_after(seq: u32, other: u32) -> bool {
    seq.wrapping_sub(other).cast_signed() > 0
}
