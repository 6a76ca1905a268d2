//! A gateway answered 503 without a segment to any upstream: a circuit breaker, no healthy host, no
//! route. Which of them only its log tells.
//!
//! Looks alike: a 503 that stands for an upstream that failed; there are segments to it.

use std::time::Duration;

use crate::flow::Side;
use crate::log::Entry;
use crate::verdict::Confidence;
use crate::verdict::case::{Author, Case, has_flag};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::{Leg, NO_HEALTHY, OVERFLOW};
use crate::verdict::words;

/// Response flags of Envoy for what never went upstream, and what they say; and how HAProxy's
/// termination states begin (its configuration manual, section 8.5).
const FLAGS: [(&str, &str); 6] = [
    ("UO", "a circuit breaker is open (upstream overflow)"),
    ("UH", "no upstream host is healthy"),
    ("NR", "there is no route for the request"),
    ("NC", "the upstream cluster does not exist"),
    (
        QUEUED,
        "it waited in the queue for a server until the queue's timeout",
    ),
    (NO_SERVER, "no server is up"),
];

/// What is refused later than this may have waited for a server.
const QUEUES: Duration = Duration::from_millis(100);

/// HAProxy: the timeout of the queue struck.
const QUEUED: &str = "sQ";

/// HAProxy: there was no connection to a server.
const NO_SERVER: &str = "SC";

pub(super) fn judge(case: &Case<'_>) -> Found {
    let number = case.legs.len() - 1;
    let leg = &case.legs[number];
    if !leg.answered() {
        return Err("the last hop was not answered".into());
    }
    if !leg.tried.is_empty() {
        return Err("upstreams were tried".into());
    }
    let log = case.logged(|entry| entry.upstream_local.is_none() && said(entry).is_some());
    let status = leg.status();
    let waited = leg.answered_at().and_then(|answered| leg.waited(answered));
    if log.is_none() && waited.is_none() {
        // What it became behind the server was not seen either.
        return Err("the request that was answered was not seen".into());
    }
    if let Some(why) = leg.upstream_failed().filter(|_| log.is_none()) {
        return Err(format!("the answer says that something upstream failed: {why}").into());
    }
    let sees = case.sees_upstream_of(number) && case.covers(number);
    let worded = worded(leg);
    let author = case.author(number);
    if log.is_none() && worded.is_none() && matches!(author, Author::Upstream | Author::Server) {
        return Err(if author == Author::Server {
            "the server itself answered with an error".into()
        } else {
            "the answer says that it came from an upstream".into()
        });
    }
    let confidence = match (log, status) {
        (Some(_), None | Some(503)) => Confidence::Certain,
        (None, Some(503)) if worded.is_some() => Confidence::Likely,
        (None, Some(503)) if sees && author == Author::Gateway => Confidence::Likely,
        (None, Some(503)) => Confidence::Possible,
        (_, Some(status)) => return Err(format!("the answer was {status}, not 503").into()),
        (None, None) => return Err("the answer could not be read, and no log tells".into()),
    };
    Ok(found(
        case,
        number,
        leg,
        log.and_then(|(_, entry)| said(entry)).or(worded),
        confidence,
        sees,
    ))
}

/// What the body of the answer says, as a flag would.
fn worded(leg: &Leg<'_>) -> Option<&'static (&'static str, &'static str)> {
    let flag = match leg.own_words()? {
        OVERFLOW => "UO",
        NO_HEALTHY => "UH",
        _ => return None,
    };
    FLAGS.iter().find(|(known, _)| *known == flag)
}

/// What its flags say.
fn said(entry: &Entry) -> Option<&'static (&'static str, &'static str)> {
    FLAGS.iter().find(|(flag, _)| says(entry, flag))
}

fn says(entry: &Entry, flag: &str) -> bool {
    let state = entry.flags.as_deref().unwrap_or_default();
    match flag {
        // It is that of a server that was tried, too.
        NO_SERVER => state.starts_with(flag) && state.len() == 4 && entry.attempts == Some(0),
        QUEUED => state.starts_with(flag) && state.len() == 4,
        flag => has_flag(entry, &[flag]),
    }
}

fn found(
    case: &Case<'_>,
    number: usize,
    leg: &Leg<'_>,
    said: Option<&(&str, &str)>,
    confidence: Confidence,
    sees: bool,
) -> Finding {
    let gateway = case.name(number, Side::Server);
    let logged = said.and_then(|(flag, _)| case.logged(|entry| says(entry, flag)));
    let culprit = if logged.is_some() || case.author(number) == Author::Gateway {
        Culprit::End(number, Side::Server)
    } else {
        Culprit::Else(format!("{gateway}, or something behind it"))
    };
    let mut finding = Finding::new(number, culprit, confidence);
    let waited = leg.answered_at().and_then(|answered| leg.waited(answered));
    let after = waited.map(words::length);
    finding.at = leg.answered_at();
    finding.flow = leg.hop.sights.first().map(|sight| sight.flow);
    finding.because = "an error answer without an upstream".to_owned();
    let unsaid = if waited.is_some_and(|waited| waited >= QUEUES) {
        "an open circuit breaker, no healthy upstream, or a queue whose timeout ran out"
    } else {
        "an open circuit breaker, or no healthy upstream"
    };
    let why = said.map_or(unsaid, |(_, why)| why);
    let who = case.who(number, Side::Server);
    let after = after.map_or_else(String::new, |after| format!(" after {after}"));
    (finding.summary, finding.story) = if confidence == Confidence::Possible {
        (
            format!("{who} may have refused the request itself: 503, {why}"),
            format!("{gateway} answered 503{after}; what it did for that was not seen."),
        )
    } else {
        (
            format!("{who} refused the request itself: 503, {why}"),
            format!(
                "{gateway} answered 503{after} and sent nothing to any upstream for this request: {why}."
            ),
        )
    };
    if let (Some((log, entry)), Some((flag, why))) = (logged, said) {
        let line = format!("{} line {}: {flag}, {why}", log.name, entry.line);
        finding.evidence.push(line);
    }
    if let Some(body) = leg.own_words() {
        finding.evidence.push(format!("the answer says: {body}"));
    }
    if sees {
        finding.evidence.push(format!(
            "the vantage at {gateway} saw no segment to an upstream for it"
        ));
    } else {
        finding.against.push(format!(
            "no vantage shows what {gateway} sends upstream: that it sent nothing is told by its answer or its log"
        ));
    }
    advise(&mut finding, said, &gateway);
    finding
}

fn advise(finding: &mut Finding, said: Option<&(&str, &str)>, gateway: &str) {
    let advice = match said {
        Some(("UO", _)) => {
            finding.config.push("DestinationRule: trafficPolicy.connectionPool.http.http2MaxRequests, http1MaxPendingRequests; tcp.maxConnections".to_owned());
            "raise the circuit breaker's limits, or slow the clients down".to_owned()
        }
        Some(("UH", _)) => "look at the health of the upstream's endpoints: there are none, or outlier detection has ejected them".to_owned(),
        Some((QUEUED, _)) => {
            finding.config.push("HAProxy: timeout queue; maxconn on the server lines".to_owned());
            "add servers or raise their maxconn, let requests wait longer (timeout queue), or slow the clients down".to_owned()
        }
        Some((NO_SERVER, _)) => {
            "look at the health checks of the backend's servers: none was up".to_owned()
        }
        Some(("NR" | "NC", _)) => {
            "this is configuration, not load: add the route or the cluster".to_owned()
        }
        _ => {
            finding.against.push(format!("without the access log of {gateway} it cannot be told whether a circuit breaker was open (UO), no host was healthy (UH) or it is something else"));
            format!("give the access log of {gateway}: its response flags tell which it is (--access-log)")
        }
    };
    finding.advice.push(advice);
}
