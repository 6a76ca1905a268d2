//! Expectations and what was found, in words.

use super::super::expectation::Condition;
use super::super::subject::Kind;

/// Of so many subjects it is told what was found.
pub(super) const TOLD: usize = 5;

/// `flows with vantage = gw, server_port = 8080`.
pub(super) fn told(kind: Kind, select: &[Condition], number: usize) -> String {
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
    pub(super) fn told(&self) -> String {
        assigned(&self.key, &self.written)
    }
}

/// `resets = 0`, `probes >= 2`.
pub(super) fn assigned(key: &str, written: &str) -> String {
    if written.starts_with(['<', '>', '=', '≤', '≥']) {
        format!("{key} {written}")
    } else {
        format!("{key} = {written}")
    }
}

/// The first of them, and how many more there are.
pub(super) fn few(lines: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = lines.len().saturating_sub(TOLD);
    let mut lines: Vec<String> = lines.take(TOLD).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}
