//! Chains of what was found out.

use super::context::{Context, Found, Joined};
use super::evidence;
use super::place::Nearness;
use super::turn::{Seen, Turn};
use super::{Chain, Exchange, Join, Link, Moments, Strength};
use crate::flow::Side;
use crate::log::AccessLog;
use crate::time::Time;

/// All chains, by the time they began.
pub(super) fn chains(context: &Context<'_>, found: &Found, logs: &[AccessLog]) -> Vec<Chain> {
    let turns = &context.turns.all;
    let begins = |turn: &usize| {
        // What was tried is told where it was tried, unless it went on from there.
        let told = found.is_tried[*turn] && found.next[*turn].is_none();
        found.before[*turn].is_none() && !told
    };
    let mut starts: Vec<(Time, usize)> = (0..turns.len())
        .filter(begins)
        .map(|turn| (began(context, &turns[turn]), turn))
        .collect();
    starts.sort_unstable();
    let starts = starts.into_iter();
    starts
        .map(|(_, turn)| chain(context, found, logs, turn))
        .collect()
}

fn began(context: &Context<'_>, turn: &Turn) -> Time {
    let seen = turn.seen.client.or(turn.seen.server);
    seen.map_or_else(Time::default, |seen| context.common(&seen, seen.began))
}

fn chain(context: &Context<'_>, found: &Found, logs: &[AccessLog], first: usize) -> Chain {
    let mut chain = Chain::default();
    chain.links.push(link(context, found, first, Vec::new()));
    let mut at = first;
    while let Some(joined) = &found.next[at] {
        let turns = found.tried.get(&at).into_iter().flatten();
        let mut tried: Vec<usize> = turns.map(|turn| context.turns.all[*turn].hop).collect();
        tried.dedup();
        let (before, behind) = (context.turns.all[at].hop, context.turns.all[joined.to].hop);
        chain.joins.push(Join {
            by: joined.by,
            evidence: evidence::of(context, found, logs, at, joined),
            others: joined.others.clone(),
            vantages: vantages(context, before, behind),
            adjacent: adjacent(context, joined, before, behind),
        });
        chain.links.push(link(context, found, joined.to, tried));
        at = joined.to;
    }
    chain
}

/// Where the proxy between two hops is known to have been watched.
fn vantages(context: &Context<'_>, before: usize, behind: usize) -> Vec<usize> {
    let hops = &context.hops.hops;
    let ends = [hops[before].at.server, hops[behind].at.client];
    let mut vantages: Vec<usize> = ends.into_iter().flatten().collect();
    vantages.sort_unstable();
    vantages.dedup();
    vantages
}

/// Whether nothing but one proxy is between two hops.
fn adjacent(context: &Context<'_>, joined: &Joined, before: usize, behind: usize) -> bool {
    let told = matches!(joined.by, Strength::AccessLog | Strength::Process);
    told || context.places.nearness(before, behind) == Nearness::Same
}

fn link(context: &Context<'_>, found: &Found, turn: usize, tried: Vec<usize>) -> Link {
    let entries = found.entries[turn].clone();
    let turn = &context.turns.all[turn];
    Link {
        hop: turn.hop,
        exchange: exchange(context, turn),
        tried,
        entries,
    }
}

fn exchange(context: &Context<'_>, turn: &Turn) -> Option<Exchange> {
    let number = turn.number?;
    let moments = |side: Side| turn.seen[side].map(|seen| moments(context, &seen));
    let at_server = moments(Side::Server);
    let first = moments(Side::Client).or(at_server)?;
    Some(Exchange {
        number,
        began: first.began,
        asked: first.asked,
        answered: first.answered,
        done: first.done,
        at_server,
        bytes: turn.bytes,
        request: turn.request.clone(),
        status: turn.status.clone(),
        frame: first.frame,
    })
}

fn moments(context: &Context<'_>, seen: &Seen) -> Moments {
    let common = |at| context.common(seen, at);
    Moments {
        began: common(seen.began),
        asked: common(seen.asked),
        answered: seen.answered.map(common),
        done: seen.done.map(common),
        frame: Some((seen.flow, seen.frame)).filter(|(_, frame)| *frame > 0),
    }
}
