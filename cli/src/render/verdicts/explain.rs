//! Which rules were considered, and why each did or did not hold.

use tracer::verdict::Considered;

use super::super::grid::{self, Column, Kind};
use super::super::harmless;
use super::{confidence, words};

/// Columns before it.
const INDENT: usize = 2;

/// A line a rule: those that held first, the surest of them first.
pub(super) fn rules(considered: &[Considered], width: usize) -> String {
    let mut rules: Vec<&Considered> = considered.iter().collect();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.held));
    if rules.is_empty() {
        return String::new();
    }
    let column = |name: &str, kind, cell: fn(&Considered) -> String| Column {
        cells: std::iter::once(name.to_owned())
            .chain(rules.iter().map(|rule| cell(rule)))
            .collect(),
        kind,
    };
    let columns = vec![
        column("rule", Kind::Fixed, |rule| {
            words::names(rule.cause)[0].to_owned()
        }),
        column("holds", Kind::Fixed, |rule| {
            rule.held.map_or("no", confidence).to_owned()
        }),
        column("because", Kind::Words, |rule| harmless(&rule.because)),
    ];
    let table = grid::draw(columns, width.saturating_sub(INDENT)).text;
    let lines = table.lines().map(|line| format!("{:INDENT$}{line}\n", ""));
    lines.collect()
}
