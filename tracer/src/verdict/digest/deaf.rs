//! What a client says although it has heard that the server closed: its segments acknowledge the server's
//! FIN. Nobody can answer it any more (RFC 9293 section 3.6), and whoever sends it does not look.

use super::view::View;
use super::{Carries, Deaf, Turn};
use crate::flow::{Event, Side, What};
use crate::hop::Hop;

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
        let deaf: Vec<&Event> = events.filter(|event| is_deaf(view, event)).collect();
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

/// It acknowledges a FIN. Where the client itself was not watched, a copy that was sent before may have crossed
/// that and been lost.
fn is_deaf(view: &View<'_>, event: &Event) -> bool {
    let by_client = view.side(event.by) == Side::Client;
    if !by_client || !matches!(event.what, What::Data { .. }) {
        return false;
    }
    let server = event.by.other();
    let mut fins = view.flow().fins().iter();
    let closed = fins.any(|fin| fin.by == server && fin.at <= event.at);
    let end = view.flow().sequence(server).map(|[_, next]| next);
    (closed || had_heard(view, event)) && event.head.map(|head| head.ack) == end
}
