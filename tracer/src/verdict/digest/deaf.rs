//! What a client says although it has heard that the server closed: its segments acknowledge the server's
//! FIN. Nobody can answer it any more (RFC 9293 section 3.6), and whoever sends it does not look.

use std::time::Duration;

use super::view::View;
use super::{Carries, Deaf, Turn};
use crate::flow::{Event, Side, What};
use crate::hop::Hop;

/// Where the client itself was not watched, what comes sooner may be what it sends again of bytes that
/// crossed the FIN and were lost: not before the least time for which Linux waits (TCP_RTO_MIN,
/// include/net/tcp.h). Of what is no request that decides whether it counts as one; a request was asked
/// of a server that had closed either way.
const SENT_AGAIN: Duration = Duration::from_millis(200);

/// When such turns began. Those that are no requests of HTTP are taken out of the turns.
pub(super) fn take(
    turns: &mut Vec<Turn>,
    views: &[View<'_>],
    hop: &Hop,
    carries: Carries,
) -> Vec<Deaf> {
    let mut said = Vec::new();
    for view in views {
        let events = view.events().iter();
        let there = hop.at.client == Some(view.scene.flows[view.sight.flow].vantage);
        let least = match carries {
            Carries::Http => Duration::ZERO,
            _ if there => Duration::ZERO,
            _ => SENT_AGAIN,
        };
        let deaf: Vec<&Event> = events.filter(|event| is_deaf(view, event, least)).collect();
        said.extend(deaf.iter().map(|event| Deaf {
            at: view.common(event.at),
            proved: there || had_heard(view, event),
        }));
        if carries != Carries::Http {
            turns.retain(|turn| {
                let here = turn.by == Side::Client && turn.cite.flow == view.sight.flow;
                !(here && deaf.iter().any(|event| event.frame == turn.cite.frame))
            });
        }
    }
    said
}

/// It had acknowledged a FIN before it sent this for the first time.
fn had_heard(view: &View<'_>, event: &Event) -> bool {
    let mut fins = view.flow().fins().iter();
    let seq = event.head.map(|head| head.seq);
    fins.any(|fin| fin.by != event.by && seq.is_some_and(|seq| fin.was_heard_before(seq)))
}

/// It acknowledges a FIN that came so long before at least, or that had been acknowledged before.
fn is_deaf(view: &View<'_>, event: &Event, least: Duration) -> bool {
    let by_client = view.side(event.by) == Side::Client;
    if !by_client || !matches!(event.what, What::Data { .. }) {
        return false;
    }
    let server = event.by.other();
    let mut fins = view.flow().fins().iter();
    let closed = fins.any(|fin| fin.by == server && fin.at + least <= event.at);
    let end = view.flow().sequence(server).map(|[_, next]| next);
    (closed || had_heard(view, event)) && event.head.map(|head| head.ack) == end
}
