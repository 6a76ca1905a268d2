//! Somebody ended an HTTP/2 connection for an error, and said which: a GOAWAY whose code is not NO_ERROR
//! (RFC 9113 sections 5.4.1 and 6.8). Whoever sends it is about to close, whoever sends the first FIN then.
//!
//! The server did while it had requests: it closed in the middle of an exchange. The client did: it gave
//! up. No request was under way: nothing was lost, but something is wrong all the same.
//!
//! Looks alike: a GOAWAY without an error, as for a connection's age or a restart (`max_connection_age`);
//! RST_STREAM, which ends one request and leaves the connection.

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::FailedHttp2;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::words;

/// Codes of RFC 9113 section 7.
const INTERNAL_ERROR: u32 = 2;
const CANCEL: u32 = 8;
const CONNECT_ERROR: u32 = 10;
const ENHANCE_YOUR_CALM: u32 = 11;
const INADEQUATE_SECURITY: u32 = 12;
const HTTP_1_1_REQUIRED: u32 = 13;

pub(super) fn by_server(case: &Case<'_>) -> Found {
    judge(
        case,
        "no server with requests ended an HTTP/2 connection by GOAWAY with an error",
        |failed| failed.by == Side::Server && failed.open != Some(0),
    )
}

pub(super) fn by_client(case: &Case<'_>) -> Found {
    judge(
        case,
        "no client with requests ended an HTTP/2 connection by GOAWAY with an error",
        |failed| failed.by == Side::Client && failed.open != Some(0),
    )
}

pub(super) fn unasked(case: &Case<'_>) -> Found {
    judge(
        case,
        "nobody ended an HTTP/2 connection without requests by GOAWAY with an error",
        |failed| failed.open == Some(0),
    )
}

fn judge(case: &Case<'_>, not: &'static str, is: impl Fn(&FailedHttp2) -> bool) -> Found {
    let legs = case.legs.iter().enumerate();
    let failures = legs.filter(|(_, leg)| leg.is_last);
    let failures = failures.filter_map(|(number, leg)| Some((number, leg.digest.failed.as_ref()?)));
    // Of those that pass it on, the first.
    let first = failures.min_by_key(|(number, failed)| (failed.at, *number));
    match first {
        Some((number, failed)) if is(failed) => Ok(found(case, number, failed)),
        _ => Err(not.into()),
    }
}

fn found(case: &Case<'_>, number: usize, failed: &FailedHttp2) -> Finding {
    let confidence = match failed.open {
        Some(_) => Confidence::Certain,
        None => Confidence::Likely,
    };
    let mut finding = Finding::new(number, Culprit::End(number, failed.by), confidence);
    let sender = case.name(number, failed.by);
    let name = match failed.said.reason() {
        Some(name) => name.to_owned(),
        None => format!("error {}", failed.said.error),
    };
    let debug = failed.said.debug.as_deref();
    let said = debug.map_or(name.clone(), |debug| format!("{name} ({debug})"));
    let lost = match failed.open {
        Some(0) => "; no request was under way".to_owned(),
        Some(open) => format!("; {} under way", words::count(open, "request")),
        None if case.legs[number].owed() => "; an answer was owed".to_owned(),
        None => String::new(),
    };
    let loses = if failed.open == Some(0) {
        "nobody can ask anything on it any more"
    } else {
        "whatever is under way on it is lost"
    };
    finding.at = Some(failed.at);
    finding.flow = Some(failed.cite.flow);
    finding.because = format!("{sender} said GOAWAY with {name}");
    finding.summary = format!(
        "{} ended it: GOAWAY with {said}{lost}",
        case.who(number, failed.by)
    );
    finding.story = format!(
        "{sender} said at {} that it ends the HTTP/2 connection for an error, {} after it began: {loses} (RFC 9113 section 5.4.1).",
        words::clock(failed.at),
        words::length(failed.at.since(case.legs[number].digest.begun))
    );
    finding.evidence.push(format!(
        "{}: GOAWAY from {sender} at {} with {said}",
        case.cite(failed.cite),
        words::clock(failed.at)
    ));
    if failed.open.is_none() {
        finding.against.push(
            "not all frames of the connection could be read: which requests were under way is not known"
                .to_owned(),
        );
    }
    advise(case, number, failed, &mut finding);
    finding
}

fn advise(case: &Case<'_>, number: usize, failed: &FailedHttp2, finding: &mut Finding) {
    let sender = case.name(number, failed.by);
    let peer = case.name(number, failed.by.other());
    let debug = failed.said.debug.as_deref().unwrap_or_default();
    let (pings, between) = failed.pings;
    let look = format!("look at the log of {sender} at {}", words::clock(failed.at));
    match failed.said.error {
        ENHANCE_YOUR_CALM if debug.contains("ping") || (debug.is_empty() && pings > 1) => {
            let mut often = format!("{peer} had sent {}", words::count(pings, "PING"));
            if let Some(between) = between {
                often += &format!(", one every {}", words::length(between));
            }
            if pings > 0 {
                finding.evidence.push(often);
            }
            finding.advice.push(format!(
                "let {peer} send keepalive pings less often than {sender} permits: gRPC servers permit one in 5 minutes unless told otherwise (client: GRPC_ARG_KEEPALIVE_TIME_MS, Go keepalive.ClientParameters.Time)"
            ));
            finding.advice.push(format!(
                "or let {sender} permit more: GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, Go keepalive.EnforcementPolicy.MinTime and PermitWithoutStream"
            ));
        }
        ENHANCE_YOUR_CALM => finding.advice.push(format!(
            "{look}: {peer} sent more than it puts up with (pings, settings, resets or empty frames)"
        )),
        INTERNAL_ERROR | CANCEL | CONNECT_ERROR => finding
            .advice
            .push(format!("{look}: what failed is its own")),
        INADEQUATE_SECURITY | HTTP_1_1_REQUIRED => finding.advice.push(format!(
            "{look}: it does not serve what was asked over this connection"
        )),
        _ => finding.advice.push(format!(
            "{look}: it takes what {peer} sent as against the rules of HTTP/2; compare the versions of both, and of what is between them"
        )),
    }
}
