//! Whole reports as they were blessed.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use similar::TextDiff;
use tracer::check::{Case, Failure, Named, Outcome};
use tracer::report::Report;

use super::case::{Checked, FILE, Problem};
use super::unless_closed;

/// A report and the file that it should be in.
pub(crate) struct Snapshot {
    path: PathBuf,
    report: String,
    /// How the file differs; empty where it does not.
    difference: Vec<String>,
}

/// Lines of a difference that an outcome shows.
const SHOWN: usize = 60;

/// Holds a report against its snapshot. What a report says depends on the captures alone: sources
/// are named by their paths from the case's folder.
pub(super) fn compare(
    folder: &Path,
    case: &Case,
    named: &Named,
    report: &Report,
) -> Result<(Option<Outcome>, Snapshot), String> {
    let path = file(folder, case, named)?;
    let blessed = blessed(&path).map_err(|why| format!("{}: {why}", named.value))?;
    let report = serde_json::to_string_pretty(report)
        .map_err(|error| format!("{}: {error}", named.value))?
        + "\n";
    let difference = difference(blessed.as_deref().unwrap_or_default(), &report);
    let failure = (!difference.is_empty()).then(|| Failure {
        place: named.place,
        expected: format!("the report to be as in {}", named.value),
        found: if blessed.is_none() {
            vec!["there is no such file; 'hopscope check --bless' writes it".to_owned()]
        } else {
            shown(&difference)
        },
        evidence: Vec::new(),
    });
    let outcome = Outcome {
        name: format!("the report is as in {}", named.value),
        place: named.place,
        selected: 1,
        failure,
    };
    let snapshot = Snapshot {
        path,
        report,
        difference,
    };
    Ok((Some(outcome), snapshot))
}

/// A snapshot is written over: it must be a file of its own, in the folder of its case.
fn file(folder: &Path, case: &Case, named: &Named) -> Result<PathBuf, String> {
    let name = named.value.as_str();
    let mut parts = Path::new(name).components();
    if !matches!(
        (parts.next(), parts.next()),
        (Some(Component::Normal(part)), None) if part == name
    ) {
        return Err(format!(
            "{name}: a snapshot is written over; name a file in the case's own folder, such as \
             snapshot = \"report.json\""
        ));
    }
    let files = case.recording.iter().chain(&case.captures);
    let mut files = files.chain(&case.access_logs).chain(&case.timeouts);
    let same = |one: &Path, other: &Path| match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    };
    let path = folder.join(name);
    if same(&path, &folder.join(FILE)) || files.any(|file| same(&path, &folder.join(&file.value))) {
        return Err(format!(
            "{name}: a snapshot is written over, and this file is another part of the case; name \
             another, such as snapshot = \"report.json\""
        ));
    }
    Ok(path)
}

/// A report of all connections that hopscope can follow is smaller.
const MOST_BYTES: u64 = 1 << 30;

/// What was blessed, where anything was.
fn blessed(path: &Path) -> Result<Option<String>, String> {
    let failed = |error: io::Error| format!("cannot read it: {error}; check the permissions");
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => {
            return Err(
                "it is a symbolic link; a snapshot is written over, so name a file".to_owned(),
            );
        }
        Ok(found) if !found.is_file() => {
            return Err("it is no regular file; name another for the snapshot".to_owned());
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let mut text = String::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MOST_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(
            "it is larger than 1 GiB, as no report is; name another for the snapshot".to_owned(),
        );
    }
    Ok(Some(text))
}

/// Lines that differ, with three around them.
fn difference(before: &str, after: &str) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let diff = TextDiff::from_lines(before, after);
    let unified = diff.unified_diff().context_radius(3).to_string();
    unified.lines().map(str::to_owned).collect()
}

fn shown(difference: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = difference.iter().take(SHOWN).cloned().collect();
    if difference.len() > SHOWN {
        lines.push(format!("and {} more lines", difference.len() - SHOWN));
    }
    lines
}

fn show(path: &str, difference: &[String]) -> anyhow::Result<()> {
    let mut out = anstream::stderr().lock();
    writeln!(out, "{}", crate::render::harmless(path))?;
    for line in difference {
        writeln!(out, "{}", crate::render::harmless(line))?;
    }
    Ok(())
}

/// Shows how each report differs from its snapshot, then writes it.
pub(super) fn bless(checked: &mut [Checked]) -> anyhow::Result<()> {
    let named = checked.iter().any(|case| case.snapshot.is_some());
    let possible = checked.iter().any(|case| case.problems.is_empty());
    anyhow::ensure!(
        named || !possible,
        "no case names a snapshot to bless: write snapshot = \"report.json\" above the first \
         [table] of its hopscope.toml"
    );
    for case in checked {
        let Some(snapshot) = &case.snapshot else {
            continue;
        };
        if snapshot.difference.is_empty() {
            continue;
        }
        let path = snapshot.path.display().to_string();
        unless_closed(show(&path, &snapshot.difference))?;
        if let Err(error) = fs::write(&snapshot.path, &snapshot.report) {
            let what = format!("{path}: cannot write it: {error}");
            case.problems.push(Problem::of_file(what));
        }
    }
    Ok(())
}
