//! What happens while watching, a line each: for people, and for programs.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;
use tracer::flow::{Event, FlowId, Side, What};
use tracer::note::{self, Note, SocketId};
use tracer::time::Time;

use super::units::grouped;
use super::{harmless, wording};

/// Something that happened.
pub(crate) enum Happening<'a> {
    /// Seen in segments.
    Event(Seen<'a>),
    /// A SYN, captured late, shows that client and server are the other way round than was told.
    Swapped(Of<'a>),
    /// Told by the kernel.
    Note(&'a Note),
}

/// The flow that something happened on.
#[derive(Serialize)]
pub(crate) struct Of<'a> {
    pub(crate) vantage: &'a str,
    pub(crate) flow: FlowId,
    pub(crate) client: String,
    pub(crate) server: String,
}

/// An event, and the flow that it belongs to.
pub(crate) struct Seen<'a> {
    pub(crate) of: Of<'a>,
    pub(crate) event: Event,
    /// It is the FIN or RST that came first.
    pub(crate) ended_it: bool,
}

/// Lines for people, in columns that grow with what was seen.
pub(crate) struct Columns {
    /// Vantages are named.
    pub(crate) several: bool,
    vantage: usize,
    flow: usize,
}

impl Columns {
    pub(crate) const fn new() -> Self {
        Self {
            several: false,
            vantage: 0,
            flow: 0,
        }
    }

    /// Adds the line of what happened; none for what tells a person nothing new.
    pub(crate) fn write(&mut self, out: &mut String, happening: &Happening<'_>) {
        match happening {
            Happening::Event(Seen {
                of,
                event,
                ended_it,
            }) => {
                let first = if *ended_it { wording::FIRST_TO_END } else { "" };
                let what = wording::what(event.what);
                let by = event.by.name();
                self.line(out, event.at, of, &format!("{by} {what}{first}"));
            }
            Happening::Swapped(of) => {
                let what = "the SYN, captured late, shows who is client and who server";
                let client = format!("{} -> {}", of.client, of.server);
                self.pad(out, "", of.vantage, &client, what);
            }
            Happening::Note(note) => {
                if let Some((socket, what)) = told(&note.what) {
                    let flow = format!("{} <> {}", socket.local, socket.peer);
                    let what = format!("kernel: {}", harmless(&what));
                    self.pad(out, &moment(note.at), &note.namespace, &flow, &what);
                }
            }
        }
    }

    /// Says that there was more than is shown.
    pub(crate) fn omitted(out: &mut String, events: u64) {
        // Writing to a string does not fail, here and below.
        let _ = writeln!(
            out,
            "... {} more events; the report counts them all",
            grouped(events)
        );
    }

    fn line(&mut self, out: &mut String, at: Time, of: &Of<'_>, what: &str) {
        let flow = format!("{} -> {}", of.client, of.server);
        self.pad(out, &moment(at), of.vantage, &flow, what);
    }

    fn pad(&mut self, out: &mut String, at: &str, vantage: &str, flow: &str, what: &str) {
        let _ = write!(out, "{at:27}  ");
        if self.several {
            let vantage = harmless(vantage);
            self.vantage = self.vantage.max(vantage.chars().count());
            let _ = write!(out, "{vantage:width$}  ", width = self.vantage);
        }
        self.flow = self.flow.max(flow.len());
        let _ = writeln!(out, "{flow:width$}  {what}", width = self.flow);
    }
}

/// RFC 3339, cut to microseconds.
fn moment(at: Time) -> String {
    let text = at.to_string();
    text.get(..26)
        .map_or_else(|| text.clone(), |text| format!("{text}Z"))
}

/// What the kernel tells, in words, and of which socket; sockets as such and what segments show as
/// well is left to the report.
fn told(what: &note::What) -> Option<(&SocketId, String)> {
    match what {
        note::What::Closed { socket, by } => {
            Some((socket, format!("closed by {}/{}", by.comm, by.pid)))
        }
        note::What::ResetSent { socket, reason } => {
            let reason = reason.as_deref();
            let reason = reason.map(|reason| format!(", reason {reason}"));
            Some((socket, format!("RST sent{}", reason.unwrap_or_default())))
        }
        note::What::ResetReceived { socket } => Some((socket, "RST received".to_owned())),
        note::What::Error { socket, errno } => {
            Some((socket, format!("error {}", wording::errno_name(*errno))))
        }
        note::What::Socket { .. } | note::What::Retransmitted { .. } => None,
    }
}

/// A line for programs.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Event(EventLine<'a>),
    RolesSwapped(&'a Of<'a>),
    Note(&'a Note),
    Omitted { events: u64 },
}

#[derive(Serialize)]
struct EventLine<'a> {
    at: Time,
    #[serde(flatten)]
    of: &'a Of<'a>,
    by: Side,
    frame: u64,
    #[serde(flatten)]
    what: Deed,
}

/// What a side did, as programs read it.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Deed {
    Syn { attempt: u32 },
    SynAck,
    Data { bytes: u64, until: Time },
    KeepaliveProbe { number: u32, after_s: Option<f64> },
    KeepaliveAnswer { after_s: f64 },
    ZeroWindowProbe,
    ZeroWindow,
    WindowOpened { after_s: f64 },
    Retransmission { bytes: u32 },
    Fin { first: bool },
    Rst { first: bool },
    Other,
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
        Happening::Note(note) => Line::Note(note),
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
