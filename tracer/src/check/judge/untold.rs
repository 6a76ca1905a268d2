//! Whether what cannot be told leaves an expectation open.

use super::super::expectation::{Condition, Expectation, Matching};
use super::super::fault::{Place, listed};
use super::super::subject::{Subject, View, values};
use super::super::test::Value;
use super::Failure;
use super::held::meets;
use super::words::{assigned, few, told};

/// Absence, and an exact number, are proved only where each that is not so is known to be otherwise:
/// what cannot be told must not count as "not so".
pub(super) fn untold<T: Subject>(
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
