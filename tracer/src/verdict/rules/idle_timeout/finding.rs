//! What is said of a timer that ran out: what happened, what speaks for it and against, what to do.

use std::time::Duration;

use super::{OFTEN, Timer};
use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::Digest;
use crate::verdict::finding::{Culprit, Finding};
use crate::verdict::leg::Unfinished;
use crate::verdict::origin::Origin;
use crate::verdict::product::{Product, Settings};
use crate::verdict::timeouts::whole_seconds;
use crate::verdict::words;

pub(super) fn found(
    case: &Case<'_>,
    origin: &Origin,
    timer: &Timer<'_>,
    confidence: Confidence,
) -> Finding {
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
        finding.advice.push(words::restarted(&who, mark.at));
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

/// Whether nearly all that speaks for a timer is that both sides were closed at once in the middle of an
/// exchange, as a process does that ends: its kernel closes all that it had open (do_exit, kernel/exit.c).
pub(super) fn may_have_died(origin: &Origin, timer: &Timer<'_>) -> bool {
    let whole = whole_seconds(timer.silence).is_some();
    let fixed = !timer.known.is_empty() || timer.repeated >= OFTEN || whole;
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
    } else if origin.mark.by == Side::Client {
        finding.advice.push(format!(
            "nothing has to be done: {who} lets go of connections that it does not use"
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
