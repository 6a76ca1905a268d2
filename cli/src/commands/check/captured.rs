//! Captures and access logs of a folder that says nothing of them.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tracer::check::Files;
use tracer::log::AccessLog;
use tracer::report::Given;
use tracer::vantage::{Gathered, Naming};

use super::case;
use crate::commands::input::plain;
use crate::commands::read::ENDINGS;

/// What was read of a folder.
#[derive(Default)]
pub(in crate::commands) struct Captured {
    pub(in crate::commands) files: Files,
    pub(in crate::commands) sources: Vec<Gathered>,
    pub(in crate::commands) given: Given,
}

/// Reads every capture in a folder, each a vantage by its name, and every access log.
pub(in crate::commands) fn folder(folder: &Path) -> anyhow::Result<Captured> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .context("cannot open it; check the name")?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut captured = Captured::default();
    for path in &paths {
        if is_capture(path) {
            captured.capture(path)?;
        } else if path.extension().is_some_and(|ending| ending == "log") {
            captured.log(path)?;
        }
    }
    ensure!(
        !captured.sources.is_empty(),
        "there are no captures in it (names that end in .pcap, .pcapng or .cap, with .gz or .zst)"
    );
    Ok(captured)
}

impl Captured {
    fn capture(&mut self, path: &Path) -> anyhow::Result<()> {
        let (name, file) = (plain(path, &ENDINGS), file_name(path)?);
        let naming = Naming {
            name: &name,
            source: &file,
            prefixed: true,
        };
        match case::read(path, &naming, None) {
            Ok(source) => {
                self.files.cut |= case::cut(&source).is_some();
                self.sources.push(source);
            }
            Err(why) => bail!("{file}: {why}"),
        }
        self.files.captures.push((name, file));
        Ok(())
    }

    /// Logs of other kinds lie about, too.
    fn log(&mut self, path: &Path) -> anyhow::Result<()> {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let file = file_name(path)?;
        let log = File::open(path).with_context(|| format!("{file}: cannot open it"))?;
        let log = AccessLog::read(&name, &file, BufReader::new(log))
            .with_context(|| format!("{file}: cannot read it"))?;
        if !log.entries.is_empty() {
            self.given.logs.push(log);
            self.files.access_logs.push((name, file));
        }
        Ok(())
    }
}

/// Whether its name is that of a capture.
pub(super) fn is_capture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    let capture = [".pcap", ".pcapng", ".cap"]
        .iter()
        .any(|ending| name.ends_with(ending));
    capture && !path.is_dir()
}

/// A name as a TOML file can hold it.
fn file_name(path: &Path) -> anyhow::Result<String> {
    let name = path.file_name().unwrap_or_default();
    match name.to_str() {
        Some(name) => Ok(name.to_owned()),
        None => bail!(
            "the name '{}' is not UTF-8; rename the file",
            name.to_string_lossy()
        ),
    }
}
