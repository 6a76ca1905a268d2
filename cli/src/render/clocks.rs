//! Times of all vantages by one clock.

use std::collections::HashMap;

use tracer::report::Report;
use tracer::time::Time;

/// How far clocks are off, and when the first segment of all was seen.
pub(super) struct Clocks<'a> {
    /// Nanoseconds to be added, by the name of the vantage.
    add: HashMap<&'a str, i64>,
    /// The first segment of all, by the common clock.
    pub(super) start: Time,
}

impl<'a> Clocks<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let vantages = report.vantages.iter();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "nanoseconds fill 292 years"
        )]
        let add = vantages.filter_map(|vantage| {
            let add = (vantage.clock_offset_s? * 1e9).round() as i64;
            Some((vantage.name.as_str(), add))
        });
        let mut clocks = Self {
            add: add.collect(),
            start: Time::default(),
        };
        let flows = report.flows.iter();
        let first = flows.map(|flow| clocks.common(&flow.vantage, flow.first));
        clocks.start = first.min().unwrap_or_default();
        clocks
    }

    /// A time of a vantage, by the clock of the first.
    pub(super) fn common(&self, vantage: &str, at: Time) -> Time {
        let add = self.add.get(vantage).copied().unwrap_or_default();
        Time::from_nanos(at.as_nanos().saturating_add(add))
    }
}
