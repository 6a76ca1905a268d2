//! A pooled connection was used again as its peer closed it: request and FIN cross, RST follows
//! (FACTS 3.8; Envoy: 503 UC).
//!
//! Holds where a server that had answered before closed without having taken in the last request: its
//! FIN acknowledges less than the request, whatever the order at any vantage.
//!
//! Looks alike: the rest of a request that the server refused and closed after; a server that dies with the request in its hands; its FIN acknowledges it.

use std::time::Duration;

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::{Case, has_flag};
use crate::verdict::digest::{Carries, Digest, Mark, Turn};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::product::{Product, Settings};
use crate::verdict::relay;
use crate::verdict::words;

/// A close so soon after an answer belongs to it.
const AT_ONCE: Duration = Duration::from_millis(10);

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut closed = false;
    for (number, leg) in case.legs.iter().enumerate() {
        let own = leg.is_last.then_some(leg.digest);
        for digest in leg.tried.iter().copied().chain(own) {
            closed |= digest.first.is_some_and(|first| first.by == Side::Server);
            if let Some((request, fin)) = crossed(digest) {
                return Ok(found(case, number, digest, request, fin));
            }
        }
    }
    if closed {
        return Err("the server had acknowledged all that it was asked before it closed, or the connection was new".into());
    }
    Err("no server closed a connection that had been used before".into())
}

/// A request that the server had not taken in when it closed.
fn crossed(digest: &Digest) -> Option<(&Turn, &Mark)> {
    let fin = digest.first.as_ref()?;
    if fin.by != Side::Server || fin.rst {
        return None;
    }
    let (request, before) = digest.turns.split_last()?;
    let used_before = before.iter().any(|turn| turn.by == Side::Server);
    let acknowledged = fin.head?.ack;
    let asked_from = request.seq?;
    let unread = !acknowledged.is_after(asked_from);
    (request.by == Side::Client && used_before && unread).then_some((request, fin))
}

fn found(case: &Case<'_>, leg: usize, digest: &Digest, request: &Turn, fin: &Mark) -> Finding {
    let (client, server) = (case.name(leg, Side::Client), case.name(leg, Side::Server));
    let reset = digest
        .marks
        .iter()
        .find(|mark| mark.rst && mark.by == Side::Server);
    let log = case.logged(|entry| has_flag(entry, &["UC"]));
    let before = digest.turns.len() - 1;
    let idle = digest.turns[before - 1].until;
    let silent = fin.at.since(idle);
    // Where nobody can read it, what crosses an answer and its close may be the rest of what it answers.
    let rest = digest.carries != Carries::Http && silent < AT_ONCE;
    let confidence = if rest {
        Confidence::Possible
    } else if reset.is_some() || log.is_some() {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    if digest.deaf.contains(&request.at) {
        return deaf(case, leg, digest, (request, fin, reset), confidence);
    }
    let behind = relay::closed(case, leg, fin);
    let culprit = behind
        .as_ref()
        .map_or(Culprit::End(leg, Side::Server), |behind| {
            behind.culprit.clone()
        });
    let mut finding = Finding::new(leg, culprit, confidence);
    finding.hop = Some(digest.place);
    finding.at = Some(fin.at);
    finding.flow = Some(fin.cite.flow);
    finding.because =
        "the server's FIN does not acknowledge the request that crossed it".to_owned();
    finding.summary = match &behind {
        Some(behind) => format!(
            "{} ended it: it closed a pooled connection as {client} used it again, and {server} passed that on",
            behind.name
        ),
        None => format!(
            "{} ended it: it closed a pooled connection as {client} used it again",
            case.who(leg, Side::Server)
        ),
    };
    finding.story = format!(
        "{server} closed the connection after {} without traffic, while the next request of {client} was on its way: the FIN and the request crossed, {server} never read the request{}.",
        words::length(silent),
        if reset.is_some() {
            " and answered it with a RST"
        } else {
            ""
        }
    );
    finding.evidence.push(case.cite_mark(leg, fin));
    finding.evidence.push(format!(
        "{}: the request at {}, which that FIN does not acknowledge",
        case.cite(request.cite),
        words::clock(request.at)
    ));
    finding
        .evidence
        .extend(reset.map(|reset| case.cite_mark(leg, reset)));
    if let Some((log, entry)) = log {
        finding
            .evidence
            .push(format!("{} line {}: UC", log.name, entry.line));
    }
    finding.against.push(format!(
        "not {server} dying in the middle of an answer: it had not read the request"
    ));
    finding.advice.push(format!(
        "let {client} close idle connections before {server} does: its idle timeout has to be below the {} after which {server} closed",
        words::timer(silent)
    ));
    let product = Product::of(case, leg, Side::Client);
    finding.advice.push(format!(
        "or let {client} retry what {server} cannot have read ({})",
        match product {
            Some(Product::Haproxy) => "retry-on empty-response conn-failure",
            Some(Product::Nginx) => "proxy_next_upstream error",
            _ =>
                "Envoy: retry_on reset-before-request; Istio: retries.retryOn: reset-before-request,connect-failure",
        }
    ));
    let below = (silent.as_secs_f64() * 0.8).max(1.0);
    let why = format!("# below {}", words::timer(silent));
    let settings = Settings {
        envoy: format!(
            "DestinationRule: trafficPolicy.connectionPool.http.idleTimeout: {below:.0}s  {why}"
        ),
        haproxy: "pool-max-conn 0 on the server lines  # keeps no idle connections".to_owned(),
        nginx: format!("keepalive_timeout {below:.0}s in the upstream  {why}"),
    };
    finding.config.extend(settings.lines(product));
    finding
}

/// Nothing crossed: the client had acknowledged the FIN before it sent the request.
fn deaf(
    case: &Case<'_>,
    leg: usize,
    digest: &Digest,
    (request, fin, reset): (&Turn, &Mark, Option<&Mark>),
    confidence: Confidence,
) -> Finding {
    let (client, server) = (case.name(leg, Side::Client), case.name(leg, Side::Server));
    let late = words::length(request.at.since(fin.at));
    // Elsewhere the first copy of the request may have crossed the FIN, and been lost.
    let seen = case.world.hops.hops[digest.place].at.client
        == Some(case.world.scene.flows[request.cite.flow].vantage);
    let confidence = if seen {
        confidence
    } else {
        confidence.min(Confidence::Likely)
    };
    let before = relay::asked(case, leg, request);
    let culprit = before
        .as_ref()
        .map_or(Culprit::End(leg, Side::Client), |before| {
            before.culprit.clone()
        });
    let mut finding = Finding::new(leg, culprit, confidence);
    finding.hop = Some(digest.place);
    finding.at = Some(request.at);
    finding.flow = Some(request.cite.flow);
    finding.because =
        "a request was sent on a connection whose close its sender had acknowledged".to_owned();
    let user = before
        .as_ref()
        .map_or_else(|| case.who(leg, Side::Client), |before| before.name.clone());
    finding.summary =
        format!("{user} used a connection again that {server} had closed {late} before");
    finding.story = format!(
        "{server} closed the idle connection; {client} acknowledged that, and sent {} next request on it {late} later{}.",
        before
            .as_ref()
            .map_or_else(|| "its".to_owned(), |before| format!("{}'s", before.name)),
        if reset.is_some() {
            ", which a RST answered"
        } else {
            ""
        }
    );
    finding.evidence.push(case.cite_mark(leg, fin));
    finding.evidence.push(format!(
        "{}: the request at {}, which acknowledges that FIN",
        case.cite(request.cite),
        words::clock(request.at)
    ));
    finding
        .evidence
        .extend(reset.map(|reset| case.cite_mark(leg, reset)));
    finding.against.push(format!(
        "not {server} closing as the request was on its way: its FIN had arrived"
    ));
    if !seen {
        finding.against.push(format!(
            "if a first copy of the request was lost it may have crossed the FIN: no vantage at {client} shows when it was sent"
        ));
    }
    if before.is_some() {
        finding.against.push(format!(
            "not {client}: it passed on the close and, at once, what came after it"
        ));
    }
    finding.advice.push(format!(
        "{user} has to look whether a pooled connection is closed before it uses it again (a read that returns 0); a retry helps as well"
    ));
    finding
}
