//! What each side sent: its turns, its probes, what was not read and what was not heard.

use std::time::Duration;

use super::view::View;
use super::{Probed, Stall, Turn, Unheard};
use crate::flow::{Event, Side, Sides, What};
use crate::time::Time;

pub(super) fn turns(nearest: &Sides<&View<'_>>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for side in [Side::Client, Side::Server] {
        let view = nearest[side];
        turns.extend(view.events().iter().filter_map(|event| match event.what {
            What::Data { until, bytes } if view.side(event.by) == side => Some(Turn {
                by: side,
                at: view.common(event.at),
                until: view.common(until),
                bytes,
                cite: view.cite(event.frame),
                head: event.head,
            }),
            _ => None,
        }));
    }
    turns.sort_by_key(|turn| (turn.at, turn.cite.flow, turn.cite.frame));
    turns
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

pub(super) fn stall(view: &View<'_>, side: Side) -> Option<Stall> {
    if view.flow().zero_windows(view.side(side)) == 0 {
        return None;
    }
    let mut stall: Option<Stall> = None;
    let mut since = None;
    for event in view.events() {
        if view.side(event.by) != side {
            continue;
        }
        match event.what {
            What::ZeroWindow => {
                since.get_or_insert(event.at);
                stall.get_or_insert(Stall {
                    since: view.common(event.at),
                    cite: view.cite(event.frame),
                    held: Duration::ZERO,
                    opened: true,
                });
            }
            What::WindowOpened { after } => {
                since = None;
                if let Some(stall) = &mut stall {
                    stall.held += after;
                }
            }
            _ => {}
        }
    }
    if let (Some(stall), Some(since)) = (&mut stall, since) {
        stall.opened = false;
        stall.held += view.flow().last_at().since(since);
    }
    stall
}

/// Data that a side sent again until the end, while nothing came back.
pub(super) fn unheard(view: &View<'_>, side: Side) -> Option<Unheard> {
    let flow = view.flow();
    if flow.retransmissions(view.side(side)) == 0
        || flow.unacknowledged(view.side(side)).unwrap_or(0) == 0
    {
        return None;
    }
    let mut found: Option<Unheard> = None;
    let mut sent: Option<&Event> = None;
    let mut from = None;
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
                if found.is_none() {
                    from = event.head.map(|head| head.seq);
                }
                let unheard = found.get_or_insert(Unheard {
                    since: view.common(sent.map_or(event.at, |sent| last_byte(sent, event.at))),
                    until: view.common(event.at),
                    cite: view.cite(event.frame),
                    times: 0,
                    gap: Duration::ZERO,
                });
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

/// When the last byte of a turn was sent, as far as it was before then.
pub(super) fn last_byte(turn: &Event, before: Time) -> Time {
    match turn.what {
        What::Data { until, .. } if until <= before => until,
        _ => turn.at,
    }
}
