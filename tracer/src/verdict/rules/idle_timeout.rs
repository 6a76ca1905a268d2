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

use std::time::Duration;

use crate::flow::Side;
use crate::log::{AccessLog, Entry};
use crate::time::Time;
use crate::verdict::Confidence;
use crate::verdict::case::{Case, has_flag};
use crate::verdict::digest::{Digest, Mark};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Unfinished;
use crate::verdict::origin::Origin;
use crate::verdict::product::{Product, Settings};
use crate::verdict::timeouts::{Kind, Timeout, nearly_whole_seconds, whole_seconds};
use crate::verdict::together::closed_as_well;
use crate::verdict::words;

/// Shorter silences are those of conversations.
const SILENT: Duration = Duration::from_millis(900);

/// Silences that differ by this are not of one timer.
pub(super) const DIFFERENT: Duration = Duration::from_millis(200);

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
    let mut confidence = confidence(case, origin, &timer)?;
    if timer.log.is_none() && timer.doubt.is_some() {
        confidence = Confidence::Possible;
    }
    Ok(found(case, origin, &timer, confidence))
}

fn timer<'a>(case: &Case<'a>, origin: &Origin) -> Timer<'a> {
    let leg = &case.legs[origin.leg];
    let mut silence = leg.silence(origin.mark.at);
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
    let kinds: &[Kind] = if owed || origin.both.is_some() {
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
        return Ok(if fixed || timer.whole.is_some() {
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
        && case.legs[origin.leg].cut_short().is_some();
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

fn found(case: &Case<'_>, origin: &Origin, timer: &Timer<'_>, confidence: Confidence) -> Finding {
    let (number, mark) = (origin.leg, origin.mark);
    let who = case.name(number, mark.by);
    let culprit = Culprit::End(number, mark.by);
    let mut finding = Finding::new(number, culprit, confidence);
    let length = words::timer(timer.silence);
    finding.alarm = timer.owed || timer.switched;
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because = format!("{who} closed after {length} of silence");
    finding.summary = format!(
        "{} ended it: idle timeout of {length}",
        case.who(number, mark.by)
    );
    if may_have_died(origin, timer) {
        finding.summary += ", or its process ended";
        finding.against.push(format!(
            "nothing but the silence speaks for a timer, and no timer is known to be as long: the kernel closes both sides as well where the process at {who} ends, and no other connection tells"
        ));
        finding.advice.push(format!(
            "look whether the process at {who} ended or was restarted at {}",
            words::clock(mark.at)
        ));
    }
    finding.story = story(case, origin, timer);
    finding.evidence.push(case.cite_mark(number, &mark));
    if let Some((other, mark)) = origin.both {
        finding.evidence.push(case.cite_mark(other, &mark));
    }
    finding.evidence.extend(length_of(timer));
    if let Some((log, entry)) = timer.log {
        finding.evidence.push(format!(
            "{} line {}: {} {}",
            log.name,
            entry.line,
            entry.flags.as_deref().unwrap_or("-"),
            entry.details.as_deref().unwrap_or_default()
        ));
    }
    against(case, origin, timer, &mut finding);
    advise(case, origin, timer, &mut finding);
    finding
}

/// Whether all that speaks for a timer is that both sides were closed at once in the middle of an exchange,
/// as a process does that ends: its kernel closes all that it had open (do_exit, kernel/exit.c).
const fn may_have_died(origin: &Origin, timer: &Timer<'_>) -> bool {
    let fixed = !timer.known.is_empty() || timer.repeated >= OFTEN || timer.whole.is_some();
    origin.both.is_some() && timer.owed && !fixed && timer.log.is_none()
}

fn story(case: &Case<'_>, origin: &Origin, timer: &Timer<'_>) -> String {
    let (number, mark) = (origin.leg, origin.mark);
    let who = case.name(number, mark.by);
    let kind = words::kind(mark.rst);
    let peer = case.name(number, mark.by.other());
    let to = match origin.both {
        Some((other, second)) => format!(
            "{peer} and to {} within {} of each other",
            case.name(other, second.by.other()),
            words::length(second.at.apart(mark.at))
        ),
        None => peer,
    };
    let pending = match (unfinished(case), cut_short(case)) {
        (Some((client, sent)), _) => format!(", when {client} had sent {sent}"),
        (None, Some((server, sent, whole))) => {
            format!(", when {server} had sent {sent} of {whole} bytes of its answer")
        }
        (None, None) if timer.owed => ", while an answer was owed".to_owned(),
        (None, None) => ", when nothing was owed".to_owned(),
    };
    format!(
        "{who} sent {kind} to {to}, {} after the last byte{}{pending}.",
        words::length(timer.silence),
        if origin.both.is_some() {
            " on either side"
        } else {
            ""
        }
    )
}

/// Whose request was not finished, and how much of it was sent.
fn unfinished(case: &Case<'_>) -> Option<(String, Unfinished)> {
    let mut legs = case.legs.iter().enumerate();
    legs.find_map(|(number, leg)| Some((case.name(number, Side::Client), leg.unfinished()?)))
}

/// Who stalled in the middle of its answer, how many bytes of it were sent, and how many these should
/// have been: of several that passed it on, the last.
fn cut_short(case: &Case<'_>) -> Option<(String, u64, u64)> {
    let mut legs = case.legs.iter().enumerate().rev();
    legs.find_map(|(number, leg)| {
        let (sent, whole) = leg.cut_short()?;
        Some((case.name(number, Side::Server), sent, whole))
    })
}

/// What the length of the silence says.
fn length_of(timer: &Timer<'_>) -> Option<String> {
    if let [known, more @ ..] = &timer.known[..] {
        let others = if more.is_empty() {
            String::new()
        } else {
            format!(" (and {} more of this length)", more.len())
        };
        return Some(format!(
            "{} s is a known timeout: {}{others}; {}",
            known.seconds, known.name, known.source
        ));
    }
    if timer.repeated >= OFTEN {
        return Some(format!(
            "{} connections to this server ended after the same silence",
            timer.repeated
        ));
    }
    let whole = timer.whole?;
    Some(format!(
        "the silence was {:.3} s, {whole} s to within what timers are late",
        timer.silence.as_secs_f64()
    ))
}

fn against(case: &Case<'_>, origin: &Origin, timer: &Timer<'_>, finding: &mut Finding) {
    let who = case.name(origin.leg, origin.mark.by);
    let half = case.legs[origin.leg].digest.half;
    if origin.node != 0 && timer.owed && half.is_none() {
        let client = case.name(0, Side::Client);
        finding.against.push(format!(
            "not {client} giving up: no FIN or RST came from it before"
        ));
    }
    if let Some(half) = half {
        finding.against.push(format!(
            "the FIN of {} at {} ended nothing: it came right after the request, and {who} went on waiting for the answer",
            case.name(origin.leg, half.by),
            words::clock(half.at)
        ));
    }
    finding.against.extend(timer.doubt.clone());
    if timer.gone {
        finding.against.push("a peer answered the FIN with a RST: it had no such connection any more, so something had ended it there before; capture there as well".to_owned());
    }
    let beyond = match origin.mark.by {
        Side::Client => origin.leg > 0,
        Side::Server => origin.leg + 1 < case.legs.len(),
    };
    if origin.both.is_none() && timer.owed && !beyond {
        finding.against.push(format!(
            "no vantage shows the other side of {who}: it may have been told to close"
        ));
    }
}

fn advise(case: &Case<'_>, origin: &Origin, timer: &Timer<'_>, finding: &mut Finding) {
    let who = case.name(origin.leg, origin.mark.by);
    let length = words::timer(timer.silence);
    if timer.owed {
        finding.advice.push(match (unfinished(case), cut_short(case)) {
            (Some((client, _)), _) => {
                format!("find out why {client} stopped in the middle of its request")
            }
            (None, Some((server, ..))) => format!(
                "find out why {server} stopped in the middle of its answer, or raise the idle timeout of {who}, {length}, above its longest pause"
            ),
            (None, None) => format!("raise the idle timeout of {who}, {length}, above the slowest answer"),
        });
        let longer = (timer.silence.as_secs_f64() * 4.0).round();
        let settings = Settings {
            envoy: format!("Envoy: stream_idle_timeout: {longer}s"),
            haproxy: format!("timeout client {longer}s, timeout server {longer}s"),
            nginx: format!("proxy_read_timeout {longer}s"),
        };
        let product = Product::of(case, origin.leg, origin.mark.by);
        finding.config.push(settings.lines(product).join("; "));
    } else if timer.switched {
        finding.advice.push(format!(
            "let either side send pings of the protocol (WebSocket: RFC 6455 section 5.5.2) more often than every {length}, or raise the timeout of {who} (HAProxy: timeout tunnel; nginx: proxy_read_timeout; Envoy: stream_idle_timeout)"
        ));
    } else {
        finding.advice.push(format!(
            "nothing has to be done where whoever pools connections to {who} lets go of them earlier than after {length}"
        ));
    }
    if let Some(known) = timer.known.first() {
        finding
            .advice
            .push(format!("{}: {}", known.name, known.change));
    }
    for (number, leg) in case.legs.iter().enumerate() {
        if let Some((side, period)) = slower_probes(leg.digest, timer.silence) {
            finding.advice.push(format!(
                "the probe period of {}, {}, is longer than this timeout of {length}",
                case.name(number, side),
                words::length(period)
            ));
        }
    }
    if origin.both.is_some() && timer.owed {
        finding.advice.push(format!(
            "keepalive probes do not help here: {who} ends TCP itself, and its timer counts bytes only"
        ));
    }
}

/// Who probes on this hop more seldom than that, and how often.
fn slower_probes(digest: &Digest, than: Duration) -> Option<(Side, Duration)> {
    [Side::Client, Side::Server].into_iter().find_map(|side| {
        let [one, other, ..] = &digest.probes[side][..] else {
            return None;
        };
        let period = other.at.since(one.at);
        (period > than).then_some((side, period))
    })
}
