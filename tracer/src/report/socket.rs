//! A socket in the report.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::Never;
use crate::kernel::{Account, Seen};
use crate::note::Moment;
use crate::segment::Endpoint;
use crate::socket::{Options, Origin, Process, Queues, Reading, Socket, State, Timer, TimerKind};
use crate::time::Time;

/// A TCP socket as the kernel held it when it was read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SocketReport {
    /// Name of the vantage: its network namespace.
    pub vantage: String,
    /// Its own end, `ip:port`, IPv6 in brackets.
    pub local: String,
    /// The other end; null for a listener.
    pub peer: Option<String>,
    /// Its state.
    pub state: State,
    /// The process that holds it, the lowest id where several do; null where none is to be seen.
    pub pid: Option<u32>,
    /// That process's name.
    pub comm: Option<String>,
    /// The other processes that hold it, lowest id first; empty where it was watched, which tells one.
    pub also_held_by: Vec<Process>,
    /// The kernel's number for it, unique until reboot: that of SO_COOKIE and `ss -e`.
    pub cookie: Option<u64>,
    /// What joins it to /proc/PID/fd; null where no process holds it.
    pub inode: Option<u64>,
    /// Bytes waiting; for a listener connections waiting and their limit; null where the kernel keeps
    /// no socket (TIME-WAIT, SYN-RECEIVED).
    pub queues: Option<Queues>,
    /// The timer that fires next; null where none is armed.
    pub timer: Option<TimerReport>,
    /// Options in effect.
    pub options: OptionsReport,
    /// Where each value of `options` comes from; an option that was not read is not in here.
    pub options_origin: BTreeMap<&'static str, Origin>,
    /// Why options were not read, by name.
    pub options_not_read: BTreeMap<&'static str, String>,
    /// What a configuration declares for it. Null: this version reads no configuration.
    pub declared: Option<Never>,
    /// Where options in effect and declared differ. Empty: this version reads no configuration.
    pub drift: Vec<Never>,
    /// When and why it was looked at while watching, by time: what stands above is of the last time,
    /// and what could not be read then, of the last time that it could. Empty where sockets were
    /// read once.
    pub seen: Vec<SeenReport>,
    /// Options when it was established; null where that was not seen.
    pub options_established: Option<OptionsReport>,
    /// Options when it began to close; null where that was not seen.
    pub options_closing: Option<OptionsReport>,
    /// The process that closed it first, by close, shutdown or its end; null where none was seen to.
    pub closed_by: Option<ClosedByReport>,
}

/// A look at a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct SeenReport {
    /// When.
    pub at: Time,
    /// Why.
    pub moment: Moment,
    /// Its state then.
    pub state: State,
}

/// A process that closed a socket.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct ClosedByReport {
    /// When.
    pub at: Time,
    /// The process.
    pub pid: u32,
    /// Its name.
    pub comm: String,
}

/// A timer. The kernel shows one at a time: `retransmit` and `zero_window_probe` hide an armed
/// keepalive timer.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct TimerReport {
    /// What it will do.
    pub kind: TimerKind,
    /// Time left.
    pub left_s: f64,
    /// Retransmissions or probes already out without an answer.
    pub out: u32,
}

/// Values of socket options (`man 7 socket`, `man 7 tcp`); null where not read.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct OptionsReport {
    /// Whether keepalive probes are sent at all.
    pub so_keepalive: Option<bool>,
    /// Silence before the first probe.
    pub tcp_keepidle_s: Option<f64>,
    /// Time between unanswered probes.
    pub tcp_keepintvl_s: Option<f64>,
    /// Unanswered probes before the connection is given up.
    pub tcp_keepcnt: Option<u32>,
    /// How long data may stay unacknowledged; 0 is off.
    pub tcp_user_timeout_s: Option<f64>,
    /// How long close() waits for data to be acknowledged, 0 makes it send a RST; null is off, or not
    /// read (then it is in `options_not_read`).
    pub so_linger_s: Option<f64>,
    /// Whether small segments are sent at once.
    pub tcp_nodelay: Option<bool>,
    /// How long a listener waits for data before it accepts; 0 is off.
    pub tcp_defer_accept_s: Option<f64>,
    /// The congestion control algorithm.
    pub tcp_congestion: Option<String>,
}

impl SocketReport {
    /// The report on a socket of the namespace called `vantage`.
    #[must_use]
    pub fn new(vantage: &str, socket: &Socket) -> Self {
        let (options, options_origin, options_not_read) = taken_apart(&socket.options);
        let owner = socket.owner.as_ref();
        Self {
            vantage: vantage.to_owned(),
            local: socket.local.to_string(),
            peer: socket.peer.as_ref().map(Endpoint::to_string),
            state: socket.state,
            pid: owner.map(|owner| owner.pid),
            comm: owner.map(|owner| owner.comm.clone()),
            also_held_by: socket.also_held_by.clone(),
            cookie: socket.cookie,
            inode: socket.inode,
            queues: socket.queues,
            timer: socket.timer.map(TimerReport::from),
            options,
            options_origin,
            options_not_read,
            declared: None,
            drift: Vec::new(),
            seen: Vec::new(),
            options_established: None,
            options_closing: None,
            closed_by: None,
        }
    }

    /// The report on a socket that was watched; `None` where it was told of and never looked at.
    pub(super) fn watched(vantage: &str, account: &Account) -> Option<Self> {
        let mut socket = (*account.seen.last()?.socket).clone();
        for earlier in account.seen.iter().rev().map(|seen| &seen.socket) {
            Arc::make_mut(&mut socket.options).complete(&earlier.options);
            socket.owner = socket.owner.or_else(|| earlier.owner.clone());
            socket.inode = socket.inode.or(earlier.inode);
        }
        socket.local = account.local;
        socket.peer = account.peer;
        let options = |moment| {
            let seen = account.at(moment)?;
            Some(taken_apart(&seen.socket.options).0)
        };
        Some(Self {
            seen: account.seen.iter().map(SeenReport::from).collect(),
            options_established: options(Moment::Established),
            options_closing: options(Moment::Closing),
            closed_by: account.closed_by().map(|(at, by)| ClosedByReport {
                at,
                pid: by.pid,
                comm: by.comm.clone(),
            }),
            ..Self::new(vantage, &socket)
        })
    }
}

impl From<&Seen> for SeenReport {
    fn from(seen: &Seen) -> Self {
        Self {
            at: seen.at,
            moment: seen.moment,
            state: seen.socket.state,
        }
    }
}

impl From<Timer> for TimerReport {
    fn from(timer: Timer) -> Self {
        Self {
            kind: timer.kind,
            left_s: seconds(timer.left),
            out: timer.out,
        }
    }
}

/// Seconds, to the millisecond: so the kernel tells them, and 1.14 shall not read 1.1400000000000001.
fn seconds(time: Duration) -> f64 {
    time.as_millis() as f64 / 1e3
}

/// Sorts readings into values, origins and reasons.
#[derive(Default)]
struct Sorter {
    origin: BTreeMap<&'static str, Origin>,
    not_read: BTreeMap<&'static str, String>,
}

impl Sorter {
    fn value<T: Clone>(&mut self, name: &'static str, reading: &Reading<T>) -> Option<T> {
        match reading {
            Reading::Read { value, origin } => {
                self.origin.insert(name, *origin);
                Some(value.clone())
            }
            Reading::NotRead { reason } => {
                self.not_read.insert(name, reason.clone());
                None
            }
        }
    }

    fn seconds(&mut self, name: &'static str, reading: &Reading<Duration>) -> Option<f64> {
        self.value(name, reading).map(seconds)
    }
}

type TakenApart = (
    OptionsReport,
    BTreeMap<&'static str, Origin>,
    BTreeMap<&'static str, String>,
);

/// Names are those of the fields of [`OptionsReport`].
fn taken_apart(options: &Options) -> TakenApart {
    let mut sorter = Sorter::default();
    let values = OptionsReport {
        so_keepalive: sorter.value("so_keepalive", &options.keepalive),
        tcp_keepidle_s: sorter.seconds("tcp_keepidle_s", &options.keepidle),
        tcp_keepintvl_s: sorter.seconds("tcp_keepintvl_s", &options.keepintvl),
        tcp_keepcnt: sorter.value("tcp_keepcnt", &options.keepcnt),
        tcp_user_timeout_s: sorter.seconds("tcp_user_timeout_s", &options.user_timeout),
        so_linger_s: sorter
            .value("so_linger_s", &options.linger)
            .flatten()
            .map(seconds),
        tcp_nodelay: sorter.value("tcp_nodelay", &options.nodelay),
        tcp_defer_accept_s: sorter.seconds("tcp_defer_accept_s", &options.defer_accept),
        tcp_congestion: sorter.value("tcp_congestion", &options.congestion),
    };
    (values, sorter.origin, sorter.not_read)
}
