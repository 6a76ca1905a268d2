//! A flow in the report.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::kernel::{FactReport, KernelReport};
use crate::flow::{Closing, End, Flow, FlowId, Probe, RunEnd, Side, Sides, idle, interval};
use crate::scene::FlowFacts;
use crate::time::Time;

/// One TCP connection as seen at one vantage.
///
/// `bytes`, `segments`, `retransmissions` and `zero_window_probes` are counted by the side that
/// sent them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FlowReport {
    /// Its number in this report.
    pub id: FlowId,
    /// How much it tells, for those who show only some.
    #[serde(skip)]
    pub weight: u32,
    /// Name of the vantage.
    pub vantage: String,
    /// `ip:port`, IPv6 in brackets.
    pub client: String,
    /// `ip:port`, IPv6 in brackets.
    pub server: String,
    /// How it is known who is client and who server.
    pub roles: Roles,
    /// First segment seen.
    pub first: Time,
    /// Last segment seen.
    pub last: Time,
    /// The first SYN; null where it was not seen.
    pub opened: Option<Time>,
    /// The first FIN or RST; null where none was seen.
    pub ended: Option<Time>,
    /// When both sides had closed or one had reset; null where that was not seen.
    pub closed: Option<Time>,
    /// From the first segment to `closed`, or to the last segment.
    pub lasted_s: f64,
    /// How it ended: what the first FIN or RST was.
    pub end: End,
    /// The side that sent the first FIN or RST; null while open or unanswered.
    pub ended_by: Option<Side>,
    /// SYNs of the client, retransmissions included.
    pub syns: u32,
    /// FINs in the order in which they were sent, one for each side.
    pub fins: Vec<Closed>,
    /// RSTs, those included that both sides outlived and that ended nothing.
    pub rsts: Vec<Closed>,
    /// Keepalive probes that each side sent; null for a side that sent none.
    pub keepalive: Sides<Option<KeepaliveReport>>,
    /// Probes of a window of zero, which are no keepalive probes.
    pub zero_window_probes: Sides<u32>,
    /// How often each side advertised a window of zero.
    pub zero_windows: Sides<u32>,
    /// Segments with sequence numbers that had been sent before.
    pub retransmissions: Sides<u64>,
    /// Payload bytes seen, each once.
    pub bytes: Sides<u64>,
    /// Bytes that were sent or acknowledged but not captured.
    pub unseen_bytes: Sides<u64>,
    /// Segments, without duplicates.
    pub segments: Sides<u64>,
    /// Frames of this flow that were captured twice.
    pub duplicates: u64,
    /// Turns: bytes from the client, then bytes from the server.
    pub exchanges: u64,
    /// The last data came from the client: an answer was owed.
    pub answer_pending: bool,
    /// Longest time without any segment, keepalive probes included.
    pub longest_idle_s: f64,
    /// Longest time without data, SYN, FIN or RST: what a proxy's own idle timer sees.
    pub longest_payload_gap_s: f64,
    /// Round trip between client and server, from the handshake; null where it was not seen.
    pub handshake_rtt_s: Option<f64>,
    /// Cookies of the sockets at both ends, which the report's `sockets` tells more of where they were
    /// looked at; null where the kernel told of none: in captures, and for an end in a namespace that
    /// was not watched.
    pub sockets: Sides<Option<u64>>,
    /// What befell those sockets, by time.
    pub kernel: Vec<KernelReport>,
}

/// How client and server are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Roles {
    /// By a SYN or SYN-ACK.
    Syn,
    /// From ports, known listeners and payload: the capture begins later.
    Inferred,
}

/// A FIN or RST.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Closed {
    /// When.
    pub at: Time,
    /// The side that sent it.
    pub by: Side,
    /// Number of the frame in its capture.
    pub frame: u64,
}

impl From<&Closing> for Closed {
    fn from(closing: &Closing) -> Self {
        Self {
            at: closing.at,
            by: closing.by,
            frame: closing.frame,
        }
    }
}

/// The keepalive probes of one side.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct KeepaliveReport {
    /// All of them.
    pub probes: Vec<ProbeReport>,
    /// Measured TCP_KEEPIDLE: median silence before first probes, or, where only repeated ones
    /// were seen, after answers (then the longer of TCP_KEEPIDLE and TCP_KEEPINTVL).
    pub idle_s: Option<f64>,
    /// Measured TCP_KEEPINTVL: median time between a probe without an answer and the next.
    pub interval_s: Option<f64>,
    /// How the last run of probes ended; null where a RST seemed to end it and did not.
    pub ended: Option<RunEnd>,
}

/// A keepalive probe.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ProbeReport {
    /// When it was sent.
    pub at: Time,
    /// When it was answered, by an ACK or by a RST; null where it was not.
    pub answered: Option<Time>,
    /// Number of its frame in the capture.
    pub frame: u64,
    /// Silence before it: since the peer was heard, or since an unanswered probe; null where the
    /// capture begins later.
    pub after_s: Option<f64>,
}

impl KeepaliveReport {
    fn new(probes: &[Probe], ended: Option<RunEnd>) -> Option<Self> {
        (!probes.is_empty()).then(|| Self {
            idle_s: idle(probes).map(seconds),
            interval_s: interval(probes).map(seconds),
            probes: probes.iter().map(ProbeReport::new).collect(),
            ended,
        })
    }
}

impl ProbeReport {
    fn new(probe: &Probe) -> Self {
        Self {
            at: probe.at,
            answered: probe.answered,
            frame: probe.frame,
            after_s: probe.wait.duration().map(seconds),
        }
    }
}

impl FlowReport {
    pub(super) fn new(id: FlowId, vantage: &str, flow: &Flow, told: &FlowFacts<'_>) -> Self {
        let ending = flow.ending();
        let closed = flow.closed_at();
        let both = Sides {
            client: Side::Client,
            server: Side::Server,
        };
        Self {
            id,
            weight: flow.weight(),
            vantage: vantage.to_owned(),
            client: flow.endpoint(Side::Client).to_string(),
            server: flow.endpoint(Side::Server).to_string(),
            roles: if flow.roles_seen() {
                Roles::Syn
            } else {
                Roles::Inferred
            },
            first: flow.first_at(),
            last: flow.last_at(),
            opened: flow.opened_at(),
            ended: ending.map(|ending| ending.closing().at),
            closed,
            lasted_s: seconds(closed.unwrap_or(flow.last_at()).since(flow.first_at())),
            end: flow.end(),
            ended_by: flow.ended_by(),
            syns: flow.syns(),
            fins: flow.fins().iter().map(Closed::from).collect(),
            rsts: flow.rsts().iter().map(Closed::from).collect(),
            keepalive: both.map(|side| KeepaliveReport::new(flow.probes(side), flow.run_end(side))),
            zero_window_probes: both.map(|side| flow.zero_window_probes(side)),
            zero_windows: both.map(|side| flow.zero_windows(side)),
            retransmissions: both.map(|side| flow.retransmissions(side)),
            bytes: both.map(|side| flow.bytes(side)),
            unseen_bytes: both.map(|side| flow.unseen_bytes(side)),
            segments: both.map(|side| flow.segments(side)),
            duplicates: flow.duplicates(),
            exchanges: flow.exchanges(),
            answer_pending: flow.answer_pending(),
            longest_idle_s: seconds(flow.longest_silence()),
            longest_payload_gap_s: seconds(flow.longest_payload_gap()),
            handshake_rtt_s: flow.handshake_rtt().map(seconds),
            sockets: told.sockets.map(|account| account?.cookie),
            kernel: told
                .facts
                .iter()
                .map(|(by, fact)| KernelReport {
                    by: *by,
                    fact: FactReport::new(fact),
                })
                .collect(),
        }
    }
}

/// Seconds, to the nanosecond.
fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}
