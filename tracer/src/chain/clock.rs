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

impl LogClock {
    /// Of a log, by the connections that it names: the times agree, or are off by whole quarter hours
    /// (HAProxy writes local time without saying whose), or by the same everywhere (captures of
    /// another clock). Else it is not known.
    pub(super) fn new(context: &Context<'_>, ends: &Ends, log: &AccessLog) -> Self {
        let mut apart: Vec<i64> = Vec::new();
        for entry in &log.entries {
            let Some(began) = entry.began else {
                continue;
            };
            let from = entry.downstream_direct.or(entry.downstream_remote);
            let hops = from.and_then(|from| ends.downstream.get(&from));
            for hop in hops.into_iter().flatten() {
                apart.extend(nearest(context, *hop, began));
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
fn offset(apart: &mut [i64]) -> Option<i64> {
    let slack = i64::try_from(SLACK.as_nanos()).unwrap_or(i64::MAX);
    if apart.iter().any(|apart| apart.saturating_abs() <= slack) {
        return Some(0);
    }
    apart.sort_unstable();
    let (first, last) = (*apart.first()?, *apart.last()?);
    let middle = apart[apart.len() / 2];
    let quarters = (middle.saturating_add(QUARTER / 2)).div_euclid(QUARTER) * QUARTER;
    if middle.saturating_sub(quarters).saturating_abs() <= slack {
        return Some(quarters);
    }
    (last.saturating_sub(first) <= slack).then_some(middle)
}
