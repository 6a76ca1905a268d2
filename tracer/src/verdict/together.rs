//! Connections that their server closed at the same time: no timer closes such as had been used at
//! different times, but the end of a process does (do_exit, kernel/exit.c).

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::case::Case;
use super::digest::{Digest, Mark};
use super::origin::Origin;
use crate::flow::Side;
use crate::hop::Hops;
use crate::segment::Endpoint;
use crate::time::Time;

/// Shorter silences are those of conversations.
pub(super) const SILENT: Duration = Duration::from_millis(900);

/// Silences that differ by this are not of one timer.
pub(super) const DIFFERENT: Duration = Duration::from_millis(200);

/// A kernel that closes all that a process had open is done within this.
const AT_ITS_END: Duration = Duration::from_millis(20);

/// Of very many that ended at once, so many tell as much.
const LOOKED_AT: usize = 64;

/// What each server closed that it owed an answer on, or that had been silent for long, by time.
#[derive(Debug, Default)]
pub(super) struct Together {
    closed: HashMap<Endpoint, Vec<Closed>, RandomState>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Closed {
    at: Time,
    /// The hop, by its place.
    place: usize,
    /// How long before it had been used.
    used: Duration,
    /// An answer was owed.
    owed: bool,
}

impl Together {
    pub(super) fn of(hops: &Hops, digests: &[Digest]) -> Self {
        let mut together = Self::default();
        for digest in digests {
            let first = digest.first.filter(|first| first.by == Side::Server);
            let Some(first) = first else {
                continue;
            };
            let last = digest.last_turn(first.at);
            let owed = last.is_some_and(|turn| turn.by == Side::Client);
            let used = first.at.since(digest.quiet_since(first.at));
            if owed || used >= SILENT {
                let server = hops.hops[digest.place].server;
                let closed = together.closed.entry(server).or_default();
                closed.push(Closed {
                    at: first.at,
                    place: digest.place,
                    used,
                    owed,
                });
            }
        }
        for closed in together.closed.values_mut() {
            closed.sort_unstable();
        }
        together
    }

    /// What that server closed about that time.
    fn about(&self, server: Endpoint, at: Time) -> impl Iterator<Item = &Closed> {
        let closed = self.closed.get(&server).map_or(&[][..], Vec::as_slice);
        let first = closed.partition_point(|closed| closed.at + AT_ITS_END < at);
        let about = closed[first..].iter();
        about
            .take_while(move |closed| closed.at <= at + AT_ITS_END)
            .take(LOOKED_AT)
    }
}

/// Another connection that whoever closed both its sides here closed at the same time, on a client that it owed
/// an answer, and how long before it had been used: later than this one by that much at least.
pub(super) fn closed_as_well<'a>(
    case: &Case<'a>,
    origin: &Origin,
    later: Duration,
) -> Option<(&'a Mark, Duration)> {
    let (beyond, _) = origin.both?;
    let server = case.legs[origin.leg.min(beyond)].hop.server;
    let quiet = case.legs[origin.leg].silence(origin.mark.at);
    let here = |place: usize| case.legs.iter().any(|leg| leg.digest.place == place);
    let mut others = case.world.together.about(server, origin.mark.at);
    let other =
        others.find(|other| other.owed && other.used + later < quiet && !here(other.place))?;
    let first = case.world.digests[other.place].first.as_ref()?;
    Some((first, other.used))
}

/// Another connection that the server of a leg closed at the same time, after a silence that was longer or
/// shorter by that much at least.
pub(super) fn closed_at_once(case: &Case<'_>, leg: usize, at: Time, unlike: Duration) -> bool {
    let quiet = case.legs[leg].silence(at);
    let here = |place: usize| case.legs.iter().any(|leg| leg.digest.place == place);
    let mut others = case.world.together.about(case.legs[leg].hop.server, at);
    others.any(|other| {
        let apart = other.used.max(quiet) - other.used.min(quiet);
        apart >= unlike && !here(other.place)
    })
}
