//! Whether expectations are met, and what shows that they are not.

use super::case::Case;
use super::expectation::{Condition, Count, Expectation, Matching};
use super::fault::{Place, did_you_mean, listed};
use super::subject::{Kind, Subject, View, findings, values};
use super::test::{Value, Wants};
use crate::report::{
    ChainReport, FlowReport, HopReport, Report, SocketReport, VantageReport, VerdictReport,
};
use crate::vantage::Gathered;

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

/// Of so many subjects it is told what was found.
const TOLD: usize = 5;

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

/// `flows with vantage = gw, server_port = 8080`.
fn told(kind: Kind, select: &[Condition], number: usize) -> String {
    let noun = if number == 1 {
        kind.singular()
    } else {
        kind.name()
    };
    if select.is_empty() {
        return noun.to_owned();
    }
    let conditions: Vec<String> = select.iter().map(Condition::told).collect();
    format!("{noun} with {}", conditions.join(", "))
}

impl Condition {
    fn told(&self) -> String {
        assigned(&self.key, &self.written)
    }
}

/// `resets = 0`, `probes >= 2`.
fn assigned(key: &str, written: &str) -> String {
    if written.starts_with(['<', '>', '=', '≤', '≥']) {
        format!("{key} {written}")
    } else {
        format!("{key} = {written}")
    }
}

/// A name that no vantage has is a mistake, also where nothing is expected to be there.
fn unknown_vantage(view: &View<'_>, expectation: &Expectation) -> Option<Failure> {
    let names = || {
        let vantages = view
            .report
            .vantages
            .iter()
            .map(|vantage| vantage.name.as_str());
        let sockets = view
            .report
            .sockets
            .iter()
            .map(|socket| socket.vantage.as_str());
        let mut names: Vec<&str> = vantages.chain(sockets).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    let named = expectation.select.iter().chain(&expectation.hold);
    for condition in named {
        let spare = match condition.wants {
            Wants::Vantage => None,
            Wants::VantageOrNobody => Some("nobody"),
            _ => continue,
        };
        for pattern in condition.test.patterns() {
            let known = names();
            let mut all = known.iter().copied().chain(spare);
            // Whoever ended it may also be an address, where no vantage is there.
            let address = spare.is_some() && pattern.0.contains(' ');
            if address || all.any(|name| pattern.matches(name)) {
                continue;
            }
            let meant = did_you_mean(&pattern.0, known.iter().copied());
            return Some(Failure {
                place: condition.place,
                expected: format!("a vantage called '{}'", pattern.0),
                found: vec![format!("there is none{meant}")],
                evidence: vec![format!("vantages: {}", listed(known))],
            });
        }
    }
    None
}

/// Where nobody looked at sockets, that there are none says nothing.
fn unrecorded(view: &View<'_>, expectation: &Expectation) -> Option<Failure> {
    let none = expectation.kind == Kind::Sockets && view.report.sockets.is_empty();
    none.then(|| Failure {
        place: expectation.place,
        expected: "sockets, of which something can be said".to_owned(),
        found: vec![
            "no sockets were recorded here; only recordings of 'hopscope watch -w' have them"
                .to_owned(),
        ],
        evidence: Vec::new(),
    })
}

fn miscounted<T: Subject>(
    view: &View<'_>,
    selected: &[&T],
    expectation: &Expectation,
) -> Option<Failure> {
    let Count {
        ranges,
        written,
        place,
    } = expectation.count.as_ref()?;
    if ranges.holds(&Value::Count(selected.len() as u64)) {
        return None;
    }
    Some(Failure {
        place: *place,
        expected: format!(
            "{}, of {}",
            assigned("count", written),
            told(expectation.kind, &expectation.select, 2)
        ),
        found: vec![format!("there are {}", selected.len())],
        evidence: instead(view, &expectation.select, selected),
    })
}

/// The first of them, and how many more there are.
fn few(lines: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = lines.len().saturating_sub(TOLD);
    let mut lines: Vec<String> = lines.take(TOLD).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Those selected, and what there was beside them: verdicts say it themselves, of others it is what
/// their keys are.
fn instead<T: Subject>(view: &View<'_>, select: &[Condition], selected: &[&T]) -> Vec<String> {
    let mut lines = few(selected.iter().map(|subject| subject.told()));
    let all = T::all(view.report);
    let others = || {
        let other = |subject: &&T| !selected.iter().any(|one| std::ptr::eq(*one, *subject));
        all.iter().filter(other)
    };
    if T::TELLS_ALL {
        let others: Vec<String> = others()
            .map(|subject| format!("there is {}", subject.told()))
            .collect();
        lines.extend(few(others.into_iter()));
    } else if selected.len() < all.len() {
        lines.extend(nearest::<T>(view, select));
    }
    lines
}

/// What each key that selects is, of those that the keys before it select.
fn nearest<T: Subject>(view: &View<'_>, select: &[Condition]) -> Vec<String> {
    let mut lines = Vec::new();
    for (place, condition) in select.iter().enumerate() {
        let left = self::select::<T>(view, &select[..place]);
        if left.is_empty() {
            break;
        }
        let mut there: Vec<String> = left
            .iter()
            .flat_map(|subject| values(view, *subject, condition.which))
            .map(|value| value.to_string())
            .collect();
        there.sort();
        there.dedup();
        let there = listed(there.iter().map(String::as_str));
        lines.push(format!("{} is {there} there", condition.key));
    }
    lines
}

/// An expectation of nothing would always be met. `count` says where nothing is meant.
fn nothing_selected<T: Subject>(
    view: &View<'_>,
    expectation: &Expectation,
    selected: &[&T],
) -> Option<Failure> {
    if !selected.is_empty() || expectation.count.is_some() {
        return None;
    }
    let Expectation { kind, select, .. } = expectation;
    let all = T::all(view.report);
    let found = match all.len() {
        0 => format!("the report has no {}", kind.name()),
        all => format!("none of {all} {} is one", told(*kind, &[], all)),
    };
    Some(Failure {
        place: select
            .first()
            .map_or(expectation.place, |first| first.place),
        expected: format!("something to be selected by {}", told(*kind, select, 2)),
        found: vec![format!("{found} (where none is meant, write count = 0)")],
        evidence: instead(view, select, selected),
    })
}

/// Whether a subject is so as far as is known, where something of it cannot be told.
fn may_be<T: Subject>(view: &View<'_>, subject: &T, condition: &Condition, all: bool) -> bool {
    let values = values(view, subject, condition.which);
    let may = |value: &Value| matches!(value, Value::Unknown(_)) || condition.test.holds(value);
    if all {
        !values.is_empty() && values.iter().all(may)
    } else {
        values.iter().any(may)
    }
}

/// Absence, and an exact number, are proved only where each that is not so is known to be otherwise:
/// what cannot be told must not count as "not so".
fn untold<T: Subject>(
    view: &View<'_>,
    expectation: &Expectation,
    selected: &[&T],
) -> Option<Failure> {
    let Expectation { select, hold, .. } = expectation;
    let may_be_selected: Vec<&T> = T::all(view.report)
        .iter()
        .filter(|subject| {
            select
                .iter()
                .all(|condition| may_be(view, *subject, condition, false))
        })
        .collect();
    if let Some(count) = &expectation.count {
        let more = (selected.len()..=may_be_selected.len())
            .any(|number| !count.ranges.holds(&Value::Count(number as u64)));
        if more {
            let known = |subject: &&T| selected.iter().any(|one| std::ptr::eq(*one, *subject));
            let unknown = may_be_selected
                .into_iter()
                .filter(|subject| !known(subject));
            let expected = format!(
                "{}, of {}",
                assigned("count", &count.written),
                told(expectation.kind, select, 2)
            );
            return Some(cannot_be_told(
                view,
                &select.iter().collect::<Vec<_>>(),
                &unknown.collect::<Vec<_>>(),
                count.place,
                expected,
            ));
        }
    }
    if hold.is_empty() {
        return None;
    }
    let so = |subject: &T| {
        let chosen = selected.iter().any(|one| std::ptr::eq(*one, subject));
        chosen && hold.iter().all(|condition| meets(view, subject, condition))
    };
    let (so, unknown): (Vec<&T>, Vec<&T>) = may_be_selected
        .into_iter()
        .filter(|subject| {
            hold.iter()
                .all(|condition| may_be(view, *subject, condition, true))
        })
        .partition(|subject| so(subject));
    let (written, holds) = match &expectation.matching {
        Matching::All | Matching::Any => return None,
        Matching::None => ("none", unknown.is_empty()),
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
        Matching::Number(range, written) => (
            written.as_str(),
            (so.len()..=so.len() + unknown.len()).all(|number| range.contains(number as f64)),
        ),
    };
    if holds {
        return None;
    }
    let held: Vec<String> = hold.iter().map(Condition::told).collect();
    let which = told(expectation.kind, select, 2);
    let expected = format!("{}, of {written} {which}", held.join(", "));
    let conditions: Vec<&Condition> = select.iter().chain(hold).collect();
    Some(cannot_be_told(
        view,
        &conditions,
        &unknown,
        hold[0].place,
        expected,
    ))
}

fn cannot_be_told<T: Subject>(
    view: &View<'_>,
    conditions: &[&Condition],
    unknown: &[&T],
    place: Place,
    expected: String,
) -> Failure {
    let mut evidence = Vec::new();
    let mut keys = Vec::new();
    for subject in unknown {
        for condition in conditions {
            for value in values(view, *subject, condition.which) {
                if matches!(value, Value::Unknown(_)) {
                    evidence.push(format!("{}: {} is {value}", subject.told(), condition.key));
                    keys.push(condition.key.as_str());
                }
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    evidence.dedup();
    Failure {
        place,
        expected,
        found: vec![format!(
            "that cannot be told of {} here: {} is not known",
            unknown.len(),
            listed(keys)
        )],
        evidence: few(evidence.into_iter()),
    }
}

/// Whether a subject meets a condition: every value that is found must be one that is expected.
fn meets<T: Subject>(view: &View<'_>, subject: &T, condition: &Condition) -> bool {
    let values = values(view, subject, condition.which);
    !values.is_empty() && values.iter().all(|value| condition.test.holds(value))
}

fn unmet<T: Subject>(
    view: &View<'_>,
    expectation: &Expectation,
    selected: &[&T],
) -> Option<Failure> {
    let hold = &expectation.hold;
    if hold.is_empty() || selected.is_empty() {
        return None;
    }
    let meets_all = |subject: &&&T| {
        hold.iter()
            .all(|condition| meets(view, **subject, condition))
    };
    let (met, missed): (Vec<&T>, Vec<&T>) = selected.iter().partition(|subject| meets_all(subject));
    let (wrong, how_many) = match &expectation.matching {
        Matching::All if missed.is_empty() => return None,
        Matching::Any if !met.is_empty() => return None,
        Matching::None if met.is_empty() => return None,
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
        Matching::Number(range, _) if range.contains(met.len() as f64) => return None,
        Matching::All if selected.len() == 1 => (missed, "the".to_owned()),
        Matching::All => (missed, format!("all {}", selected.len())),
        Matching::Any => (missed, "at least one".to_owned()),
        Matching::None => (met.clone(), "none".to_owned()),
        Matching::Number(_, written) if met.is_empty() => (missed, written.clone()),
        Matching::Number(_, written) => (met.clone(), written.clone()),
    };
    let which = told(expectation.kind, &expectation.select, selected.len());
    let expected: Vec<String> = hold.iter().map(Condition::told).collect();
    let (place, lines, evidence) = findings_of(view, hold, &wrong);
    let mut found = vec![format!(
        "{} of {} {} so",
        met.len(),
        selected.len(),
        if selected.len() == 1 { "is" } else { "are" }
    )];
    found.extend(lines);
    Some(Failure {
        place,
        expected: format!("{}, of {how_many} {which}", expected.join(", ")),
        found,
        evidence,
    })
}

/// What was found of subjects that should be otherwise: the conditions that they miss, or, where
/// they miss none, all of them.
fn findings_of<T: Subject>(
    view: &View<'_>,
    hold: &[Condition],
    wrong: &[&T],
) -> (Place, Vec<String>, Vec<String>) {
    let mut place = hold[0].place;
    let (mut lines, mut evidence) = (Vec::new(), Vec::new());
    for (number, subject) in wrong.iter().take(TOLD).enumerate() {
        let missed: Vec<&Condition> = hold
            .iter()
            .filter(|condition| !meets(view, *subject, condition))
            .collect();
        let all = missed.is_empty();
        let conditions = if all { hold.iter().collect() } else { missed };
        if number == 0 {
            place = conditions[0].place;
        }
        for condition in conditions {
            for found in findings(view, *subject, condition.which) {
                if !all && condition.test.holds(&found.value) {
                    continue;
                }
                let of = found.of.map_or_else(String::new, |of| format!(" ({of})"));
                lines.push(format!(
                    "{}: {} is {}{of}",
                    subject.told(),
                    condition.key,
                    found.value
                ));
                for line in found.evidence {
                    if !evidence.contains(&line) {
                        evidence.push(line);
                    }
                }
            }
        }
    }
    if wrong.len() > TOLD {
        lines.push(format!("and {} more", wrong.len() - TOLD));
    }
    (place, lines, evidence)
}
