//! Keepalive probes as they are told, and what they say of the timers behind them.

use std::time::Duration;

use crate::time::Time;

/// One keepalive probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// When it was sent.
    pub at: Time,
    /// The frame.
    pub frame: u64,
    /// When it was answered, by an ACK or a RST.
    pub answered: Option<Time>,
    /// What the prober had waited for.
    pub wait: Wait,
}

/// What a keepalive timer had run for when a probe was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    /// Since anything was heard from the peer: TCP_KEEPIDLE.
    Idle(Duration),
    /// Since the probe before was answered: the longer of TCP_KEEPIDLE and TCP_KEEPINTVL.
    AfterAnswer(Duration),
    /// Since the probe before, which was not answered: TCP_KEEPINTVL.
    Interval(Duration),
    /// The capture began later, or the prober's own acknowledgment shows that it had not heard what
    /// was seen last.
    Unknown,
}

impl Wait {
    /// How long, where it is known.
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        match self {
            Self::Idle(time) | Self::AfterAnswer(time) | Self::Interval(time) => Some(time),
            Self::Unknown => None,
        }
    }
}

/// How a run of probes ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunEnd {
    /// One side sent data.
    Data,
    /// One side sent its FIN.
    Fin,
    /// The prober reset the connection: the peer was given up (ETIMEDOUT) or the connection was
    /// aborted.
    ResetByProber,
    /// The peer reset the connection: it knows nothing of it (any more).
    ResetByPeer,
    /// The capture ended.
    CaptureEnd,
}

/// The measured TCP_KEEPIDLE of a side: median of the silences before first probes; where only
/// repeated ones were seen, of the times after answers, which can be TCP_KEEPINTVL if that is
/// longer. Of two the longer: timers run late by little, but what was seen and never reached the
/// prober makes a silence too short by much.
pub(crate) fn idle(probes: &[Probe]) -> Option<Duration> {
    let first = sorted(probes, |wait| matches!(wait, Wait::Idle(_)));
    let repeated = sorted(probes, |wait| matches!(wait, Wait::AfterAnswer(_)));
    let times = if first.is_empty() { repeated } else { first };
    times.get(times.len() / 2).copied()
}

/// The measured TCP_KEEPINTVL of a side: median of the times between a probe without an answer and
/// the next.
pub(crate) fn interval(probes: &[Probe]) -> Option<Duration> {
    let times = sorted(probes, |wait| matches!(wait, Wait::Interval(_)));
    times.get(times.len().saturating_sub(1) / 2).copied()
}

fn sorted(probes: &[Probe], of: impl Fn(&Wait) -> bool) -> Vec<Duration> {
    let waits = probes.iter().map(|probe| probe.wait).filter(of);
    let mut times: Vec<Duration> = waits.filter_map(Wait::duration).collect();
    times.sort_unstable();
    times
}
