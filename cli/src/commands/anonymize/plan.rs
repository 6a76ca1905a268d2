//! What is read, and where it goes: settled before anything is written.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders within folders that are gone through.
const DEEPEST: usize = 16;

/// A file to read, and the one to write.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    /// It was named, rather than found in a folder: it has to be a capture or a log.
    pub(super) named: bool,
}

impl Job {
    pub(super) fn is_stdin(&self) -> bool {
        self.from == Path::new("-")
    }
}

/// The jobs that the command line means.
pub(super) fn jobs(paths: &[PathBuf], force: bool) -> anyhow::Result<Vec<Job>> {
    let Some((out, inputs)) = paths.split_last() else {
        anyhow::bail!("name what to read and where to write");
    };
    anyhow::ensure!(
        !out.as_os_str().is_empty() && out != Path::new("-"),
        "the last argument is the file or folder to write, not '{}'",
        out.display()
    );
    let jobs = match inputs {
        [one] if !one.is_dir() && !out.is_dir() => vec![Job {
            from: one.clone(),
            to: out.clone(),
            named: true,
        }],
        _ => into_folder(inputs, out, force)?,
    };
    let mut seen = HashSet::new();
    for job in &jobs {
        anyhow::ensure!(
            seen.insert(&job.to),
            "two inputs would both be written to {}; give them different names",
            job.to.display()
        );
        let exists = job.to.symlink_metadata().is_ok();
        anyhow::ensure!(
            !exists || (force && !is_same(&job.from, &job.to)),
            "{} exists already; name another one{}",
            job.to.display(),
            if is_same(&job.from, &job.to) {
                ""
            } else {
                ", or write over it with --force"
            }
        );
    }
    Ok(jobs)
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn into_folder(inputs: &[PathBuf], out: &Path, force: bool) -> anyhow::Result<Vec<Job>> {
    // What is left from before may be what is not to be shared.
    let taken = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot use the folder {}", out.display()));
        }
    };
    anyhow::ensure!(
        force || !taken,
        "the folder {} is not empty; name another one, or add to it and write over what is there with \
         --force",
        out.display()
    );
    let mut jobs = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let within = |out: &Path| {
                out.canonicalize()
                    .ok()?
                    .strip_prefix(input.canonicalize().ok()?)
                    .ok()
                    .map(Path::to_path_buf)
            };
            anyhow::ensure!(
                within(out).is_none() && out.parent().and_then(within).is_none(),
                "{} is within {}, which is read; name a folder elsewhere",
                out.display(),
                input.display()
            );
            folder(input, out, DEEPEST, &mut jobs)?;
        } else {
            let name = if input == Path::new("-") {
                "stdin.pcap".as_ref()
            } else {
                input
                    .file_name()
                    .with_context(|| format!("{} names no file", input.display()))?
            };
            jobs.push(Job {
                from: input.clone(),
                to: out.join(name),
                named: true,
            });
        }
    }
    Ok(jobs)
}

/// All files of a folder, in the order of their names. Links are not followed.
fn folder(from: &Path, to: &Path, depth: usize, jobs: &mut Vec<Job>) -> anyhow::Result<()> {
    let list = || -> std::io::Result<Vec<_>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            entries.push((entry.file_name(), entry.file_type()?));
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        Ok(entries)
    };
    let entries = list().with_context(|| format!("cannot read the folder {}", from.display()))?;
    for (name, kind) in entries {
        let (from, to) = (from.join(&name), to.join(&name));
        if kind.is_dir() {
            anyhow::ensure!(depth > 0, "{} is too deep within folders", from.display());
            folder(&from, &to, depth - 1, jobs)?;
        } else if kind.is_file() {
            jobs.push(Job {
                from,
                to,
                named: false,
            });
        }
    }
    Ok(())
}
