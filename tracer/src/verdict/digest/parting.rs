//! Words of parting: what a side says as it closes asks for no answer. The close_notify alert of TLS
//! (RFC 8446 section 6.1), `QUIT`, MySQL's COM_QUIT, PostgreSQL's Terminate.
//!
//! Of HTTP every request is owed an answer. Of all else only the wait tells: who closes right after
//! its last bytes did not wait for an answer to them, so it did not lose patience either.

use std::time::Duration;

use super::view::View;
use super::{Carries, Mark, Parting, Turn};
use crate::flow::{Event, Side, TurnHeading, What};
use crate::http::Heading;
use crate::time::Time;

/// Who closes sooner after its last byte than this, or than three round trips, waited for nothing:
/// nobody's patience is shorter, and some wait one round trip for the peer's goodbye before they close.
const AT_ONCE: Duration = Duration::from_millis(100);

/// No message of parting is longer than this: `QUIT`s of text protocols have few bytes, and an alert of
/// TLS with its record's header and padding at most 5 + 16 + 48 (RFC 5246 section 6.2.3.2, with AES-CBC).
const SMALL: u64 = 69;

/// An alert in a TLS record with an AEAD cipher: 24 bytes in TLS 1.3, 31 in TLS 1.2 with an explicit
/// nonce (RFC 8446 section 5.2, RFC 5288 section 3).
const ALERT: u64 = 31;

/// A goodbye in plain: `QUIT` and its end of line, COM_QUIT, Terminate. Where the server closes first
/// nothing else tells it from a request.
const QUIT: u64 = 8;

pub(super) fn carries(views: &[View<'_>]) -> Carries {
    let trails = || {
        views
            .iter()
            .map(|view| view.scene.flows[view.sight.flow].trail)
    };
    let headings = || trails().flat_map(|trail| &trail.headings);
    // What follows a switch of protocols (RFC 9110 section 7.8) is HTTP no more.
    let switched =
        |heading: &Heading| matches!(heading, Heading::Status(status) if status.code == 101);
    let http = |heading: &Heading| {
        matches!(
            heading,
            Heading::Request(_) | Heading::Status(_) | Heading::Http2 | Heading::GoAway(_)
        )
    };
    if headings().any(|turn| switched(&turn.heading)) {
        Carries::Other
    } else if trails().any(|trail| is_tunnel(&trail.headings)) {
        let tls = headings().any(|turn| turn.heading == Heading::Tls);
        if tls { Carries::Tls } else { Carries::Other }
    } else if headings().any(|turn| http(&turn.heading)) {
        Carries::Http
    } else if headings().any(|turn| turn.heading == Heading::Tls) {
        Carries::Tls
    } else if trails().any(|trail| !trail.prints.is_empty()) {
        Carries::Other
    } else {
        Carries::Unknown
    }
}

/// Whether the last request asked for a tunnel and got it (RFC 9110 section 9.3.6): what follows is not HTTP.
fn is_tunnel(headings: &[TurnHeading]) -> bool {
    let last = headings.iter().rposition(
        |turn| matches!(&turn.heading, Heading::Request(request) if request.method == "CONNECT"),
    );
    last.is_some_and(|last| {
        headings[last..]
            .iter()
            .any(|turn| matches!(&turn.heading, Heading::Status(status) if status.is_success()))
    })
}

/// Takes words of parting out of the turns of both sides, and tells of the client's.
pub(super) fn take(
    turns: &mut Vec<Turn>,
    marks: &[Mark],
    carries: Carries,
    rtt: Option<Duration>,
) -> Option<Parting> {
    if carries == Carries::Http {
        return None;
    }
    let soon = rtt.map_or(AT_ONCE, |rtt| AT_ONCE.max(rtt * 3));
    let alert = |turn: &Turn| carries == Carries::Tls && turn.bytes <= ALERT;
    if let Some(place) =
        last(turns, marks, Side::Server, soon).filter(|place| alert(&turns[*place]))
    {
        turns.remove(place);
    }
    if let Some(at) = answered_goodbye(turns, marks, soon).filter(|_| carries == Carries::Tls) {
        return Some(Parting { at, alone: true });
    }
    let place = last(turns, marks, Side::Client, soon)?;
    let turn = turns[place];
    let used = turns[..place].iter().any(|turn| turn.by == Side::Server);
    let own = marks.iter().find(|mark| mark.by == Side::Client)?;
    let theirs = marks
        .iter()
        .find(|mark| mark.by == Side::Server && mark.at < own.at);
    let alone = match theirs {
        // Who dies of a request closes first as well.
        Some(theirs) => {
            let quit = carries == Carries::Other && turn.bytes <= QUIT;
            used && !theirs.rst && (alert(&turn) || quit)
        }
        None => used && turn.bytes <= SMALL,
    };
    if alone {
        turns.remove(place);
    } else if theirs.is_some() || carries == Carries::Unknown {
        return None;
    }
    Some(Parting { at: turn.at, alone })
}

/// Takes out the alert of a client that answers the server's own goodbye at once: a server that does not wait for
/// it resets the connection (RFC 8446 section 6.1, RFC 1122 section 4.2.2.13), and the client closes no more.
/// Nothing that asks for anything fits into so few bytes.
fn answered_goodbye(turns: &mut Vec<Turn>, marks: &[Mark], soon: Duration) -> Option<Time> {
    let [.., before, last] = &turns[..] else {
        return None;
    };
    let [mark] = marks else {
        return None;
    };
    let small = last.by == Side::Client && last.bytes <= ALERT && before.by == Side::Server;
    let at_once = last.at.since(before.until) < soon;
    let reset = mark.by == Side::Server && mark.rst && mark.at >= last.until;
    if !small || !at_once || !reset || mark.at.since(last.until) >= soon {
        return None;
    }
    turns.pop().map(|turn| turn.at)
}

/// Takes out of the turns what the client sends on of a request after its final answer, as where an
/// upload is refused (RFC 9110 section 15.5.14): bytes that begin no request of HTTP/1.
pub(super) fn rests(turns: &mut Vec<Turn>, views: &[View<'_>], carries: Carries) -> Vec<Time> {
    if carries != Carries::Http {
        return Vec::new();
    }
    let mut times = Vec::new();
    for view in views {
        let rests = rests_of(view);
        times.extend(rests.iter().map(|event| view.common(event.at)));
        turns.retain(|turn| {
            let own = turn.by == Side::Client && turn.cite.flow == view.sight.flow;
            let rest = rests.iter().any(|event| event.frame == turn.cite.frame);
            !(own && rest)
        });
    }
    times
}

/// The same as one view shows it.
fn rests_of<'a>(view: &View<'a>) -> Vec<&'a Event> {
    let trail = view.scene.flows[view.sight.flow].trail;
    let headings = &trail.headings;
    if headings.iter().any(|turn| turn.heading == Heading::Http2) {
        return Vec::new();
    }
    let of = |frame: u64| {
        let first = headings.partition_point(|turn| turn.frame < frame);
        headings[first..]
            .iter()
            .take_while(move |turn| turn.frame == frame)
    };
    let captured = |frame: u64| {
        let prints = &trail.prints;
        prints
            .binary_search_by_key(&frame, |turn| turn.frame)
            .is_ok()
    };
    let begins = |event: &Event| {
        let mut said = of(event.frame);
        said.any(|said| matches!(said.heading, Heading::Request(_)))
    };
    let mut answered = false;
    let mut rests = Vec::new();
    for event in &trail.events {
        if !matches!(event.what, What::Data { .. }) {
            continue;
        }
        if view.side(event.by) == Side::Server {
            let last = of(event.frame).filter_map(|said| match &said.heading {
                Heading::Status(status) => Some(status.code),
                _ => None,
            });
            answered = last.last().is_some_and(|code| code >= 200);
        } else if answered && captured(event.frame) && !begins(event) {
            rests.push(event);
        }
    }
    rests
}

/// The last turn of a side, where it closed soon after and nothing was said in between.
fn last(turns: &[Turn], marks: &[Mark], by: Side, soon: Duration) -> Option<usize> {
    let own = marks.iter().find(|mark| mark.by == by)?;
    let place = turns.iter().rposition(|turn| turn.by == by)?;
    let turn = &turns[place];
    let answered = turns[place + 1..].iter().any(|other| other.at <= own.at);
    (!answered && turn.until <= own.at && own.at.since(turn.until) < soon).then_some(place)
}
