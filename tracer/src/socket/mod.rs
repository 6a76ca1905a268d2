//! Sockets as the kernel holds them: their state, owner, timer and the options really in effect.

mod defaults;
mod fields;
mod options;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::defaults::Defaults;
pub(crate) use self::fields::{Reader, hz};
pub use self::options::{LONGEST_LINGER, Options, Origin, Reading};
use crate::segment::Endpoint;

/// A TCP socket of a namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Socket {
    /// Its own end; the unspecified address where it listens on all.
    pub local: Endpoint,
    /// The other end; `None` for a listener.
    pub peer: Option<Endpoint>,
    /// A socket of its namespace listened on its own end, which so had accepted it; nothing did, so that it
    /// had asked. Known of those that were there when all of them were looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<bool>,
    /// Its state.
    pub state: State,
    /// The kernel's number for it, unique until reboot: the same in `ss -e`, SO_COOKIE and
    /// `bpf_get_socket_cookie`.
    pub cookie: Option<u64>,
    /// The inode that joins it to /proc/PID/fd; `None` where no process holds it any more.
    pub inode: Option<u64>,
    /// A process that holds it; the first one where several do.
    pub owner: Option<Process>,
    /// The other processes that hold it, lowest id first: of a server that forks each of its workers. Known
    /// where sockets are looked at once; notes tell of one owner.
    #[serde(skip)]
    pub also_held_by: Vec<Process>,
    /// Bytes waiting; for a listener connections waiting and their limit. `None` where not read.
    pub queues: Option<Queues>,
    /// The timer that will fire next, where one is armed and it could be read.
    pub timer: Option<Timer>,
    /// Its options; those of most sockets are the same.
    pub options: Arc<Options>,
}

/// A process, by the name of its thread where the kernel tells it at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Process {
    /// Its id, as seen from where hopscope runs.
    pub pid: u32,
    /// Its name, as in /proc/PID/comm.
    pub comm: String,
}

/// States of a connection, as RFC 9293 section 3.3.2 names them, and Linux's NEW-SYN-RECV.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "SCREAMING-KEBAB-CASE")]
pub enum State {
    /// Data flows.
    Established,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received.
    SynReceived,
    /// A FIN was sent.
    #[serde(rename = "FIN-WAIT-1")]
    FinWait1,
    /// A FIN was sent and acknowledged.
    #[serde(rename = "FIN-WAIT-2")]
    FinWait2,
    /// Both FINs were exchanged; waiting for stray segments.
    TimeWait,
    /// No connection.
    Closed,
    /// A FIN was received; the process has not closed yet.
    CloseWait,
    /// A FIN was received, then sent.
    LastAck,
    /// Waiting for connections.
    Listen,
    /// Both FINs crossed.
    Closing,
}

/// Bytes (or connections) waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Queues {
    /// Received and not read by the process; for a listener: connections not accepted yet.
    pub receive: u32,
    /// Sent and not acknowledged, or not sent yet; for a listener: the limit (backlog).
    pub send: u32,
}

/// A timer of a socket. The kernel shows one at a time: `retransmit` and `zero_window_probe` hide an
/// armed keepalive timer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// What it will do.
    pub kind: TimerKind,
    /// Time left.
    pub left: Duration,
    /// Retransmissions, keepalive probes or zero-window probes already out without an answer.
    pub out: u32,
}

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// Sends again what was not acknowledged.
    Retransmit,
    /// Sends the next keepalive probe.
    Keepalive,
    /// Ends TIME-WAIT, or FIN-WAIT-2 of a socket that no process holds any more.
    TimeWait,
    /// Probes a window of zero.
    ZeroWindowProbe,
}
