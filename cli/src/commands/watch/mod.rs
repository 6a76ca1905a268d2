//! `hopscope watch`.

mod budget;
mod events;
mod feed;
mod printer;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use tracer::flow::FlowTable;
use tracer::live::{Item, Remark, Session, Settings};
use tracer::recording::{Recorder, RecordingError};
use tracer::report::Report;
use tracer::source::Filter;
use tracer::vantage::{Collector, Naming};

use self::events::Events;
use self::feed::{Feed, Wants};
use super::{Outcome, complain};
use crate::args::{Format, Watch};
use crate::render;

/// Longest wait before signals and the deadline are looked at.
const TICK: Duration = Duration::from_millis(50);

/// How to see what the table leaves out.
const HINT: &str = "All of them: --all; one of them: record with -w, then hopscope read --flow ID";

/// Watches until told to stop, then prints the report.
pub(super) fn run(args: &Watch) -> anyhow::Result<Outcome> {
    if let Some(expression) = &args.filter {
        Filter::new(expression)?;
    }
    let settings = Settings {
        ports: args.ports.clone(),
        filter: args.filter.clone(),
        all_segments: args.all_segments,
    };
    let namespaces = args.targets.resolve()?;
    let stop = on_signals()?;
    let mut session = Session::open(namespaces, args.backend.into(), &settings)?;
    // Not before it is known that there is something to record: it overwrites the file.
    let recorder = args.write.as_deref().map(Recorder::create).transpose()?;
    let deadline = args.duration.map(|duration| Instant::now() + duration);
    announce(&session);
    tell_remarks(session.take_remarks());
    let source = format!("live ({})", session.backend());
    let mut watched = Watched::new(args, &source, recorder);
    let stopped = || stop.load(Ordering::Relaxed);
    let over = || deadline.is_some_and(|deadline| deadline <= Instant::now());
    while !stopped() && !over() && !session.is_over() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let tick = left.map_or(TICK, |left| left.min(TICK));
        session.poll(tick, &mut |item| watched.take(&item))?;
        tell_remarks(session.take_remarks());
        if watched.events.is_closed() {
            return Ok(Outcome::Fine);
        }
        watched.pass_on()?;
        watched.collector.retire(args.keep);
    }
    tell_remarks(session.finish(&mut |item| watched.take(&item)));
    watched.finish(args)
}

/// Everything that takes in what is watched.
struct Watched<'a> {
    collector: Collector<Feed>,
    events: Events,
    recorder: Option<Recorder>,
    naming: Naming<'a>,
    /// Something could not be done; it was said.
    outcome: Outcome,
}

impl<'a> Watched<'a> {
    fn new(args: &Watch, source: &'a str, recorder: Option<Recorder>) -> Self {
        let wants = wants(args);
        Self {
            collector: Collector::new(FlowTable::new(0, Feed::new(wants)), None),
            events: Events::new(args.format, wants),
            recorder,
            naming: Naming {
                name: "live",
                source,
                prefixed: false,
            },
            outcome: Outcome::Fine,
        }
    }

    fn take(&mut self, item: &Item<'_>) {
        if let Some(recorder) = &mut self.recorder {
            let recorded = recorder.take(item);
            self.recorded(recorded);
        }
        if let Item::Note(note) = item {
            self.events.note(note);
        }
        // There is no filter that could have no meaning: the session has applied it.
        let taken = self.collector.take(item);
        debug_assert!(taken.is_ok(), "{taken:?}");
        if let Item::Interface(_) = item {
            let names = self.collector.names(&self.naming);
            self.events.name_vantages(names);
        }
    }

    /// Passes on what was taken in: to the eyes and to the disk.
    fn pass_on(&mut self) -> anyhow::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            let flushed = recorder.flush();
            self.recorded(flushed);
        }
        self.events.print(self.collector.table_mut())
    }

    fn recorded(&mut self, result: Result<(), RecordingError>) {
        if let Err(error) = result {
            complain(&format!("{error}; watching goes on"));
            self.outcome = Outcome::CouldNotRun;
        }
    }

    /// Prints the report, and how it went.
    fn finish(mut self, args: &Watch) -> anyhow::Result<Outcome> {
        self.pass_on()?;
        if let Some(recorder) = self.recorder.take() {
            let finished = recorder.finish();
            self.recorded(finished);
        }
        let (gathered, _) = self.collector.finish(&self.naming);
        self.events.finish()?;
        if !records_to_stdout(args) {
            print(args, &Report::new(&[gathered]))?;
        }
        Ok(self.outcome)
    }
}

fn print(args: &Watch, report: &Report) -> anyhow::Result<()> {
    match args.format {
        Format::Table => {
            if !args.quiet {
                writeln!(io::stdout())?;
            }
            render::table(report, args.all, HINT)
        }
        Format::Json => render::json(report),
        Format::Ndjson => render::ndjson(report),
    }
}

fn records_to_stdout(args: &Watch) -> bool {
    args.write.as_deref() == Some(Path::new("-"))
}

fn wants(args: &Watch) -> Wants {
    if args.quiet || args.format == Format::Json || records_to_stdout(args) {
        Wants::Nothing
    } else if args.all_segments {
        Wants::Everything
    } else {
        Wants::Telling
    }
}

/// The first SIGINT or SIGTERM ends the watching, and the report follows; the second one ends
/// everything.
fn on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    // A recording that reaches a limit on the size of files (ulimit -f) is an error like a full disk,
    // as long as this signal does not end the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(stop)
}

/// Says that nothing is missed from now on: whoever started this may go on.
fn announce(session: &Session) {
    let names: Vec<&str> = session
        .namespaces()
        .map(|name| {
            if name.is_empty() {
                "this network namespace"
            } else {
                name
            }
        })
        .collect();
    let names = render::harmless(&names.join(", "));
    let (backend, why) = (session.backend(), render::harmless(session.why()));
    anstream::eprintln!("watching {names} with {backend} ({why})");
}

fn tell_remarks(remarks: Vec<Remark>) {
    for remark in remarks {
        complain(&remark.to_string());
    }
}
