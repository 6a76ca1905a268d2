//! The table of chains: which hops served a request, and by what that is known.

use std::collections::HashSet;

use tracer::chain::Strength;
use tracer::report::{ChainReport, Report};
use tracer::time::Time;

use super::grid::Kind;
use super::listing::{Heading, Listing, heading};
use super::units::{count, seconds};
use super::{Wanted, harmless};

/// Chains that are shown without being asked for.
const SHOWN: usize = 10;

const CHAINS: [Heading<ChainReport>; 7] = [
    heading("#", Kind::Fixed, |chain: &ChainReport, _| {
        chain.id.to_string()
    }),
    heading("request", Kind::SpareWords, |chain, _| {
        harmless(chain.request.as_deref().unwrap_or_default())
    }),
    heading("answer", Kind::Fixed, |chain, _| answer(chain)),
    heading("began", Kind::Spare, |chain, start| {
        let since = |at: Time| format!("{:.3} s", at.since(start).as_secs_f64());
        chain.began.map(since).unwrap_or_default()
    }),
    heading("took", Kind::Fixed, |chain, _| took(chain)),
    heading("way", Kind::Words, |chain, _| way(chain)),
    heading("joined by", Kind::SpareWords, |chain, _| strengths(chain)),
];

/// Chains of several hops, those first of which something is the matter.
pub(super) fn chains(report: &Report, wanted: &Wanted<'_>, start: Time, width: usize) -> String {
    let alarms = report.verdicts.iter().filter(|verdict| verdict.alarm);
    let alarms: HashSet<u64> = alarms.filter_map(|verdict| verdict.chain).collect();
    let long = |chain: &&ChainReport| chain.hops.len() > 1 || tried(chain) > 0;
    let mut joined: Vec<&ChainReport> = report.chains.iter().filter(long).collect();
    if joined.is_empty() {
        return String::new();
    }
    joined.sort_by_key(|chain| !alarms.contains(&chain.id));
    let (of, alone) = (joined.len(), report.chains.len() - joined.len());
    if !wanted.all {
        joined.truncate(SHOWN);
    }
    let more = format!("and {} of one hop", count(alone as u64, "chain"));
    let listing = Listing {
        title: "CHAINS",
        rows: &joined,
        of,
        more: (alone > 0).then_some(more),
    };
    listing.draw(&CHAINS, start, width)
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
