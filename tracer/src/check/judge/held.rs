//! Whether those selected are as they should be, and which are otherwise.

use super::super::expectation::{Condition, Expectation, Matching};
use super::super::fault::Place;
use super::super::subject::{Subject, View, findings, values};
use super::Failure;
use super::words::{TOLD, told};

pub(super) fn unmet<T: Subject>(
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

/// Whether a subject meets a condition: every value that is found must be one that is expected.
pub(super) fn meets<T: Subject>(view: &View<'_>, subject: &T, condition: &Condition) -> bool {
    let values = values(view, subject, condition.which);
    !values.is_empty() && values.iter().all(|value| condition.test.holds(value))
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
