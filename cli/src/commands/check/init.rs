//! `hopscope check --init`: a first `hopscope.toml` beside captures.

use std::fs::{self, OpenOptions};
use std::io::{BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use tracer::check::{Files, outline};
use tracer::log::AccessLog;
use tracer::report::{Given, Report};
use tracer::vantage::Naming;

use super::find::{FILE, is_capture};
use super::{Outcome, case};
use crate::commands::read::vantage;

/// Writes one for each folder. None is written over.
pub(super) fn run(folders: &[PathBuf]) -> anyhow::Result<Outcome> {
    for folder in folders {
        let told = folder.display();
        let text = write(folder).with_context(|| format!("{told}"))?;
        let expectations = text.matches("[[expect]]").count();
        anstream::println!(
            "{}: {expectations} expectations written; look at them, then: hopscope check {}",
            crate::render::harmless(&folder.join(FILE).display().to_string()),
            crate::render::harmless(&told.to_string())
        );
    }
    Ok(Outcome::Fine)
}

fn write(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join(FILE);
    ensure!(
        !path.exists(),
        "there is a {FILE} already; move it away first"
    );
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .context("cannot open it; check the name")?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    let mut files = Files::default();
    let mut sources = Vec::new();
    for path in paths.iter().filter(|path| is_capture(path)) {
        let name = vantage(path);
        let file = file_name(path)?;
        let naming = Naming {
            name: &name,
            source: &file,
            prefixed: true,
        };
        match case::read(path, &naming, None) {
            Ok(source) => sources.push(source),
            Err(why) => bail!("{file}: {why}"),
        }
        files.captures.push((name, file));
    }
    ensure!(
        !sources.is_empty(),
        "there are no captures in it (names that end in .pcap, .pcapng or .cap, with .gz or .zst)"
    );
    let mut given = Given::default();
    for path in paths.iter().filter(|path| is_log(path)) {
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let file = file_name(path)?;
        let log = fs::File::open(path).with_context(|| format!("{file}: cannot open it"))?;
        let log = AccessLog::read(&name, &file, BufReader::new(log))
            .with_context(|| format!("{file}: cannot read it"))?;
        // Logs of other kinds lie about, too.
        if !log.entries.is_empty() {
            given.logs.push(log);
            files.access_logs.push((name, file));
        }
    }
    let text = outline(&files, &Report::new(&sources, &given));
    let written = OpenOptions::new().write(true).create_new(true).open(&path);
    match written.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(text),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("there is a {FILE} already; move it away first")
        }
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
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

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "log")
}
