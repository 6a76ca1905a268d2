//! The tables of hops and chains: what was joined to what, and by what.

use std::collections::HashSet;
use std::fmt::Write;

use tracer::chain::Strength;
use tracer::flow::Side;
use tracer::hop::Likeness;
use tracer::report::{ChainReport, HopReport, Report};
use tracer::time::Time;

use super::grid::{self, Column, Kind};
use super::table::HEADING;
use super::units::{count, seconds};
use super::{Wanted, harmless};

/// Rows of each table that is not asked for in full.
const SHOWN: usize = 10;

/// A heading and what stands under it.
pub(super) struct Heading<T> {
    name: &'static str,
    kind: Kind,
    cell: fn(&T, Time) -> String,
}

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

const CHAINS: [Heading<ChainReport>; 7] = [
    heading("#", Kind::Fixed, |chain: &ChainReport, _| {
        chain.id.to_string()
    }),
    heading("request", Kind::SpareWords, |chain, _| {
        harmless(chain.request.as_deref().unwrap_or_default())
    }),
    heading("answer", Kind::Spare, |chain, _| answer(chain)),
    heading("began", Kind::Spare, |chain, start| {
        let since = |at: Time| format!("{:.3} s", at.since(start).as_secs_f64());
        chain.began.map(since).unwrap_or_default()
    }),
    heading("took", Kind::Fixed, |chain, _| took(chain)),
    heading("way", Kind::Words, |chain, _| way(chain)),
    heading("joined by", Kind::SpareWords, |chain, _| strengths(chain)),
];

pub(super) const fn heading<T>(
    name: &'static str,
    kind: Kind,
    cell: fn(&T, Time) -> String,
) -> Heading<T> {
    Heading { name, kind, cell }
}

/// What a table shows, the first rows first.
pub(super) struct Rows<'a, T> {
    pub(super) title: &'static str,
    pub(super) all: &'a [&'a T],
    /// A line below it.
    pub(super) more: Option<String>,
}

/// Chains of several hops, and hops where there is more than one vantage; those first of which
/// something is the matter.
pub(super) fn chains(report: &Report, wanted: &Wanted<'_>, start: Time, width: usize) -> String {
    let alarms = || report.verdicts.iter().filter(|verdict| verdict.alarm);
    let chains: HashSet<u64> = alarms().filter_map(|verdict| verdict.chain).collect();
    let hops: HashSet<u64> = alarms().filter_map(|verdict| verdict.hop).collect();
    let mut text = String::new();
    let long = |chain: &&ChainReport| chain.hops.len() > 1 || tried(chain) > 0;
    let mut joined: Vec<&ChainReport> = report.chains.iter().filter(long).collect();
    joined.sort_by_key(|chain| !chains.contains(&chain.id));
    let alone = report.chains.len() - joined.len();
    let more = format!("and {} of one hop", count(alone as u64, "chain"));
    let rows = Rows {
        title: "CHAINS",
        all: &joined,
        more: (alone > 0).then_some(more),
    };
    text += &table(&rows, &CHAINS, wanted, start, width);
    if report.vantages.len() > 1 {
        let telling = |hop: &HopReport| {
            !hops.contains(&hop.id) && hop.made.is_empty() && lost(hop).is_empty()
        };
        let mut all: Vec<&HopReport> = report.hops.iter().collect();
        all.sort_by_key(|hop| telling(hop));
        let rows = Rows {
            title: "HOPS",
            all: &all,
            more: None,
        };
        text += &table(&rows, &HOPS, wanted, start, width);
    }
    text
}

pub(super) fn table<T>(
    rows: &Rows<'_, T>,
    headings: &[Heading<T>],
    wanted: &Wanted<'_>,
    start: Time,
    width: usize,
) -> String {
    if rows.all.is_empty() {
        return String::new();
    }
    let shown = if wanted.all {
        rows.all.len()
    } else {
        rows.all.len().min(SHOWN)
    };
    let column = |heading: &Heading<T>| {
        let cells = rows.all[..shown]
            .iter()
            .map(|row| (heading.cell)(row, start));
        Column {
            cells: std::iter::once(heading.name.to_owned())
                .chain(cells)
                .collect(),
            kind: heading.kind,
        }
    };
    let said = |column: &Column| column.cells[1..].iter().any(|cell| !cell.is_empty());
    let drawn = grid::draw(headings.iter().map(column).filter(said).collect(), width);
    let mut text = format!(
        "{HEADING}{}{HEADING:#}  {shown} of {}\n{}\n",
        rows.title,
        rows.all.len(),
        drawn.text
    );
    if !drawn.left_out.is_empty() {
        let _ = writeln!(text, "no room for: {}", drawn.left_out.join(", "));
    }
    if let Some(line) = &rows.more {
        let _ = writeln!(text, "{line}");
    }
    text + "\n"
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

fn answer(chain: &ChainReport) -> String {
    match (chain.status, chain.done, chain.began) {
        (Some(status), _, _) => status.to_string(),
        (None, None, Some(_)) => "none".to_owned(),
        _ => String::new(),
    }
}

fn took(chain: &ChainReport) -> String {
    let took = chain.began.zip(chain.done);
    took.map_or("-".to_owned(), |(began, done)| {
        seconds(done.since(began).as_secs_f64())
    })
}

fn tried(chain: &ChainReport) -> usize {
    chain.tried.iter().map(Vec::len).sum()
}

/// `client > lb > gw > app`, and what was tried in vain.
fn way(chain: &ChainReport) -> String {
    let way = harmless(&chain.nodes.join(" > "));
    match tried(chain) {
        0 => way,
        vain => format!("{way} ({vain} tried in vain)"),
    }
}

fn strengths(chain: &ChainReport) -> String {
    let words = |strength: &Strength| match strength {
        Strength::AccessLog => "access log",
        Strength::ProxyProtocol => "PROXY protocol",
        Strength::RequestId => "request id",
        Strength::ForwardedBytes => "forwarded bytes",
        Strength::Process => "process",
        Strength::TimeAndSize => "time and size",
    };
    let mut joins: Vec<&str> = chain.joined_by.iter().map(words).collect();
    joins.sort_unstable();
    joins.dedup();
    let ambiguous = chain.others.iter().any(|others| !others.is_empty());
    let ambiguous = if ambiguous { " (ambiguous)" } else { "" };
    format!("{}{ambiguous}", joins.join(", "))
}
