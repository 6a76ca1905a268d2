//! Which rules were considered, and why each did or did not hold.

use tracer::verdict::Considered;

use super::{confidence, words};

/// A line a rule: those that held first, the surest of them first.
pub(super) fn rules(considered: &[Considered]) -> Vec<String> {
    let mut rules: Vec<&Considered> = considered.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.held));
    let line = |rule: &&Considered| {
        let [name, _] = words::names(rule.cause);
        let held = match rule.held {
            Some(sure) => format!("holds, {}", confidence(sure)),
            None => "does not hold".to_owned(),
        };
        format!("{name}: {held}: {}", rule.because)
    };
    rules.iter().map(line).collect()
}
