//! A chain as a ladder: one column for each node, time downwards, silence drawn as silence.

mod arrow;
mod marks;
mod rows;

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use tracer::report::{LadderReport, Report, VerdictReport};
use tracer::time::Time;

use self::rows::Row;
use super::clocks::Clocks;
use super::paragraph::{self, wrapped};
use super::units::{count, seconds};
use super::{Wanted, columns, harmless, verdicts};

/// Rows of a ladder that is not asked for in full.
const ROWS: usize = 30;
/// Time without anything, from which on it is drawn, in seconds.
const SILENCE: f64 = 0.3;
/// Columns of an arrow, at least and at most.
const ARROW: (usize, usize) = (8, 22);
/// Columns of an arrow and a bar, below which notes must make room.
const COMFORTABLE: usize = 13;
/// Columns of a note beside the ladder, at least and at most.
const NOTE: (usize, usize) = (12, 44);

const NODE: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();
const END: Style = AnsiColor::Red.on_default();

/// Where everything stands.
struct Layout {
    /// Columns of the time, with the blanks after it.
    time: usize,
    /// Columns of an arrow.
    arrow: usize,
    /// Columns of notes; none where there is no room.
    note: usize,
    /// Hops that are drawn: the first, and the one after the last.
    hops: (usize, usize),
}

/// The ladder of a chain that was asked for; before it, where they are to be explained, its verdicts.
pub(crate) fn chain(report: &Report, chain: u64, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    if wanted.explain {
        let measure = paragraph::measure(columns());
        let told = verdicts::of_chain(report, chain, wanted, measure);
        write!(out, "{told}")?;
    }
    let found = report
        .ladders
        .iter()
        .find(|ladder| ladder.chain == Some(chain));
    if let Some(ladder) = found {
        write!(
            out,
            "{}",
            ladder_of(report, ladder, None, wanted.all, columns())
        )?;
    }
    Ok(())
}

/// The ladder of a verdict's chain, or of its hop where it is in none.
pub(super) fn of_verdict<'a>(
    report: &'a Report,
    verdict: &VerdictReport,
) -> Option<&'a LadderReport> {
    let mut ladders = report.ladders.iter();
    match verdict.chain {
        Some(chain) => ladders.find(|ladder| ladder.chain == Some(chain)),
        None => {
            let hop = verdict.hop?;
            ladders.find(|ladder| ladder.chain.is_none() && ladder.hops == [hop])
        }
    }
}

/// Draws a ladder, the hop at which it ended in sight; empty where there is nothing to draw.
pub(super) fn ladder_of(
    report: &Report,
    ladder: &LadderReport,
    ended_at: Option<u64>,
    all: bool,
    width: usize,
) -> String {
    let rows = rows::of(report, ladder);
    let Some(start) = rows.first().map(|row| row.at) else {
        return String::new();
    };
    let layout = layout(ladder, &rows, ended_at, width);
    let mut text = heading(report, ladder, start, width);
    text.push_str(&opened(report, ladder, start, width));
    text.push_str(&nodes(ladder, &layout));
    let shown = if all { rows.len() } else { ROWS };
    let (head, tail) = if rows.len() > shown {
        (shown / 2, rows.len() - (shown - shown / 2))
    } else {
        (rows.len(), rows.len())
    };
    // When the last of what was drawn ended.
    let mut until: Option<Time> = None;
    for row in &rows[..head] {
        draw(&mut text, row, until, start, &layout);
        until = until.max(Some(row.until));
    }
    let left_out = (tail - head) as u64 + ladder.left_out;
    if left_out > 0 {
        let indent = " ".repeat(layout.time);
        let _ = writeln!(
            text,
            "{indent}{FAINT}{} left out{FAINT:#}",
            count(left_out, "step")
        );
        until = None;
    }
    for row in &rows[tail..] {
        draw(&mut text, row, until, start, &layout);
        until = until.max(Some(row.until));
    }
    text.push_str(&not_drawn(ladder, &layout, width));
    text
}

/// `CHAIN 0  GET /report 504, times since ...`.
fn heading(report: &Report, ladder: &LadderReport, start: Time, width: usize) -> String {
    let (what, number) = match (ladder.chain, ladder.hops.first()) {
        (Some(chain), _) => ("CHAIN", chain),
        (None, hop) => ("HOP", hop.copied().unwrap_or_default()),
    };
    let place = ladder.chain.and_then(|chain| usize::try_from(chain).ok());
    let chain = place.and_then(|place| report.chains.get(place));
    let request = chain.and_then(|chain| chain.request.as_deref());
    let request = request.map(|request| format!("{}, ", harmless(request)));
    let words = format!(
        "{}times in seconds since {}",
        request.unwrap_or_default(),
        super::table::milliseconds(start)
    );
    let label = format!("{what} {number}  ");
    let lines = wrapped(&words, width, &label, "  ");
    let text = lines.join("\n") + "\n";
    match text.strip_prefix(&label) {
        Some(rest) => format!("{NODE}{what} {number}{NODE:#}  {rest}"),
        None => text,
    }
}

/// Which connections had been open before, and for how long.
fn opened(report: &Report, ladder: &LadderReport, start: Time, width: usize) -> String {
    let clocks = Clocks::of(report);
    let age = |place: usize| {
        let number = ladder.hops.get(place)?;
        let hop = report.hops.iter().find(|hop| hop.id == *number)?;
        let flows = report.flows.iter();
        let mut opened = flows
            .filter(|flow| hop.flows.contains(&flow.id))
            .filter_map(|flow| Some(clocks.common(&flow.vantage, flow.opened?)));
        let age = start.since(opened.next()?).as_secs_f64();
        let [from, to] = ladder.nodes.get(place..place + 2)? else {
            return None;
        };
        (age >= SILENCE).then(|| {
            let (from, to) = (harmless(from), harmless(to));
            format!("{from} to {to} opened {} before", seconds(age))
        })
    };
    let ages: Vec<String> = (0..ladder.hops.len()).filter_map(age).collect();
    if ages.is_empty() {
        return String::new();
    }
    wrapped(&ages.join(", "), width, "", "  ").join("\n") + "\n"
}

fn layout(ladder: &LadderReport, rows: &[Row], ended_at: Option<u64>, width: usize) -> Layout {
    let all = ladder.hops.len().max(1);
    let last = rows.iter().map(|row| row.at).max();
    let longest = last
        .zip(rows.first())
        .map_or(0.0, |(last, first)| last.since(first.at).as_secs_f64());
    let time = format!("{longest:.3}").len().max(7) + 3;
    // One more bar than there are arrows.
    let room = width.saturating_sub(time + 1);
    let fitting = (room / (ARROW.0 + 1)).clamp(1, all);
    let centre = ended_at
        .and_then(|hop| ladder.hops.iter().position(|other| *other == hop))
        .unwrap_or(0);
    let first = centre.saturating_sub(fitting / 2).min(all - fitting);
    let widest = rows.iter().map(|row| row.note().chars().count() + 2).max();
    let note = widest.unwrap_or(0).min(NOTE.1);
    let comfortable = fitting * COMFORTABLE;
    let note = if room >= comfortable + NOTE.0 {
        note.min(room - comfortable)
    } else {
        0
    };
    let arrow = ((room - note.min(room)) / fitting)
        .saturating_sub(1)
        .clamp(ARROW.0, ARROW.1);
    Layout {
        time,
        arrow,
        note,
        hops: (first, first + fitting),
    }
}

/// The names, each over its bar.
fn nodes(ladder: &LadderReport, layout: &Layout) -> String {
    let mut line = String::new();
    let mut column = 0;
    let (first, last) = layout.hops;
    let end = layout.time + (last - first) * (layout.arrow + 1) + 1;
    let drawn = ladder.nodes.get(first..=last).unwrap_or_default();
    for (number, name) in drawn.iter().enumerate() {
        let name = shortened(&harmless(name), layout.arrow);
        let width = textwrap::core::display_width(&name);
        let bar = layout.time + number * (layout.arrow + 1);
        let begins = bar.saturating_sub(width / 2).min(end.saturating_sub(width));
        let begins = begins.max(column);
        line.push_str(&" ".repeat(begins - column));
        line.push_str(&name);
        column = begins + width;
        if number + 1 < drawn.len() {
            line.push(' ');
            column += 1;
        }
    }
    format!("{NODE}{}{NODE:#}\n", line.trim_end())
}

/// The end of a long name tells more than its beginning: `..0:1::2`.
fn shortened(name: &str, width: usize) -> String {
    let length = name.chars().count();
    if length <= width {
        return name.to_owned();
    }
    let end: String = name.chars().skip(length + 2 - width.max(3)).collect();
    format!("..{end}")
}

fn cut(note: &str, room: usize) -> String {
    if note.chars().count() <= room {
        return note.to_owned();
    }
    let begin: String = note.chars().take(room.saturating_sub(2)).collect();
    format!("{}..", begin.trim_end())
}

fn draw(text: &mut String, row: &Row, until: Option<Time>, start: Time, layout: &Layout) {
    if let Some(until) = until {
        let silence = row.at.since(until).as_secs_f64();
        if silence >= SILENCE {
            let indent = " ".repeat(layout.time + 2);
            let _ = writeln!(text, "{indent}{FAINT}{} silence{FAINT:#}", seconds(silence));
        }
    }
    let (first, last) = layout.hops;
    let drawn = |place| (first..last).contains(&place);
    if !row.cells.iter().any(|cell| drawn(cell.place)) {
        return;
    }
    let since = row.at.since(start).as_secs_f64();
    let _ = write!(text, "{since:>width$.3}   |", width = layout.time - 3);
    for place in first..last {
        let cell = row.cells.iter().find(|cell| cell.place == place);
        match cell {
            Some(cell) if cell.ends => {
                let arrow = arrow::drawn(cell, layout.arrow);
                let _ = write!(text, "{END}{arrow}{END:#}|");
            }
            Some(cell) => {
                let _ = write!(text, "{}|", arrow::drawn(cell, layout.arrow));
            }
            None => {
                let _ = write!(text, "{}|", " ".repeat(layout.arrow));
            }
        }
    }
    let note = row.note();
    if layout.note > 0 && !note.is_empty() {
        let note = cut(&note, layout.note - 2);
        let _ = write!(text, "  {FAINT}{note}{FAINT:#}");
    }
    text.push('\n');
}

/// Which hops there was no room for.
fn not_drawn(ladder: &LadderReport, layout: &Layout, width: usize) -> String {
    let (first, last) = layout.hops;
    let hidden = (0..ladder.hops.len()).filter(|place| !(first..last).contains(place));
    let hidden: Vec<String> = hidden
        .filter_map(|place| {
            let [from, to] = ladder.nodes.get(place..place + 2)? else {
                return None;
            };
            Some(format!("{} to {}", harmless(from), harmless(to)))
        })
        .collect();
    if hidden.is_empty() {
        return String::new();
    }
    let line = format!("no room for: {}", hidden.join(", "));
    wrapped(&line, width, "", "  ").join("\n") + "\n"
}
