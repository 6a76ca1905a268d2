//! Chains of what was found out.

use super::context::{Context, Found, Joined};
use super::evidence;
use super::place::Nearness;
use super::turn::{Seen, Turn};
use super::{Chain, Exchange, Join, Link, Moments, Strength};
use crate::flow::Side;
use crate::log::AccessLog;
use crate::time::Time;

/// Plain exchanges that are told one by one: of more, each hop tells how many it had.
const ONE_BY_ONE: usize = 1_000;

/// All chains, by the time they began.
pub(super) fn chains(context: &Context<'_>, found: &Found, logs: &[AccessLog]) -> Vec<Chain> {
    let turns = &context.turns.all;
    let begins = |turn: &usize| {
        // What was tried is told where it was tried, unless it went on from there.
        let told = found.is_tried[*turn] && found.next[*turn].is_none();
        found.before[*turn].is_none() && !told
    };
    let folded = folded(context, found);
    let mut starts: Vec<(Time, usize)> = (0..turns.len())
        .filter(begins)
        .filter(|turn| folded.is_none() || !is_plain(context, found, *turn))
        .map(|turn| (began(context, &turns[turn]), turn))
        .collect();
    starts.sort_unstable();
    let starts = starts.into_iter();
    let chains = starts.map(|(_, turn)| {
        let mut chain = chain(context, found, logs, turn);
        let last = context.turns.of[turns[turn].hop].end == turn + 1;
        let more = folded.as_ref().filter(|_| last);
        chain.more = more.map_or(0, |folded| folded[turns[turn].hop]);
        chain
    });
    chains.collect()
}

/// Where there are more plain exchanges than anybody looks at one by one, how many each hop has.
fn folded(context: &Context<'_>, found: &Found) -> Option<Vec<u64>> {
    let mut folded = vec![0; context.turns.of.len()];
    let plain = (0..context.turns.all.len()).filter(|turn| is_plain(context, found, *turn));
    let mut count = 0;
    for turn in plain {
        folded[context.turns.all[turn].hop] += 1;
        count += 1;
    }
    (count > ONE_BY_ONE).then_some(folded)
}

/// Whether nothing is to be told of an exchange but that it was: it was answered, without an error
/// that can be read, nothing was joined to it or tried for it, no log tells of it, and others follow
/// on its hop.
fn is_plain(context: &Context<'_>, found: &Found, turn: usize) -> bool {
    let exchange = &context.turns.all[turn];
    let seen = exchange.first_seen();
    let alone = found.next[turn].is_none()
        && found.before[turn].is_none()
        && !found.is_tried[turn]
        && !found.tried.contains_key(&turn)
        && !found.entries.contains_key(&turn);
    alone
        && exchange.number.is_some()
        && seen.is_some_and(|seen| seen.done.is_some() && !seen.failed)
        && exchange.status.as_ref().is_none_or(|said| said.code < 500)
        && context.turns.of[exchange.hop].end != turn + 1
}

fn began(context: &Context<'_>, turn: &Turn) -> Time {
    let seen = turn.first_seen();
    seen.map_or_else(Time::default, |seen| context.common(&seen, seen.began))
}

fn chain(context: &Context<'_>, found: &Found, logs: &[AccessLog], first: usize) -> Chain {
    let mut chain = Chain {
        // Most have one link, and there may be very many.
        links: vec![link(context, found, first, Vec::new())],
        ..Chain::default()
    };
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
    let entries = found.entries.get(&turn).cloned().unwrap_or_default();
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
    let moments = |side: Side| turn.seen(side).map(|seen| moments(context, &seen));
    let at_server = moments(Side::Server);
    let mut first = moments(Side::Client).or(at_server)?;
    if let Some(there) = at_server.filter(|_| first.answered.is_none() && took_in(context, turn)) {
        (first.answered, first.done) = (there.answered, there.done);
    }
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

/// Whether the client acknowledged bytes that its own vantage did not see: an answer that is not there had
/// come all the same.
fn took_in(context: &Context<'_>, turn: &Turn) -> bool {
    let Some(seen) = turn.seen(Side::Client) else {
        return false;
    };
    let mut sights = context.hops.hops[turn.hop].sights.iter();
    let sight = sights.find(|sight| sight.flow == seen.flow);
    let flow = context.scene.flows[seen.flow].flow;
    sight.is_some_and(|sight| {
        let mut missed = flow.missed(sight.side(Side::Server));
        missed.any(|(at, _)| at >= seen.asked)
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
