//! What happens while watching, a line each for people.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;
use tracer::flow::{Event, FlowId};
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
#[derive(Serialize, JsonSchema)]
pub(crate) struct Of<'a> {
    /// Name of the vantage.
    pub(crate) vantage: &'a str,
    /// Number of the flow, as in the report.
    pub(crate) flow: FlowId,
    /// Its client, `ip:port`, IPv6 in brackets.
    pub(crate) client: String,
    /// Its server.
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
