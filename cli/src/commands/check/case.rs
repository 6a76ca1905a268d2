//! One case: its files are read, and what is expected of them is held against the report.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use serde::Serialize;
use tracer::check::{self, Case, Named, Place};
use tracer::log::AccessLog;
use tracer::report::{Given, Report};
use tracer::source::{Capture, Filter, open_file};
use tracer::time::Time;
use tracer::vantage::{Gathered, Naming};

use super::snapshot::{self, Snapshot};

/// What a case's folder holds.
pub(in crate::commands) const FILE: &str = "hopscope.toml";

/// What came of a case.
#[derive(Serialize)]
pub(crate) struct Checked {
    /// Its folder, as it was named.
    pub(crate) case: String,
    /// Its file of expectations.
    pub(crate) file: String,
    /// Why it could not be checked; empty where it could.
    pub(crate) problems: Vec<Problem>,
    /// What came of its expectations.
    pub(crate) outcomes: Vec<check::Outcome>,
    /// The first frame of its captures.
    pub(crate) recorded: Option<Time>,
    /// The whole report, where a snapshot differs or is to be written.
    #[serde(skip)]
    pub(super) snapshot: Option<Snapshot>,
}

/// Why a case could not be checked.
#[derive(Serialize)]
pub(crate) struct Problem {
    /// Where in its file that is written; null where it is not.
    pub(crate) place: Option<Place>,
    /// What is wrong.
    pub(crate) what: String,
}

impl Problem {
    pub(super) const fn of_file(what: String) -> Self {
        Self { place: None, what }
    }

    /// In a line.
    pub(in crate::commands) fn told(&self) -> String {
        match self.place {
            Some(place) => format!("{FILE}:{place}: {}", self.what),
            None => format!("{FILE}: {}", self.what),
        }
    }

    fn at(named: &Named, what: String) -> Self {
        Self {
            place: Some(named.place),
            what,
        }
    }
}

impl Checked {
    pub(super) fn impossible(folder: &Path, problems: Vec<Problem>) -> Self {
        Self {
            case: folder.display().to_string(),
            file: folder.join(FILE).display().to_string(),
            problems,
            outcomes: Vec::new(),
            recorded: None,
            snapshot: None,
        }
    }
}

/// A case and all that it names.
pub(in crate::commands) struct Loaded {
    pub(in crate::commands) case: Case,
    pub(in crate::commands) sources: Vec<Gathered>,
    pub(in crate::commands) given: Given,
}

/// Checks a case. With `bless`, its snapshot is told apart from its expectations.
pub(super) fn check(folder: &Path, bless: bool) -> Checked {
    let Loaded {
        case,
        sources,
        given,
    } = match load(folder) {
        Ok(loaded) => loaded,
        Err(problems) => return Checked::impossible(folder, problems),
    };
    let report = Report::new(&sources, &given);
    let mut outcomes = check::judge(&case, &report, &sources);
    let mut checked = Checked::impossible(folder, Vec::new());
    if let Some(named) = &case.snapshot {
        match snapshot::compare(folder, named, &report) {
            Ok((outcome, found)) => {
                if !bless {
                    outcomes.extend(outcome);
                }
                checked.snapshot = Some(found);
            }
            Err(what) => checked.problems.push(Problem::at(named, what)),
        }
    }
    checked.recorded = report
        .vantages
        .iter()
        .filter_map(|vantage| vantage.first)
        .min();
    checked.outcomes = outcomes;
    checked
}

/// Reads a case and every file that it names.
///
/// # Errors
///
/// All that is wrong with it.
pub(in crate::commands) fn load(folder: &Path) -> Result<Loaded, Vec<Problem>> {
    let path = folder.join(FILE);
    let text = fs::read(&path).map_err(|error| {
        vec![Problem::of_file(format!(
            "cannot read it: {error}; check the permissions"
        ))]
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        vec![Problem::of_file(format!(
            "byte {valid} is not UTF-8; write it as UTF-8"
        ))]
    })?;
    let case = Case::parse(&text).map_err(|faults| {
        let problem = |fault: check::Fault| Problem {
            place: Some(fault.place),
            what: fault.what,
        };
        faults.into_iter().map(problem).collect::<Vec<_>>()
    })?;
    let mut problems = Vec::new();
    let filter = || {
        case.filter
            .as_ref()
            .map(|filter| Filter::new(&filter.value))
    };
    if let (Some(Err(error)), Some(named)) = (filter(), &case.filter) {
        return Err(vec![Problem::at(named, error.to_string())]);
    }
    let recording = case.recording.iter().map(|named| (named, false));
    let captures = recording.chain(case.captures.iter().map(|named| (named, true)));
    let mut sources = Vec::new();
    for (named, prefixed) in captures {
        let naming = Naming {
            name: &named.name,
            source: &named.value,
            prefixed,
        };
        let filter = filter().and_then(Result::ok);
        match read(&folder.join(&named.value), &naming, filter) {
            Ok(source) => sources.push(source),
            Err(what) => problems.push(Problem::at(named, format!("{}: {what}", named.value))),
        }
    }
    let mut given = Given::default();
    if let Some(named) = &case.timeouts
        && let Err(what) = timeouts(folder, named, &mut given)
    {
        problems.push(Problem::at(named, what));
    }
    for named in &case.access_logs {
        match access_log(folder, named) {
            Ok(log) => given.logs.push(log),
            Err(what) => problems.push(Problem::at(named, what)),
        }
    }
    if problems.is_empty() {
        Ok(Loaded {
            case,
            sources,
            given,
        })
    } else {
        Err(problems)
    }
}

/// Reads a capture to its end. One that was cut in the middle of its last record is whole enough:
/// so they all end where the capturing program was killed.
pub(in crate::commands) fn read(
    path: &Path,
    naming: &Naming<'_>,
    filter: Option<Filter>,
) -> Result<Gathered, String> {
    let file = open_file(path).map_err(|error| error.to_string())?;
    let capture = Capture::new(file).map_err(|error| error.to_string())?;
    let (source, ()) =
        tracer::vantage::read(capture, naming, filter, 0, ()).map_err(|error| error.to_string())?;
    let mut damages = source
        .vantages
        .iter()
        .filter_map(|vantage| vantage.damage.as_ref());
    match damages.find(|damage| damage.is_error()) {
        Some(damage) => Err(format!("{damage}; copy or record it again")),
        None => Ok(source),
    }
}

/// Reads a table of timeouts.
fn timeouts(folder: &Path, named: &Named, given: &mut Given) -> Result<(), String> {
    let text = fs::read_to_string(folder.join(&named.value))
        .map_err(|error| format!("{}: cannot read it: {error}", named.value))?;
    let added = given.timeouts.add(&text);
    added.map_err(|error| format!("{}: {error}", named.value))
}

/// Reads an access log. Proxies write other lines in between; a file of nothing else is none.
fn access_log(folder: &Path, named: &Named) -> Result<AccessLog, String> {
    let failed = |error: std::io::Error| format!("{}: cannot read it: {error}", named.value);
    let file = File::open(folder.join(&named.value)).map_err(failed)?;
    let log = AccessLog::read(&named.name, &named.value, BufReader::new(file)).map_err(failed)?;
    match &log.first_unread {
        Some((line, text)) if log.entries.is_empty() => Err(format!(
            "{}: none of its {} lines is of an access log that hopscope reads; the first is line \
             {line}: {text}",
            named.value, log.unread
        )),
        _ => Ok(log),
    }
}
