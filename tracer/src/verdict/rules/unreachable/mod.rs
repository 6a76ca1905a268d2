//! Nothing answered the SYNs until the connector gave up, which leaves nothing on the wire (FACTS
//! 3.9), or what answered them was lost on its way back. Says whether a retry elsewhere succeeded, and what
//! it cost. The client's kernel knows whether it gave up, whether its process did, and whether an ICMP error
//! came back, which is no TCP segment.
//!
//! Looks alike: a refused connection, which is answered at once, a SYN at the very end of a capture, and
//! a client that gives up before it could know.

mod ended;
mod unheard;

use std::time::Duration;

use self::ended::{Ended, How};
use self::unheard::Unheard;
use crate::flow::{End, Side};
use crate::hop::Hop;
use crate::segment::Endpoint;
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

/// No connect timeout is shorter: who goes on sooner after a single SYN got an answer that was not captured.
const SHORTEST: Duration = Duration::from_millis(100);

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut aside = None;
    for (number, leg) in case.legs.iter().enumerate() {
        for (place, digest) in leg.tried.iter().enumerate() {
            if digest.end == End::Unanswered {
                let next = leg.tried.get(place + 1).unwrap_or(&leg.digest);
                let finding = found(case, number, digest, Some(next));
                if !finding.aside {
                    return Ok(finding);
                }
                aside = aside.or(Some(finding));
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
    aside.ok_or_else(|| "every SYN was answered".into())
}

/// What is known of an attempt that nothing on the wire answered.
struct Attempt<'a> {
    digest: &'a Digest,
    /// What was tried next.
    next: Option<&'a Digest>,
    /// Its address succeeded.
    succeeded: bool,
    /// When the client went on to something else, or gave up.
    moved_on: Option<Time>,
    /// How long it waited, as far as was seen.
    waited: Duration,
    ended: Option<Ended<'a>>,
}

fn attempt<'a>(
    case: &Case<'a>,
    leg: usize,
    digest: &'a Digest,
    next: Option<&'a Digest>,
) -> Attempt<'a> {
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
    let ended = ended::of(digest);
    let told = ended.as_ref().map(|ended| ended.at);
    let moved_on = retried.or(told).or(answered).or(closed);
    let until = moved_on.unwrap_or_else(|| seen_until(case, digest));
    let succeeded =
        next.is_some_and(|next| next.end != End::Unanswered && next.end != End::Refused);
    Attempt {
        digest,
        next,
        succeeded,
        moved_on,
        waited: until.since(digest.begun),
        ended,
    }
}

impl Attempt<'_> {
    /// A process closed before its kernel would have sent the SYN again: one segment that is lost looks the
    /// same.
    fn is_hasty(&self) -> bool {
        self.digest.syns < 2 && self.closed_after().is_some_and(|after| after < FIRST_RETRY)
    }

    /// How long it was when a process closed it.
    fn closed_after(&self) -> Option<Duration> {
        let ended = self.ended.as_ref()?;
        let closed = matches!(ended.how, How::ClosedBy(_));
        closed.then(|| ended.at.since(self.digest.begun))
    }

    /// The client went on so soon that something must have come back.
    fn is_answered_unseen(&self) -> bool {
        self.ended.is_none()
            && self.digest.syns < 2
            && self.moved_on.is_some()
            && self.waited < SHORTEST
    }

    fn how(&self) -> Option<How<'_>> {
        self.ended.as_ref().map(|ended| ended.how)
    }

    fn confidence(&self, case: &Case<'_>) -> Confidence {
        match self.how() {
            Some(How::Icmp(..)) => return Confidence::Certain,
            Some(How::ResetUnseen) => return Confidence::Possible,
            _ if self.is_hasty() || self.is_answered_unseen() => return Confidence::Possible,
            _ => {}
        }
        let until = self
            .moved_on
            .unwrap_or_else(|| seen_until(case, self.digest));
        let gave_up = until.since(self.digest.last) > patience(self.digest);
        match (self.moved_on.is_some() || gave_up, self.digest.syns) {
            (true, 2..) => Confidence::Certain,
            (true, _) => Confidence::Likely,
            (false, _) => Confidence::Possible,
        }
    }

    fn summary(&self, client: &str, server: Endpoint, syns: &str) -> String {
        let cost = words::length(self.waited);
        let what = match self.how() {
            Some(How::Icmp(name, _)) => {
                format!("{server} cannot be reached: an ICMP error answered {client} ({name})")
            }
            _ if self.is_hasty() => {
                let only = words::length(self.closed_after().unwrap_or(self.waited));
                format!("{server} did not answer: {client} gave up after only {only}")
            }
            _ if self.succeeded => {
                return format!(
                    "{server} does not answer: {client} lost {cost} before a retry elsewhere succeeded"
                );
            }
            _ if self.moved_on.is_some() => {
                format!("{server} does not answer: {client} gave up after {cost}")
            }
            _ => format!("{server} does not answer: {syns} from {client}"),
        };
        if self.succeeded {
            format!("{what}; a retry elsewhere succeeded")
        } else {
            what
        }
    }
}

fn found(case: &Case<'_>, leg: usize, digest: &Digest, next: Option<&Digest>) -> Finding {
    let hop = &case.world.hops.hops[digest.place];
    let client = case.name(leg, Side::Client);
    let attempt = attempt(case, leg, digest, next);
    let culprit = match attempt.how() {
        Some(How::Icmp(..)) => {
            Culprit::Else(format!("whoever sent an ICMP error for {}", hop.server))
        }
        _ => Culprit::End(leg, Side::Client),
    };
    let mut finding = Finding::new(leg, culprit, attempt.confidence(case));
    finding.aside = case.legs[leg].made_up_for(digest);
    finding.proved = matches!(attempt.how(), Some(How::TimedOut | How::Icmp(..)));
    finding.hop = Some(digest.place);
    finding.at = Some(attempt.moved_on.unwrap_or(digest.last));
    finding.flow = hop.sights.first().map(|sight| sight.flow);
    let syns = words::count(digest.syns as usize, "SYN");
    finding.because = format!("{syns} to {} without an answer", hop.server);
    finding.summary = attempt.summary(&client, hop.server, &syns);
    finding.story = story(case, &attempt, &client, hop.server, &syns);
    if let Some(unheard) = Unheard::of(case, hop) {
        unheard.tell(&attempt, &client, hop.server, &syns, &mut finding);
        tell_ended(&attempt, &client, &mut finding);
        return finding;
    }
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
    tell_ended(&attempt, &client, &mut finding);
    advise(case, leg, hop, &attempt, &mut finding);
    finding
}

fn story(
    case: &Case<'_>,
    attempt: &Attempt<'_>,
    client: &str,
    server: Endpoint,
    syns: &str,
) -> String {
    let cost = words::length(attempt.waited);
    let came = match attempt.how() {
        Some(How::Icmp(_, says)) => format!("no segment came back, but an ICMP error: {says}"),
        Some(How::ResetUnseen) => "no vantage shows what came back".to_owned(),
        _ => "nothing came back".to_owned(),
    };
    format!(
        "{client} sent {syns} to {server} from {} on; {came}{}.",
        words::clock(attempt.digest.begun),
        attempt.next.map_or_else(String::new, |next| format!(
            ", and after {cost} it tried {}",
            case.world.hops.hops[next.place].server
        ))
    )
}

/// What the client's kernel says of the end, or that nobody does.
fn tell_ended(attempt: &Attempt<'_>, client: &str, finding: &mut Finding) {
    let Some(Ended { at, how }) = &attempt.ended else {
        if attempt.is_answered_unseen() {
            finding.against.push(format!(
                "{client} went on after only {}: a RST or an ICMP error may have come back that no capture shows",
                words::length(attempt.waited)
            ));
        } else if finding.confidence == Confidence::Possible {
            finding.against.push(format!(
                "{client} may not have given up: nothing was seen afterwards"
            ));
        }
        return;
    };
    let at = words::clock(*at);
    finding.evidence.push(match how {
        How::TimedOut => format!("the kernel of {client} gave up at {at}: ETIMEDOUT"),
        How::Icmp(name, says) => format!(
            "the kernel of {client} says {name} at {at}, and took in no RST: that is an ICMP error ({says})"
        ),
        How::ResetUnseen => format!("the kernel of {client} took in a RST at {at}"),
        How::ClosedBy(by) => format!(
            "the kernel of {client} says that {} (pid {}) closed at {at}, still connecting",
            by.comm, by.pid
        ),
    });
    match how {
        How::Icmp("EHOSTUNREACH", _) => finding.against.push(format!(
            "{client} itself may have made that error: its kernel does where the next hop does not answer ARP or neighbour discovery"
        )),
        How::ResetUnseen => finding
            .against
            .push("no vantage shows that RST: it may have been refused".to_owned()),
        How::ClosedBy(_) if attempt.is_hasty() => finding.against.push(format!(
            "{client} gave up too early to know: a SYN that is lost is sent again only after {} (RFC 6298)",
            words::timer(FIRST_RETRY)
        )),
        _ => {}
    }
}

fn advise(case: &Case<'_>, leg: usize, hop: &Hop, attempt: &Attempt<'_>, finding: &mut Finding) {
    let (client, server) = (case.name(leg, Side::Client), hop.server.address());
    if let Some(How::Icmp(..)) = attempt.how() {
        finding.advice.push(format!(
            "find who sent the ICMP error: a firewall that rejects (on {server} itself or on the way), or a router without a route"
        ));
        finding.config.push(
            "tcpdump -ni any 'icmp or icmp6'; nft list ruleset | grep reject  # whose address does the error come from?"
                .to_owned(),
        );
        return;
    }
    if attempt.is_hasty() {
        finding.advice.push(format!(
            "give {client} a connect timeout above {}, so that one lost SYN does not fail the attempt",
            words::timer(FIRST_RETRY)
        ));
        return;
    }
    finding.advice.push(format!(
        "take {server} out of what {client} balances over while it does not answer (active health checks, outlier detection), and keep the connect timeout short"
    ));
    if let [_, .., farthest] = &hop.sights[..] {
        let at = case.world.scene.flows[farthest.flow].vantage;
        finding.advice.push(format!(
            "if {server} is at {}, its own kernel drops the SYNs: a full accept queue ('ss -ltn' there: Recv-Q above Send-Q; 'nstat -az TcpExtListenOverflows'), or a firewall",
            case.world.scene.name(at)
        ));
    }
    let settings = Settings {
        envoy: "DestinationRule: trafficPolicy.connectionPool.tcp.connectTimeout: 1s; trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: 3 (splitExternalLocalOriginErrors: true)".to_owned(),
        haproxy: "timeout connect 1s; option redispatch; check inter 2s fall 3 on the server lines".to_owned(),
        nginx: "proxy_connect_timeout 1s; max_fails=1 fail_timeout=10s on the server lines".to_owned(),
    };
    let product = Product::of(case, leg, Side::Client);
    finding.config.extend(settings.lines(product));
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
