//! The clock of an access log, which should be the proxy's.

use std::time::Duration;

use super::context::Context;
use super::told::{Ends, SLACK};
use crate::flow::Side;
use crate::log::{AccessLog, Entry};
use crate::time::Time;

/// A quarter of an hour in nanoseconds: time zones differ by whole ones.
const QUARTER: i64 = 900_000_000_000;

/// What must be added to the times of a log to get those of the vantages at its proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogClock {
    add: Option<i64>,
}

/// What must be added to an entry's time to be when a hop that it may name began.
#[derive(Clone, Copy)]
struct Apart {
    add: i64,
    /// The hop.
    hop: usize,
    /// The entry names a connection on the other side of the proxy as well, which was seen, too.
    both: bool,
    /// Its time is without a zone.
    zoneless: bool,
}

impl LogClock {
    /// Of a log, by the connections that it names: the times agree, or are off by whole quarter hours
    /// (HAProxy writes local time without saying whose), or by the same everywhere (captures of
    /// another clock). Else it is not known, and nothing of it is believed: ports are used again.
    pub(super) fn new(context: &Context<'_>, ends: &Ends, log: &AccessLog) -> Self {
        let mut apart: Vec<Apart> = Vec::new();
        for entry in &log.entries {
            let Some(began) = entry.began else {
                continue;
            };
            let from = entry.downstream_direct.or(entry.downstream_remote);
            let hops = from.and_then(|from| ends.downstream.get(&from));
            let upstream = entry.upstream_local;
            let both = upstream.is_some_and(|from| ends.upstream.contains_key(&from));
            for hop in hops.into_iter().flatten() {
                let add = nearest(context, *hop, began);
                apart.extend(add.map(|add| Apart {
                    add,
                    hop: *hop,
                    both,
                    zoneless: entry.zoneless,
                }));
            }
        }
        Self {
            add: offset(&mut apart),
        }
    }

    fn at_proxy(self, at: Time) -> Option<Time> {
        Some(Time::from_nanos(at.as_nanos().saturating_add(self.add?)))
    }

    /// When an entry's request or session was there, by the proxy's clock.
    pub(super) fn during(self, entry: &Entry) -> Option<(Time, Time)> {
        let began = self.at_proxy(entry.began?)?;
        let took = i64::try_from(entry.took.unwrap_or(0)).unwrap_or(i64::MAX);
        let ended = Time::from_nanos(began.as_nanos().saturating_add(took));
        Some((began, ended))
    }

    /// How far a turn's beginning is from that of an entry.
    pub(super) fn apart(
        self,
        context: &Context<'_>,
        down: usize,
        entry: &Entry,
    ) -> Option<Duration> {
        let seen = context.view(&context.turns.all[down], Side::Server)?;
        let began = self.at_proxy(entry.began?)?;
        Some(seen.began.apart(began))
    }
}

/// What must be added to `began` to be when the hop, or its nearest turn, began.
fn nearest(context: &Context<'_>, hop: usize, began: Time) -> Option<i64> {
    let sight = context.hops.hops[hop].sights.last()?;
    let opened = context.scene.flows[sight.flow].flow.first_at();
    let turns = context.turns.all[context.turns.of[hop].clone()].iter();
    let turns = turns.filter_map(|turn| Some(context.view(turn, Side::Server)?.began));
    let nearest = turns.chain([opened]).min_by_key(|at| at.apart(began))?;
    Some(nearest.as_nanos().saturating_sub(began.as_nanos()))
}

/// The offset that these distances show.
fn offset(apart: &mut [Apart]) -> Option<i64> {
    let slack = i64::try_from(SLACK.as_nanos()).unwrap_or(i64::MAX);
    if apart.iter().any(|one| one.add.saturating_abs() <= slack) {
        return Some(0);
    }
    apart.sort_unstable_by_key(|one| one.add);
    let (first, last) = (*apart.first()?, *apart.last()?);
    let middle = apart[apart.len() / 2];
    let quarters = middle.add.saturating_add(QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    if middle.zoneless && middle.add.saturating_sub(quarters).saturating_abs() <= slack {
        return Some(quarters);
    }
    // One port may be used by chance at any distance; two connections are not by the same.
    let telling = apart.iter().any(|one| one.both || one.hop != first.hop);
    (telling && last.add.saturating_sub(first.add) <= slack).then_some(middle.add)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn apart(add: i64, hop: usize) -> Apart {
        Apart {
            add,
            hop,
            both: false,
            zoneless: false,
        }
    }

    #[test]
    fn a_log_that_agrees_somewhere_has_the_right_time() {
        let mut distances = [apart(SECOND / 2, 0), apart(4_000 * SECOND, 1)];
        assert_eq!(offset(&mut distances), Some(0));
    }

    #[test]
    fn local_times_are_off_by_quarter_hours() {
        let local = |add| Apart {
            zoneless: true,
            ..apart(add, 0)
        };
        let nepal = (5 * 4 + 3) * QUARTER;
        assert_eq!(offset(&mut [local(-nepal + SECOND / 3)]), Some(-nepal));
        assert_eq!(offset(&mut [local(-nepal + 90 * SECOND)]), None);
        assert_eq!(offset(&mut [apart(-nepal, 0)]), None, "its zone is known");
    }

    #[test]
    fn another_clock_is_told_by_two_connections_or_both_sides_of_one() {
        let (one, other) = (apart(70 * SECOND, 0), apart(70 * SECOND + 9, 1));
        assert_eq!(offset(&mut [one, other]), Some(70 * SECOND + 9));
        assert_eq!(offset(&mut [one]), None, "the port may be another's");
        let both = Apart { both: true, ..one };
        assert_eq!(offset(&mut [both]), Some(70 * SECOND));
        let contradicts = apart(90 * SECOND, 1);
        assert_eq!(offset(&mut [both, contradicts]), None);
        assert_eq!(offset(&mut []), None);
    }
}
