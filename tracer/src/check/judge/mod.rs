//! Whether expectations are met, and what shows that they are not.

mod held;
mod selected;
mod untold;
mod words;

use super::case::Case;
use super::expectation::{Condition, Expectation};
use super::fault::Place;
use super::subject::{Kind, Subject, View, values};
use crate::report::{
    ChainReport, FlowReport, HopReport, Report, SocketReport, VantageReport, VerdictReport,
};
use crate::vantage::Gathered;

use self::held::unmet;
use self::selected::{miscounted, nothing_selected, unknown_vantage, unrecorded};
use self::untold::untold;

/// What came of an expectation.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// Where it begins in its file.
    pub place: Place,
    /// How many it is about.
    pub selected: usize,
    /// Why it is not met; null where it is.
    pub failure: Option<Failure>,
}

/// Why an expectation is not met.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Failure {
    /// Where what is not met is written.
    pub place: Place,
    /// What was expected.
    pub expected: String,
    /// What was found, a line each.
    pub found: Vec<String>,
    /// What shows it: flows, times, frames.
    pub evidence: Vec<String>,
}

/// Holds a report against what is expected of it. Where `sources` are given, evidence names the
/// frames that only they know.
#[must_use]
pub fn judge(case: &Case, report: &Report, sources: &[Gathered]) -> Vec<Outcome> {
    let view = View::new(report, sources);
    let outcome = |expectation: &Expectation| match expectation.kind {
        Kind::Flows => of::<FlowReport>(&view, expectation),
        Kind::Hops => of::<HopReport>(&view, expectation),
        Kind::Chains => of::<ChainReport>(&view, expectation),
        Kind::Verdicts => of::<VerdictReport>(&view, expectation),
        Kind::Sockets => of::<SocketReport>(&view, expectation),
        Kind::Vantages => of::<VantageReport>(&view, expectation),
    };
    case.expectations.iter().map(outcome).collect()
}

fn of<T: Subject>(view: &View<'_>, expectation: &Expectation) -> Outcome {
    let selected = select::<T>(view, &expectation.select);
    let failure = unknown_vantage(view, expectation)
        .or_else(|| unrecorded(view, expectation))
        .or_else(|| miscounted(view, &selected, expectation))
        .or_else(|| nothing_selected::<T>(view, expectation, &selected))
        .or_else(|| unmet(view, expectation, &selected))
        .or_else(|| untold::<T>(view, expectation, &selected));
    Outcome {
        name: expectation.name.clone(),
        place: expectation.place,
        selected: selected.len(),
        failure,
    }
}

fn select<'a, T: Subject>(view: &View<'a>, conditions: &[Condition]) -> Vec<&'a T> {
    let chosen = |subject: &&T| {
        conditions.iter().all(|condition| {
            let values = values(view, *subject, condition.which);
            values.iter().any(|value| condition.test.holds(value))
        })
    };
    T::all(view.report).iter().filter(chosen).collect()
}
