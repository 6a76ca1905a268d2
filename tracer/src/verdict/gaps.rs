//! What captures lack: a verdict that rests on what was not seen is worth less where frames are missing.
//!
//! A peer acknowledges bytes, and the FIN that takes one number of the sequence space after them (RFC
//! 9293 section 3.4): what it acknowledged was sent, and a capture that does not show it has missed
//! frames. Which others it missed, nobody knows: the close that came first, the answer that was owed.
//!
//! That changes nothing where both ends of every connection of the chain were captured and one of them
//! is whole, and where the kernel itself says why.

use std::time::Duration;

use super::case::Case;
use super::finding::{Culprit, Finding};
use super::leg::Leg;
use super::{Cause, Confidence};
use crate::flow::Side;
use crate::hop::{Hops, Sight};
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
    if !finding.alarm || finding.proved || SEEN.contains(&cause) {
        return;
    }
    let lacking = lacking(case, cause, &finding.culprit);
    if !lacking.is_empty() {
        finding.confidence = Confidence::Possible;
        finding.against.extend(lacking);
    }
}

/// A line for each vantage that missed frames since the case began, unless others make up for that.
fn lacking(case: &Case<'_>, cause: Cause, culprit: &Culprit) -> Vec<String> {
    let scene = case.world.scene;
    let (from, until) = time(case);
    let mut missed: Vec<(usize, u64)> = Vec::new();
    for leg in &case.legs {
        for &sight in &leg.hop.sights {
            let unseen = unseen(case, sight, from);
            let vantage = scene.flows[sight.flow].vantage;
            match missed.iter_mut().find(|(known, _)| *known == vantage) {
                _ if unseen == 0 => {}
                Some((_, sum)) => *sum += unseen,
                None => missed.push((vantage, unseen)),
            }
        }
    }
    if UNSEEN.contains(&cause) && missed.is_empty() {
        // What is not there could be on any.
        let vantages = 0..scene.vantages.len();
        let about = |vantage: &usize| case.world.gaps.any(*vantage, from, until);
        missed.extend(vantages.filter(about).map(|vantage| (vantage, 0)));
    }
    if !UNSEEN.contains(&cause) && is_made_up_for(case, culprit, from) {
        missed.clear();
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

/// Whether what some vantages missed changes nothing, because others show all of it. A connection of which only
/// one end was captured may lack what nobody acknowledged, or be one that elsewhere was not recognized. And a
/// chain may go on behind whoever stands at its end, if that one's own capture lacks frames.
fn is_made_up_for(case: &Case<'_>, culprit: &Culprit, from: Time) -> bool {
    let both_ends = |leg: &Leg<'_>| {
        let at = leg.hop.at;
        leg.hop.sights.len() > 1 || (at.client.is_some() && at.client == at.server)
    };
    let mut legs = case.legs.iter();
    let all = legs.all(|leg| both_ends(leg) && is_whole(case, leg, from));
    let own = match culprit {
        Culprit::End(0, Side::Client) => case.legs[0].hop.sights.first(),
        Culprit::End(leg, Side::Server) if leg + 1 == case.legs.len() => {
            case.legs[*leg].hop.sights.last()
        }
        _ => None,
    };
    all && own.is_none_or(|own| unseen(case, *own, from) == 0)
}

/// Whether some vantage shows all of a hop since then, as far as anybody does.
fn is_whole(case: &Case<'_>, leg: &Leg<'_>, from: Time) -> bool {
    let next = |sight: Sight, side: Side| {
        let flow = case.world.scene.flows[sight.flow].flow;
        Some(flow.sequence(sight.side(side))?[1])
    };
    let sights = leg.hop.sights.iter();
    let mut whole = sights.filter(|sight| unseen(case, **sight, from) == 0);
    whole.any(|own| {
        [Side::Client, Side::Server].into_iter().all(|side| {
            let mut others = leg.hop.sights.iter();
            others.all(|other| match (next(*own, side), next(*other, side)) {
                (Some(own), Some(other)) => !other.is_after(own),
                (own, other) => own.is_some() || other.is_none(),
            })
        })
    })
}

/// How many sequence numbers a vantage did not see that were acknowledged since then.
fn unseen(case: &Case<'_>, sight: Sight, from: Time) -> u64 {
    let seen = &case.world.scene.flows[sight.flow];
    let common = |at| case.world.hops.clocks.common(seen.vantage, at);
    let sides = [Side::Client, Side::Server].into_iter();
    sides
        .flat_map(|side| seen.flow.missed(side))
        .filter(|(at, _)| common(*at) >= from)
        .map(|(_, numbers)| numbers)
        .sum()
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
