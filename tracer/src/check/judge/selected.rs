//! Whether there is what an expectation is about, and as much of it as there should be.

use super::super::expectation::{Condition, Count, Expectation};
use super::super::fault::{did_you_mean, listed};
use super::super::subject::{Kind, Subject, View, values};
use super::super::test::{Value, Wants};
use super::Failure;
use super::words::{assigned, few, told};

/// A name that no vantage has is a mistake, also where nothing is expected to be there.
pub(super) fn unknown_vantage(view: &View<'_>, expectation: &Expectation) -> Option<Failure> {
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
pub(super) fn unrecorded(view: &View<'_>, expectation: &Expectation) -> Option<Failure> {
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

pub(super) fn miscounted<T: Subject>(
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

/// An expectation of nothing would always be met. `count` says where nothing is meant.
pub(super) fn nothing_selected<T: Subject>(
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
        let left = super::select::<T>(view, &select[..place]);
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
