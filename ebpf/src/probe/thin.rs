//! Which segments are telling: the rest is only counted.
//!
//! A segment is regular, and only counted, where user space could not learn anything from it that
//! the counters do not say: in order, acknowledging what was sent, without SYN, FIN or RST, with an
//! open window, soon after the one before. So keepalive probes (a sequence number below the next),
//! their answers, zero-window probes, retransmissions, holes and silences are always told.

use hopscope_ebpf::{Counters, Counts, SILENCE_NS, STRETCH_NS, Sent, TURNS_TOLD, side, state};

use super::header::{ACK, FIN, RST, SYN, Segment};

const CONTROL: u8 = FIN | SYN | RST;

/// Whether `segment`, the next one of its flow, is telling.
#[inline(always)]
pub(super) fn is_telling(
    flow: &Counters,
    segment: &Segment,
    now: u64,
    counts: &mut Counts,
) -> bool {
    let (me, peer) = both(flow, segment.by);
    let beyond = peer.state & state::KNOWN != 0
        && segment.flags & ACK != 0
        && is_after(segment.ack, peer.next);
    segment.flags & CONTROL != 0
        || segment.flags & ACK == 0
        || flow.closing != 0
        || me.state & (state::KNOWN | state::ASKED) != state::KNOWN
        || segment.seq != me.next
        || segment.window == 0
        || me.window == 0
        || peer.window == 0 && peer.state & state::KNOWN != 0
        // A probe, or what a probe is mistaken for.
        || segment.len == 1
        || beyond
        || now.wrapping_sub(flow.last_at) >= SILENCE_NS
        || (segment.len > 0 && flow.turn != segment.by as u32 + 1 && is_affordable(counts, now))
}

/// Turns of the conversation are told while there are few: they carry request and status lines.
#[inline(always)]
fn is_affordable(counts: &mut Counts, now: u64) -> bool {
    if now.wrapping_sub(counts.stretch) >= STRETCH_NS {
        counts.stretch = now;
        counts.told = 0;
    }
    let affordable = counts.told < TURNS_TOLD;
    if affordable {
        counts.told += 1;
    } else {
        counts.turns_not_told += 1;
    }
    affordable
}

/// Takes a segment in. True where it was the last of its flow.
#[inline(always)]
pub(super) fn take(flow: &mut Counters, segment: &Segment, now: u64, told: bool) -> bool {
    let silence = now.wrapping_sub(flow.last_at);
    if silence > flow.longest_silence {
        flow.longest_silence = silence;
    }
    flow.last_at = now;
    if segment.len > 0 || segment.flags & CONTROL != 0 {
        let gap = now.wrapping_sub(flow.active_at);
        if gap > flow.longest_payload_gap {
            flow.longest_payload_gap = gap;
        }
        flow.active_at = now;
    }
    if segment.flags & FIN != 0 {
        flow.closing = 1;
    }
    let by = segment.by as u32 + 1;
    let begins_turn = flow.turn != by;
    let (me, peer) = if segment.by == side::LOWER {
        let [lower, higher] = &mut flow.sent;
        (lower, higher)
    } else {
        let [lower, higher] = &mut flow.sent;
        (higher, lower)
    };
    let fresh = advance(me, peer, segment);
    if !told {
        me.segments += 1;
        me.bytes += u64::from(segment.len);
        if me.first_at == 0 {
            me.first_at = now;
        }
        me.last_at = now;
        if segment.len > 0 {
            me.data_at = now;
            me.turns += u32::from(begins_turn);
        }
    }
    let done = segment.flags & RST != 0 || (me.state & peer.state & state::FIN_ACKNOWLEDGED) != 0;
    if fresh && segment.len > 0 {
        flow.turn = by;
    }
    done
}

/// Moves the numbers of a side on. True where it sent something for the first time.
#[inline(always)]
fn advance(me: &mut Sent, peer: &mut Sent, segment: &Segment) -> bool {
    let syn = segment.flags & SYN != 0;
    let fin = segment.flags & FIN != 0;
    let end = segment
        .seq
        .wrapping_add(segment.len)
        .wrapping_add(u32::from(syn))
        .wrapping_add(u32::from(fin));
    let known = me.state & state::KNOWN != 0;
    // Answers to it are told: it may be a keepalive probe.
    if known && segment.len <= 1 && segment.seq.wrapping_add(1) == me.next {
        peer.state |= state::ASKED;
    }
    let mut now = (me.state | state::KNOWN) & !state::ASKED;
    let fresh = !known || syn || is_after(end, me.next);
    if segment.flags & RST == 0 {
        if fresh {
            me.next = end;
        }
        me.window = segment.window;
    }
    if fin {
        me.fin = end;
        now |= state::FIN;
    }
    if segment.flags & ACK != 0 {
        if segment.flags & RST == 0 && (!known || is_after(segment.ack, me.acknowledged)) {
            me.acknowledged = segment.ack;
        }
        if peer.state & state::FIN != 0 && !is_after(peer.fin, segment.ack) {
            peer.state |= state::FIN_ACKNOWLEDGED;
        }
    }
    me.state = now;
    fresh
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
    (seq.wrapping_sub(other) as i32) > 0
}
