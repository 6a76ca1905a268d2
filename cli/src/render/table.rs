//! The report for people.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use tracer::report::{FlowReport, Report, Roles, UnreadReport, VantageReport};
use tracer::time::Time;

use super::grid::{self, Column, Kind};
use super::units::{count, seconds};
use super::{Wanted, columns, flows, harmless, ladder, paragraph, telling, totals, verdicts};

const SHOWN: usize = 20;
pub(super) const HEADING: Style = Style::new().bold();
pub(super) const WARNING: Style = AnsiColor::Yellow.on_default();

/// The verdicts; one line a flow, the most telling first; then the vantages and what they missed.
pub(crate) fn table(report: &Report, wanted: &Wanted<'_>) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let width = columns();
    let measure = paragraph::measure(width);
    write!(out, "{}", verdicts::verdicts(report, wanted, measure))?;
    if let Some(verdict) = report.verdicts.iter().find(|verdict| verdict.alarm)
        && let Some(ladder) = ladder::of_verdict(report, verdict)
    {
        let drawn = ladder::ladder_of(report, ladder, verdict.hop, wanted.all, width);
        writeln!(out, "{drawn}")?;
    }
    let order = telling::order(&report.flows);
    let shown = if wanted.all {
        order.len()
    } else {
        order.len().min(SHOWN)
    };
    let start = report.flows.iter().map(|flow| flow.first).min();
    let heading = match start {
        Some(start) => {
            let left_out = report.flows_left_out.iter().map(|gone| gone.sums.flows);
            let all = order.len() as u64 + left_out.sum::<u64>();
            format!("{shown} of {all}, times since {}", milliseconds(start))
        }
        None => "none: no TCP segments in what was read".to_owned(),
    };
    writeln!(out, "{HEADING}FLOWS{HEADING:#}  {heading}")?;
    if shown > 0 {
        let drawn = flows::flows(&order[..shown], start.unwrap_or_default(), width);
        writeln!(out, "{}", drawn.text)?;
        if !drawn.left_out.is_empty() {
            writeln!(out, "no room for: {}", drawn.left_out.join(", "))?;
        }
    }
    let not_shown = totals::not_shown(&order[shown..], wanted.hint);
    for line in [not_shown, totals::left_out(&report.flows_left_out)]
        .into_iter()
        .flatten()
    {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "\n{HEADING}VANTAGES{HEADING:#}  {}",
        report.vantages.len()
    )?;
    writeln!(out, "{}", vantages(&report.vantages, width))?;
    for line in report
        .vantages
        .iter()
        .flat_map(missing)
        .chain(begins_later(&report.flows))
        .chain(unjoined(report))
    {
        writeln!(out, "{WARNING}note{WARNING:#}  {line}")?;
    }
    Ok(())
}

fn vantages(vantages: &[VantageReport], width: usize) -> String {
    let mut columns = [
        ("vantage", Kind::Fixed),
        ("from", Kind::Fixed),
        ("for", Kind::Spare),
        ("segments", Kind::Fixed),
        ("duplicates", Kind::Fixed),
        ("dropped", Kind::Spare),
        ("source", Kind::Words),
    ]
    .map(|(name, kind)| Column {
        cells: vec![name.to_owned()],
        kind,
    });
    for vantage in vantages {
        let lasted = vantage
            .first
            .zip(vantage.last)
            .map(|(first, last)| last.since(first));
        let cells = [
            harmless(&vantage.name),
            vantage.first.map(milliseconds).unwrap_or_default(),
            lasted
                .map(|lasted| seconds(lasted.as_secs_f64()))
                .unwrap_or_default(),
            vantage.segments.to_string(),
            vantage.duplicates.to_string(),
            vantage
                .dropped
                .map_or("not told".to_owned(), |dropped| dropped.to_string()),
            harmless(&vantage.source),
        ];
        columns
            .iter_mut()
            .zip(cells)
            .for_each(|(column, cell)| column.cells.push(cell));
    }
    grid::draw(columns.into(), width).text
}

/// RFC 3339, cut to milliseconds: the report has the rest.
pub(super) fn milliseconds(at: Time) -> String {
    let text = at.to_string();
    text.get(..23)
        .map_or_else(|| text.clone(), |text| format!("{text}Z"))
}

/// What a vantage missed, as far as it can be known.
fn missing(vantage: &VantageReport) -> impl Iterator<Item = String> {
    let name = harmless(&vantage.name);
    let mut lines = Vec::new();
    if let Some(damage) = &vantage.damage {
        lines.push(format!("{name}: {damage}; everything before it was read"));
    }
    if let Some(dropped) = vantage.dropped.filter(|&dropped| dropped > 0) {
        lines.push(format!(
            "{name}: {} lost while capturing",
            count(dropped, "frame")
        ));
    }
    lines.extend(recording(vantage).map(|line| format!("{name}: {line}")));
    for (reason, frames) in &vantage.skipped {
        let frames = count(*frames, "frame");
        lines.push(format!(
            "{name}: {frames} skipped: {}",
            reason.replace('_', " ")
        ));
    }
    if vantage.filtered_out > 0 {
        let frames = count(vantage.filtered_out, "frame");
        lines.push(format!("{name}: {frames} left out by the filter"));
    }
    if vantage.cut > 0 {
        let segments = count(vantage.cut, "segment");
        lines.push(format!(
            "{name}: payload of {segments} cut by the snap length (lengths are known)"
        ));
    }
    lines.into_iter()
}

/// What was counted and not shown, and what is missing of a recording.
fn recording(vantage: &VantageReport) -> impl Iterator<Item = String> {
    let UnreadReport { damaged, newer } = vantage.unread;
    let records = |number| count(number, "record");
    let incomplete = "segments were counted in the kernel, and the last counts are missing (the \
        recording was cut, or written anew by another program): counts of segments and bytes are \
        lower bounds, silences may be shorter";
    let unread = |number, what| (number > 0).then(|| format!("{} {what}", records(number)));
    let unshown = count(vantage.unshown, "segment");
    let unshown = format!("{unshown} of connections that were counted only: in no flow");
    [
        (vantage.unshown > 0).then_some(unshown),
        vantage.lower_bounds.then(|| incomplete.to_owned()),
        unread(damaged, "of the recording damaged and not read"),
        unread(
            newer,
            "of the recording written by a newer hopscope and not read: read it with that one",
        ),
    ]
    .into_iter()
    .flatten()
}

/// What the kernel told of connections that are not among the flows.
fn unjoined(report: &Report) -> impl Iterator<Item = String> {
    let facts = report.unjoined.len() as u64;
    let unjoined = (facts > 0).then(|| {
        format!(
            "what the kernel told of no flow above: {facts}; --format json lists it as 'unjoined'"
        )
    });
    let left_out = report.sockets_left_out;
    let left_out = (left_out > 0).then(|| {
        format!(
            "{} that ended earlier are left out, with what the kernel told of them",
            count(left_out, "socket")
        )
    });
    unjoined.into_iter().chain(left_out)
}

fn begins_later(flows: &[FlowReport]) -> Option<String> {
    let inferred = flows
        .iter()
        .filter(|flow| flow.roles == Roles::Inferred)
        .count();
    (inferred > 0).then(|| {
        format!(
            "{} began before the capture: who is client and who server is inferred",
            count(inferred as u64, "flow")
        )
    })
}
