//! Tables of rows with something in common, under headings.

use std::fmt::Write;

use tracer::time::Time;

use super::grid::{self, Column, Kind};
use super::table::HEADING;

/// A heading and what stands under it.
pub(super) struct Heading<T> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) cell: fn(&T, Time) -> String,
}

pub(super) const fn heading<T>(
    name: &'static str,
    kind: Kind,
    cell: fn(&T, Time) -> String,
) -> Heading<T> {
    Heading { name, kind, cell }
}

/// A table, or what is shown of it.
pub(super) struct Listing<'a, T> {
    pub(super) title: &'static str,
    pub(super) rows: &'a [&'a T],
    /// How many there are.
    pub(super) of: usize,
    /// A line below it.
    pub(super) more: Option<String>,
}

impl<T> Listing<'_, T> {
    /// Columns in which nothing is said are left out. Times are told since `start`.
    pub(super) fn draw(&self, headings: &[Heading<T>], start: Time, width: usize) -> String {
        let column = |heading: &Heading<T>| Column {
            cells: std::iter::once(heading.name.to_owned())
                .chain(self.rows.iter().map(|row| (heading.cell)(row, start)))
                .collect(),
            kind: heading.kind,
        };
        let said = |column: &Column| column.cells[1..].iter().any(|cell| !cell.is_empty());
        let (title, shown) = (self.title, self.rows.len());
        if let (0, Some(line)) = (shown, &self.more) {
            return format!("{HEADING}{title}{HEADING:#}  {line}\n\n");
        }
        let mut text = format!("{HEADING}{title}{HEADING:#}  {shown} of {}\n", self.of);
        if shown > 0 {
            let drawn = grid::draw(headings.iter().map(column).filter(said).collect(), width);
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}", drawn.text);
            if !drawn.left_out.is_empty() {
                let _ = writeln!(text, "no room for: {}", drawn.left_out.join(", "));
            }
        }
        if let Some(line) = &self.more {
            let _ = writeln!(text, "{line}");
        }
        text + "\n"
    }
}
