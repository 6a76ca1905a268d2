//! Everything that takes in what is watched: the report, the recording, and the events as they come.

use std::io::{self, ErrorKind, Write};
use std::path::Path;

use tracer::live::{Item, Remark};
use tracer::recording::{Recorder, RecordingError};
use tracer::report::{Given, Report};
use tracer::vantage::{Collector, Naming};
use tracer::verdict::Timeouts;

use super::events::Events;
use super::feed::{Feed, Wants};
use crate::args::{Format, Watch};
use crate::commands::{Outcome, complain, known, unprinted};
use crate::render::{self, Wanted};

/// How to see what the table leaves out.
const HINT: &str = "All of them: --all; one of them: record with -w, then hopscope read --flow ID";

/// Flows for which there is room from the beginning: a machine has that much memory to promise.
const MANY: usize = 100_000;

/// What has come of a watch so far.
pub(super) struct Watched<'a> {
    args: &'a Watch,
    naming: Naming<'a>,
    collector: Collector<Feed>,
    events: Events,
    recorder: Option<Recorder>,
    timeouts: Timeouts,
    /// What was said of vantages: name and words.
    remarks: Vec<(String, String)>,
    /// Events cannot be printed; it was said.
    muted: bool,
    /// Something could not be done; it was said.
    outcome: Outcome,
}

impl<'a> Watched<'a> {
    pub(super) fn new(
        args: &'a Watch,
        source: &'a str,
        recorder: Option<Recorder>,
        timeouts: Timeouts,
    ) -> Self {
        let wants = wants(args);
        Self {
            args,
            naming: Naming {
                name: "live",
                source,
                prefixed: false,
            },
            collector: Collector::new(0, Feed::new(wants), None).with_room(args.keep.min(MANY)),
            events: Events::new(args.format, wants),
            recorder,
            timeouts,
            remarks: Vec::new(),
            muted: false,
            outcome: Outcome::Fine,
        }
    }

    pub(super) fn take(&mut self, item: &Item<'_>) {
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

    /// Says what whoever watches must know.
    pub(super) fn remark(&mut self, remarks: Vec<Remark>) {
        for remark in remarks {
            let words = remark.to_string();
            complain(&words);
            if let Some(vantage) = remark.vantage() {
                self.remarks.push((vantage.to_owned(), words));
            }
        }
    }

    /// Passes on what was taken in, to the eyes and to the disk, and lets go what is too much.
    pub(super) fn pass_on(&mut self) -> anyhow::Result<()> {
        if let Some(recorder) = &mut self.recorder {
            let flushed = recorder.flush();
            self.recorded(flushed);
        }
        self.events.print(self.collector.table_mut())?;
        self.say_unprinted();
        self.collector.retire(self.args.keep);
        Ok(())
    }

    /// That events cannot be printed is said once; the report and the recording are worth going on for.
    fn say_unprinted(&mut self) {
        if let Some(error) = self.events.failure().filter(|_| !self.muted) {
            let failure = unprinted(error.kind(), &error.to_string());
            complain(&format!("{failure}; watching goes on"));
            self.muted = true;
            self.outcome = Outcome::CouldNotRun;
        }
    }

    /// Whether anybody still reads what is printed.
    pub(super) fn is_wanted(&self) -> bool {
        !self.events.is_closed()
    }

    fn recorded(&mut self, result: Result<(), RecordingError>) {
        match result {
            Ok(()) => {}
            // Whoever reads the recording has seen enough: that ends the watching, and is no error.
            Err(RecordingError::Write { error, .. })
                if records_to_stdout(self.args) && error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) => {
                complain(&format!("{error}; watching goes on"));
                self.outcome = Outcome::CouldNotRun;
            }
        }
    }

    /// Prints the report. Where libpcap stands in for the probe, the report says why.
    pub(super) fn finish(mut self, no_probe: Option<&str>) -> anyhow::Result<Outcome> {
        self.pass_on()?;
        if let Some(recorder) = self.recorder.take() {
            let finished = recorder.finish();
            self.recorded(finished);
        }
        if records_to_stdout(self.args) || !self.is_wanted() {
            return Ok(self.outcome);
        }
        let (gathered, _) = self.collector.finish(&self.naming);
        if let Some(error) = self.events.finish()?.filter(|_| !self.muted) {
            return Err(error.into());
        }
        let (logs, read) = known::access_logs(&self.args.known);
        let given = Given {
            logs,
            timeouts: self.timeouts,
            explain: self.args.explain,
            ..Given::default()
        };
        let mut report = Report::new(&[gathered], &given);
        known::complain_of_strangers(&report, &given.logs);
        for vantage in &mut report.vantages {
            vantage.remarks.extend(no_probe.map(str::to_owned));
            let own = self
                .remarks
                .iter()
                .filter(|(name, _)| *name == vantage.name);
            vantage.remarks.extend(own.map(|(_, words)| words.clone()));
        }
        name_unwatched(&self.remarks, &mut report);
        print(self.args, &report)?;
        Ok(self.outcome.and(read))
    }
}

/// What could not be watched is no vantage: it is said at one of the same namespace. `remarks` are names
/// and words.
fn name_unwatched(remarks: &[(String, String)], report: &mut Report) {
    let namespace = |name: &str| name.rsplit_once(':').map(|(of, _)| of.to_owned());
    for (name, words) in remarks {
        if report.vantages.iter().any(|vantage| vantage.name == *name) {
            continue;
        }
        let mut vantages = report.vantages.iter_mut();
        let beside = vantages.find(|vantage| namespace(&vantage.name) == namespace(name));
        if let Some(vantage) = beside {
            vantage.remarks.push(words.clone());
        }
    }
}

fn print(args: &Watch, report: &Report) -> anyhow::Result<()> {
    match args.format {
        Format::Table => {
            if !args.quiet {
                writeln!(io::stdout())?;
            }
            render::table(
                report,
                &Wanted {
                    all: args.all,
                    explain: args.explain,
                    hint: HINT,
                },
            )
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
