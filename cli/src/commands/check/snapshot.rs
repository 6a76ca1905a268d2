//! Whole reports as they were blessed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use similar::TextDiff;
use tracer::check::{Failure, Named, Outcome};
use tracer::report::Report;

use super::case::{Checked, Problem};

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
    named: &Named,
    report: &Report,
) -> Result<(Option<Outcome>, Snapshot), String> {
    let path = folder.join(&named.value);
    let blessed = match fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(format!("{}: cannot read it: {error}", named.value)),
    };
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
        let mut out = anstream::stderr().lock();
        writeln!(out, "{}", crate::render::harmless(&path))?;
        for line in &snapshot.difference {
            writeln!(out, "{}", crate::render::harmless(line))?;
        }
        if let Err(error) = fs::write(&snapshot.path, &snapshot.report) {
            let what = format!("{path}: cannot write it: {error}");
            case.problems.push(Problem::of_file(what));
        }
    }
    Ok(())
}
