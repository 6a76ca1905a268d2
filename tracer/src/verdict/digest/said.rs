//! What the kernel, HTTP heads and HTTP/2 frames say of a hop.

use std::sync::Arc;

use super::view::View;
use super::{Answer, Goaway, Told};
use crate::http::Heading;

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
        headings.iter().find_map(|turn| match turn.heading {
            Heading::GoAway(said) => Some(Goaway {
                by: view.side(turn.by),
                at: view.common(turn.at),
                cite: view.cite(turn.seen),
                error: said.error,
            }),
            _ => None,
        })
    })
}
