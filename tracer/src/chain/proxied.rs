//! What PROXY protocol headers say: whose bytes a connection carries.

use std::collections::BTreeMap;

use super::Strength;
use super::context::{Context, Found};
use super::place::{Nearness, endpoints};
use super::told::in_order;
use crate::flow::Side;
use crate::segment::Endpoint;
use crate::time::Time;

/// Joins hops whose header names a client to the hop that comes from it. A proxy may pass a header on
/// that it got: several hops that name one client stand in a row.
pub(super) fn join(context: &mut Context<'_>, found: &mut Found) {
    let mut rows: BTreeMap<Endpoint, Vec<(Time, usize)>> = BTreeMap::new();
    for turn in &context.turns.all {
        if let (Some(client), Some(began)) = (turn.proxied, began(context, turn.hop)) {
            let row = rows.entry(client).or_default();
            if !row.iter().any(|(_, hop)| *hop == turn.hop) {
                row.push((began, turn.hop));
            }
        }
    }
    if rows.is_empty() {
        return;
    }
    for hop in 0..context.hops.hops.len() {
        let at = endpoints(context.scene, &context.hops.hops[hop], Side::Server);
        if let Some(row) = at.and_then(|at| rows.get_mut(&at.client))
            && let Some(began) = began(context, hop)
            && !row.iter().any(|(_, known)| *known == hop)
        {
            row.push((began, hop));
        }
    }
    for row in rows.into_values() {
        follow(context, found, row);
    }
}

/// Joins each hop of a row to the one before it.
fn follow(context: &mut Context<'_>, found: &mut Found, mut row: Vec<(Time, usize)>) {
    row.sort_unstable();
    for place in 1..row.len() {
        let (at, hop) = row[place];
        let behind = row[..place].iter().rev();
        let mut behind = behind.filter(|(_, before)| {
            context.places.nearness(*before, hop) != Nearness::Apart && open(context, *before, at)
        });
        let same = behind
            .clone()
            .find(|(_, before)| context.places.nearness(*before, hop) == Nearness::Same);
        if let Some(&(_, before)) = same.or_else(|| behind.next()) {
            in_order(context, found, before, hop, Strength::ProxyProtocol);
        }
    }
}

/// When a hop was first seen, by the common clock.
fn began(context: &Context<'_>, hop: usize) -> Option<Time> {
    let sight = context.hops.hops[hop].sights.first()?;
    let seen = &context.scene.flows[sight.flow];
    let clocks = &context.hops.clocks;
    Some(clocks.common(seen.vantage, seen.flow.first_at()))
}

/// Whether a hop was still open by then: a port may be used again.
fn open(context: &Context<'_>, hop: usize, at: Time) -> bool {
    let Some(sight) = context.hops.hops[hop].sights.last() else {
        return false;
    };
    let seen = &context.scene.flows[sight.flow];
    let over = seen.flow.closed_at();
    over.is_none_or(|over| context.hops.clocks.common(seen.vantage, over) >= at)
}
