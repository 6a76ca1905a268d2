//! What was asked was answered, then one side closed and the others followed: nothing is wrong.
//!
//! Nobody waits for an answer to words of parting, nor to what is sent right before the close where
//! nothing says that it was a request: then it is likely, or only possible where nothing had ever been
//! answered.
//!
//! Looks alike: an error answer of a gateway, after which everybody closes in good order, also where its
//! upstream had answered something else.

use std::borrow::Cow;

use crate::flow::{End, Side};
use crate::verdict::Confidence;
use crate::verdict::case::{Author, Case};
use crate::verdict::digest::{Mark, Turn};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::rules::closed_mid_exchange;
use crate::verdict::words;

/// So many unanswered retransmissions of an answer say that it never arrived.
const IN_VAIN: u32 = 3;

pub(super) fn judge(case: &Case<'_>) -> Found {
    if case.broken_off().is_some() {
        return Err("a proxy's log says that the upstream broke off its answer".into());
    }
    if case.handshake_failure().is_some() {
        return Err("the handshake of TLS was not over".into());
    }
    let leg = &case.legs[0];
    let went_on = !leg.is_last && leg.answered();
    let closed = if went_on { None } else { Some(closed(case)?) };
    let owing = case.legs.iter().position(|leg| {
        let owed = leg.asked().is_some() && leg.owed();
        owed && !(refused(case) && leg.cut_short().is_none())
    });
    if let Some(owing) = owing {
        let server = case.name(owing, Side::Server);
        return Err(format!("{server} owed an answer").into());
    }
    if let Some(unheard) = unheard(case) {
        return Err(unheard.into());
    }
    if case
        .origins
        .first()
        .is_some_and(|origin| closed_mid_exchange::reset_away(case, origin).is_some())
    {
        return Err("the RST may have destroyed the answer".into());
    }
    let leg = &case.legs[0];
    let last = case.legs.len() - 1;
    let own = case.author(last) == Author::Server && case.legs[last].status() == leg.status();
    if let Some(status) = leg.status().filter(|status| *status >= 500 && !own) {
        return Err(format!("the answer was {status}").into());
    }
    let mut tried = case.legs.iter().flat_map(|leg| &leg.tried);
    if tried.any(|digest| digest.parting.is_none()) {
        return Err("other connections were tried before".into());
    }
    let Some((number, first)) = closed else {
        return Ok(used_again(case));
    };
    if first.rst && case.legs[0].asked().is_none() && case.legs[0].digest.syns == 0 {
        return Err("a RST is all that was seen: what went before is not known".into());
    }
    Ok(found(case, number, first))
}

/// Who sent an answer again and again that nothing ever acknowledged, until its client closed: the client
/// never had it.
fn unheard(case: &Case<'_>) -> Option<String> {
    let mut legs = case.legs.iter().enumerate();
    legs.find_map(|(number, leg)| {
        let unheard = leg.digest.unheard[Side::Server]?;
        let closed = leg.first().filter(|first| first.by == Side::Client)?;
        let in_vain = unheard.times + unheard.later >= IN_VAIN && closed.at >= unheard.until;
        let server = case.name(number, Side::Server);
        in_vain.then(|| format!("nothing acknowledged the answer of {server}"))
    })
}

/// A proxy refused the request by itself, as it refuses an upload that is too long (RFC 9110 section
/// 15.5.14), and its client got that whole: nobody waits for what is owed behind it.
fn refused(case: &Case<'_>) -> bool {
    let leg = &case.legs[0];
    let told = leg
        .status()
        .is_some_and(|status| (400..500).contains(&status));
    told && !leg.owed()
}

/// The connection served other requests afterwards: its end is theirs.
fn used_again(case: &Case<'_>) -> Finding {
    let leg = &case.legs[0];
    let mut finding = Finding::new(0, Culprit::Nobody, Confidence::Likely);
    finding.alarm = false;
    finding.at = leg.exchange.and_then(|exchange| exchange.done);
    finding.flow = leg.hop.sights.first().map(|sight| sight.flow);
    finding.because = "it was answered, and the connection went on".to_owned();
    finding.summary = "nothing wrong: answered, and the connection was used again".to_owned();
    finding.story = format!(
        "{} got its answer{}, and the connection served another request afterwards.",
        case.name(0, Side::Client),
        finding
            .at
            .map_or_else(String::new, |at| format!(" at {}", words::clock(at)))
    );
    let turns = &leg.digest.turns;
    let asked = leg.asked().unwrap_or_default();
    let answer = turns.partition_point(|turn| turn.at < asked);
    let shows = |turn: &Turn, what: &str| {
        let at = words::clock(turn.at);
        match turn.cite.frame {
            0 => format!("{what} at {at}, counted and not shown"),
            _ => format!("{}: {what} at {at}", case.cite(turn.cite)),
        }
    };
    let mut after = turns[answer..].iter();
    let answered = after.find(|turn| turn.by == Side::Server);
    let again = after.find(|turn| turn.by == Side::Client);
    let evidence = [(answered, "the answer"), (again, "the next request")];
    let shown = evidence
        .iter()
        .filter_map(|(turn, what)| Some(shows((*turn)?, what)));
    finding.evidence.extend(shown);
    finding
}

/// What ended it: the first close that nobody had announced.
fn closed<'a>(case: &'a Case<'_>) -> Result<(usize, &'a Mark), Cow<'static, str>> {
    if matches!(case.legs[0].digest.end, End::Refused | End::Unanswered) {
        return Err("there was no connection".into());
    }
    let origin = case.origins.first().ok_or("nobody closed")?;
    Ok((origin.leg, &origin.mark))
}

/// The connection is older than what was seen of it, and what was asked was not seen: only what came back, or
/// what its client said when the other side had closed.
fn is_begun_before(leg: &Leg<'_>, first: &Mark) -> bool {
    let unasked = leg
        .exchange
        .is_some_and(|exchange| exchange.bytes.0 == 0 && exchange.status.is_none());
    let silent = leg.is_deaf() && leg.digest.last_turn(first.at).is_none();
    leg.digest.syns == 0 && (unasked || silent)
}

fn found(case: &Case<'_>, number: usize, first: &Mark) -> Finding {
    let leg: &Leg<'_> = &case.legs[number];
    let who = case.who(number, first.by);
    let closer = case.name(number, first.by);
    let culprit = Culprit::End(number, first.by);
    let older = is_begun_before(leg, first);
    let exchanged = case.legs[0].asked().is_some() && !older;
    let parting = leg.digest.parting.filter(|_| leg.parted());
    let unheard = parting.is_some_and(|parting| !parting.alone);
    let doubt = case.doubt(number);
    let begun_before = !exchanged && leg.digest.syns == 0;
    let unread = is_unread(leg, first);
    let end_unseen = leg.is_end_unseen();
    let unsure = unheard || unread || end_unseen || begun_before || doubt.is_some();
    let confidence = if unsure || first.rst && !exchanged {
        Confidence::Possible
    } else {
        Confidence::Likely
    };
    let mut finding = Finding::new(number, culprit, confidence);
    finding.alarm = false;
    finding.at = Some(first.at);
    finding.flow = Some(first.cite.flow);
    finding.because = format!("nothing was owed when {closer} closed");
    let how = if first.rst { "reset" } else { "closed" };
    finding.summary = if older {
        format!("nothing wrong: {who} {how} a connection on which nothing was seen to be asked")
    } else if leg.is_rest() {
        let client = case.who(number, Side::Client);
        format!("nothing wrong: {client} sent the rest of a request that had been answered before")
    } else if leg.is_deaf() {
        let client = case.who(number, Side::Client);
        format!("nothing wrong: answered, then {who} {how}; {client} went on sending")
    } else if let Some(parting) = parting {
        let what = if parting.alone {
            "a goodbye"
        } else {
            "bytes that nothing answered"
        };
        let client = case.who(number, Side::Client);
        match first.by {
            Side::Client => {
                format!("nothing wrong: {client} sent {what} and closed the connection")
            }
            Side::Server => {
                format!("nothing wrong: {who} {how} the connection; {client} sent {what}")
            }
        }
    } else if end_unseen {
        format!(
            "nothing wrong as far as was captured: an answer in chunks began, then {who} {how} the connection"
        )
    } else if exchanged {
        format!("nothing wrong: answered, then {who} {how} the connection")
    } else {
        let seen = if begun_before {
            "seen to be asked"
        } else {
            "asked"
        };
        format!("nothing wrong: {who} {how} a connection on which nothing was {seen}")
    };
    finding.story = format!(
        "{closer} {how} at {}, {} after the last byte{}.",
        words::clock(first.at),
        words::length(leg.silence(first.at)),
        if leg.is_rest() {
            "; what was sent last is the rest of a request that had its answer"
        } else if leg.is_deaf() {
            "; what came later was sent by a client that had acknowledged the close, and nobody took it in"
        } else if parting.is_some() && first.by == Side::Server {
            "; what the client sent last answers the server's own goodbye, and is owed nothing"
        } else if parting.is_some() {
            "; the client closed right after what it had sent, and waited for no answer to it"
        } else if end_unseen {
            ", when the last answer had begun at least"
        } else if exchanged {
            ", when every request had been answered"
        } else {
            ""
        }
    );
    finding.evidence.push(case.cite_mark(number, first));
    if let Some(status) = case.legs[0].status().filter(|status| *status >= 500) {
        let server = case.name(case.legs.len() - 1, Side::Server);
        finding.against.push(format!(
            "the answer was {status}, and {server} made it: no proxy refused or lost patience"
        ));
    }
    finding.against.extend(doubt);
    if unread {
        finding.against.push(format!(
            "not all frames of the HTTP/2 connection could be read, and {closer} did not say that it would close: a request may have been under way"
        ));
    }
    if end_unseen {
        finding.against.push(format!(
            "the last answer came in chunks, and whether it was complete cannot be told: its end was not captured; capture all bytes (tcpdump -s 0) at {closer}"
        ));
    }
    if begun_before {
        finding.against.push(
            "the capture began in the middle of the connection: what was asked before may have been owed an answer"
                .to_owned(),
        );
    }
    if first.rst {
        finding.against.push(format!("{closer} closed with a RST, which some programs do to save TIME-WAIT: bytes on their way would be lost"));
    }
    finding
}

/// A server closed an HTTP/2 connection without a GOAWAY, which it should have sent (RFC 9113 section 6.8), and
/// frames are missing that would tell whether it was done with all requests.
fn is_unread(leg: &Leg<'_>, first: &Mark) -> bool {
    let digest = leg.digest;
    let calls = digest.calls.is_some_and(|calls| !calls.all);
    calls && first.by == Side::Server && digest.goaway.is_none()
}
