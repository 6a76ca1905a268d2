//! Nothing answered the SYNs until the connector gave up, which leaves nothing on the wire (FACTS
//! 3.9). Says whether a retry elsewhere succeeded, and what it cost.
//!
//! Looks alike: a refused connection, which is answered at once, and a SYN at the very end of a
//! capture.

use std::time::Duration;

use crate::flow::{End, Side};
use crate::time::Time;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::Digest;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::product::{Product, Settings};
use crate::verdict::words;

/// The first retransmission of a SYN comes after a second (RFC 6298 section 2).
const FIRST_RETRY: Duration = Duration::from_millis(1_000);

pub(super) fn judge(case: &Case<'_>) -> Found {
    for (number, leg) in case.legs.iter().enumerate() {
        for (place, digest) in leg.tried.iter().enumerate() {
            if digest.end == End::Unanswered {
                let next = leg.tried.get(place + 1).unwrap_or(&leg.digest);
                return Ok(found(case, number, digest, Some(next)));
            }
        }
        if leg.digest.end == End::Unanswered {
            // A client without a proxy before it tries again by itself. What a proxy opens next may be for
            // another request: what it tried for this one stands in the chain.
            let world = case.world;
            let again = || {
                world
                    .attempts
                    .next(world.hops, leg.digest, patience(leg.digest))
            };
            let next = if number == 0 { again() } else { None };
            let next = next.map(|place| &world.digests[place]);
            return Ok(found(case, number, leg.digest, next));
        }
    }
    Err("every SYN was answered".into())
}

fn found(case: &Case<'_>, leg: usize, digest: &Digest, next: Option<&Digest>) -> Finding {
    let hop = &case.world.hops.hops[digest.place];
    let client = case.name(leg, Side::Client);
    let downstream = leg.checked_sub(1).map(|before| &case.legs[before]);
    let answered = downstream.and_then(Leg::answered_at);
    let closed = downstream
        .and_then(Leg::first)
        .filter(|first| first.by == Side::Server && first.at >= digest.begun)
        .map(|first| first.at);
    // A pooled connection is older than the retry: the request on it is the retry.
    let retried = next.and_then(|next| {
        let exchange = case.legs[leg]
            .exchange
            .filter(|_| next.begun <= digest.begun);
        exchange.map_or(Some(next.begun), |exchange| Some(exchange.began))
    });
    let retried = retried.filter(|retried| *retried > digest.begun);
    let moved_on = retried.or(answered).or(closed);
    let until = moved_on.unwrap_or_else(|| seen_until(case, digest));
    let waited = until.since(digest.begun);
    let gave_up = until.since(digest.last) > patience(digest);
    let confidence = match (moved_on.is_some() || gave_up, digest.syns) {
        (true, 2..) => Confidence::Certain,
        (true, _) => Confidence::Likely,
        (false, _) => Confidence::Possible,
    };
    let mut finding = Finding::new(leg, Culprit::End(leg, Side::Client), confidence);
    finding.hop = Some(digest.place);
    finding.at = Some(moved_on.unwrap_or(digest.last));
    finding.flow = hop.sights.first().map(|sight| sight.flow);
    let syns = words::count(digest.syns as usize, "SYN");
    finding.because = format!("{syns} to {} without an answer", hop.server);
    let succeeded =
        next.is_some_and(|next| next.end != End::Unanswered && next.end != End::Refused);
    let cost = words::length(waited);
    finding.summary = if succeeded {
        format!(
            "{} does not answer: {client} lost {cost} before a retry elsewhere succeeded",
            hop.server
        )
    } else if moved_on.is_some() {
        format!(
            "{} does not answer: {client} gave up after {cost}",
            hop.server
        )
    } else {
        format!("{} does not answer: {syns} from {client}", hop.server)
    };
    finding.story = format!(
        "{client} sent {syns} to {} from {} on; nothing came back{}.",
        hop.server,
        words::clock(digest.begun),
        next.map_or_else(String::new, |next| format!(
            ", and after {cost} it tried {}",
            case.world.hops.hops[next.place].server
        ))
    );
    finding.evidence.push(format!(
        "{syns} between {} and {}, no SYN-ACK and no RST",
        words::clock(digest.begun),
        words::clock(digest.last)
    ));
    if hop.sights.len() > 1 {
        finding
            .evidence
            .push("the SYNs were seen at more than one vantage: they got that far".to_owned());
    }
    if confidence == Confidence::Possible {
        finding.against.push(format!(
            "{client} may not have given up: nothing was seen afterwards"
        ));
    }
    finding.advice.push(format!(
        "take {} out of what {client} balances over while it is dead (active health checks, outlier detection), and keep the connect timeout short",
        hop.server.address()
    ));
    let settings = Settings {
        envoy: "DestinationRule: trafficPolicy.connectionPool.tcp.connectTimeout: 1s; trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: 3 (splitExternalLocalOriginErrors: true)".to_owned(),
        haproxy: "timeout connect 1s; option redispatch; check inter 2s fall 3 on the server lines".to_owned(),
        nginx: "proxy_connect_timeout 1s; max_fails=1 fail_timeout=10s on the server lines".to_owned(),
    };
    let product = Product::of(case, leg, Side::Client);
    finding.config.extend(settings.lines(product));
    finding
}

/// The next SYN comes after as long as all before took, and a second (exponential backoff), or sooner.
fn patience(digest: &Digest) -> Duration {
    digest.last.since(digest.begun) + FIRST_RETRY + FIRST_RETRY / 2
}

/// The last that was seen at the vantages that show it.
fn seen_until(case: &Case<'_>, digest: &Digest) -> Time {
    let scene = case.world.scene;
    let sights = case.world.hops.hops[digest.place].sights.iter();
    let lasts = sights.filter_map(|sight| {
        let vantage = scene.flows[sight.flow].vantage;
        let last = scene.vantages[vantage].vantage.last?;
        Some(case.world.hops.clocks.common(vantage, last))
    });
    lasts.max().unwrap_or(digest.last)
}
