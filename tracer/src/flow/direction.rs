//! What one side of a flow sent: sequence numbers, bytes, retransmissions, windows.

use std::time::Duration;

use super::keepalive::Probing;
use crate::segment::Segment;
use crate::seq::Seq;
use crate::time::Time;

/// Segments in the wrong order by less than this were reordered on the way or by the capture; what
/// fills a hole later was retransmitted.
const REORDERED_WITHIN: Duration = Duration::from_millis(3);

/// No window is larger (RFC 7323 section 2.3): a sequence number farther away belongs elsewhere.
const WINDOW_LIMIT: u32 = 1 << 30;

/// Holes remembered; the oldest is forgotten first.
const HOLES: usize = 32;

/// One direction of a flow: what every segment needs, in one cache line. What few flows need is
/// apart.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Direction {
    /// Sequence number after the last one sent, as far as known.
    pub(super) next: Seq,
    /// Highest acknowledgment number that the peer sent.
    pub(super) acked: Seq,
    /// Last segment that took sequence numbers: data, SYN, FIN.
    pub(super) sent_at: Option<Time>,
    /// Last segment that the peer's keepalive timer counts as heard: data or an acknowledgment,
    /// not a probe.
    pub(super) heard_at: Option<Time>,
    pub(super) segments: u64,
    pub(super) bytes: u64,
    rare: Option<Box<Rare>>,
    window: u16,
    /// Last IPv4 identification; zero where there is none.
    last_ip_id: u16,
    last_timestamp: u32,
    window_known: bool,
    timestamp_known: bool,
    /// A segment after the SYN was seen.
    pub(super) went_on: bool,
    /// `next` means something.
    pub(super) known: bool,
    /// `acked` means something.
    pub(super) acked_known: bool,
    /// `next` comes from segments without data alone: it may be one too low, where they were
    /// keepalive probes.
    pub(super) provisional: bool,
    /// The last new payload was one byte ...
    last_one_byte: bool,
    /// ... and was sent again since.
    repeated: bool,
}

/// What few directions come to need.
#[derive(Clone, Debug, Default)]
pub(super) struct Rare {
    pub(super) probing: Probing,
    /// Since when the window has been zero.
    pub(super) zero_since: Option<Time>,
    /// When a window of zero was last opened.
    pub(super) opened_at: Option<Time>,
    pub(super) zero_windows: u32,
    pub(super) retransmissions: u64,
    /// How long after the transmission before the last of them came.
    repeated_after: Duration,
    pub(super) unseen_bytes: u64,
    /// A byte was sent beyond a window of zero, which the peer may take or not.
    pub(super) lent_byte: bool,
    holes: Vec<Hole>,
}

/// Sequence space that was passed over.
#[derive(Clone, Copy, Debug)]
struct Hole {
    from: Seq,
    to: Seq,
    at: Time,
    /// Found by an acknowledgment: its bytes did reach the peer.
    acknowledged: bool,
}

/// What a segment brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Progress {
    /// Payload bytes seen for the first time.
    pub(super) new_bytes: u32,
    /// Some of it had been sent before.
    pub(super) retransmission: bool,
}

impl Direction {
    /// What is rarely needed, to be changed.
    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What is rarely needed, where anything of it is there.
    #[inline]
    pub(super) fn rare_if_any(&self) -> Option<&Rare> {
        self.rare.as_deref()
    }

    /// Likewise, to be changed.
    #[inline]
    pub(super) fn rare_if_any_mut(&mut self) -> Option<&mut Rare> {
        self.rare.as_deref_mut()
    }

    /// Last window advertised, not scaled; `None` before the first.
    #[inline]
    pub(super) fn window(&self) -> Option<u16> {
        self.window_known.then_some(self.window)
    }

    #[inline]
    pub(super) fn advertise(&mut self, window: u16) {
        self.window = window;
        self.window_known = true;
    }

    /// When a window of zero was last opened.
    pub(super) fn opened_at(&self) -> Option<Time> {
        self.rare_if_any()?.opened_at
    }

    /// How long this side had sent nothing but acknowledgments and probes; `None` where that is all
    /// that was seen.
    #[inline]
    pub(super) fn quiet(&self, at: Time) -> Option<Duration> {
        self.sent_at.map(|sent| at.since(sent))
    }

    /// What was seen of this side may have begun at `first`.
    pub(super) fn goes_on_from(&self, first: Seq) -> bool {
        self.known && (0..1 << 20).contains(&self.next.distance_from(first))
    }

    /// Everything sent was acknowledged.
    #[inline]
    pub(super) fn all_acked(&self) -> bool {
        self.acked_known && !self.next.is_after(self.acked)
    }

    /// The last new payload was one byte at `seq`, and a segment after being `quiet` may well be its
    /// retransmission: the first comes after one retransmission timeout, which is 3 s at most
    /// (RFC 6298 section 5.7), each of the following after twice the time.
    pub(super) fn may_repeat_one_byte(&self, quiet: Option<Duration>) -> bool {
        let doubled = self
            .rare_if_any()
            .filter(|_| self.repeated)
            .map_or(Duration::ZERO, |rare| rare.repeated_after.mul_f64(2.6));
        let longest = doubled.max(Duration::from_secs(3));
        self.last_one_byte && quiet.is_some_and(|quiet| quiet < longest)
    }

    /// Data in order was counted and not told: the last new payload was no single byte.
    pub(super) fn counted_data(&mut self) {
        self.last_one_byte = false;
        self.repeated = false;
        if std::mem::take(&mut self.provisional)
            && let Some(rare) = self.rare_if_any_mut()
        {
            rare.probing.dismiss();
        }
    }

    /// Accounts for the sequence numbers of a segment that is not a probe.
    #[inline]
    pub(super) fn advance(&mut self, segment: &Segment<'_>) -> Progress {
        let end = segment.seq_end();
        let progress = if self.known && segment.seq == self.next {
            self.next = end;
            Progress {
                new_bytes: segment.len,
                retransmission: false,
            }
        } else {
            self.advance_elsewhere(segment, end)
        };
        self.bytes += u64::from(progress.new_bytes);
        if progress.new_bytes > 0 {
            self.last_one_byte = segment.len == 1;
            self.repeated = false;
            self.provisional = false;
        }
        if progress.retransmission {
            self.repeated = true;
            let after = self.quiet(segment.at).unwrap_or_default();
            let rare = self.rare();
            rare.retransmissions += 1;
            rare.repeated_after = after;
        }
        self.last_ip_id = segment.ip_id.unwrap_or(0);
        self.timestamp_known = segment.options.timestamps.is_some();
        self.last_timestamp = segment.options.timestamps.map_or(0, |(value, _)| value);
        progress
    }

    #[cold]
    fn advance_elsewhere(&mut self, segment: &Segment<'_>, end: Seq) -> Progress {
        if !self.known {
            self.known = true;
            self.provisional = segment.seq_len() == 0;
            self.next = end;
            return Progress {
                new_bytes: segment.len,
                retransmission: false,
            };
        }
        let ahead = segment.seq.distance_from(self.next);
        if ahead.unsigned_abs() > WINDOW_LIMIT {
            return Progress::default();
        }
        if ahead > 0 {
            self.hole(segment.seq, segment.at, false);
            self.next = end;
            return Progress {
                new_bytes: segment.len,
                retransmission: false,
            };
        }
        if segment.seq_len() == 0 {
            return Progress::default();
        }
        let filled = self.fill(segment.seq, end.min(self.next));
        let payload_end = segment.seq + segment.len;
        let beyond = payload_end.distance_from(self.next).max(0).unsigned_abs();
        self.next = self.next.max(end);
        let reordered = filled.is_some_and(|hole| self.reordered(hole, segment));
        let filled = filled.map_or(0, |hole| hole.to.distance_from(hole.from).unsigned_abs());
        let rare = self.rare();
        rare.unseen_bytes = rare.unseen_bytes.saturating_sub(u64::from(filled));
        // A FIN takes sequence space too, but is no byte.
        Progress {
            new_bytes: (filled + beyond).min(segment.len),
            retransmission: !reordered,
        }
    }

    /// Bytes up to `to` were sent but not seen.
    fn hole(&mut self, to: Seq, at: Time, acknowledged: bool) {
        let from = self.next;
        let rare = self.rare();
        if rare.holes.len() == HOLES {
            rare.holes.remove(0);
        }
        rare.holes.push(Hole {
            from,
            to,
            at,
            acknowledged,
        });
        rare.unseen_bytes += u64::from(to.distance_from(from).unsigned_abs());
    }

    /// Whether `seq` was acknowledged just now but not seen: its segment was captured late.
    pub(super) fn misses(&self, seq: Seq, at: Time) -> bool {
        let holes = self.rare.iter().flat_map(|rare| &rare.holes);
        holes
            .filter(|hole| hole.acknowledged && at.apart(hole.at) <= REORDERED_WITHIN)
            .any(|hole| !seq.is_before(hole.from) && seq.is_before(hole.to))
    }

    /// Sequence numbers that were passed over and acknowledged all the same: when that was found, and how
    /// many. The capture missed them; what nobody acknowledged may have been lost before it came here. Of
    /// very many the last ones.
    pub(super) fn missed(&self) -> impl Iterator<Item = (Time, u64)> {
        let holes = self.rare.iter().flat_map(|rare| &rare.holes);
        let arrived =
            |hole: &&Hole| hole.acknowledged || self.acked_known && !self.acked.is_before(hole.to);
        holes.filter(arrived).map(|hole| {
            let numbers = hole.to.distance_from(hole.from).unsigned_abs();
            (hole.at, numbers.into())
        })
    }

    /// Takes `from..to` out of the holes; the part that was one, if any was.
    fn fill(&mut self, from: Seq, to: Seq) -> Option<Hole> {
        let holes = &mut self.rare.as_mut()?.holes;
        let index = holes
            .iter()
            .rposition(|hole| from.is_before(hole.to) && to.is_after(hole.from))?;
        let hole = holes[index];
        let part = Hole {
            from: from.max(hole.from),
            to: to.min(hole.to),
            ..hole
        };
        let rest = [
            Hole {
                to: part.from,
                ..hole
            },
            Hole {
                from: part.to,
                ..hole
            },
        ];
        let rest = rest.into_iter().filter(|rest| rest.to.is_after(rest.from));
        holes.splice(index..=index, rest);
        Some(part)
    }

    /// Whether what fills `hole` was sent before what follows the hole, and came late.
    fn reordered(&self, hole: Hole, segment: &Segment<'_>) -> bool {
        if segment.at.apart(hole.at) > REORDERED_WITHIN {
            return false;
        }
        if hole.acknowledged {
            return true;
        }
        match (segment.ip_id.unwrap_or(0), segment.options.timestamps) {
            // The sender's own order, where it counts its packets.
            (id @ 1.., _) if self.last_ip_id != 0 && id != self.last_ip_id => {
                id.wrapping_sub(self.last_ip_id).cast_signed() < 0
            }
            (_, Some((value, _))) if self.timestamp_known => {
                value.wrapping_sub(self.last_timestamp).cast_signed() <= 0
            }
            _ => true,
        }
    }

    /// The peer acknowledged up to `ack`. True where that tells of data that was not seen.
    #[inline]
    pub(super) fn acknowledged(&mut self, ack: Seq, at: Time) -> bool {
        if !self.acked_known || ack.is_after(self.acked) {
            if self.known && ack.distance_from(self.next).unsigned_abs() > WINDOW_LIMIT {
                return false;
            }
            self.acked = ack;
            self.acked_known = true;
        }
        if self.known && !ack.is_after(self.next) {
            return false;
        }
        self.acknowledged_unseen(ack, at)
    }

    #[cold]
    fn acknowledged_unseen(&mut self, ack: Seq, at: Time) -> bool {
        if !self.known {
            self.known = true;
            self.next = ack;
            return false;
        }
        if ack == self.next + 1 && std::mem::take(&mut self.rare().lent_byte) {
            self.bytes += 1;
            self.next = ack;
            return false;
        }
        let unseen = ack.distance_from(self.next);
        self.hole(ack, at, true);
        self.next = ack;
        // A single one may be a FIN.
        unseen > 1
    }
}

impl Seq {
    fn min(self, other: Self) -> Self {
        if self.is_before(other) { self } else { other }
    }
}
