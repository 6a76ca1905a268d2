//! Columns of text side by side, fitted to a width.

use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

/// Wrapped columns keep at least this many characters ...
const NARROWEST: usize = 14;

/// ... or where addresses leave no room for that, this many.
const TIGHT: usize = 9;

/// Blanks between two columns.
const GAP: usize = 2;

/// Stands for a blank at which no line is broken: between a number and its unit.
pub(super) const STICKY: char = '\u{a0}';

/// A column, its heading first.
pub(super) struct Column {
    pub(super) cells: Vec<String>,
    pub(super) kind: Kind,
}

/// What a column may give up on a narrow terminal.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Nothing.
    Fixed,
    /// Its place.
    Spare,
    /// Its shape: it consists of words, between which it may be wrapped.
    Words,
    /// Its shape, and where that is not enough its place.
    SpareWords,
}

impl Column {
    /// Characters of its longest cell, and the gap after it.
    fn width(&self) -> usize {
        self.cells
            .iter()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
            + GAP
    }

    fn has_words(&self) -> bool {
        matches!(self.kind, Kind::Words | Kind::SpareWords)
    }

    /// Its width when wrapped as much as it can be.
    fn least(&self) -> usize {
        if self.has_words() {
            self.width().min(NARROWEST + GAP)
        } else {
            self.width()
        }
    }
}

/// A table, and the headings of the columns that it has no room for.
pub(super) struct Drawn {
    pub(super) text: String,
    pub(super) left_out: Vec<String>,
}

/// As many columns as fit; those of words wrapped as much as the width asks for, the last ones
/// first.
pub(super) fn draw(mut columns: Vec<Column>, width: usize) -> Drawn {
    let mut left_out = Vec::new();
    let total = |columns: &[Column]| columns.iter().map(Column::width).sum::<usize>();
    let least = |columns: &[Column]| columns.iter().map(Column::least).sum::<usize>();
    let last = |columns: &[Column], kind| columns.iter().rposition(|column| column.kind == kind);
    // No gap after the last one.
    let width = width + GAP;
    while total(&columns) > width
        && let Some(spare) = last(&columns, Kind::Spare)
    {
        left_out.extend(columns.remove(spare).cells.into_iter().next());
    }
    while least(&columns) > width
        && let Some(spare) = last(&columns, Kind::SpareWords)
    {
        left_out.extend(columns.remove(spare).cells.into_iter().next());
    }
    let narrowest = if least(&columns) > width {
        TIGHT
    } else {
        NARROWEST
    };
    let mut excess = total(&columns).saturating_sub(width);
    for column in columns.iter_mut().rev().filter(|column| column.has_words()) {
        let own = column.width() - GAP;
        let target = own.saturating_sub(excess).max(narrowest);
        if target < own {
            excess -= own - target;
            column
                .cells
                .iter_mut()
                .for_each(|cell| *cell = textwrap::fill(cell, target));
        }
    }
    let rows = columns.first().map_or(0, |column| column.cells.len());
    let mut table = Builder::new();
    for row in 0..rows {
        table.push_record(columns.iter().map(|column| column.cells[row].as_str()));
    }
    let mut table = table.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let lines = table.to_string().replace(STICKY, " ");
    let lines: Vec<&str> = lines.lines().map(str::trim_end).collect();
    Drawn {
        text: lines.join("\n"),
        left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(cells: [&str; 2], kind: Kind) -> Column {
        Column {
            cells: cells.map(str::to_owned).to_vec(),
            kind,
        }
    }

    #[test]
    fn words_are_wrapped_and_addresses_are_not() {
        let columns = || {
            vec![
                column(["client", "10.0.0.1:53572"], Kind::Fixed),
                column(["what", "one two three four five six"], Kind::Words),
            ]
        };
        assert_eq!(
            draw(columns(), 80).text,
            "client          what\n10.0.0.1:53572  one two three four five six"
        );
        let narrow = draw(columns(), 30).text;
        assert!(
            narrow.lines().all(|line| line.chars().count() <= 30),
            "{narrow}"
        );
        assert!(narrow.contains("10.0.0.1:53572"), "{narrow}");
    }
}
