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
    /// What somebody should know of it.
    pub(crate) notes: Vec<String>,
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
            notes: Vec::new(),
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
    checked.problems.extend(nothing_to_check(&case, &report));
    checked.notes = given.logs.iter().filter_map(unread).collect();
    if let Some(named) = &case.snapshot {
        match snapshot::compare(folder, &case, named, &report) {
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

/// Of captures that show nothing, all that is expected to be absent would hold.
fn nothing_to_check(case: &Case, report: &Report) -> Option<Problem> {
    let segments = report.vantages.iter().any(|vantage| vantage.segments > 0);
    if segments || !report.sockets.is_empty() {
        return None;
    }
    Some(match &case.filter {
        Some(filter) => Problem::at(
            filter,
            "nothing to check: this filter lets no TCP segment of its captures pass".to_owned(),
        ),
        None => Problem::of_file("nothing to check: its captures hold no TCP segment".to_owned()),
    })
}

/// That lines of a log were passed over.
fn unread(log: &AccessLog) -> Option<String> {
    let (line, text) = log.first_unread.as_ref()?;
    Some(format!(
        "{}: {} of its lines are no entries of an access log that hopscope reads; the first is line \
         {line}: {text}",
        log.source, log.unread
    ))
}

/// Reads a case and every file that it names.
///
/// # Errors
///
/// All that is wrong with it.
pub(in crate::commands) fn load(folder: &Path) -> Result<Loaded, Vec<Problem>> {
    let path = folder.join(FILE);
    is_file(&path).map_err(|why| vec![Problem::of_file(why)])?;
    let text = fs::read(&path).map_err(|error| {
        vec![Problem::of_file(format!(
            "cannot read it: {error}; check the permissions"
        ))]
    })?;
    let text = String::from_utf8(text).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        // All before it is UTF-8.
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        vec![Problem {
            place: Some(Place {
                line: before.matches('\n').count() + 1,
                column: line.chars().count() + 1,
            }),
            what: "this is not UTF-8; write the file as UTF-8".to_owned(),
        }]
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
    // The order in which somebody wrote them must not change what flows are called.
    let mut captures: Vec<&Named> = case.captures.iter().collect();
    captures.sort_by(|one, other| one.name.cmp(&other.name));
    let captures = recording.chain(captures.into_iter().map(|named| (named, true)));
    let mut sources = Vec::new();
    for (named, prefixed) in captures {
        let naming = Naming {
            name: &named.name,
            source: &named.value,
            prefixed,
        };
        let filter = filter().and_then(Result::ok);
        match read(&folder.join(&named.value), &naming, filter) {
            Ok(source) => match cut(&source) {
                Some(how) if !case.cut => {
                    let what = format!(
                        "{}: cut in the middle of a frame: {how}; what came after is missing. Record it \
                         again, or write cut = \"allowed\" above the first [table]",
                        named.value
                    );
                    problems.push(Problem::at(named, what));
                }
                _ => sources.push(source),
            },
            Err(what) => problems.push(Problem::at(named, format!("{}: {what}", named.value))),
        }
    }
    let mut given = Given::default();
    if let Some(named) = &case.timeouts
        && let Err(what) = timeouts(folder, named, &mut given)
    {
        problems.push(Problem::at(named, what));
    }
    let mut logs: Vec<&Named> = case.access_logs.iter().collect();
    logs.sort_by(|one, other| one.name.cmp(&other.name));
    for named in logs {
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

/// Where a capture ends in the middle of a record, in words.
pub(in crate::commands) fn cut(source: &Gathered) -> Option<String> {
    let mut damages = source
        .vantages
        .iter()
        .filter_map(|vantage| vantage.damage.as_ref());
    damages.next().map(ToString::to_string)
}

/// That a path leads to a file that ends, and not to a FIFO or a device, where reading may wait for
/// ever.
pub(in crate::commands) fn is_file(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) if found.is_dir() => Err("it is a folder, not a file".to_owned()),
        Ok(_) => Err(
            "it is no regular file, but a FIFO or a device; copy what it gives to a file and \
                      name that"
                .to_owned(),
        ),
        Err(error) => Err(format!(
            "cannot read it: {error}; check the name and the permissions"
        )),
    }
}

/// Reads a capture to its end. One that was cut in the middle of its last record is read, too: so
/// they may all end where the capturing program was killed. [`cut`] says so.
pub(in crate::commands) fn read(
    path: &Path,
    naming: &Naming<'_>,
    filter: Option<Filter>,
) -> Result<Gathered, String> {
    if let (true, Err(what)) = (path.exists(), is_file(path)) {
        return Err(what);
    }
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
    let path = folder.join(&named.value);
    is_file(&path).map_err(|why| format!("{}: {why}", named.value))?;
    let text = fs::read_to_string(path)
        .map_err(|error| format!("{}: cannot read it: {error}", named.value))?;
    let added = given.timeouts.add(&text);
    added.map_err(|error| format!("{}: {error}", named.value))
}

/// Reads an access log. Proxies write other lines in between; a file of nothing else is none.
fn access_log(folder: &Path, named: &Named) -> Result<AccessLog, String> {
    let failed = |error: std::io::Error| format!("{}: cannot read it: {error}", named.value);
    let path = folder.join(&named.value);
    is_file(&path).map_err(|why| format!("{}: {why}", named.value))?;
    let file = File::open(path).map_err(failed)?;
    let log = AccessLog::read(&named.name, &named.value, BufReader::new(file)).map_err(failed)?;
    if log.entries.is_empty() && log.unread == 0 {
        return Err(format!(
            "{}: it is empty: no request was logged; leave it out where none is meant",
            named.value
        ));
    }
    match &log.first_unread {
        Some((line, text)) if log.entries.is_empty() => Err(format!(
            "{}: none of its {} lines is of an access log that hopscope reads; the first is line \
             {line}: {text}",
            named.value, log.unread
        )),
        _ => Ok(log),
    }
}
