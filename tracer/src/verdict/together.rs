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

/// A kernel that closes all that a process had open is done within this.
const AT_ITS_END: Duration = Duration::from_millis(20);

/// Of very many that ended at once, so many tell as much.
const LOOKED_AT: usize = 64;

/// When each server closed what it owed an answer on, and how long that had been silent: hops by their
/// place.
#[derive(Debug, Default)]
pub(super) struct Together {
    closed: HashMap<Endpoint, Vec<(Time, usize, Duration)>, RandomState>,
}

impl Together {
    pub(super) fn of(hops: &Hops, digests: &[Digest]) -> Self {
        let mut together = Self::default();
        for digest in digests {
            let first = digest.first.filter(|first| first.by == Side::Server);
            let owed = first.filter(|first| {
                let last = digest.last_turn(first.at);
                last.is_some_and(|turn| turn.by == Side::Client)
            });
            if let Some(first) = owed {
                let used = first.at.since(digest.quiet_since(first.at));
                let server = hops.hops[digest.place].server;
                let closed = together.closed.entry(server).or_default();
                closed.push((first.at, digest.place, used));
            }
        }
        for closed in together.closed.values_mut() {
            closed.sort_unstable();
        }
        together
    }

    /// What that server closed about that time.
    fn about(&self, server: Endpoint, at: Time) -> impl Iterator<Item = (usize, Duration)> + '_ {
        let closed = self.closed.get(&server).map_or(&[][..], Vec::as_slice);
        let first = closed.partition_point(|(time, ..)| *time + AT_ITS_END < at);
        let about = closed[first..].iter();
        about
            .take_while(move |(time, ..)| *time <= at + AT_ITS_END)
            .map(|(_, place, used)| (*place, *used))
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
    let (place, used) = others.find(|(place, used)| *used + later < quiet && !here(*place))?;
    let first = case.world.digests[place].first.as_ref()?;
    Some((first, used))
}
