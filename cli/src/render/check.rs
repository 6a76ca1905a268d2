//! Outcomes of checks: for people, for programs, and as GitHub's annotations.

use std::env;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use tracer::check::{Failure, Outcome};

use super::harmless;
use super::units::count;
use crate::commands::check::{Checked, Problem};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Width of what stands before a line of details.
const LABEL: usize = 10;

/// A line for each expectation, and all that shows why one is not met.
pub(crate) fn text(checked: &[Checked]) -> anyhow::Result<()> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    for case in checked {
        for problem in &case.problems {
            writeln!(
                out,
                "{BAD}ERROR{BAD:#} {}",
                harmless(&located(case, problem))
            )?;
        }
        for note in &case.notes {
            writeln!(out, "note  {}", harmless(&format!("{}: {note}", case.case)))?;
        }
        for outcome in &case.outcomes {
            let title = harmless(&format!("{}: {}", case.case, outcome.name));
            match &outcome.failure {
                None => writeln!(out, "{GOOD}ok{GOOD:#}    {title}")?,
                Some(failure) => {
                    writeln!(out, "{BAD}FAIL{BAD:#}  {title}")?;
                    for line in details(case, failure).lines() {
                        writeln!(out, "      {}", harmless(line))?;
                    }
                }
            }
        }
    }
    writeln!(out, "{}", summary(checked))?;
    Ok(out.flush()?)
}

/// `pcaps/x/hopscope.toml:3:1: what is wrong`.
fn located(case: &Checked, problem: &Problem) -> String {
    match problem.place {
        Some(place) => format!("{}:{place}: {}", case.file, problem.what),
        None => format!("{}: {}", case.file, problem.what),
    }
}

/// What was expected, what was found, and what shows it.
pub(super) fn details(case: &Checked, failure: &Failure) -> String {
    let mut text = String::new();
    let mut lines = |label: &str, lines: &[String]| {
        for (number, line) in lines.iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{label:LABEL$}{line}");
        }
    };
    lines("expected", std::slice::from_ref(&failure.expected));
    lines("found", &failure.found);
    lines("evidence", &failure.evidence);
    lines("at", &[format!("{}:{}", case.file, failure.place)]);
    text
}

/// How many are met and not.
fn numbers(checked: &[Checked]) -> (usize, usize, usize) {
    let outcomes = || checked.iter().flat_map(|case| &case.outcomes);
    let failed = outcomes()
        .filter(|outcome| outcome.failure.is_some())
        .count();
    let broken = checked
        .iter()
        .filter(|case| !case.problems.is_empty())
        .count();
    (outcomes().count() - failed, failed, broken)
}

fn summary(checked: &[Checked]) -> String {
    let (met, failed, broken) = numbers(checked);
    let cases = count(checked.len() as u64, "case");
    let mut text = format!("{cases}: {} met", count(met as u64, "expectation"));
    if failed > 0 {
        let _ = write!(text, ", {BAD}{failed} not met{BAD:#}");
    }
    if broken > 0 {
        let _ = write!(
            text,
            ", {BAD}{} could not be checked{BAD:#}",
            count(broken as u64, "case")
        );
    }
    text
}

/// The outcomes for programs.
#[derive(Serialize)]
struct Document<'a> {
    /// Name and version of this format.
    schema: &'static str,
    met: usize,
    not_met: usize,
    cases_not_checked: usize,
    cases: &'a [Checked],
}

/// One indented document.
pub(crate) fn json(checked: &[Checked]) -> anyhow::Result<()> {
    let (met, not_met, cases_not_checked) = numbers(checked);
    let mut out = BufWriter::new(io::stdout().lock());
    let document = Document {
        schema: "hopscope.check.v1",
        met,
        not_met,
        cases_not_checked,
        cases: checked,
    };
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    Ok(out.flush()?)
}

/// What people read, and an annotation for everything that is wrong
/// (docs.github.com, "Workflow commands", `::error`).
pub(crate) fn github(checked: &[Checked]) -> anyhow::Result<()> {
    text(checked)?;
    let mut out = BufWriter::new(io::stdout().lock());
    for case in checked {
        for problem in &case.problems {
            let place = problem.place.unwrap_or_default();
            let title = "hopscope could not check this case";
            writeln!(
                out,
                "{}",
                annotation(case, (place.line, place.column), title, &problem.what)
            )?;
        }
        let failed = |outcome: &Outcome| {
            Some((
                outcome.name.clone(),
                outcome.place,
                outcome.failure.clone()?,
            ))
        };
        for (name, place, failure) in case.outcomes.iter().filter_map(failed) {
            let message = details(case, &failure);
            writeln!(
                out,
                "{}",
                annotation(case, (place.line, place.column), &name, message.trim_end())
            )?;
        }
    }
    Ok(out.flush()?)
}

fn annotation(
    case: &Checked,
    (line, column): (usize, usize),
    title: &str,
    message: &str,
) -> String {
    // GitHub looks for files from the repository's root, where workflows run.
    let file = Path::new(&case.file);
    let here = env::current_dir().ok();
    let file = here
        .and_then(|here| file.strip_prefix(here).ok())
        .unwrap_or(file);
    let file = file.strip_prefix(".").unwrap_or(file);
    let place = if line == 0 {
        String::new()
    } else {
        format!(",line={line},col={column}")
    };
    format!(
        "::error file={}{place},title={}::{}",
        property(&file.display().to_string()),
        property(title),
        escaped(message)
    )
}

fn escaped(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(harmless).collect();
    lines.join("\n").replace('%', "%25").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}
