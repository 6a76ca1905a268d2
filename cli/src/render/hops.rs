//! The table of hops: which flows are one connection, and what befell it on the way.

use std::collections::HashSet;

use tracer::flow::Side;
use tracer::hop::Likeness;
use tracer::report::{HopReport, Report};
use tracer::time::Time;

use super::grid::Kind;
use super::listing::{Heading, Listing, heading};
use super::units::count;
use super::{Wanted, harmless};

/// Hops that are shown without being asked for.
const SHOWN: usize = 10;

const HOPS: [Heading<HopReport>; 8] = [
    heading("#", Kind::Fixed, |hop: &HopReport, _| hop.id.to_string()),
    heading("between", Kind::Words, |hop, _| between(hop)),
    heading("client", Kind::Fixed, |hop, _| hop.client.clone()),
    heading("server", Kind::Fixed, |hop, _| hop.server.clone()),
    heading("flows", Kind::Words, |hop, _| {
        numbers(hop.flows.iter().map(|flow| flow.0))
    }),
    heading("joined by", Kind::SpareWords, |hop, _| likeness(hop)),
    heading("lost on the way", Kind::SpareWords, |hop, _| lost(hop)),
    heading("made on the way", Kind::SpareWords, |hop, _| made(hop)),
];

/// Hops where there is more than one vantage: those on which something is the matter, and those of the
/// chain that is told of first. The others are as they should be, and only counted.
pub(super) fn hops(report: &Report, wanted: &Wanted<'_>, start: Time, width: usize) -> String {
    if report.vantages.len() < 2 || report.hops.is_empty() {
        return String::new();
    }
    let alarms = || report.verdicts.iter().filter(|verdict| verdict.alarm);
    let mut telling: HashSet<u64> = alarms().filter_map(|verdict| verdict.hop).collect();
    let first = alarms().find_map(|verdict| verdict.chain);
    let first = first.and_then(|chain| report.chains.get(usize::try_from(chain).ok()?));
    telling.extend(first.into_iter().flat_map(|chain| &chain.hops));
    let tells = |hop: &&HopReport| {
        telling.contains(&hop.id) || !hop.made.is_empty() || !lost(hop).is_empty()
    };
    let mut rows: Vec<&HopReport> = report.hops.iter().collect();
    if !wanted.all {
        rows.retain(|hop| tells(hop));
        rows.truncate(SHOWN);
    }
    let rest = report.hops.len() - rows.len();
    let flows = report.flows.len() as u64;
    let more = format!(
        "{} joined from {}",
        count(report.hops.len() as u64, "hop"),
        count(flows, "flow")
    );
    let listing = Listing {
        title: "HOPS",
        rows: &rows,
        of: report.hops.len(),
        more: (rest > 0).then_some(more),
    };
    listing.draw(&HOPS, start, width)
}

fn numbers(numbers: impl Iterator<Item = u64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    numbers.join(", ")
}

fn between(hop: &HopReport) -> String {
    let name = |side| harmless(hop.at[side].as_deref().unwrap_or("?"));
    format!("{} to {}", name(Side::Client), name(Side::Server))
}

fn likeness(hop: &HopReport) -> String {
    let words = |likeness: &Likeness| match likeness {
        Likeness::InitialSequenceNumbers => "initial sequence numbers",
        Likeness::Timestamps => "TCP timestamps",
        Likeness::SequenceRanges => "sequence ranges",
    };
    let mut all: Vec<&str> = hop.joined_by.iter().flatten().map(words).collect();
    all.dedup();
    all.join(", ")
}

fn lost(hop: &HopReport) -> String {
    let told = [Side::Client, Side::Server].into_iter().filter_map(|side| {
        let lost = hop.lost[side].filter(|lost| *lost > 0)?;
        Some(format!("{} of {}", count(lost, "segment"), side.name()))
    });
    told.collect::<Vec<String>>().join(", ")
}

fn made(hop: &HopReport) -> String {
    let told = hop.made.iter().map(|made| {
        let what = if made.rst { "RST" } else { "FIN" };
        format!("{what} in the name of {}", made.by.name())
    });
    let mut told: Vec<String> = told.collect();
    told.dedup();
    told.join(", ")
}
