//! The table of vantages, and what each of them missed.

use tracer::report::{UnreadReport, VantageReport};

use super::grid::{self, Column, Kind};
use super::harmless;
use super::table::milliseconds;
use super::units::{count, seconds};

/// Clocks that are closer than that, in seconds, are said to agree.
const AGREE: f64 = 0.001;

/// A heading, what it may give up, and what stands under it.
type Heading = (&'static str, Kind, fn(&VantageReport) -> String);

const HEADINGS: [Heading; 8] = [
    ("vantage", Kind::Fixed, |vantage| harmless(&vantage.name)),
    ("from", Kind::Fixed, |vantage| {
        vantage.first.map(milliseconds).unwrap_or_default()
    }),
    ("for", Kind::Spare, lasted),
    ("clock", Kind::Fixed, clock),
    ("segments", Kind::Fixed, |vantage| {
        vantage.segments.to_string()
    }),
    ("duplicates", Kind::Fixed, |vantage| {
        vantage.duplicates.to_string()
    }),
    ("dropped", Kind::Spare, |vantage| {
        let dropped = vantage.dropped;
        dropped.map_or("not told".to_owned(), |dropped| dropped.to_string())
    }),
    ("source", Kind::Words, |vantage| harmless(&vantage.source)),
];

/// One line a vantage.
pub(super) fn vantages(vantages: &[VantageReport], width: usize) -> String {
    let column = |(name, kind, cell): &Heading| Column {
        cells: std::iter::once((*name).to_owned())
            .chain(vantages.iter().map(cell))
            .collect(),
        kind: *kind,
    };
    let said = |column: &Column| column.cells[1..].iter().any(|cell| !cell.is_empty());
    grid::draw(HEADINGS.iter().map(column).filter(said).collect(), width).text
}

fn lasted(vantage: &VantageReport) -> String {
    let ends = vantage.first.zip(vantage.last);
    ends.map(|(first, last)| seconds(last.since(first).as_secs_f64()))
        .unwrap_or_default()
}

/// `2.30 s behind`: how far a clock is off from that of the first vantage, where it matters.
fn clock(vantage: &VantageReport) -> String {
    match vantage.clock_offset_s {
        Some(add) if add >= AGREE => format!("{} behind", seconds(add)),
        Some(add) if add <= -AGREE => format!("{} ahead", seconds(-add)),
        _ => String::new(),
    }
}

/// What makes everything that rests on a vantage less sure: frames that were lost, and what is odd about
/// it beside the others. Where a payload was cut or a frame held no segment is nothing of that.
pub(super) fn doubts(vantages: &[VantageReport]) -> impl Iterator<Item = String> {
    vantages.iter().flat_map(|vantage| {
        let name = harmless(&vantage.name);
        let mut lines = Vec::new();
        if let Some(damage) = &vantage.damage {
            lines.push(format!("{name} was not read to its end: {damage}"));
        }
        if let Some(dropped) = vantage.dropped.filter(|&dropped| dropped > 0) {
            let frames = count(dropped, "frame");
            lines.push(format!("{name} lost {frames} while capturing"));
        }
        let remarks = vantage.remarks.iter();
        lines.extend(remarks.map(|remark| format!("{name} {}", harmless(remark))));
        lines
    })
}

/// What a vantage missed, as far as it can be known.
pub(super) fn missing(vantage: &VantageReport) -> impl Iterator<Item = String> {
    let name = harmless(&vantage.name);
    let mut lines = Vec::new();
    let remarks = vantage.remarks.iter();
    lines.extend(remarks.map(|remark| format!("{name} {}", harmless(remark))));
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
