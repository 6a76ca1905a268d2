//! What happens while watching, an object each for programs.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tracer::flow::{Side, What};
use tracer::note::{self, Moment, Note, SocketId};
use tracer::report::SocketReport;
use tracer::socket::Process;
use tracer::time::Time;

use super::live::{Happening, Of};

/// A line of ndjson that comes before those of the report.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// What a segment shows.
    Event(EventLine<'a>),
    /// A SYN, captured late, shows that client and server are the other way round than was told.
    RolesSwapped(&'a Of<'a>),
    /// What the kernel tells.
    Note(NoteLine<'a>),
    /// There was more than can be printed; the report counts it all.
    Omitted {
        /// How many events are not told.
        events: u64,
    },
}

/// What a segment shows.
#[derive(Serialize, JsonSchema)]
pub(super) struct EventLine<'a> {
    /// When.
    at: Time,
    #[serde(flatten)]
    of: &'a Of<'a>,
    /// Whose segment.
    by: Side,
    /// Its number in its vantage, from 1; 0 where no single one shows it.
    frame: u64,
    #[serde(flatten)]
    what: Deed,
}

/// What a side did.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Deed {
    /// It asks for a connection.
    Syn {
        /// Which SYN it is, from 1.
        attempt: u32,
    },
    /// It accepts one.
    SynAck,
    /// It had its turn to send data.
    Data {
        /// How many bytes of payload.
        bytes: u64,
        /// When the last of them was seen.
        until: Time,
    },
    /// It probed.
    KeepaliveProbe {
        /// Which probe of a row it is, from 1.
        number: u32,
        /// After how much silence; null where what was before is not known.
        after_s: Option<f64>,
    },
    /// It answered a probe.
    KeepaliveAnswer {
        /// How long after it.
        after_s: f64,
    },
    /// It probed a window of zero.
    ZeroWindowProbe,
    /// It probed while the peer's window was zero, or not known: a zero-window probe or a keepalive
    /// probe, which only what follows will show. The report says which it was.
    Probe,
    /// It takes nothing more in.
    ZeroWindow,
    /// It does again.
    WindowOpened {
        /// How long it did not.
        after_s: f64,
    },
    /// It sent once more.
    Retransmission {
        /// Bytes that had been sent before.
        bytes: u32,
    },
    /// It closes.
    Fin {
        /// It is the first to end the connection.
        first: bool,
    },
    /// It resets.
    Rst {
        /// It is the first to end the connection.
        first: bool,
    },
    /// What this version has no word for.
    Other,
}

/// What the kernel tells of a socket.
#[derive(Serialize, JsonSchema)]
pub(super) struct NoteLine<'a> {
    /// When.
    at: Time,
    /// Name of the namespace, as vantages are named after it.
    namespace: &'a str,
    #[serde(flatten)]
    what: Told<'a>,
}

#[derive(Serialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Told<'a> {
    /// A socket as it was.
    Socket {
        /// Why it was looked at.
        moment: Moment,
        /// As in the report.
        socket: Box<SocketReport>,
    },
    /// A process called close or shutdown, or ended.
    Closed {
        #[serde(flatten)]
        socket: SocketLine,
        /// Which.
        by: &'a Process,
    },
    /// A stack sent a RST.
    ResetSent {
        #[serde(flatten)]
        socket: SocketLine,
        /// The kernel's own word for why, from Linux 6.10 on.
        reason: Option<&'a str>,
    },
    /// A socket took in a RST.
    ResetReceived {
        #[serde(flatten)]
        socket: SocketLine,
    },
    /// A socket sent a segment again.
    Retransmitted {
        #[serde(flatten)]
        socket: SocketLine,
    },
    /// An error waits for a socket's process.
    Error {
        #[serde(flatten)]
        socket: SocketLine,
        /// Its number: 110 is ETIMEDOUT.
        errno: i32,
    },
}

/// Names a socket.
#[derive(Serialize, JsonSchema)]
struct SocketLine {
    /// The kernel's number for it, unique until reboot; null where a segment belonged to none.
    cookie: Option<u64>,
    /// Its own end, `ip:port`, IPv6 in brackets.
    local: String,
    /// The other end.
    peer: String,
}

impl From<&SocketId> for SocketLine {
    fn from(socket: &SocketId) -> Self {
        Self {
            cookie: socket.cookie,
            local: socket.local.to_string(),
            peer: socket.peer.to_string(),
        }
    }
}

impl<'a> NoteLine<'a> {
    fn new(note: &'a Note) -> Self {
        let what = match &note.what {
            note::What::Socket { moment, socket } => Told::Socket {
                moment: *moment,
                socket: Box::new(SocketReport::new(&note.namespace, socket)),
            },
            note::What::Closed { socket, by } => Told::Closed {
                socket: socket.into(),
                by,
            },
            note::What::ResetSent { socket, reason } => Told::ResetSent {
                socket: socket.into(),
                reason: reason.as_deref(),
            },
            note::What::ResetReceived { socket } => Told::ResetReceived {
                socket: socket.into(),
            },
            note::What::Retransmitted { socket } => Told::Retransmitted {
                socket: socket.into(),
            },
            note::What::Error { socket, errno } => Told::Error {
                socket: socket.into(),
                errno: *errno,
            },
        };
        Self {
            at: note.at,
            namespace: &note.namespace,
            what,
        }
    }
}

impl Deed {
    fn new(what: What, first: bool) -> Self {
        let seconds = |time: Duration| time.as_secs_f64();
        match what {
            What::Syn { attempt } => Self::Syn { attempt },
            What::SynAck => Self::SynAck,
            What::Data { bytes, until, .. } => Self::Data { bytes, until },
            What::KeepaliveProbe { number, after } => Self::KeepaliveProbe {
                number,
                after_s: after.map(seconds),
            },
            What::KeepaliveAnswer { after } => Self::KeepaliveAnswer {
                after_s: seconds(after),
            },
            What::ZeroWindowProbe => Self::ZeroWindowProbe,
            What::Probe => Self::Probe,
            What::ZeroWindow => Self::ZeroWindow,
            What::WindowOpened { after } => Self::WindowOpened {
                after_s: seconds(after),
            },
            What::Retransmission { bytes, .. } => Self::Retransmission { bytes },
            What::Fin => Self::Fin { first },
            What::Rst => Self::Rst { first },
            _ => Self::Other,
        }
    }
}

/// Adds the object of what happened.
pub(crate) fn object(out: &mut String, happening: &Happening<'_>) -> serde_json::Result<()> {
    let line = match happening {
        Happening::Event(seen) => Line::Event(EventLine {
            at: seen.event.at,
            of: &seen.of,
            by: seen.event.by,
            frame: seen.event.frame,
            what: Deed::new(seen.event.what, seen.ended_it),
        }),
        Happening::Swapped(of) => Line::RolesSwapped(of),
        Happening::Note(note) => Line::Note(NoteLine::new(note)),
    };
    push(out, &line)
}

/// Adds the object that says that there was more than is printed.
pub(crate) fn omitted(out: &mut String, events: u64) -> serde_json::Result<()> {
    push(out, &Line::Omitted { events })
}

fn push(out: &mut String, line: &Line<'_>) -> serde_json::Result<()> {
    out.push_str(&serde_json::to_string(line)?);
    out.push('\n');
    Ok(())
}
