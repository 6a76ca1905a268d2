//! A pooled connection was used again as its peer closed it: request and FIN cross, RST follows
//! (FACTS 3.8; Envoy: 503 UC).
//!
//! Holds where a server that had answered before closed without having taken in the last request: its
//! FIN acknowledges less than the request, whatever the order at any vantage. It is possible where no FIN
//! was seen, and a RST that acknowledges nothing answers a request on a used connection.
//!
//! Looks alike: the rest of a request that the server refused and closed after; a server that dies with the request in its hands; its FIN acknowledges it.

use std::time::Duration;

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::{Case, has_flag};
use crate::verdict::digest::{Carries, Digest, Mark, Turn};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::product::{Product, Settings};
use crate::verdict::relay;
use crate::verdict::words;

/// A close so soon after an answer belongs to it.
const AT_ONCE: Duration = Duration::from_millis(10);

/// What answers a request that nobody takes in comes as soon as it arrives.
const SOON: Duration = Duration::from_secs(1);

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
    for (number, leg) in case.legs.iter().enumerate() {
        if let Some((request, rst)) = forgotten(leg) {
            return Ok(gone(case, number, request, rst));
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

/// A request on a used connection that a RST answered which acknowledges nothing: whoever made it had no
/// such connection (RFC 9293 section 3.10.7.1). A process that resets what it holds acknowledges
/// (`tcp_send_active_reset`, net/ipv4/tcp_output.c).
pub(super) fn forgotten<'a>(leg: &Leg<'a>) -> Option<(&'a Turn, &'a Mark)> {
    let rst = leg.first()?;
    let bare = rst.rst && rst.head.is_some_and(|head| head.ack.0 == 0);
    if rst.by != Side::Server || !bare {
        return None;
    }
    let (request, before) = leg.digest.turns.split_last()?;
    let used_before = before.iter().any(|turn| turn.by == Side::Server);
    let at_once = rst.at >= request.until && rst.at.since(request.until) < SOON;
    (request.by == Side::Client && used_before && at_once).then_some((request, rst))
}

/// Its FIN was lost, or something on the way had forgotten the connection: one vantage does not tell.
fn gone(case: &Case<'_>, leg: usize, request: &Turn, rst: &Mark) -> Finding {
    let (client, server) = (case.name(leg, Side::Client), case.name(leg, Side::Server));
    let digest = case.legs[leg].digest;
    let culprit = Culprit::End(leg, Side::Server);
    let mut finding = Finding::new(leg, culprit, Confidence::Possible);
    let idle = digest.turns[digest.turns.len() - 2].until;
    let silent = words::length(request.at.since(idle));
    finding.at = Some(rst.at);
    finding.flow = Some(rst.cite.flow);
    finding.because =
        "a RST that acknowledges nothing answered a request on a used connection".to_owned();
    finding.summary = format!(
        "{} had no such connection any more when {client} used it again after {silent}",
        case.who(leg, Side::Server)
    );
    finding.story = format!(
        "{client} used a pooled connection again after {silent} without traffic, and a RST that acknowledges nothing came back at once: whoever made it had no such connection."
    );
    finding.evidence.push(case.cite_mark(leg, rst));
    finding.evidence.push(format!(
        "{}: the request at {}",
        case.cite(request.cite),
        words::clock(request.at)
    ));
    finding.against.push(format!(
        "not {server} dying in the middle of an answer: it had not taken the request in"
    ));
    finding.against.push(format!(
        "if {server} never closed, something on the way forgot the connection and made the RST: capture at {server} to tell"
    ));
    finding.advice.push(format!(
        "let {client} close idle connections sooner than after {silent}, or send keepalive probes more often"
    ));
    finding
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
    if let Some(said) = digest.deaf_at(request.at) {
        return deaf(
            case,
            leg,
            digest,
            (request, fin, reset),
            (confidence, said.proved),
        );
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
        "or let {client} retry what {server} cannot have read, where it may be asked twice ({})",
        retries(product)
    ));
    let settings = idle_settings(silent);
    finding.config.extend(settings.lines(product));
    finding
}

/// How to let go of idle connections a fifth before the server does.
fn idle_settings(silent: Duration) -> Settings {
    let below = silent.mul_f64(0.8);
    let (below, in_envoy) = match below.as_secs() {
        // Envoy reads durations of protobuf's JSON, which knows seconds only.
        0 => (
            format!("{}ms", below.as_millis().max(1)),
            format!("{:.3}s", below.as_secs_f64().max(0.001)),
        ),
        whole => (format!("{whole}s"), format!("{whole}s")),
    };
    let why = format!("# below {}", words::timer(silent));
    Settings {
        envoy: format!(
            "DestinationRule: trafficPolicy.connectionPool.http.idleTimeout: {below}; Envoy: common_http_protocol_options.idle_timeout: {in_envoy} in the cluster's HttpProtocolOptions  {why}"
        ),
        // No pool-purge-delay above 0 is a bound: each time half of what is idle is closed (its configuration
        // manual, section 5.2). What still belongs to a client goes with it.
        haproxy: format!(
            "pool-max-conn 0 on the server lines, timeout http-keep-alive {below}  {why}"
        ),
        nginx: format!("keepalive_timeout {below} in the upstream  {why}"),
    }
}

/// What makes a proxy ask again. Envoy's `reset-before-request` does not: bytes of the request had been sent
/// (`wouldRetryFromReset`, source/common/router/retry_state_impl.cc).
const fn retries(product: Option<Product>) -> &'static str {
    match product {
        Some(Product::Envoy) => {
            "Envoy: retry_on reset; Istio: retries.retryOn: reset,connect-failure"
        }
        Some(Product::Haproxy) => {
            "retry-on conn-failure empty-response, with http-request disable-l7-retry for what is not safe; option redispatch"
        }
        Some(Product::Nginx) => "proxy_next_upstream error, for POST with non_idempotent",
        None => {
            "Envoy: retry_on reset; HAProxy: retry-on conn-failure empty-response; nginx: proxy_next_upstream error"
        }
    }
}

/// Nothing crossed: the client had acknowledged the FIN before it sent the request.
fn deaf(
    case: &Case<'_>,
    leg: usize,
    digest: &Digest,
    (request, fin, reset): (&Turn, &Mark, Option<&Mark>),
    (confidence, proved): (Confidence, bool),
) -> Finding {
    let (client, server) = (case.name(leg, Side::Client), case.name(leg, Side::Server));
    let late = words::length(request.at.since(fin.at));
    // A first copy of the request may have crossed the FIN, and been lost.
    let confidence = if proved {
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
    if !proved {
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
