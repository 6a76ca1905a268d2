//! `hopscope check --init`: a first `hopscope.toml` beside captures.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tracer::check::outline;
use tracer::report::Report;

use super::case::FILE;
use super::{Outcome, captured, unless_closed};
use crate::render::harmless;

/// Writes one for each folder. None is written over.
pub(super) fn run(folders: &[PathBuf]) -> anyhow::Result<Outcome> {
    for folder in folders {
        let told = folder.display().to_string();
        let text = write(folder).with_context(|| told.clone())?;
        let expectations = text.matches("\n[[expect]]\n").count();
        let printed = writeln!(
            anstream::stdout().lock(),
            "{}: {expectations} expectations written; look at them, then: hopscope check {}",
            harmless(&folder.join(FILE).display().to_string()),
            harmless(&told)
        );
        unless_closed(printed.map_err(Into::into))?;
    }
    Ok(Outcome::Fine)
}

fn write(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join(FILE);
    ensure!(
        !path.exists(),
        "there is a {FILE} already; move it away first"
    );
    let captured = captured::folder(folder)?;
    let report = Report::new(&captured.sources, &captured.given);
    let text = outline(&captured.files, &report);
    let written = OpenOptions::new().write(true).create_new(true).open(&path);
    match written.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("there is a {FILE} already; move it away first")
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}
