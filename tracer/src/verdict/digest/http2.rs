//! What became of the requests of an HTTP/2 connection, as far as its frames could be read.

use std::time::Duration;

use super::view::View;
use super::{Calls, FailedHttp2};
use crate::flow::Side;
use crate::http::Heading;

/// A connection is closed so soon after what was under way on it was broken off.
const AT_ONCE: Duration = Duration::from_millis(10);

/// A GOAWAY with an error, as shown nearest to whoever could read most.
pub(super) fn failed(views: &[View<'_>]) -> Option<FailedHttp2> {
    let of = |view: &View<'_>| {
        let trail = view.scene.flows[view.sight.flow].trail;
        let failed = trail.calls.as_ref()?.failed.as_ref()?;
        let pings = trail.headings.iter().filter(|turn| {
            let asks = turn.heading == Heading::Ping { answer: false };
            asks && turn.by != failed.by && turn.at <= failed.at
        });
        let pings: Vec<_> = pings.map(|turn| turn.at).collect();
        let between = pings.len().checked_sub(1).filter(|between| *between > 0);
        let between = between.and_then(|between| {
            let whole = pings.last()?.since(*pings.first()?);
            Some(whole / u32::try_from(between).ok()?)
        });
        Some(FailedHttp2 {
            by: view.side(failed.by),
            at: view.common(failed.at),
            cite: view.cite(failed.frame),
            said: failed.goaway.clone(),
            open: (failed.open > 0 || failed.all).then_some(failed.open),
            pings: (pings.len(), between),
        })
    };
    let found = views.iter().filter_map(of);
    found.reduce(|best, other| {
        if best.open.is_none() && other.open.is_some() {
            other
        } else {
            best
        }
    })
}

/// Requests that were begun and not ended, by the vantage that knows most.
pub(super) fn calls(views: &[View<'_>]) -> Option<Calls> {
    let of = |view: &View<'_>| {
        let trail = view.scene.flows[view.sight.flow].trail;
        let calls = trail.calls.as_ref()?;
        // What was sent and not seen may have ended any.
        let flow = view.flow();
        let sides = [Side::Client, Side::Server];
        let seen = sides.iter().all(|side| flow.unseen_bytes(*side) == 0);
        let open = if seen { &calls.open[..] } else { &[] };
        let ended = flow.ending().map(|ending| ending.closing().at);
        let broken_off = calls.broken_off.iter();
        let broken_off =
            broken_off.filter(|at| ended.is_some_and(|ended| ended.apart(**at) < AT_ONCE));
        Some(Calls {
            open: open.len(),
            broken_off: broken_off.count(),
            unanswered: open.iter().filter(|call| !call.answered).count(),
            all: calls.all && calls.given_up == 0 && seen,
        })
    };
    let found = views.iter().filter_map(of);
    found.max_by_key(|calls| (calls.all, calls.open, calls.broken_off))
}
