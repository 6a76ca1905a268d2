//! What a client says although it has heard that the server closed: its segments acknowledge the server's
//! FIN. Nobody can answer it any more (RFC 9293 section 3.6), and whoever sends it does not look.

use std::time::Duration;

use super::view::View;
use super::{Carries, Turn};
use crate::flow::{Event, Side, What};
use crate::hop::Hop;
use crate::time::Time;

/// Where the client itself was not watched, what comes sooner may be what it sends again of bytes that
/// crossed the FIN and were lost: not before the least time for which Linux waits (TCP_RTO_MIN,
/// include/net/tcp.h).
const SENT_AGAIN: Duration = Duration::from_millis(200);

/// When such turns began. Those that are no requests of HTTP are taken out of the turns.
pub(super) fn take(
    turns: &mut Vec<Turn>,
    views: &[View<'_>],
    hop: &Hop,
    carries: Carries,
) -> Vec<Time> {
    let mut times = Vec::new();
    for view in views {
        let events = view.events().iter();
        let there = hop.at.client == Some(view.scene.flows[view.sight.flow].vantage);
        let least = if there { Duration::ZERO } else { SENT_AGAIN };
        let deaf: Vec<&Event> = events.filter(|event| is_deaf(view, event, least)).collect();
        times.extend(deaf.iter().map(|event| view.common(event.at)));
        if carries != Carries::Http {
            turns.retain(|turn| {
                let here = turn.by == Side::Client && turn.cite.flow == view.sight.flow;
                !(here && deaf.iter().any(|event| event.frame == turn.cite.frame))
            });
        }
    }
    times
}

/// It acknowledges a FIN that came so long before at least.
fn is_deaf(view: &View<'_>, event: &Event, least: Duration) -> bool {
    let by_client = view.side(event.by) == Side::Client;
    if !by_client || !matches!(event.what, What::Data { .. }) {
        return false;
    }
    let server = event.by.other();
    let mut fins = view.flow().fins().iter();
    let closed = fins.any(|fin| fin.by == server && fin.at + least <= event.at);
    let end = view.flow().sequence(server).map(|[_, next]| next);
    closed && event.head.map(|head| head.ack) == end
}
