//! What the kernel, HTTP heads and HTTP/2 frames say of a hop.

use std::sync::Arc;

use super::view::View;
use super::{Answer, FailedHandshake, Goaway, Told};
use crate::flow::Side;
use crate::http::{Failing, Heading};

pub(super) fn told(views: &[View<'_>]) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for view in views {
        let facts = &view.scene.flows[view.sight.flow].facts.facts;
        for (by, fact) in facts {
            let by = view.side(*by);
            if !told
                .iter()
                .any(|known| known.by == by && known.kind == fact.kind)
            {
                told.push(Told {
                    by,
                    at: view.common(fact.at),
                    kind: fact.kind.clone(),
                });
            }
        }
    }
    told.sort_by_key(|told| told.at);
    told
}

/// What answers say, at the vantage that could read most of them.
pub(super) fn answers(views: &[View<'_>]) -> Vec<Answer> {
    let read = views.iter().map(|view| {
        let headings = &view.scene.flows[view.sight.flow].trail.headings;
        let answers = headings.iter().filter_map(|turn| match &turn.heading {
            Heading::Status(status) => Some(Answer {
                at: view.common(turn.at),
                status: Arc::clone(status),
                body: turn.body,
            }),
            _ => None,
        });
        answers.collect::<Vec<_>>()
    });
    read.max_by_key(Vec::len).unwrap_or_default()
}

pub(super) fn goaway(views: &[View<'_>]) -> Option<Goaway> {
    views.iter().find_map(|view| {
        let headings = &view.scene.flows[view.sight.flow].trail.headings;
        headings.iter().find_map(|turn| match &turn.heading {
            Heading::GoAway(said) => Some(Goaway {
                by: view.side(turn.by),
                at: view.common(turn.at),
                after: turn.after,
                cite: view.cite(turn.seen),
                error: said.error,
            }),
            _ => None,
        })
    })
}

/// How a handshake of TLS failed, as shown nearest to whoever gave it up. An alert of a client is there
/// or not; all else shows by what did not come, which no vantage may show.
pub(super) fn handshake_failure(views: &[View<'_>]) -> Option<FailedHandshake> {
    let of = |view: &View<'_>| {
        let trail = view.scene.flows[view.sight.flow].trail;
        let failure = trail.handshake_failure?;
        Some(FailedHandshake {
            by: view.side(failure.by),
            at: view.common(failure.at),
            cite: view.cite(failure.frame),
            shown: failure.shown,
        })
    };
    let mut shown: Vec<FailedHandshake> = views.iter().filter_map(of).collect();
    let all = shown.len() == views.len();
    let first = *shown.first()?;
    let alert = shown
        .iter()
        .find(|failure| matches!(failure.shown, Failing::Alert(_)));
    let known = alert.copied().unwrap_or(first);
    shown.retain(|failure| failure.by == known.by && failure.shown == known.shown);
    let there = match (known.shown, known.by) {
        (Failing::Alert(_), _) | (Failing::Encrypted, Side::Client) => true,
        _ => all && shown.len() == views.len(),
    };
    let nearest = match known.by {
        Side::Client => shown.first(),
        Side::Server => shown.last(),
    };
    nearest.copied().filter(|_| there)
}
