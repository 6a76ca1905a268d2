//! What a client says although it has heard that the server closed: its segments acknowledge the server's
//! FIN. Nobody can answer it any more (RFC 9293 section 3.6), and whoever sends it does not look.

use super::view::View;
use super::{Carries, Turn};
use crate::flow::{Event, Side, What};
use crate::time::Time;

/// When such turns began. Those that are no requests of HTTP are taken out of the turns.
pub(super) fn take(turns: &mut Vec<Turn>, views: &[View<'_>], carries: Carries) -> Vec<Time> {
    let mut times = Vec::new();
    for view in views {
        let events = view.events().iter();
        let deaf: Vec<&Event> = events.filter(|event| is_deaf(view, event)).collect();
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

fn is_deaf(view: &View<'_>, event: &Event) -> bool {
    let by_client = view.side(event.by) == Side::Client;
    if !by_client || !matches!(event.what, What::Data { .. }) {
        return false;
    }
    let server = event.by.other();
    let mut fins = view.flow().fins().iter();
    let closed = fins.any(|fin| fin.by == server && fin.at <= event.at);
    let end = view.flow().sequence(server).map(|[_, next]| next);
    closed && event.head.map(|head| head.ack) == end
}
