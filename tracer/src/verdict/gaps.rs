//! What captures lack: a verdict that rests on what was not seen is worth less where frames are missing.
//!
//! A peer acknowledges bytes, and the FIN that takes one number of the sequence space after them (RFC
//! 9293 section 3.4): what it acknowledged was sent, and a capture that does not show it has missed
//! frames. Which others it missed, nobody knows: the close that came first, the answer that was owed.

use std::time::Duration;

use super::case::Case;
use super::finding::Finding;
use super::{Cause, Confidence};
use crate::flow::Side;
use crate::hop::Hops;
use crate::scene::Scene;
use crate::time::Time;

/// What shows by segments that are there: frames that are missing do not make them.
const SEEN: [Cause; 3] = [
    Cause::Refused,
    Cause::ReceiverStalled,
    Cause::TlsHandshakeFailed,
];

/// What shows by there being nothing, on connections too of which nothing is left.
const UNSEEN: [Cause; 2] = [Cause::Overload, Cause::Unreachable];

/// A capture that missed frames a minute before or after may have missed those that a verdict rests on
/// not being there.
const ABOUT: Duration = Duration::from_secs(60);

/// When each vantage missed frames.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// By the place of the vantage in the scene: times by the common clock, sorted.
    at: Vec<Vec<Time>>,
}

impl Gaps {
    pub(super) fn of(scene: &Scene<'_>, hops: &Hops) -> Self {
        let mut at = vec![Vec::new(); scene.vantages.len()];
        for seen in &scene.flows {
            for side in [Side::Client, Side::Server] {
                let missed = seen.flow.missed(side);
                at[seen.vantage].extend(missed.map(|(at, _)| hops.clocks.common(seen.vantage, at)));
            }
        }
        at.iter_mut().for_each(|times| times.sort_unstable());
        Self { at }
    }

    /// Whether a vantage missed any frame about that time.
    fn any(&self, vantage: usize, from: Time, until: Time) -> bool {
        let times = &self.at[vantage];
        let next = times.partition_point(|at| *at + ABOUT < from);
        times.get(next).is_some_and(|at| *at <= until + ABOUT)
    }
}

/// Takes back how sure a finding is, where the captures that it rests on lack frames of its time.
pub(super) fn weigh(case: &Case<'_>, cause: Cause, finding: &mut Finding) {
    if !finding.alarm || SEEN.contains(&cause) {
        return;
    }
    let lacking = lacking(case, cause);
    if !lacking.is_empty() {
        finding.confidence = Confidence::Possible;
        finding.against.extend(lacking);
    }
}

/// A line for each vantage that missed frames since the case began.
fn lacking(case: &Case<'_>, cause: Cause) -> Vec<String> {
    let scene = case.world.scene;
    let (from, until) = time(case);
    let mut missed: Vec<(usize, u64)> = Vec::new();
    for sight in case.legs.iter().flat_map(|leg| &leg.hop.sights) {
        let seen = &scene.flows[sight.flow];
        let common = |at| case.world.hops.clocks.common(seen.vantage, at);
        let sides = [Side::Client, Side::Server].into_iter();
        let unseen: u64 = sides
            .flat_map(|side| seen.flow.missed(side))
            .filter(|(at, _)| common(*at) >= from)
            .map(|(_, numbers)| numbers)
            .sum();
        if unseen == 0 {
            continue;
        }
        match missed
            .iter_mut()
            .find(|(vantage, _)| *vantage == seen.vantage)
        {
            Some((_, sum)) => *sum += unseen,
            None => missed.push((seen.vantage, unseen)),
        }
    }
    if missed.is_empty() && UNSEEN.contains(&cause) {
        // What is not there could be on any.
        let vantages = 0..scene.vantages.len();
        let about = |vantage: &usize| case.world.gaps.any(*vantage, from, until);
        missed.extend(vantages.filter(about).map(|vantage| (vantage, 0)));
    }
    let line = |(vantage, unseen): &(usize, u64)| {
        let what = match unseen {
            0 => "of other connections about that time".to_owned(),
            1 => "a byte or a FIN that was acknowledged is not there".to_owned(),
            _ => format!("{unseen} bytes that were acknowledged are not there"),
        };
        format!(
            "the capture {} lacks frames ({what}): a close or an answer may be missing, too",
            scene.name(*vantage)
        )
    };
    missed.iter().map(line).collect()
}

/// From when until when frames concern a case: since it was asked for, where that is known.
fn time(case: &Case<'_>) -> (Time, Time) {
    let asked = case.legs.iter().filter_map(|leg| leg.exchange);
    let asked = asked.map(|exchange| exchange.began).min();
    let began = case.legs.iter().map(|leg| leg.digest.begun).min();
    let last = case.legs.iter().map(|leg| leg.digest.last);
    (
        asked.or(began).unwrap_or_default(),
        last.max().unwrap_or_default(),
    )
}
