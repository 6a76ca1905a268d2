//! What each side sent: its turns, its probes, what was not read and what was not heard.

use std::time::Duration;

use super::view::View;
use super::{Cite, Probed, Stall, Turn, Unheard};
use crate::flow::{BeforeFin, Event, Side, What};
use crate::time::Time;

pub(super) fn turns(views: &[View<'_>]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for side in [Side::Client, Side::Server] {
        let Some(view) = farthest_on(views, side) else {
            continue;
        };
        turns.extend(view.events().iter().filter_map(|event| match event.what {
            What::Data {
                until,
                bytes,
                before_fin,
                ends,
            } if view.side(event.by) == side && !view.is_aside(event) => Some(Turn {
                by: side,
                at: view.common(event.at),
                until: view.common(until),
                before_fin: before_fin.map(|before| BeforeFin {
                    until: view.common(before.until),
                    ..before
                }),
                bytes,
                cite: view.cite(event.frame),
                seq: event.head.map(|head| head.seq),
                ends,
            }),
            _ => None,
        }));
    }
    turns.shrink_to_fit();
    turns.sort_by_key(|turn| (turn.at, turn.cite.flow, turn.cite.frame));
    turns
}

/// When those bytes were sent that are no turn, because nothing is asked or answered by them: the last of each
/// such turn, by time.
pub(super) fn asides(views: &[View<'_>]) -> Vec<Time> {
    let nearest = |side| match side {
        Side::Client => views.first(),
        Side::Server => views.last(),
    };
    let mut asides: Vec<Time> = Vec::new();
    for side in [Side::Client, Side::Server] {
        let Some(view) = nearest(side) else {
            continue;
        };
        let events = view.events().iter();
        let own = events.filter(|event| view.side(event.by) == side && view.is_aside(event));
        asides.extend(own.map(|event| view.common(last_byte(event, view.flow().last_at()))));
    }
    asides.shrink_to_fit();
    asides.sort_unstable();
    asides
}

/// The last turn of the server, where it may be an answer or only session tickets (RFC 8446 section 4.6.1).
pub(super) fn doubt(views: &[View<'_>], turns: &[Turn]) -> Option<Cite> {
    let last = turns.iter().rfind(|turn| turn.by == Side::Server)?;
    let view = views
        .iter()
        .find(|view| view.sight.flow == last.cite.flow)?;
    let handshakes = &view.scene.flows[view.sight.flow].trail.handshakes;
    let mut own = handshakes
        .iter()
        .filter(|turn| view.side(turn.by) == Side::Server && turn.frame == last.cite.frame);
    own.any(|turn| !turn.sure).then_some(last.cite)
}

/// The vantage that shows most of what a side sent, of several the nearest to it: a capture that ended
/// early, or lost the end, does not show the last of it, and one that lacks frames not all between.
fn farthest_on<'v, 'a>(views: &'v [View<'a>], side: Side) -> Option<&'v View<'a>> {
    let next = |view: &View<'_>| Some(view.flow().sequence(view.side(side))?[1]);
    let missed = |view: &View<'_>| -> u64 {
        let missed = view.flow().missed(view.side(side));
        missed.map(|(_, numbers)| numbers).sum()
    };
    let better = |best: &'v View<'a>, view: &'v View<'a>| match (next(best), next(view)) {
        (Some(one), Some(other)) if other.is_after(one) => view,
        (Some(one), Some(other)) if one == other && missed(view) < missed(best) => view,
        (None, Some(_)) => view,
        _ => best,
    };
    match side {
        Side::Client => views.iter().reduce(better),
        Side::Server => views.iter().rev().reduce(better),
    }
}

pub(super) fn probes(view: &View<'_>, side: Side) -> Vec<Probed> {
    let probes = view.flow().probes(view.side(side)).iter();
    probes
        .map(|probe| Probed {
            at: view.common(probe.at),
            cite: view.cite(probe.frame),
            answered: probe.answered.is_some(),
        })
        .collect()
}

/// So much may pass in one opening of a window without ending the stall: less than three segments of
/// Ethernet's size. A reader that reads takes in more at once (RFC 9293 section 3.8.6.2.2).
const TRICKLE: u32 = 4096;

/// The longest time for which a side held its window at zero, with openings that let nothing to speak of
/// pass.
pub(super) fn stall(view: &View<'_>, side: Side) -> Option<Stall> {
    if view.flow().zero_windows(view.side(side)) == 0 {
        return None;
    }
    let mut runs: Vec<Stall> = Vec::new();
    let mut taken = None;
    let mut total = Duration::ZERO;
    let mut since = None;
    for event in view.events() {
        if view.side(event.by) != side {
            continue;
        }
        match event.what {
            What::ZeroWindow => {
                let at = view.common(event.at);
                since.get_or_insert(at);
                let now = event.head.map(|head| head.ack);
                let passed = now.zip(taken).map(|(now, then)| now.distance_from(then));
                let goes_on = passed.is_some_and(|passed| passed.unsigned_abs() <= TRICKLE);
                if !goes_on || runs.is_empty() {
                    taken = now;
                    runs.push(Stall {
                        since: at,
                        cite: view.cite(event.frame),
                        held: Duration::ZERO,
                        total: Duration::ZERO,
                        opened: true,
                    });
                }
            }
            What::WindowOpened { after } => {
                let begun = since.take();
                total += after;
                if let Some(run) = runs.last_mut() {
                    let until = begun.map_or(run.since, |begun| begun + after);
                    run.held = until.since(run.since).max(after);
                }
            }
            _ => {}
        }
    }
    if let (Some(run), Some(begun)) = (runs.last_mut(), since) {
        let last = view.common(view.flow().last_at());
        run.opened = false;
        run.held = last.since(run.since);
        total += last.since(begun);
    }
    let longest = runs.into_iter().max_by_key(|run| run.held)?;
    Some(Stall { total, ..longest })
}

/// Data that a side sent again until the end, or until its peer had `closed`, while nothing came back: what is
/// sent on after that does not take away from what nobody acknowledged before.
pub(super) fn unheard(view: &View<'_>, side: Side, closed: Option<Time>) -> Option<Unheard> {
    let flow = view.flow();
    if flow.retransmissions(view.side(side)) == 0
        || flow.unacknowledged(view.side(side)).unwrap_or(0) == 0
    {
        return None;
    }
    let mut found: Option<Unheard> = None;
    let mut sent: Option<&Event> = None;
    let mut from = None;
    let own = view.side(side);
    let acknowledged = u64::from(flow.unacknowledged(own).unwrap_or(0));
    let acknowledged = flow.bytes(own).saturating_sub(acknowledged);
    for event in view.events() {
        if view.side(event.by) != side {
            // The peer is there, but for a RST, and for what it sends without having heard.
            let heard = event
                .head
                .is_none_or(|head| from.is_none_or(|from| head.ack.is_after(from)));
            if !matches!(event.what, What::Rst) && heard {
                found = None;
            }
            continue;
        }
        match event.what {
            What::Data { .. } => sent = Some(event),
            What::Retransmission { bytes, .. } if bytes > 0 => {
                let late = closed.is_some_and(|closed| view.common(event.at) > closed);
                if let Some(unheard) = found.as_mut().filter(|_| late) {
                    unheard.later += 1;
                    continue;
                }
                if found.is_none() {
                    from = event.head.map(|head| head.seq);
                }
                let unheard = found.get_or_insert(Unheard {
                    since: view.common(sent.map_or(event.at, |sent| last_byte(sent, event.at))),
                    until: view.common(event.at),
                    cite: view.cite(event.frame),
                    times: 0,
                    gap: Duration::ZERO,
                    large: Some(bytes),
                    later: 0,
                });
                let large = unheard.large.map(|least| least.min(bytes));
                unheard.large = large.filter(|least| acknowledged < u64::from(*least));
                let at = view.common(event.at);
                unheard.gap = at.since(unheard.until.min(at));
                unheard.until = at;
                unheard.times += 1;
            }
            _ => {}
        }
    }
    found
}

/// A side's FIN that it sent again until the end, while nothing came back: the time from the first one on.
pub(super) fn unheard_fin(view: &View<'_>, side: Side) -> Option<Unheard> {
    let flow = view.flow();
    if flow.unacknowledged(view.side(side)).unwrap_or(0) == 0 {
        return None;
    }
    let mut found: Option<Unheard> = None;
    for event in view.events() {
        let at = view.common(event.at);
        if view.side(event.by) != side {
            // Whatever the peer sends says that it, and the way from it, are there.
            found = None;
            continue;
        }
        match (event.what, &mut found) {
            (What::Fin, None) => {
                found = Some(Unheard {
                    since: at,
                    until: at,
                    cite: view.cite(event.frame),
                    times: 0,
                    gap: Duration::ZERO,
                    large: None,
                    later: 0,
                });
            }
            // Data that is sent again is another matter ([`unheard`]).
            (What::Retransmission { bytes: 0, .. }, Some(fin)) => {
                fin.gap = at.since(fin.until.min(at));
                fin.until = at;
                fin.times += 1;
            }
            _ => {}
        }
    }
    found.filter(|fin| fin.times > 0)
}

/// When the last byte of a turn was sent, as far as it was before then.
pub(super) fn last_byte(turn: &Event, before: Time) -> Time {
    match turn.what {
        What::Data { until, .. } if until <= before => until,
        _ => turn.at,
    }
}
