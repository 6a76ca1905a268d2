//! Verdicts for people: what went wrong in full, the most serious first; what did not in one line.

mod explain;
mod groups;
mod words;

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use tracer::report::{Report, VerdictReport};
use tracer::verdict::Confidence;

use self::groups::Group;
use super::paragraph::{Labelled, wrapped};
use super::{Wanted, harmless};

/// So many kinds of alarm are told in full, the others in a line each.
const IN_FULL: usize = 4;
/// So many are told in a line each.
const IN_A_LINE: usize = 12;

const ALARM: Style = AnsiColor::Red.on_default().bold();
const FINE: Style = AnsiColor::Green.on_default().bold();
const FAINT: Style = Style::new().dimmed();

/// What is to be seen first; empty where nothing was judged.
pub(super) fn verdicts(report: &Report, wanted: &Wanted<'_>, width: usize) -> String {
    let mut text = String::new();
    let (alarms, calm): (Vec<_>, Vec<_>) = groups::of(&report.verdicts)
        .into_iter()
        .partition(|group| group.first().alarm);
    let in_full = if wanted.all { alarms.len() } else { IN_FULL };
    for (number, group) in alarms.iter().take(in_full).enumerate() {
        text.push_str(&in_words(group, number == 0, wanted, width));
        text.push('\n');
    }
    let others = &alarms[alarms.len().min(in_full)..];
    if !others.is_empty() {
        text.push_str(&in_lines(others, wanted.hint, width));
        text.push('\n');
    }
    if let Some(line) = words::calm(&calm, alarms.is_empty()) {
        let style = if alarms.is_empty() { FINE } else { FAINT };
        for line in wrapped(&line, width, "", "  ") {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{style}{line}{style:#}");
        }
        text.push('\n');
    }
    if wanted.all || (wanted.explain && alarms.is_empty()) {
        for group in &calm {
            text.push_str(&in_words(group, false, wanted, width));
            text.push('\n');
        }
    }
    text
}

/// What is said of one chain, each verdict by itself, with what speaks for it.
pub(super) fn of_chain(report: &Report, chain: u64, wanted: &Wanted<'_>, width: usize) -> String {
    let own = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.chain == Some(chain));
    let mut text = String::new();
    for group in own.flat_map(|verdict| groups::of(std::slice::from_ref(verdict))) {
        text.push_str(&in_words(&group, true, wanted, width));
        text.push('\n');
    }
    text
}

/// A verdict with all that speaks for it, and how many are like it; of the first the ladder follows.
fn in_words(group: &Group<'_>, first: bool, wanted: &Wanted<'_>, width: usize) -> String {
    let verdict = group.first();
    let mut text = headline(verdict, width);
    let mut lines = Labelled::new(width);
    // Evidence first: the first three lines tell who, why, how sure, and on what evidence.
    lines.joined("evidence", &verdict.evidence);
    lines.joined("story", std::slice::from_ref(&verdict.story));
    let (not, but) = words::against(&verdict.against);
    lines.joined("not", &not);
    lines.joined("but", &but);
    lines.joined("keepalive", &verdict.keepalive);
    lines.joined("then", &verdict.then);
    lines.one_by_one("do", &verdict.advice);
    lines.as_it_stands("config", &verdict.config);
    text.push_str(&lines.finish());
    if let Some(more) = group.places(first) {
        for line in wrapped(&more, width, "  ", "  ") {
            let _ = writeln!(text, "{FAINT}{line}{FAINT:#}");
        }
    }
    if wanted.explain {
        text.push('\n');
        text.push_str(&explain::rules(&verdict.considered, width));
    }
    text
}

/// What it comes to, and at the right how sure that is.
fn headline(verdict: &VerdictReport, width: usize) -> String {
    let style = if verdict.alarm { ALARM } else { FINE };
    let sure = confidence(verdict.confidence);
    let room = width.saturating_sub(sure.len() + 2).max(16);
    let mut text = String::new();
    for (number, line) in wrapped(&harmless(&verdict.summary), room, "", "  ")
        .iter()
        .enumerate()
    {
        if number == 0 {
            let gap = " ".repeat(room.saturating_sub(textwrap::core::display_width(line)) + 2);
            let _ = writeln!(text, "{style}{line}{style:#}{gap}{sure}");
        } else {
            let _ = writeln!(text, "{style}{line}{style:#}");
        }
    }
    text
}

/// Alarms for which there is no room, in a line each.
fn in_lines(groups: &[Group<'_>], hint: &str, width: usize) -> String {
    let mut text = String::new();
    for group in groups.iter().take(IN_A_LINE) {
        let verdict = group.first();
        let sure = confidence(verdict.confidence);
        let line = format!("{} ({sure}){}", harmless(&verdict.summary), group.times());
        for line in wrapped(&line, width, "", "  ") {
            let _ = writeln!(text, "{line}");
        }
    }
    let rest = groups.get(IN_A_LINE..).unwrap_or_default();
    let rest: usize = rest.iter().map(Group::len).sum();
    if rest > 0 {
        let _ = writeln!(text, "and {rest} alarms more. {hint}");
    }
    text
}

const fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
        Confidence::Possible => "possible",
    }
}
