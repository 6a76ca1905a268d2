//! Of several ways to join turns that fit as well, the one in which what came first goes on first: a proxy
//! takes up what has come in that order. What could be otherwise stays ambiguous.

use super::context::{Context, Found, Joined};
use super::matching::{Candidates, joined};
use crate::flow::Side;
use crate::time::Time;

/// Joins that overtake each other are put in order, where that makes all of them fit worse by less than
/// one part in so many.
const SLACK: u64 = 10;

/// So many times at most: each puts two in order, and several may have overtaken one.
const ROUNDS: usize = 8;

/// Puts in order what was joined crosswise and is ambiguous.
pub(super) fn undo(context: &Context<'_>, found: &mut Found, candidates: &Candidates) {
    for _ in 0..ROUNDS {
        let mut changed = false;
        for down in 0..found.next.len() {
            changed |= uncross(context, found, candidates, down);
        }
        if !changed {
            return;
        }
    }
}

/// Exchanges what a turn goes on as with that of one that came before it and goes on after.
fn uncross(context: &Context<'_>, found: &mut Found, candidates: &Candidates, down: usize) -> bool {
    let Some((to, weight)) = ambiguous(found, down) else {
        return false;
    };
    for number in Candidates::of(&candidates.of_down, down) {
        let instead = &candidates.all[number];
        let other = found.before[instead.up].filter(|other| *other != down);
        let theirs = other.and_then(|other| Some((other, ambiguous(found, other)?.1)));
        let Some((other, theirs)) = theirs else {
            continue;
        };
        let Some(swapped) = candidates.candidate(other, to) else {
            continue;
        };
        let now = weight.saturating_add(theirs);
        let then = instead.weight.saturating_add(swapped.weight);
        let as_well = then <= now.saturating_add(now / SLACK);
        if as_well && crossed(context, [down, other], [to, instead.up]) == Some(true) {
            return swap(
                context,
                found,
                [down, other],
                [joined(instead), joined(swapped)],
            );
        }
    }
    false
}

/// What a turn went on as by time and size, and how unlikely that is, where it could be otherwise.
fn ambiguous(found: &Found, down: usize) -> Option<(usize, u64)> {
    let joined = found.next[down].as_ref()?;
    let unsure = joined.weight > 0 && !joined.others.is_empty();
    unsure.then_some((joined.to, joined.weight))
}

/// Joins two turns otherwise; what they went on as becomes an alternative. False where that makes a ring.
fn swap(context: &Context<'_>, found: &mut Found, downs: [usize; 2], instead: [Joined; 2]) -> bool {
    let hop = |turn: usize| context.turns.all[turn].hop;
    let before = downs.map(|down| found.part(down));
    let mut done = true;
    for ((down, mut joined), before) in downs.into_iter().zip(instead).zip(&before) {
        if let Some(before) = before {
            joined.others.clone_from(&before.others);
            joined.others.push(hop(before.to));
            joined.others.retain(|other| *other != hop(joined.to));
            joined.others.sort_unstable();
            joined.others.dedup();
        }
        done &= found.join(down, joined);
    }
    if !done {
        for (down, before) in downs.into_iter().zip(before) {
            found.part(down);
            if let Some(before) = before {
                found.join(down, *before);
            }
        }
    }
    done
}

/// Whether the first of two turns came before the second and goes on after it; `None` where that is not
/// known.
fn crossed(context: &Context<'_>, down: [usize; 2], up: [usize; 2]) -> Option<bool> {
    let began = |turn: usize, side: Side| -> Option<Time> {
        let seen = context.view(&context.turns.all[turn], side)?;
        Some(context.common(&seen, seen.began))
    };
    let came = [began(down[0], Side::Server)?, began(down[1], Side::Server)?];
    let went = [began(up[0], Side::Client)?, began(up[1], Side::Client)?];
    Some(came[0] < came[1] && went[0] > went[1])
}
