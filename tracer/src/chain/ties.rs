//! What joins tell of clocks: a proxy passes a request on after it came, and an answer after it came.

use std::collections::BTreeMap;

use super::Strength;
use super::context::{Context, Found, Joined};
use super::place::Nearness;
use super::turn::Seen;
use crate::flow::Side;
use crate::hop::Clocks;
use crate::time::Time;

/// What the clock of the second of two vantages is ahead of the first one's, in nanoseconds: at least
/// and at most.
#[derive(Clone, Copy)]
pub(super) struct Tie {
    vantages: [usize; 2],
    ahead: [i64; 2],
}

/// Links clocks, by the narrowest bounds first.
pub(super) fn link(clocks: &mut Clocks, mut ties: Vec<Tie>) {
    ties.sort_by_key(|tie| (tie.ahead[1].abs_diff(tie.ahead[0]), tie.vantages));
    for tie in ties {
        clocks.link(tie.vantages, tie.ahead);
    }
}

/// The narrowest bounds of each two vantages at both sides of a proxy.
pub(super) fn of(context: &Context<'_>, found: &Found) -> Vec<Tie> {
    let mut ties: BTreeMap<[usize; 2], [i64; 2]> = BTreeMap::new();
    for (down, joined) in found.next.iter().enumerate() {
        let joined = joined.as_ref().filter(|joined| joined.others.is_empty());
        let Some(tie) = joined.and_then(|joined| tie(context, down, joined)) else {
            continue;
        };
        let [least, most] = ties.entry(tie.vantages).or_insert(tie.ahead);
        *least = tie.ahead[0].max(*least);
        *most = tie.ahead[1].min(*most);
    }
    let ties = ties.into_iter();
    ties.map(|(vantages, ahead)| Tie { vantages, ahead })
        .collect()
}

fn tie(context: &Context<'_>, down: usize, joined: &Joined) -> Option<Tie> {
    let (before, behind) = (&context.turns.all[down], &context.turns.all[joined.to]);
    let (seen, onward) = (before.seen(Side::Server)?, behind.seen(Side::Client)?);
    let vantage = |seen: &Seen| context.scene.flows[seen.flow].vantage;
    let vantages = [vantage(&seen), vantage(&onward)];
    let hops = &context.hops.hops;
    let stand = [hops[before.hop].at.server, hops[behind.hop].at.client];
    if vantages[0] == vantages[1] || stand != vantages.map(Some) {
        return None;
    }
    let one_machine = matches!(joined.by, Strength::AccessLog | Strength::Process)
        || context.places.nearness(before.hop, behind.hop) == Nearness::Same;
    let ahead = if one_machine {
        [0, 0]
    } else {
        let later = |late: Time, early: Time| late.as_nanos().saturating_sub(early.as_nanos());
        [
            later(onward.answered?, seen.answered?),
            later(onward.began, seen.began),
        ]
    };
    Some(Tie { vantages, ahead })
}
