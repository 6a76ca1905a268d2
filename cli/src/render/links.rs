//! The table of links: how the connections to a port are used, and which address gets how much.

use tracer::report::{LinkReport, Report, ShareReport};
use tracer::time::Time;

use super::Wanted;
use super::grid::Kind;
use super::harmless;
use super::listing::{Heading, Listing, heading};
use super::units::count;

/// So many addresses of a link are told, the others counted.
const ADDRESSES: usize = 4;

const LINKS: [Heading<LinkReport>; 6] = [
    heading("from", Kind::Fixed, |link: &LinkReport, _| {
        harmless(&link.client)
    }),
    heading("to port", Kind::Fixed, |link, _| link.port.to_string()),
    heading("connections", Kind::Words, |link, _| connections(link)),
    heading("exchanges", Kind::Spare, |link, _| {
        link.exchanges.to_string()
    }),
    heading("retries", Kind::Spare, |link, _| match link.retries {
        0 => String::new(),
        retries => retries.to_string(),
    }),
    heading("addresses", Kind::Words, addresses),
];

/// Links of which there is something to tell: connections that were hardly used again, retries, several
/// addresses, or one that did not serve.
pub(super) fn links(report: &Report, wanted: &Wanted<'_>, start: Time, width: usize) -> String {
    let telling = |link: &&LinkReport| wanted.all || tells(link);
    let shown: Vec<&LinkReport> = report.links.iter().filter(telling).collect();
    let usual = (report.links.len() - shown.len()) as u64;
    let usual = (usual > 0).then(|| format!("and {} used as usual", count(usual, "link")));
    if shown.is_empty() {
        return String::new();
    }
    let listing = Listing {
        title: "LINKS",
        rows: &shown,
        of: report.links.len(),
        more: usual,
    };
    listing.draw(&LINKS, start, width)
}

fn tells(link: &LinkReport) -> bool {
    let fails =
        |share: &ShareReport| share.unanswered + share.refused > 0 || share.stopped_at.is_some();
    link.retries > 0
        || link.addresses.len() > 1
        || wasteful(link)
        || link.addresses.iter().any(fails)
}

/// Far more connections than there were exchanges at once.
const fn wasteful(link: &LinkReport) -> bool {
    link.connections > 4 && link.connections > 2 * link.most_at_once
}

/// `60, 2 would do`.
fn connections(link: &LinkReport) -> String {
    if wasteful(link) && link.most_at_once > 0 {
        format!("{}, {} would do", link.connections, link.most_at_once)
    } else {
        link.connections.to_string()
    }
}

/// `10.0.1.2:8087 (20), 10.0.1.3:8087 (2, both unanswered)`.
fn addresses(link: &LinkReport, start: Time) -> String {
    let told = link.addresses.iter().take(ADDRESSES).map(|share| {
        let mut notes = vec![count(share.exchanges, "exchange")];
        if share.unanswered > 0 {
            notes.push(format!("{} unanswered", share.unanswered));
        }
        if share.refused > 0 {
            notes.push(format!("{} refused", share.refused));
        }
        if let Some(stopped) = share.stopped_at {
            let since = stopped.since(start).as_secs_f64();
            notes.push(format!("nothing after {since:.3} s"));
        }
        format!("{} ({})", share.server, notes.join(", "))
    });
    let mut told: Vec<String> = told.collect();
    let rest = link.addresses.len().saturating_sub(ADDRESSES);
    if rest > 0 {
        told.push(format!("{rest} more"));
    }
    told.join(", ")
}
