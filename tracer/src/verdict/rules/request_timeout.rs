//! A gateway answered (504) or let go while its upstream still owed the answer.
//!
//! Holds where a hop was answered and the next one was not, without the upstream having closed before;
//! or where a 504 or a log's UT says so. Certain where the answer says it. An answer whose request was
//! before the capture says nothing of who waited for whom, unless a log does.
//!
//! A request that its client did not finish is nobody's slowness but the client's: it is the one named.
//!
//! Looks alike: an upstream that closed in the middle of the exchange, after which the gateway answers
//! 503; a client that gave up, where nobody answers.

use std::time::Duration;

use crate::flow::{End, Side};
use crate::log::Entry;
use crate::time::Time;
use crate::verdict::Confidence;
use crate::verdict::case::{Author, Case, has_flag};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::{Leg, NOT_IN_TIME};
use crate::verdict::product::{Product, Settings};
use crate::verdict::together::{DIFFERENT, closed_at_once};
use crate::verdict::words;

/// Gateway Timeout (RFC 9110 section 15.6.5).
const GATEWAY_TIMEOUT: u16 = 504;

/// Request Timeout (RFC 9110 section 15.5.9).
const NOT_ASKED_IN_TIME: u16 = 408;

/// Who sends nothing for so long in the middle of a request stalls; a gateway that answers sooner does so
/// for another reason.
const STALLED: Duration = Duration::from_secs(1);

/// No gateway waits shorter: an answer that comes sooner is no timer's, unless it says so.
const SHORTEST: Duration = Duration::from_millis(100);

const UNSEEN: &str = "the request that was answered was not seen";

pub(super) fn judge(case: &Case<'_>) -> Found {
    if let Some(finding) = unfinished(case) {
        return Ok(finding);
    }
    let log = case.logged(|entry| has_flag(entry, &["UT", "SI"]));
    for (number, pair) in case.legs.windows(2).enumerate() {
        let [leg, next] = pair else {
            continue;
        };
        let (Some(answered), true) = (leg.answered_at().filter(|_| leg.answered()), next.owed())
        else {
            continue;
        };
        if leg.waited(answered).is_none() && log.is_none() {
            return Err(UNSEEN.into());
        }
        if matches!(next.digest.end, End::Refused | End::Unanswered) {
            return Err("there was no connection to the upstream".into());
        }
        if case.upstream_had_closed(number) {
            return Err("the upstream had closed before the gateway answered".into());
        }
        if let Some(why) = leg.upstream_failed().filter(|_| log.is_none()) {
            return Err(format!("the answer says that something upstream failed: {why}").into());
        }
        let status = leg.status();
        let waited = leg.waited(answered);
        let let_go = next.first().filter(|first| first.by == Side::Client);
        let confidence = match status {
            Some(GATEWAY_TIMEOUT) => Confidence::Certain,
            _ if log.is_some() => Confidence::Certain,
            Some(status) if status < 500 => {
                return Err(format!("the gateway answered {status} by itself").into());
            }
            _ if waited.is_none_or(|waited| waited < SHORTEST) => {
                return Err("what came back at once was no answer of a timer".into());
            }
            // Of each of them 504 is what a timer answers (HAProxy's configuration manual, `timeout server`; nginx,
            // `proxy_read_timeout`; Envoy, `timeout` of a route).
            Some(status) if Product::of(case, number, Side::Server).is_some() => {
                return Err(format!(
                    "such a proxy answers 504 where a timer runs out, not {status}"
                )
                .into());
            }
            // Whoever waits no longer for an answer has no use for its connection (RFC 9112 section 9.3).
            Some(_) if let_go.is_none() => Confidence::Possible,
            _ => Confidence::Likely,
        };
        let mut finding = found(
            case,
            number,
            leg,
            Culprit::End(number, Side::Server),
            confidence,
        );
        finding.evidence.push(format!(
            "no answer from {} until then",
            case.name(number + 1, Side::Server)
        ));
        finding
            .evidence
            .extend(let_go.map(|mark| case.cite_mark(number + 1, mark)));
        several_tries(&mut finding, case.who(number, Side::Server), leg, next);
        return Ok(finding);
    }
    let number = case.legs.len() - 1;
    let leg = &case.legs[number];
    // A log that tells of another answer than this one is that of a gateway before it.
    let log = log.filter(|(_, entry)| tells_of(entry, leg.status()));
    if leg.status() == Some(GATEWAY_TIMEOUT) || (log.is_some() && leg.answered()) {
        let waited = leg.answered_at().and_then(|answered| leg.waited(answered));
        if waited.is_none() && log.is_none() {
            return Err(UNSEEN.into());
        }
        let worded = leg.own_words() == Some(NOT_IN_TIME);
        if waited.is_some_and(|waited| waited < SHORTEST) && log.is_none() && !worded {
            return Err("504 was answered at once: no timer ran out for this request".into());
        }
        let gateway = case.name(number, Side::Server);
        let author = case.author(number);
        if author == Author::Server && log.is_none() {
            return Err("the server itself answered 504".into());
        }
        let known = log.is_some() || author == Author::Gateway;
        let own = Culprit::End(number, Side::Server);
        let behind = Culprit::Else(format!("{gateway}, or a gateway behind it"));
        let (culprit, confidence) = match (&log, author) {
            (Some(_), _) => (own, Confidence::Certain),
            (None, Author::Gateway) => (own, Confidence::Likely),
            _ if worded => (behind, Confidence::Likely),
            _ => (behind, Confidence::Possible),
        };
        let mut finding = found(case, number, leg, culprit, confidence);
        if !known {
            finding.against.push(format!(
                "nothing was captured behind {gateway}: whose upstream was too slow cannot be told"
            ));
        }
        return Ok(finding);
    }
    Err("no gateway answered while its upstream owed an answer".into())
}

/// Whether what a log calls a timeout was answered so: a stream that is idle after its answer has begun, as
/// one that was switched to another protocol (101), is none that waited for its answer.
fn tells_of(entry: &Entry, status: Option<u16>) -> bool {
    let error = entry.status.is_none_or(|status| status >= 500);
    error && (status.is_none() || entry.status.is_none() || status == entry.status)
}

/// Who waited for the rest of a request answered 408 or 504, or closed.
struct Waited {
    /// In words.
    who: String,
    status: Option<u16>,
    until: Time,
    flow: Option<usize>,
    evidence: String,
}

/// A request whose rest did not come, until somebody waited no longer.
fn unfinished(case: &Case<'_>) -> Option<Finding> {
    let mut legs = case.legs.iter().enumerate();
    let (number, leg, sent) =
        legs.find_map(|(number, leg)| Some((number, leg, leg.unfinished()?)))?;
    let gave_up = waited(case, number)?;
    let waited = leg.waited(gave_up.until);
    let waited = words::timer(waited.filter(|waited| *waited >= STALLED)?);
    if is_held_back(leg, gave_up.until) {
        return None;
    }
    let client = case.name(number, Side::Client);
    let gateway = &gave_up.who;
    let culprit = Culprit::End(number, Side::Client);
    let mut finding = Finding::new(number, culprit, Confidence::Likely);
    finding.at = Some(gave_up.until);
    finding.flow = gave_up.flow;
    finding.because = "the client did not finish its request".to_owned();
    finding.summary = format!(
        "{} stalled: it sent {sent}, and nothing more for {waited}",
        case.who(number, Side::Client)
    );
    finding.story = format!(
        "{client} sent {sent}, the last of them at {}; {gateway} waited {waited} for the rest and {}.",
        leg.asked().map_or_else(String::new, words::clock),
        match gave_up.status {
            Some(status) => format!("answered {status}"),
            None => "closed without an answer".to_owned(),
        }
    );
    finding.evidence.push(gave_up.evidence.clone());
    finding.evidence.push(match sent.whole {
        Some(whole) => format!(
            "content-length says {whole} bytes with the head, {} were sent",
            sent.sent
        ),
        None => format!(
            "no empty line ends the head in the {} bytes that were sent (RFC 9112 section 2.1)",
            sent.sent
        ),
    });
    finding.against.push(format!(
        "not an upstream that is slow: what it was asked was never complete, and {gateway} had to wait for {client}"
    ));
    finding.advice.push(format!(
        "find out why {client} stopped in the middle of its {}; a longer timeout of {gateway} only waits longer",
        if sent.whole.is_some() { "upload" } else { "request" }
    ));
    Some(finding)
}

/// Whether the server let its client send nothing more then: its window was zero.
fn is_held_back(leg: &Leg<'_>, then: Time) -> bool {
    let stall = leg.digest.stalls[Side::Server];
    stall.is_some_and(|stall| {
        stall.since <= then && (!stall.opened || then <= stall.since + stall.held)
    })
}

fn waited(case: &Case<'_>, number: usize) -> Option<Waited> {
    let leg = &case.legs[number];
    let gateway = [NOT_ASKED_IN_TIME, GATEWAY_TIMEOUT];
    if let Some(status) = leg.status().filter(|status| gateway.contains(status)) {
        return Some(Waited {
            who: case.name(number, Side::Server),
            status: Some(status),
            until: leg.answered_at()?,
            flow: leg.answered_in(),
            evidence: format!("the answer's status is {status}"),
        });
    }
    // A proxy that closes both its sides had a timer of its own for them.
    let origin = case.origins.first()?;
    let server = origin.mark.by == Side::Server && origin.both.is_none();
    let at = origin.mark.at;
    let silent =
        leg.status().is_none() && leg.owed() && !closed_at_once(case, origin.leg, at, DIFFERENT);
    (server && silent).then(|| Waited {
        who: case.name(origin.leg, Side::Server),
        status: None,
        until: origin.mark.at,
        flow: Some(origin.mark.cite.flow),
        evidence: case.cite_mark(origin.leg, &origin.mark),
    })
}

/// Where the gateway gave up on every try, what it waited for the answer is no timeout: that of each
/// try is.
fn several_tries(
    finding: &mut Finding,
    who: impl std::fmt::Display,
    leg: &Leg<'_>,
    next: &Leg<'_>,
) {
    let first = next.tried.first();
    let gave_up = first.and_then(|tried| {
        let asked = tried.turns.iter().find(|turn| turn.by == Side::Client)?;
        let mark = tried.first.as_ref()?;
        let unanswered = !tried
            .turns
            .iter()
            .any(|turn| turn.by == Side::Server && turn.at <= mark.at);
        (mark.by == Side::Client && unanswered).then(|| mark.at.since(asked.until))
    });
    let Some(waited) = gave_up else {
        return;
    };
    let tries = next.tried.len() + 1;
    let each = words::timer(waited);
    let status = leg.status();
    let answered = status.map_or_else(String::new, |status| format!(", answered {status}"));
    finding.summary =
        format!("{who} ended it: {tries} tries, the first given up after {each}{answered}");
    finding.advice = vec![format!(
        "make the upstream faster, or let it have longer than {each} for each try (per-try timeout)"
    )];
    finding
        .evidence
        .push(format!("{tries} tries; the first was let go after {each}"));
}

fn found(
    case: &Case<'_>,
    number: usize,
    leg: &Leg<'_>,
    culprit: Culprit,
    confidence: Confidence,
) -> Finding {
    let who = case.who(number, Side::Server);
    let gateway = case.name(number, Side::Server);
    let mut finding = Finding::new(number, culprit, confidence);
    let answered = leg.answered_at();
    let waited = answered.and_then(|answered| leg.waited(answered));
    finding.at = answered;
    finding.flow = leg.hop.sights.last().map(|sight| sight.flow);
    let status = leg.status();
    finding.because = "a gateway answered while its upstream still owed the answer".to_owned();
    finding.summary = format!(
        "{who} ended it: request timeout{}{}",
        waited.map_or_else(String::new, |waited| format!(
            " of {}",
            words::timer(waited)
        )),
        status.map_or_else(String::new, |status| format!(", answered {status}"))
    );
    finding.story = format!(
        "{gateway} answered{}, at {}, without having got an answer from its upstream.",
        waited.map_or_else(
            || ", of which the request was not seen".to_owned(),
            |waited| format!(" {} after it had been asked", words::length(waited))
        ),
        answered.map_or_else(String::new, words::clock)
    );
    if let Some((log, entry)) = case.logged(|entry| has_flag(entry, &["UT", "SI"])) {
        finding.evidence.push(format!(
            "{} line {}: {}",
            log.name,
            entry.line,
            entry.flags.as_deref().unwrap_or_default()
        ));
    }
    if let Some(status) = status {
        finding
            .evidence
            .push(format!("the answer's status is {status}"));
    }
    let product = Product::of(case, number, Side::Server);
    finding.advice.push(format!(
        "make the upstream faster, or let {gateway} wait longer{}: {}",
        waited.map_or_else(String::new, |waited| format!(
            " than {}",
            words::timer(waited)
        )),
        match product {
            Some(Product::Haproxy) => "timeout server",
            Some(Product::Nginx) => "proxy_read_timeout (60 s by default)",
            _ => "route timeout (Envoy: 15 s by default; Istio: none), per-try timeout",
        }
    ));
    let settings = Settings {
        envoy: "VirtualService: http.timeout: 60s; http.retries.perTryTimeout: 20s".to_owned(),
        haproxy: "timeout server 60s".to_owned(),
        nginx: "proxy_read_timeout 60s".to_owned(),
    };
    finding.config.extend(settings.lines(product));
    finding
}
