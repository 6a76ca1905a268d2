//! `hopscope watch`.

mod budget;
mod events;
mod feed;
mod printer;
mod standin;

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use tracer::flow::FlowTable;
use tracer::live::{Item, Session, Settings, vantage};
use tracer::report::Report;
use tracer::source::Filter;

use self::events::Events;
use self::feed::{Feed, Wants};
use self::standin::Collector;
use super::{Outcome, complain};
use crate::args::{Format, Watch};
use crate::render;

/// Longest wait before signals and the deadline are looked at.
const TICK: Duration = Duration::from_millis(50);

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
    let deadline = args.duration.map(|duration| Instant::now() + duration);
    announce(&session);
    tell_remarks(&mut session);
    let wants = wants(args);
    let mut watched = Watched {
        collector: Collector::new(FlowTable::new(0, Feed::new(wants))),
        events: Events::new(args.format, wants),
    };
    let stopped = || stop.load(Ordering::Relaxed);
    let over = || deadline.is_some_and(|deadline| deadline <= Instant::now());
    while !stopped() && !over() && !session.is_over() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let tick = left.map_or(TICK, |left| left.min(TICK));
        session.poll(tick, &mut |item| watched.take(&item))?;
        tell_remarks(&mut session);
        watched.events.print(&mut watched.collector.table)?;
        if watched.events.is_closed() {
            return Ok(Outcome::Fine);
        }
    }
    let source = format!("live ({})", session.backend());
    for remark in session.finish(&mut |item| watched.take(&item)) {
        complain(&remark.to_string());
    }
    watched.events.print(&mut watched.collector.table)?;
    let (gathered, _) = watched.collector.finish(&source);
    watched.events.finish()?;
    report(args, &Report::new(vec![gathered]))
}

struct Watched {
    collector: Collector<Feed>,
    events: Events,
}

impl Watched {
    fn take(&mut self, item: &Item<'_>) {
        match item {
            Item::Interface(interface) => {
                let name = |name: &Option<String>| name.clone().unwrap_or_default();
                let name = vantage(&name(&interface.namespace), &name(&interface.name));
                self.events.vantage(name);
            }
            Item::Note(note) => self.events.note(note),
            _ => {}
        }
        self.collector.take(item);
    }
}

fn report(args: &Watch, report: &Report) -> anyhow::Result<Outcome> {
    match args.format {
        Format::Table => {
            if !args.quiet {
                writeln!(io::stdout())?;
            }
            render::table(report, args.all)?;
        }
        Format::Json => render::json(report)?,
        Format::Ndjson => render::ndjson(report)?,
    }
    Ok(Outcome::Fine)
}

fn wants(args: &Watch) -> Wants {
    if args.quiet || args.format == Format::Json {
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

fn tell_remarks(session: &mut Session) {
    for remark in session.take_remarks() {
        complain(&remark.to_string());
    }
}
