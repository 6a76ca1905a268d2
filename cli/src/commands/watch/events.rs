//! What happens, on its way to standard output.

use std::io;
use std::time::Instant;

use tracer::flow::{Event, FlowId, FlowTable, Trails, What};
use tracer::note::{self, Note};
use tracer::time::Time;

use super::budget::Budget;
use super::feed::{Feed, Told, Wants};
use super::printer::Printer;
use crate::args::Format;
use crate::render::happened;
use crate::render::live::{Columns, Happening, Of, Seen};

/// Prints events and notes as they come, not more than can be read.
pub(super) struct Events {
    format: Format,
    columns: Columns,
    budget: Budget,
    printer: Printer,
    /// Names of the interfaces, by their place.
    vantages: Vec<String>,
    notes: Vec<Note>,
    wants: Wants,
}

/// What happened, not yet put into words: most of it may not be printed.
enum Raw<'a> {
    Event(FlowId, Event),
    Swapped(FlowId),
    Note(&'a Note),
}

impl Events {
    pub(super) fn new(format: Format, wants: Wants) -> Self {
        Self {
            format,
            columns: Columns::new(),
            budget: Budget::new(Instant::now()),
            printer: Printer::start(),
            vantages: Vec::new(),
            notes: Vec::new(),
            wants,
        }
    }

    /// Vantages are called that from now on.
    pub(super) fn name_vantages(&mut self, names: Vec<String>) {
        self.columns.several = names.len() > 1;
        self.vantages = names;
    }

    /// The kernel told something.
    pub(super) fn note(&mut self, note: &Note) {
        if self.wants != Wants::Nothing {
            self.notes.push(note.clone());
        }
    }

    /// Prints what was told since the last time.
    pub(super) fn print(&mut self, table: &mut FlowTable<(Trails, Feed)>) -> anyhow::Result<()> {
        let mut text = String::new();
        if let Some(omitted) = self.budget.renew(Instant::now()) {
            self.say_omitted(&mut text, omitted)?;
        }
        let told = table.observer_mut().1.take();
        let notes = std::mem::take(&mut self.notes);
        let mut printed = 0;
        for raw in in_order(told, &notes) {
            if self.budget.allows(is_telling(&raw))
                && let Some(happening) = happening(&raw, table, &self.vantages)
            {
                printed += 1;
                match self.format {
                    Format::Ndjson => happened::object(&mut text, &happening)?,
                    _ => self.columns.write(&mut text, &happening),
                }
            }
        }
        if !text.is_empty() && !self.printer.print(text) {
            self.budget.omit(printed);
        }
        Ok(())
    }

    /// Whether nobody reads what is printed any more.
    pub(super) fn is_closed(&self) -> bool {
        self.printer.is_closed()
    }

    /// Why nothing is printed any more, where somebody would still read it.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.printer.failure()
    }

    /// Waits until everything is printed; or why it was not, as [`Events::failure`] says.
    pub(super) fn finish(mut self) -> anyhow::Result<Option<io::Error>> {
        if let Some(omitted) = self.budget.left_out() {
            let mut text = String::new();
            self.say_omitted(&mut text, omitted)?;
            self.printer.print(text);
        }
        Ok(self.printer.finish())
    }

    fn say_omitted(&self, text: &mut String, omitted: u64) -> serde_json::Result<()> {
        match self.format {
            Format::Ndjson => happened::omitted(text, omitted),
            _ => {
                Columns::omitted(text, omitted);
                Ok(())
            }
        }
    }
}

/// By time; what has no time of its own stays behind what it followed.
fn in_order(told: Vec<Told>, notes: &[Note]) -> impl Iterator<Item = Raw<'_>> {
    let mut latest: Option<Time> = None;
    let events = told.into_iter().map(|told| match told {
        Told::Event(flow, event) => {
            latest = Some(event.at);
            (latest, Raw::Event(flow, event))
        }
        Told::Swapped(flow) => (latest, Raw::Swapped(flow)),
    });
    let mut all: Vec<(Option<Time>, Raw<'_>)> = events.collect();
    all.extend(notes.iter().map(|note| (Some(note.at), Raw::Note(note))));
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, raw)| raw)
}

/// More than what every connection does.
fn is_telling(raw: &Raw<'_>) -> bool {
    match raw {
        Raw::Event(_, event) => !matches!(
            event.what,
            What::Syn { attempt: 1 } | What::SynAck | What::Fin | What::Data { .. }
        ),
        Raw::Swapped(_) => false,
        Raw::Note(note) => !matches!(
            note.what,
            note::What::Socket { .. } | note::What::Closed { .. }
        ),
    }
}

fn happening<'a>(
    raw: &Raw<'a>,
    table: &FlowTable<(Trails, Feed)>,
    vantages: &'a [String],
) -> Option<Happening<'a>> {
    match *raw {
        Raw::Event(id, event) => {
            let flow = table.flow(id)?;
            let first = flow.ending().map(|ending| *ending.closing());
            let is_first =
                |frame| event.frame == frame && matches!(event.what, What::Fin | What::Rst);
            Some(Happening::Event(Seen {
                of: of(id, table, vantages)?,
                event,
                ended_it: first.is_some_and(|first| is_first(first.frame)),
            }))
        }
        Raw::Swapped(id) => Some(Happening::Swapped(of(id, table, vantages)?)),
        Raw::Note(note) => Some(Happening::Note(note)),
    }
}

fn of<'a>(id: FlowId, table: &FlowTable<(Trails, Feed)>, vantages: &'a [String]) -> Option<Of<'a>> {
    let flow = table.flow(id)?;
    let vantage = vantages.get(flow.vantage() as usize)?;
    let [client, server] = [tracer::flow::Side::Client, tracer::flow::Side::Server]
        .map(|side| flow.endpoint(side).to_string());
    Some(Of {
        vantage,
        flow: id,
        client,
        server,
    })
}
