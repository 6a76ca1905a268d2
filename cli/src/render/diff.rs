//! What changed between two reports.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use tracer::compare::Difference;

use super::grid::{Column, Kind, draw};
use super::units::count;
use super::{columns, harmless};

/// A table of what changed, role by role.
pub(crate) fn table(before: &str, after: &str, differences: &[Difference]) -> anyhow::Result<()> {
    let mut out = BufWriter::new(anstream::stdout().lock());
    let (before, after) = (harmless(before), harmless(after));
    if differences.is_empty() {
        writeln!(out, "no difference between {before} and {after}")?;
        return Ok(out.flush()?);
    }
    let number = count(differences.len() as u64, "difference");
    writeln!(out, "{number} between {before} and {after}")?;
    for of_role in differences.chunk_by(|one, other| one.role == other.role) {
        writeln!(out, "\n{}", harmless(&of_role[0].role))?;
        let column = |title: &str, kind, cell: fn(&Difference) -> &str| {
            let cells = of_role.iter().map(|difference| harmless(cell(difference)));
            Column {
                cells: std::iter::once(title.to_owned()).chain(cells).collect(),
                kind,
            }
        };
        let table = draw(
            vec![
                column("what", Kind::Words, |difference| &difference.what),
                column("before", Kind::Words, |difference| &difference.before),
                column("after", Kind::Words, |difference| &difference.after),
            ],
            columns().saturating_sub(2),
        );
        for line in table.text.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(out.flush()?)
}

#[derive(Serialize)]
struct Document<'a> {
    /// Name and version of this format.
    schema: &'static str,
    before: &'a str,
    after: &'a str,
    differences: &'a [Difference],
}

/// One indented document.
pub(crate) fn json(before: &str, after: &str, differences: &[Difference]) -> anyhow::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    let document = Document {
        schema: "hopscope.diff.v1",
        before,
        after,
        differences,
    };
    serde_json::to_writer_pretty(&mut out, &document)?;
    writeln!(out)?;
    Ok(out.flush()?)
}
