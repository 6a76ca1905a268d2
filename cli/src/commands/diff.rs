//! `hopscope diff`.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tracer::compare::{Tolerance, compare};
use tracer::report::{Given, Report};
use tracer::vantage::Naming;

use super::check::{captured, case};
use super::input::plain;
use super::read::ENDINGS;
use super::{Outcome, complain, unless_closed};
use crate::args::{Diff, DiffFormat};
use crate::render;

/// Prints what changed between two.
pub(super) fn run(args: &Diff) -> anyhow::Result<Outcome> {
    let told = |path: &Path| format!("{}", path.display());
    let before = report(&args.before).with_context(|| told(&args.before))?;
    let after = report(&args.after).with_context(|| told(&args.after))?;
    ensure!(
        !is_empty(&before) || !is_empty(&after),
        "nothing to compare: neither {} nor {} holds a TCP segment or a socket",
        told(&args.before),
        told(&args.after)
    );
    for (path, report) in [(&args.before, &before), (&args.after, &after)] {
        for cut in cuts(report) {
            complain(&format!(
                "{}: {cut}; what came after is not compared",
                told(path)
            ));
        }
    }
    let tolerance = Tolerance {
        part: args.tolerance / 100.0,
    };
    let differences = compare(&before, &after, tolerance)?;
    let (before, after) = (told(&args.before), told(&args.after));
    let printed = match args.format {
        DiffFormat::Table => render::diff::table(&before, &after, &differences),
        DiffFormat::Json => render::diff::json(&before, &after, &differences),
    };
    unless_closed(printed)?;
    if differences.is_empty() {
        Ok(Outcome::Fine)
    } else {
        Ok(Outcome::NotMet)
    }
}

fn list<'v>(report: &'v Value, name: &str) -> &'v [Value] {
    report[name].as_array().map_or(&[], Vec::as_slice)
}

/// Whether a report says nothing of any connection.
fn is_empty(report: &Value) -> bool {
    list(report, "flows").is_empty() && list(report, "sockets").is_empty()
}

/// Captures that were cut, in words.
fn cuts(report: &Value) -> impl Iterator<Item = String> {
    let cut = |vantage: &Value| {
        let damage = vantage["damage"].as_str()?;
        Some(format!("{}: {damage}", vantage["name"].as_str()?))
    };
    list(report, "vantages").iter().filter_map(cut)
}

/// The report on what a path names, as JSON.
fn report(path: &Path) -> anyhow::Result<Value> {
    if path.join(case::FILE).exists() {
        let loaded = case::load(path).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(case::Problem::told).collect();
            anyhow::anyhow!("{}", lines.join("; "))
        })?;
        return json(&Report::new(&loaded.sources, &loaded.given));
    }
    if path.is_dir() {
        let captured = captured::folder(path)?;
        return json(&Report::new(&captured.sources, &captured.given));
    }
    case::is_file(path).map_err(anyhow::Error::msg)?;
    // A capture never begins as JSON does: its magic numbers are none of those characters.
    if begins_as_json(path)? {
        let text = fs::read(path).context("cannot read it")?;
        let report: Value = serde_json::from_slice(&text).context("it is no JSON document")?;
        // Says what is wrong with it before the other one is read.
        compare(&report, &report, Tolerance::default())?;
        return Ok(report);
    }
    let name = plain(path, &ENDINGS);
    let naming = Naming {
        name: &name,
        source: &path.to_string_lossy(),
        prefixed: false,
    };
    match case::read(path, &naming, None) {
        Ok(source) => json(&Report::new(&[source], &Given::default())),
        Err(why) => bail!(why),
    }
}

fn json(report: &Report) -> anyhow::Result<Value> {
    Ok(serde_json::to_value(report)?)
}

fn begins_as_json(path: &Path) -> anyhow::Result<bool> {
    use std::io::Read;
    let file =
        fs::File::open(path).context("cannot open it; check the name and the permissions")?;
    let mut beginning = Vec::new();
    file.take(64)
        .read_to_end(&mut beginning)
        .context("cannot read it")?;
    let first = beginning.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(first == Some(&b'{') || first == Some(&b'['))
}
