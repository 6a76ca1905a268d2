//! The server ended while it owed an answer: its process died, closed or reset.
//!
//! Holds where the first FIN or RST that nobody had announced is a server's, and its answer was owed.
//! A kernel that was watched says which process did it.
//!
//! Holds as well where a server answered and reset the connection before all of its answer was acknowledged:
//! whoever closes with bytes that it has not read does (RFC 1122 section 4.2.2.13), and the answer may
//! be lost. That is possible; likely where some of it did not come to the client's end.
//!
//! Looks alike: an idle timeout of a proxy, which closes both its sides; a stale connection, whose
//! server had not read the request; a client that gave up, which closed first.

use std::time::Duration;

use crate::flow::Side;
use crate::kernel::FactKind;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::{Away, Digest, Mark, Turn};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::origin::Origin;
use crate::verdict::rules::{stale_reuse, unseen};
use crate::verdict::together::{DIFFERENT, SILENT, closed_as_well};
use crate::verdict::{timeouts, words};

/// The least that a stack waits for an acknowledgment before it sends again (TCP_RTO_MIN,
/// include/net/tcp.h).
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);

pub(super) fn judge(case: &Case<'_>) -> Found {
    if let Some(finding) = tried(case) {
        return Ok(finding);
    }
    if case.handshake_failure().is_some() {
        return Err("the handshake of TLS was not over".into());
    }
    if let Some(finding) = unseen::closed(case) {
        return Ok(finding);
    }
    let Some(origin) = case.origins.first() else {
        return Err("nobody closed".into());
    };
    if let Some(finding) = process_ended(case, origin) {
        return Ok(finding);
    }
    if let Some(finding) = broke_off(case, origin) {
        return Ok(finding);
    }
    if origin.mark.by != Side::Server {
        return Err("the first to close was the client of its hop".into());
    }
    if origin.both.is_some() {
        return Err("who closed did so on both its sides: a proxy's own doing".into());
    }
    let leg = &case.legs[origin.leg];
    if leg.is_deaf() {
        return Err("the client asked although it had heard of the close".into());
    }
    if stale_reuse::forgotten(leg).is_some() {
        return Err("the RST says that there was no such connection any more".into());
    }
    let owed = leg.owed() || case.broken_off().is_some();
    if let Some(away) = reset_away(case, origin).filter(|_| !owed) {
        return Ok(destroyed(case, origin, away));
    }
    if !owed || leg.asked().is_none() {
        return Err("no answer was owed".into());
    }
    Ok(found(case, origin))
}

/// A proxy that closed both its sides, and another connection at the same time that had been used later: its
/// process ended, or it let go of all that it had.
fn process_ended(case: &Case<'_>, origin: &Origin) -> Option<Finding> {
    let (mark, quiet) = (origin.mark, case.legs[origin.leg].silence(origin.mark.at));
    let owed = case.legs[0].owed() && case.legs[0].asked().is_some();
    let (other, used) = closed_as_well(case, origin, DIFFERENT).filter(|_| owed)?;
    let who = case.who(origin.leg, mark.by);
    let mut finding = Finding::new(
        origin.leg,
        Culprit::End(origin.leg, mark.by),
        Confidence::Possible,
    );
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because = format!("{who} closed connections of different silence all at once");
    finding.summary =
        format!("{who} ended it: its process ended, or it let go of all its connections at once");
    finding.story = format!(
        "{who} closed both its sides at {}, {} after the last byte, while an answer was owed, and at the same time a connection that had been used {} before.",
        words::clock(mark.at),
        words::length(quiet),
        words::length(used)
    );
    finding.evidence.push(case.cite_mark(origin.leg, &mark));
    finding.evidence.push(format!(
        "{}: {who} closed another connection, on a client that waited for {} only",
        case.cite(other.cite),
        words::length(used)
    ));
    finding.against.push(
        "not an idle timeout: one timer does not run out at once for silences of different length"
            .to_owned(),
    );
    finding.against.push(format!(
        "{who} may as well have drained its connections, or read its configuration anew; a limit to their age \
         closes at once those that were opened at once"
    ));
    finding.advice.push(words::restarted(&who, mark.at));
    Some(finding)
}

/// A proxy that closed both its sides in the middle of an exchange, after a silence that is too short for a
/// timer, and without a word of its own to the client: its process ended, or it failed.
fn broke_off(case: &Case<'_>, origin: &Origin) -> Option<Finding> {
    let (number, mark) = (origin.leg, origin.mark);
    let (other, second) = origin.both?;
    let quiet = [number, other].map(|leg| case.legs[leg].silence(mark.at));
    let owed = |leg: usize| case.legs[leg].owed() && case.legs[leg].asked().is_some();
    let soon = quiet.iter().min().is_some_and(|quiet| *quiet < SILENT);
    // A proxy that answers by itself lets go of what it had passed on.
    let [downstream, upstream] = [number.min(other), number.max(other)].map(|leg| &case.legs[leg]);
    let own = downstream.head().is_some() && upstream.head().is_none();
    if !soon || own || !owed(number) || !owed(other) {
        return None;
    }
    let who = case.who(number, mark.by);
    let mut finding = Finding::new(number, Culprit::End(number, mark.by), Confidence::Likely);
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because = format!("{who} closed both its sides while an answer was owed");
    finding.summary = format!(
        "{who} ended it: it closed both its sides while an answer was owed; did its process end?"
    );
    finding.story = format!(
        "{who} closed both its sides at {}, {} after the last byte, while it waited for an answer itself.",
        words::clock(mark.at),
        words::length(quiet.into_iter().min().unwrap_or_default())
    );
    finding.evidence.push(case.cite_mark(number, &mark));
    finding.evidence.push(case.cite_mark(other, &second));
    finding.against.push(format!(
        "not an idle timeout, as far as can be told: timers are seldom set to less than {}",
        words::length(SILENT)
    ));
    finding.advice.push(words::restarted(&who, mark.at));
    Some(finding)
}

/// What a server's RST may have destroyed of the answer that it had sent, where nobody in front of it was answered
/// all the same.
pub(super) fn reset_away(case: &Case<'_>, origin: &Origin) -> Option<Away> {
    let leg = &case.legs[origin.leg];
    let away = leg.digest.away.filter(|_| leg.is_last)?;
    let last = leg.digest.last_turn(origin.mark.at)?;
    let mut in_front = case.legs[..origin.leg].iter();
    let passed_on = in_front.any(Leg::answered);
    let answer = last.by == Side::Server && leg.asked().is_some() && !leg.parted();
    let reset = origin.mark.rst && origin.mark.by == Side::Server;
    // What nothing acknowledged for longer would have been sent again: that was only not captured.
    let at_once = leg.silence(origin.mark.at) < LEAST_TIMEOUT;
    (reset && answer && !passed_on && (away.lost || at_once)).then_some(away)
}

/// A server that answered, and reset the connection before that was acknowledged.
fn destroyed(case: &Case<'_>, origin: &Origin, away: Away) -> Finding {
    let (number, mark) = (origin.leg, origin.mark);
    let (server, client) = (
        case.name(number, Side::Server),
        case.name(number, Side::Client),
    );
    let confidence = if away.lost {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let mut finding = Finding::new(number, Culprit::End(number, Side::Server), confidence);
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because = format!("{server} reset the connection before its answer was acknowledged");
    finding.summary = format!(
        "{} reset the connection right after its answer, {} of which nothing acknowledged: it {}",
        case.who(number, Side::Server),
        words::count(away.bytes as usize, "byte"),
        if away.lost {
            "did not all arrive"
        } else {
            "may be lost"
        }
    );
    finding.story = format!(
        "{server} answered {client} and sent a RST at {}, {} after the last byte; a RST lets nobody send again what is missing.",
        words::clock(mark.at),
        words::length(case.legs[number].silence(mark.at))
    );
    finding.evidence.push(case.cite_mark(number, &mark));
    finding.against.push(if away.lost {
        format!("what did not come to {client} may have been lost on the way, and would have been sent again but for the RST")
    } else {
        format!("the answer may have come to {client} just before the RST: no vantage is there; capture there as well")
    });
    finding.advice.push(format!(
        "let {server} read all of the request before it closes, or shut down sending first and read on (RFC 9112 section 9.6); a close with unread bytes, or SO_LINGER 0, makes a RST"
    ));
    finding
}

/// A connection that was tried before, and on which the server closed instead of answering.
fn tried(case: &Case<'_>) -> Option<Finding> {
    for (number, leg) in case.legs.iter().enumerate() {
        for digest in leg.tried.iter().copied() {
            let Some(mark) = digest.first.filter(|first| first.by == Side::Server) else {
                continue;
            };
            let last = digest.last_turn(mark.at);
            let Some(asked) = last.filter(|turn| turn.by == Side::Client) else {
                continue;
            };
            return Some(retried(case, number, digest, &mark, asked));
        }
    }
    None
}

fn retried(case: &Case<'_>, number: usize, digest: &Digest, mark: &Mark, asked: &Turn) -> Finding {
    let hop = &case.world.hops.hops[digest.place];
    let (who, culprit) = match hop.at.server {
        Some(vantage) => (
            case.world.scene.name(vantage).to_owned(),
            Culprit::At(vantage),
        ),
        None => {
            let who = format!("the server {}", hop.server);
            (who.clone(), Culprit::Else(who))
        }
    };
    let client = case.name(number, Side::Client);
    let kind = words::kind(mark.rst);
    let waited = words::length(mark.at.since(asked.until));
    let mut finding = Finding::new(number, culprit, Confidence::Likely);
    finding.hop = Some(digest.place);
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because =
        format!("the first connection ended by a {kind} of the server, which owed an answer");
    finding.summary = format!(
        "{who} ended the first attempt: {kind} while it owed an answer for {waited}; {client} tried again"
    );
    finding.story = format!(
        "{client} asked {} at {}, which ended the connection {waited} later without an answer; {client} then sent the request again on another connection{}.",
        hop.server,
        words::clock(asked.at),
        if case.legs[number].answered() {
            ", and got an answer"
        } else {
            ""
        }
    );
    finding.evidence.push(format!(
        "{}: {kind} from {who} at {}",
        case.cite(mark.cite),
        words::clock(mark.at)
    ));
    finding.advice.push(format!(
        "look for why the process at {who} ended or closed at {}",
        words::clock(mark.at)
    ));
    finding
}

fn found(case: &Case<'_>, origin: &Origin) -> Finding {
    let number = origin.leg;
    let leg = &case.legs[number];
    let mark = origin.mark;
    let server = case.name(number, Side::Server);
    let kind = words::kind(mark.rst);
    let silence = leg.silence(mark.at);
    let process = leg
        .digest
        .kernel(Side::Server, |kind| matches!(kind, FactKind::Closed(_)));
    // Where nobody stands at the server it may as well be a proxy with a timer, and where one stands it is.
    let told = case.at(number, Side::Server).is_some() && !case.is_proxy(number, Side::Server);
    let whole = timeouts::whole_seconds(silence).filter(|_| !told);
    let confidence = match (process, whole) {
        (Some(_), _) => Confidence::Certain,
        (None, Some(_)) => Confidence::Possible,
        (None, None) => Confidence::Likely,
    };
    let mut finding = Finding::new(number, Culprit::End(number, Side::Server), confidence);
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because = format!("the first {kind} is a server's that owed an answer");
    let (who, quiet) = (case.who(number, Side::Server), words::length(silence));
    let begun = leg.answered_at().is_some_and(|begun| begun <= mark.at);
    let (owed, since) = match leg.waited(mark.at).filter(|_| begun) {
        Some(waited) => (
            format!("in the middle of its answer, {quiet} after the last byte"),
            format!(
                "{} after it had been asked and {quiet} after the last byte of its answer",
                words::length(waited)
            ),
        ),
        None => (
            format!("while it owed an answer for {quiet}"),
            format!("{quiet} after it had been asked"),
        ),
    };
    finding.summary = format!("{who} ended it: {kind} {owed}");
    finding.story = format!(
        "{server} {} at {}, {since}, before anybody else closed.",
        if mark.rst {
            "reset the connection"
        } else {
            "closed"
        },
        words::clock(mark.at)
    );
    finding.evidence.push(case.cite_mark(number, &mark));
    if let Some((log, entry)) = case.broken_off() {
        let details = entry.details.as_deref().unwrap_or_default();
        let line = format!("{} line {}: {details}", log.name, entry.line);
        finding.evidence.push(line);
    }
    if let Some((sent, whole)) = leg.cut_short() {
        finding.evidence.push(format!(
            "the answer announced {whole} bytes with its head, and ended after {sent}"
        ));
    }
    if let Some(sent) = leg.unended() {
        finding.evidence.push(format!(
            "the answer came in chunks, and ended after {sent} bytes without the last of them"
        ));
    }
    if let Some(sent) = leg.reset_in_answer() {
        finding.evidence.push(format!(
            "the answer tells neither a length nor chunks, so that only a FIN would have ended it: a RST came after {sent} bytes (RFC 9112 section 8)"
        ));
    }
    if let Some(told) = process
        && let FactKind::Closed(process) = &told.kind
    {
        finding.evidence.push(words::closed_by(process));
    }
    if let Some(whole) = whole {
        finding.against.push(format!(
            "it may be an idle timeout of a proxy: {server} closed after almost exactly {whole} s of silence, and no vantage shows whether something is behind it"
        ));
    } else if let Some(half) = leg.digest.half {
        finding.against.push(format!(
            "not the client giving up: its FIN at {} came right after the request, and {server} went on waiting",
            words::clock(half.at)
        ));
    } else {
        finding.against.push(format!(
            "not the client giving up: no FIN or RST came to {server} before"
        ));
    }
    finding.advice.push(format!(
        "look for why the process at {server} ended or closed at {}: its log, the kernel's (out of memory), restarts of the pod",
        words::clock(mark.at)
    ));
    finding
}
