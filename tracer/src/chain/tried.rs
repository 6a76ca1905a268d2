//! Connections and requests that came to nothing, and for which request they were made.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::candidate::{nanos, same_request};
use super::context::{Context, Found, Joined};
use super::matching::{AS_LIKELY, Candidates, joined};
use super::{Content, Strength};
use crate::flow::Side;
use crate::time::Time;

/// A proxy connects, or tries again, within this time; longer backing off is not told from chance.
const SOON: u64 = 300_000_000;

/// Stamps of one machine's captures are in order but for this.
const JITTER: u64 = 1_000_000;

/// How many turns are looked at for each connection that came to nothing.
const LOOKED_AT: usize = 32;

/// Joins what was tried.
pub(super) fn join(context: &Context<'_>, found: &mut Found, candidates: &Candidates) {
    go_on(context, found, candidates);
    connect(context, found);
    part_of_it(context, found);
}

/// What was tried for a turn is no alternative to what it went on as.
fn part_of_it(context: &Context<'_>, found: &mut Found) {
    let hop = |turn: &usize| context.turns.all[*turn].hop;
    for (down, tried) in &found.tried {
        let tried: Vec<usize> = tried.iter().map(hop).collect();
        if let Some(joined) = &mut found.next[*down] {
            joined.others.retain(|other| !tried.contains(other));
        }
    }
}

/// Requests that failed on one hop and were sent on another.
fn go_on(context: &Context<'_>, found: &mut Found, candidates: &Candidates) {
    for down in 0..context.turns.all.len() {
        // Each goes on at most as often as it has candidates, for every step uses up one.
        while let Some(again) = retry(context, found, candidates, down) {
            let Some(before) = found.part(down) else {
                break;
            };
            found.try_before(down, before.to);
            if !found.join(down, again) {
                break;
            }
        }
    }
}

/// What a turn went on as after it had failed.
fn retry(
    context: &Context<'_>,
    found: &Found,
    candidates: &Candidates,
    down: usize,
) -> Option<Joined> {
    let failed = found.next[down].as_ref()?.to;
    let seen = context.view(&context.turns.all[failed], Side::Client)?;
    let finish = seen.finish().filter(|_| seen.failed)?;
    let later = Candidates::of(&candidates.of_down, down).filter_map(|number| {
        let other = &candidates.all[number];
        let free = found.before[other.up].is_none() && !found.is_tried[other.up];
        let began = context
            .view(&context.turns.all[other.up], Side::Client)?
            .began;
        let pause = nanos(began.since(finish));
        let after = nanos(finish.since(began)) <= JITTER;
        (free && after && pause <= SOON && other.up != failed).then_some((pause, number))
    });
    let mut later: Vec<(u64, usize)> = later.collect();
    later.sort_unstable();
    let &(pause, best) = later.first()?;
    let mut again = joined(&candidates.all[best]);
    let alike = later[1..].iter().filter(|(other, _)| likely(pause, *other));
    let hop = |number: usize| context.turns.all[candidates.all[number].up].hop;
    again.others = alike.map(|(_, number)| hop(*number)).collect();
    again.others.retain(|other| *other != hop(best));
    Some(again)
}

/// Whether what took `other` nanoseconds is as likely as what took `best`.
const fn likely(best: u64, other: u64) -> bool {
    other <= best.saturating_add(JITTER).saturating_mul(AS_LIKELY)
}

/// Connections that were refused or not answered, and requests that failed before another was sent.
fn connect(context: &Context<'_>, found: &mut Found) {
    let turns = &context.turns.all;
    let mut waiting: HashMap<usize, Vec<(Time, usize)>, RandomState> = HashMap::default();
    for (down, turn) in turns.iter().enumerate() {
        let Some(vantage) = context.places.ends[turn.hop].server else {
            continue;
        };
        if let Some(seen) = context.view(turn, Side::Server) {
            let stack = context.places.stack(vantage);
            waiting.entry(stack).or_default().push((seen.since, down));
        }
    }
    waiting.values_mut().for_each(|list| list.sort_unstable());
    let mut failed: Vec<(Time, usize)> = (0..turns.len())
        .filter(|up| found.before[*up].is_none() && !found.is_tried[*up])
        .filter_map(|up| {
            let seen = context.view(&turns[up], Side::Client)?;
            seen.failed.then_some((seen.began, up))
        })
        .collect();
    failed.sort_unstable();
    for (at, up) in failed {
        if let Some(down) = for_whom(context, found, &waiting, at, up) {
            attach(context, found, down, up);
        }
    }
}

/// The turn that a connection was tried for, where one fits by far the best.
fn for_whom(
    context: &Context<'_>,
    found: &Found,
    waiting: &HashMap<usize, Vec<(Time, usize)>, RandomState>,
    at: Time,
    up: usize,
) -> Option<usize> {
    let hop = context.turns.all[up].hop;
    let stack = context.places.stack(context.places.ends[hop].client?);
    let list = waiting.get(&stack)?;
    let past = list.partition_point(|(began, _)| nanos(began.since(at)) <= JITTER);
    let fits = list[..past]
        .iter()
        .rev()
        .take(LOOKED_AT)
        .filter_map(|&(began, down)| {
            let turn = &context.turns.all[down];
            let seen = context.view(turn, Side::Server)?;
            let over = seen
                .worked_on()
                .is_some_and(|until| nanos(at.since(until)) > JITTER);
            let strange =
                context.places.strangers(turn.hop, hop) || !alike(context, found, down, up);
            if over || strange || served(context, found, down, at) {
                return None;
            }
            let again = found.tried.get(&down).and_then(|tried| tried.last());
            let again = again.or(found.next[down].as_ref().map(|joined| &joined.to));
            let before = again.and_then(|before| {
                context
                    .view(&context.turns.all[*before], Side::Client)?
                    .finish()
            });
            let from_request = at.apart(seen.asked.min(at)).min(at.apart(began));
            let pause = before.map_or(from_request, |before| from_request.min(at.apart(before)));
            Some((nanos(pause), down)).filter(|(pause, _)| *pause <= SOON)
        });
    let mut fits: Vec<(u64, usize)> = fits.collect();
    fits.sort_unstable();
    match fits.as_slice() {
        [(_, down)] => Some(*down),
        [(best, down), (second, _), ..] if !likely(*best, *second) => Some(*down),
        _ => None,
    }
}

/// Whether a request that failed may have been that of a turn, which then went on as another.
fn alike(context: &Context<'_>, found: &Found, down: usize, up: usize) -> bool {
    let (before, behind) = (&context.turns.all[down], &context.turns.all[up]);
    if behind.number.is_none() {
        return true;
    }
    let later = found.next[down].as_ref().is_some_and(|joined| {
        let next = context.view(&context.turns.all[joined.to], Side::Client);
        let failed = context.view(behind, Side::Client);
        let finish = failed.and_then(|failed| failed.finish());
        next.zip(finish)
            .is_some_and(|(next, finish)| nanos(finish.since(next.began)) <= JITTER)
    });
    later && same_request(before, behind)
}

/// Whether a turn was on its way by then, so that nothing had to be tried for it.
fn served(context: &Context<'_>, found: &Found, down: usize, at: Time) -> bool {
    let Some(joined) = &found.next[down] else {
        return false;
    };
    let onward = context.view(&context.turns.all[joined.to], Side::Client);
    onward.is_some_and(|onward| !onward.failed && nanos(at.since(onward.began)) > JITTER)
}

/// A connection that came to nothing is what a turn went on as, unless it went on as another later.
fn attach(context: &Context<'_>, found: &mut Found, down: usize, up: usize) {
    let began = |turn: usize| {
        let seen = context.view(&context.turns.all[turn], Side::Client);
        seen.map(|seen| seen.began)
    };
    let next = found.next[down].as_ref().map(|joined| joined.to);
    if let Some(next) = next {
        if began(next) >= began(up) {
            found.try_before(down, up);
            return;
        }
        found.part(down);
        found.try_before(down, next);
    }
    let joined = Joined {
        to: up,
        by: Strength::TimeAndSize,
        content: Content::Unreadable,
        weight: 1,
        held: 0,
        others: Vec::new(),
    };
    found.join(down, joined);
}
