//! What was seen does not tell: says what it was, and what would be needed.

use crate::flow::{End, Side};
use crate::log::Entry;
use crate::verdict::Confidence;
use crate::verdict::case::{Author, Case, has_flag};
use crate::verdict::finding::{Culprit, Finding};
use crate::verdict::gaps;
use crate::verdict::leg::Leg;
use crate::verdict::words;

pub(in crate::verdict) fn judge(case: &Case<'_>) -> Finding {
    let number = case.legs.len() - 1;
    let leg = &case.legs[number];
    let failed = |leg: &Leg<'_>| leg.status().filter(|status| *status >= 500);
    let passed_on = case.legs.iter().take_while(|leg| failed(leg).is_some());
    let status = failed(&case.legs[0]);
    let mut finding = Finding::new(0, Culprit::Nobody, Confidence::Possible);
    let mut asked = number;
    finding.because = "no other rule holds".to_owned();
    finding.flow = leg.hop.sights.first().map(|sight| sight.flow);
    finding.at = case.legs[0].answered_at();
    if let Some(own) = refused(case).or_else(|| hasty(case)) {
        return own;
    }
    if let Some(status) = status {
        let author = passed_on.count() - 1;
        asked = author;
        let server = case.name(author, Side::Server);
        let alone = author == number && case.sees_upstream_of(author) && case.covers(author);
        finding.summary = format!("answered {status}; what was captured does not tell why");
        finding.story = format!(
            "{server} answered {status}: it, or something behind it, failed. {}",
            if alone {
                "It is not seen to have asked anybody for it."
            } else if author == number {
                "Nothing behind it was captured, or nothing could be joined to this request."
            } else {
                "What was captured behind it does not tell why."
            }
        );
        finding
            .evidence
            .push(format!("the answer's status is {status}"));
    } else if let Some(origin) = case.origins.first() {
        let who = case.name(origin.leg, origin.mark.by);
        finding.at = Some(origin.mark.at);
        let kind = words::kind(origin.mark.rst);
        if gaps::may_hide(case) {
            // The one before may be among what is missing.
            finding.summary =
                "frames are missing: what was captured does not tell who ended it".to_owned();
            finding.story = format!(
                "The first {kind} that was captured is of {who}, and no rule explains it: it may have passed on one that was not."
            );
        } else {
            finding.culprit = Culprit::End(origin.leg, origin.mark.by);
            finding.summary = format!("{who} closed first; what was captured does not tell why");
            finding.story = format!("{who} sent the first {kind}, and no rule explains it.");
        }
        finding
            .evidence
            .push(case.cite_mark(origin.leg, &origin.mark));
    } else {
        finding.summary = "what was captured does not tell how it ended".to_owned();
        finding.story = "No rule explains what was seen.".to_owned();
    }
    let server = case.name(asked, Side::Server);
    let logs = "give the access logs of the proxies (--access-log)";
    finding.advice.push(match case.at(asked, Side::Server) {
        Some(_) => format!("{logs}, and look into the error log of {server}"),
        None => format!("capture at {server} and behind it as well, and {logs}"),
    });
    finding
}

/// A gateway answered with an error while its upstream still had the request: it did not wait for that, and
/// only it can say why (a filter, a limit, an upstream of another kind that it asked besides).
fn hasty(case: &Case<'_>) -> Option<Finding> {
    let (number, pair) = case.legs.windows(2).enumerate().find(|(number, pair)| {
        let [leg, next] = pair else { return false };
        let failed = leg.answered() && leg.status().is_some_and(|status| status >= 500);
        let connected = !matches!(next.digest.end, End::Refused | End::Unanswered);
        let waiting = next.owed() && next.asked().is_some() && connected;
        failed && waiting && leg.upstream_failed().is_none() && !case.upstream_had_closed(*number)
    })?;
    if case.logged(tells_of_upstream).is_some() {
        return None;
    }
    let (leg, status) = (&pair[0], pair[0].status()?);
    let (gateway, upstream) = (
        case.name(number, Side::Server),
        case.name(number + 1, Side::Server),
    );
    let waited = leg.waited(leg.answered_at()?)?;
    let culprit = Culprit::End(number, Side::Server);
    let mut finding = Finding::new(number, culprit, Confidence::Likely);
    finding.at = leg.answered_at();
    finding.flow = leg.answered_in();
    finding.because = "no other rule holds".to_owned();
    finding.summary = format!(
        "{} answered {status} without waiting for {upstream}; only {gateway} can say why",
        case.who(number, Side::Server)
    );
    finding.story = format!(
        "{gateway} answered {status} {} after it had been asked: {upstream} had the request and had neither answered nor closed.",
        words::length(waited)
    );
    finding
        .evidence
        .push(format!("the answer's status is {status}"));
    finding
        .evidence
        .push(format!("no answer from {upstream}, FIN or RST until then"));
    logged(case, &mut finding);
    finding.against.push(
        "not a request timeout, as far as can be told: timers are seldom that short, and those of gateways answer 504"
            .to_owned(),
    );
    finding.advice.push(format!(
        "look into the error log of {gateway}: what it does beside passing requests on (filters, authorization, limits, mirroring) may have failed"
    ));
    Some(finding)
}

/// A log says that the upstream failed, whatever was captured: Envoy's flags on upstreams, or HAProxy's first
/// letter for a session that its server ended.
fn tells_of_upstream(entry: &Entry) -> bool {
    let by_server = |flags: &str| flags.len() == 4 && flags.starts_with('S');
    has_flag(entry, &["UC", "UF", "UH", "UPE", "UR", "URX"])
        || entry.flags.as_deref().is_some_and(by_server)
}

/// A gateway answered with an error although its upstream had answered without one: it did not like that
/// answer (nginx: `upstream sent too big header`; HAProxy: `PH--`; Envoy: UPE). Who is proved by the two
/// answers; why only the gateway can say.
fn refused(case: &Case<'_>) -> Option<Finding> {
    let pairs = case.legs.windows(2).enumerate();
    let (number, status, theirs) = pairs.into_iter().find_map(|(number, pair)| {
        let status = pair[0].status().filter(|status| *status >= 500)?;
        let theirs = pair[1].status().filter(|theirs| *theirs < 500)?;
        let made = case.author(number) == Author::Gateway && pair[1].answered();
        made.then_some((number, status, theirs))
    })?;
    let gateway = case.name(number, Side::Server);
    let upstream = case.name(number + 1, Side::Server);
    let leg = &case.legs[number];
    let mut finding = Finding::new(
        number,
        Culprit::End(number, Side::Server),
        Confidence::Likely,
    );
    finding.at = leg.answered_at();
    finding.flow = leg.hop.sights.first().map(|sight| sight.flow);
    finding.because = "no other rule holds".to_owned();
    finding.summary = format!(
        "{} answered {status} although {upstream} had answered {theirs}; only {gateway} can say why",
        case.who(number, Side::Server)
    );
    finding.story = format!(
        "{upstream} answered {theirs}, and {gateway} did not pass that on: it answered {status} by itself."
    );
    let answers = [(number, status), (number + 1, theirs)];
    for (leg, status) in answers {
        let Some(at) = case.legs[leg].answered_at() else {
            continue;
        };
        let who = case.name(leg, Side::Server);
        let line = format!("{who} answered {status} at {}", words::clock(at));
        finding.evidence.push(line);
    }
    logged(case, &mut finding);
    finding.advice.push(format!(
        "look into the error log of {gateway}: the answer's head may be larger than it takes (nginx: proxy_buffer_size; HAProxy: tune.bufsize; Envoy: max_response_headers_kb), or not be valid HTTP"
    ));
    Some(finding)
}

/// What access logs say of it.
fn logged(case: &Case<'_>, finding: &mut Finding) {
    for (log, entry) in &case.entries {
        if let Some(flags) = &entry.flags {
            let details = entry.details.as_deref().unwrap_or_default();
            let line = format!("{} line {}: {flags} {details}", log.name, entry.line);
            finding.evidence.push(line.trim_end().to_owned());
        }
    }
}
