//! What a source counted without showing it: regular segments that the kernel probe left out.
//!
//! The probe reports the telling segments of a flow and counts the rest (see
//! `hopscope_ebpf::Counters`). Each reported segment comes with the flow's tally up to then, so that
//! bytes, segments and silences in the report are exact all the same.

use hopscope_ebpf::Counters;
use hopscope_ebpf::tail::Tail;
use serde::{Deserialize, Serialize};

use crate::segment::Endpoint;
use crate::seq::Seq;
use crate::time::Time;

/// The regular segments of a flow that were counted and not reported, from the beginning of the
/// counting on: in order, without SYN, FIN and RST, no window of zero, no silence before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// When this counting began; a later value is a new counting, from zero.
    pub since: Time,
    /// What each endpoint sent: first that of the lower endpoint (address, then port).
    pub sent: [Sent; 2],
    /// Longest time without any segment, in nanoseconds, reported ones included.
    pub longest_silence_ns: u64,
    /// Longest time without data, SYN, FIN or RST, in nanoseconds, reported ones included.
    pub longest_payload_gap_ns: u64,
    /// The endpoint whose data came last, reported segments included: 0 the lower, 1 the higher.
    pub turn: Option<u8>,
}

impl Tally {
    /// From the probe's counters; `time` turns its clock's nanoseconds, zero excluded, into times.
    #[must_use]
    pub fn of(counters: &Counters, time: impl Fn(u64) -> Time) -> Self {
        let some = |at: u64| (at != 0).then(|| time(at));
        let sent = |sent: &hopscope_ebpf::Sent| Sent {
            segments: sent.segments.into(),
            bytes: sent.bytes,
            turns: sent.turns,
            next: Seq(sent.next),
            acknowledged: Seq(sent.acknowledged),
            window: sent.window,
            tail: sent.tail(),
            first_at: some(sent.first_at),
            last_at: some(sent.last_at),
            data_at: some(sent.data_at),
        };
        Self {
            since: time(counters.since),
            sent: [sent(&counters.sent[0]), sent(&counters.sent[1])],
            longest_silence_ns: counters.longest_silence,
            longest_payload_gap_ns: counters.longest_payload_gap,
            turn: match counters.turn {
                1 => Some(0),
                2 => Some(1),
                _ => None,
            },
        }
    }
}

/// What one endpoint sent, of what was counted and not reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Segments.
    pub segments: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// How often its data came after the other side's.
    pub turns: u32,
    /// The sequence number after the last one sent, reported segments included.
    pub next: Seq,
    /// The highest acknowledgment number it sent, reported segments included.
    pub acknowledged: Seq,
    /// Its last window, not scaled.
    pub window: u16,
    /// What the last bytes are that it sent, reported segments included: a [`hopscope_ebpf::tail::Tail`].
    pub tail: Tail,
    /// The first of them.
    pub first_at: Option<Time>,
    /// The last of them.
    pub last_at: Option<Time>,
    /// The last of them with data.
    pub data_at: Option<Time>,
}

/// A flow's tally when watching ended or the flow was forgotten by the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowTally {
    /// Index of the interface that saw the flow.
    pub interface: u32,
    /// The lower endpoint and the higher one.
    pub endpoints: [Endpoint; 2],
    /// What was counted.
    pub tally: Tally,
}
