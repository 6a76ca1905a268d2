//! `hopscope schema`.

use std::io::Write;

use super::Outcome;
use crate::args::Schema;
use crate::render;

/// Prints the JSON Schema of the report, or of its lines.
pub(super) fn run(args: &Schema) -> anyhow::Result<Outcome> {
    let schema = if args.lines {
        render::schema_of_lines()
    } else {
        tracer::report::schema()
    };
    let schema = serde_json::to_string_pretty(&schema)?;
    writeln!(anstream::stdout(), "{schema}")?;
    Ok(Outcome::Fine)
}
