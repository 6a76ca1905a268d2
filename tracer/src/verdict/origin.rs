//! Who closed without having been told to: the culprit, not the messenger.
//!
//! A proxy passes a close on, hop by hop, within milliseconds (FACTS 3.7). So of each hop only the
//! first FIN or RST counts, and of these the ones that no neighbour had announced.

use std::time::Duration;

use super::case::{Case, Node};
use super::digest::Mark;
use crate::flow::Side;

/// A close is passed on at once, or after what Envoy waits for the other side to close (1 s,
/// `delayed_close_timeout`) and a little more. What comes later is somebody's own doing.
pub(super) const PASSED_ON_WITHIN: Duration = Duration::from_millis(1_500);

/// A node that closes both its sides does so within this.
pub(super) const TOGETHER: Duration = Duration::from_millis(100);

/// A close that nobody had told its sender of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The leg that it was first seen on.
    pub(super) leg: usize,
    /// Its sender.
    pub(super) node: Node,
    /// The FIN or RST.
    pub(super) mark: Mark,
    /// The same node closed its other leg at the same time.
    pub(super) both: Option<(usize, Mark)>,
}

/// All such closes of a case, the first first.
pub(super) fn origins(case: &Case<'_>) -> Vec<Origin> {
    let mut origins: Vec<Origin> = Vec::new();
    for (leg, mark) in ends(case) {
        if told(case, leg, &mark) {
            continue;
        }
        origins.push(Origin {
            leg,
            node: Case::node(leg, mark.by),
            mark,
            both: None,
        });
    }
    origins.sort_by_key(|origin| (origin.mark.at, origin.leg));
    let mut origins = merge(case, origins);
    if let Some(place) = origins
        .iter()
        .position(|origin| is_cause(case, origin, origins[0]))
    {
        origins[..=place].rotate_right(1);
    }
    origins
}

/// Whether a close, where an answer was owed, may have come before the one that was stamped first,
/// where none was: clocks are not exact, and what was answered was answered for what failed behind it.
fn is_cause(case: &Case<'_>, origin: &Origin, first: Origin) -> bool {
    let owed = |leg: usize| case.legs[leg].asked().is_some() && case.legs[leg].owed();
    let error = case.error(first.mark.cite.flow, origin.mark.cite.flow);
    owed(origin.leg)
        && !owed(first.leg)
        && error.is_none_or(|error| origin.mark.at <= first.mark.at + error)
}

/// What ended each leg.
fn ends<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (usize, Mark)> + 'a {
    let legs = case.legs.iter().enumerate();
    legs.filter_map(|(leg, of)| Some((leg, *of.first()?)))
}

/// The leg on the other side of whoever sent this.
fn beyond(case: &Case<'_>, leg: usize, by: Side) -> Option<usize> {
    match by {
        Side::Client => leg.checked_sub(1),
        Side::Server => Some(leg + 1).filter(|leg| *leg < case.legs.len()),
    }
}

/// Whether the sender of a close had been told of one by its other neighbour.
fn told(case: &Case<'_>, leg: usize, mark: &Mark) -> bool {
    let Some(beyond) = beyond(case, leg, mark.by) else {
        return false;
    };
    let other = &case.legs[beyond];
    // That neighbour's own end, half a close that was passed on, or one that was made in its name.
    let made = other.digest.made.iter().map(|made| &made.mark);
    let half = other.digest.half.as_ref().filter(|_| other.is_last);
    let ends = other.first().into_iter().chain(half).chain(made);
    ends.filter(|end| end.by == mark.by).any(|end| {
        // Where clocks cannot be compared, whoever may have been told is taken to have been.
        let error = case.error(end.cite.flow, mark.cite.flow);
        error.is_none_or(|error| {
            let after = mark.at + error;
            end.at <= after && mark.at.since(end.at) <= PASSED_ON_WITHIN + error
        })
    })
}

/// Two closes of one node are one.
fn merge(case: &Case<'_>, origins: Vec<Origin>) -> Vec<Origin> {
    let mut merged: Vec<Origin> = Vec::new();
    for origin in origins {
        let same = |known: &&mut Origin| {
            known.node == origin.node
                && known.leg != origin.leg
                && case
                    .error(known.mark.cite.flow, origin.mark.cite.flow)
                    .is_none_or(|error| origin.mark.at.since(known.mark.at) <= TOGETHER + error)
        };
        match merged.iter_mut().find(same) {
            Some(known) => known.both = Some((origin.leg, origin.mark)),
            None => merged.push(origin),
        }
    }
    merged
}
