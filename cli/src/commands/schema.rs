//! `hopscope schema`.

use std::io::Write;

use super::Outcome;

/// Prints the JSON Schema of the report.
pub(super) fn run() -> anyhow::Result<Outcome> {
    let schema = serde_json::to_string_pretty(&tracer::report::schema())?;
    writeln!(anstream::stdout(), "{schema}")?;
    Ok(Outcome::Fine)
}
