//! What may be the root of another verdict: a path that fails between two proxies is why those in front
//! of it waited in vain. No chain joins the two where what was lost is what would have joined them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::case::World;
use super::{Cause, Confidence, Verdict};
use crate::time::Time;

/// What fails on the way.
const WAY: [Cause; 4] = [
    Cause::InjectedReset,
    Cause::KeepaliveDeath,
    Cause::RetransmissionDeath,
    Cause::Unreachable,
];

/// What somebody does who waits in vain.
const WAITED: [Cause; 3] = [
    Cause::ClientGaveUp,
    Cause::IdleTimeout,
    Cause::RequestTimeout,
];

/// Since when and until when somebody waited in vain for whoever is at a vantage.
pub(super) struct Roots<'a> {
    world: &'a World<'a>,
    waited: HashMap<usize, (Time, Time), RandomState>,
}

impl<'a> Roots<'a> {
    pub(super) fn of(world: &'a World<'a>, verdicts: &[Verdict]) -> Self {
        let mut waited = HashMap::<usize, (Time, Time), RandomState>::default();
        for verdict in verdicts {
            let sure = verdict.alarm && verdict.confidence > Confidence::Possible;
            if !sure || !WAITED.contains(&verdict.cause) {
                continue;
            }
            let (Some(hop), Some(until)) = (verdict.hop, verdict.at) else {
                continue;
            };
            let Some(server) = world.hops.hops[hop].at.server else {
                continue;
            };
            let since = world.digests[hop].begun;
            let known = waited.entry(server).or_insert((since, until));
            *known = (known.0.min(since), known.1.max(until));
        }
        Self { world, waited }
    }

    /// Whether a way failed behind whoever was waited for, in that time.
    pub(super) fn explains(&self, verdict: &Verdict) -> bool {
        let (Some(hop), Some(at)) = (verdict.hop, verdict.at) else {
            return false;
        };
        let waited = self.world.hops.hops[hop].at.client;
        let waited = waited.and_then(|client| self.waited.get(&client));
        verdict.alarm
            && WAY.contains(&verdict.cause)
            && waited.is_some_and(|(since, until)| *since <= at && at <= *until)
    }
}
