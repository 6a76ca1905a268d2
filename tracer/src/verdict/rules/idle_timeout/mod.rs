//! Somebody closed after silence of a fixed length.
//!
//! Holds where the first close that nobody had announced came after a second of silence or more, and
//! - a proxy closed both its sides at once, after a length that is known, whole or repeats;
//! - or one side closed, after a known length or one that repeats;
//! - or a server closed a connection that waited for a next request, after whole seconds;
//! - or the proxy's log says so (HAProxy `cD`, `sD`; Envoy's details).
//!
//! Silence counts payload: keepalive probes are answered by the kernel and reset no proxy's timer
//! (FACTS 3.6). An idle connection that nobody waited for is let go: that is no alarm,
//! unless it had been switched to another protocol (RFC 9110 section 15.2.2), which is meant to live on.
//!
//! Looks alike: a client that gives up after whole seconds, which a vantage at it shows; a server
//! whose process dies, behind which nothing else is closed.

mod finding;

use std::time::Duration;

use self::finding::{found, may_have_died};
use crate::flow::Side;
use crate::log::{AccessLog, Entry};
use crate::time::Time;
use crate::verdict::Confidence;
use crate::verdict::case::{Case, has_flag};
use crate::verdict::digest::{Digest, Mark};
use crate::verdict::finding::Found;
use crate::verdict::origin::Origin;
use crate::verdict::timeouts::{Kind, Timeout, nearly_whole_seconds, whole_seconds};
use crate::verdict::together::{DIFFERENT, SILENT, closed_as_well, closed_at_once};
use crate::verdict::words;

/// Connections that ended after the same silence, this one included.
const OFTEN: usize = 3;

/// What speaks for a timer.
struct Timer<'a> {
    silence: Duration,
    known: Vec<&'a Timeout>,
    repeated: usize,
    whole: Option<u64>,
    log: Option<(&'a AccessLog, &'a Entry)>,
    owed: bool,
    /// Whether an answer was owed cannot be told.
    doubt: Option<String>,
    /// The connection had been switched to another protocol (WebSocket), in which either side may be silent
    /// for long and nobody opens a new one for a next request: it was meant to live on.
    switched: bool,
    /// The peer had forgotten the connection before.
    gone: bool,
}

pub(super) fn judge(case: &Case<'_>) -> Found {
    let Some(origin) = case.origins.first() else {
        return Err("nobody closed".into());
    };
    if case.broken_off().is_some() {
        return Err("a proxy's log says that the upstream broke off its answer".into());
    }
    let timer = timer(case, origin);
    if timer.silence < SILENT {
        let silence = words::length(timer.silence);
        return Err(format!("the first to close did so {silence} after the last byte").into());
    }
    if timer.log.is_none() && timer.owed && closed_as_well(case, origin, DIFFERENT).is_some() {
        return Err("a connection that was used later was closed at the same time: no timer, but the end of a process, closes both".into());
    }
    if timer.log.is_none() && may_be_aged(case, origin) {
        return Err("the close was announced with GOAWAY, which may be for the connection's age: none to this server lived longer".into());
    }
    let own = origin.both.is_none() && origin.mark.by == Side::Server;
    if timer.log.is_none()
        && timer.repeated < OFTEN
        && own
        && closed_at_once(case, origin.leg, origin.mark.at, DIFFERENT)
    {
        return Err("the server closed another connection at the same time, after another silence: no timer, but the end of a process, closes both".into());
    }
    let mut confidence = confidence(case, origin, &timer)?;
    if timer.log.is_none() && timer.doubt.is_some() {
        confidence = Confidence::Possible;
    }
    Ok(found(case, origin, &timer, confidence))
}

/// Whether the close was announced (HTTP/2 GOAWAY), and no other connection shows that it is not for the age.
fn may_be_aged(case: &Case<'_>, origin: &Origin) -> bool {
    let leg = &case.legs[origin.leg];
    let said = leg.digest.goaway.filter(|said| said.by == origin.mark.by);
    said.is_some_and(|said| {
        let age = said.at.since(leg.digest.begun);
        !case.world.habits.announced(leg.hop.server, age).outlived
    })
}

fn timer<'a>(case: &Case<'a>, origin: &Origin) -> Timer<'a> {
    let leg = &case.legs[origin.leg];
    let mut silence = leg.digest.silence_before(&origin.mark);
    let mut gone = forgotten(leg.digest, &origin.mark);
    if let Some((other, mark)) = origin.both {
        let beyond = &case.legs[other];
        gone |= forgotten(beyond.digest, &mark);
        if !passes_on(beyond.digest, &mark, origin.mark.at) {
            silence = silence.min(beyond.silence(mark.at));
        }
    }
    let owed = case
        .legs
        .iter()
        .any(|leg| leg.asked().is_some() && leg.owed());
    let by_client = origin.mark.by == Side::Client;
    let kinds: &[Kind] = if owed || by_client || origin.both.is_some() {
        &[Kind::Proxy]
    } else {
        &[Kind::Proxy, Kind::Server]
    };
    let habits = case.world.habits;
    Timer {
        silence,
        known: case.world.timeouts.matching(silence, kinds),
        repeated: habits.after_silence(leg.hop.server, origin.mark.by, silence),
        // Who closes both sides at once has a reason of its own; a little late is late enough then.
        whole: match origin.both {
            Some(_) => nearly_whole_seconds(silence),
            None => whole_seconds(silence),
        },
        log: case.logged(says_timeout),
        owed,
        doubt: case.doubt(origin.leg),
        switched: origin.node != 0
            && leg
                .digest
                .answers
                .iter()
                .any(|answer| answer.status.code == 101),
        gone: gone && owed,
    }
}

/// Whether the last that whoever closed sent there was sent when it had closed its other side already: a
/// proxy passes on the goodbye that answers its own FIN (RFC 8446 section 6.1), and no timer waited for
/// that.
fn passes_on(digest: &Digest, mark: &Mark, closed: Time) -> bool {
    let last = digest.last_turn(mark.at);
    last.is_some_and(|turn| turn.by == mark.by && turn.until >= closed)
}

/// Whether the peer answered a FIN with a RST that acknowledges nothing, which says that it had no
/// such connection any more (RFC 9293 section 3.10.7.1).
fn forgotten(digest: &Digest, fin: &Mark) -> bool {
    let peer = digest.first_by(fin.by.other());
    let bare = |mark: &&Mark| mark.rst && mark.head.is_some_and(|head| head.ack.0 == 0);
    peer.filter(bare).is_some_and(|rst| rst.at >= fin.at)
}

/// A log that says that a timer ran out: HAProxy's termination states with a timeout of the client
/// (`c`) or server (`s`) while data was expected (`D`), Envoy's details or its flag (SI).
fn says_timeout(entry: &Entry) -> bool {
    let flags = entry.flags.as_deref().unwrap_or_default();
    let details = entry.details.as_deref().unwrap_or_default();
    flags.starts_with("cD")
        || flags.starts_with("sD")
        || details.contains("idle_timeout")
        || has_flag(entry, &["SI"])
}

fn confidence(
    case: &Case<'_>,
    origin: &Origin,
    timer: &Timer<'_>,
) -> Result<Confidence, &'static str> {
    let side = origin.mark.by;
    // Many clients wait equally long: of what is in front, only a known length tells.
    let repeats = timer.repeated >= OFTEN && !(timer.owed && side == Side::Client);
    let fixed = !timer.known.is_empty() || repeats;
    if timer.log.is_some() {
        return Ok(Confidence::Certain);
    }
    if timer.gone {
        return Ok(Confidence::Possible);
    }
    if origin.both.is_some() {
        let timed = fixed || timer.whole.is_some();
        return Ok(if timed && !may_have_died(origin, timer) {
            Confidence::Likely
        } else {
            Confidence::Possible
        });
    }
    let own = case.at(origin.leg, side).is_some() && !case.is_proxy(origin.leg, side);
    let end = origin.node == 0 || origin.node == case.last_node();
    if timer.owed && own && end {
        return Err(if origin.node == 0 {
            "the client itself closed, not a proxy in front of it"
        } else {
            "the server itself closed, and nothing behind it"
        });
    }
    // A proxy that lets go of its upstream in the middle of an answer, as nobody had told it to.
    let stalled = side == Side::Client
        && origin.node != 0
        && case.is_proxy(origin.leg, side)
        && case.legs[origin.leg].is_broken_off();
    // A proxy that lets go of its upstream in a conversation that was meant to live on; Envoy closes its
    // other side a second later (`delayed_close_timeout`).
    let switched = timer.switched && case.is_proxy(origin.leg, side);
    match (timer.owed, side) {
        _ if (stalled || switched) && timer.whole.is_some() => Ok(Confidence::Likely),
        _ if fixed => Ok(Confidence::Likely),
        (false, Side::Server) if timer.whole.is_some() => Ok(Confidence::Likely),
        (true, Side::Server) if timer.whole.is_some() => Ok(Confidence::Possible),
        (true, _) => Err("one side closed, after a silence that no known timeout has"),
        (false, _) => {
            Err("the silence before the close matches no known timeout and repeats nowhere")
        }
    }
}
