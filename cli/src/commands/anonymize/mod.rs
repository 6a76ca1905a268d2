//! `hopscope anonymize`.

mod output;
mod plan;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, IsTerminal, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tracer::anonymize::{
    CaseDone, Done, Key, LogDone, Mapping, Settings, rewrite, rewrite_case, rewrite_log,
};
use tracer::log::AccessLog;
use tracer::source::{Capture, Damage, SourceError, open_file};

use self::output::Output;
use self::plan::Job;
use super::check::case::FILE as CASE;
use super::{Outcome, complain};
use crate::args::Anonymize;

/// Longer secrets are no secrets but some other file.
const LONGEST_SECRET: u64 = 64 * 1024;

/// What became of a file.
enum Made {
    Capture(Done, Option<Damage>),
    Log(LogDone),
    Case(CaseDone),
    /// It is neither of them.
    Nothing,
}

/// Makes what can be read anonymous, and says what cannot.
pub(super) fn run(args: &Anonymize) -> anyhow::Result<Outcome> {
    let jobs = plan::jobs(&args.paths, args.force)?;
    let mut mapping = Mapping::new(key(args.key.as_deref())?);
    let settings = Settings {
        keep_headers: args.keep_headers,
        keep_names: args.keep_names,
    };
    let mut outcome = Outcome::Fine;
    let mut left_out = Vec::new();
    let mut made = 0;
    for job in &jobs {
        match anonymize(job, &mut mapping, settings) {
            Ok(Made::Nothing) => left_out.push(&job.from),
            Ok(done) => {
                made += 1;
                if !told(job, &done)? {
                    outcome = Outcome::CouldNotRun;
                }
            }
            Err(error) => {
                complain(&format!("{}: {error:#}", job.from.display()));
                outcome = Outcome::CouldNotRun;
            }
        }
    }
    if !left_out.is_empty() {
        complain(&format!(
            "left out, being neither captures nor access logs: {}",
            listed(&left_out)
        ));
    }
    if made == 0 && left_out.len() == jobs.len() {
        complain("there is no capture and no access log in what was named");
        outcome = Outcome::CouldNotRun;
    }
    Ok(outcome)
}

fn anonymize(job: &Job, mapping: &mut Mapping, settings: Settings) -> anyhow::Result<Made> {
    if job.from.file_name() == Some(OsStr::new(CASE)) {
        return case(job, mapping, settings);
    }
    let capture = if job.is_stdin() {
        anyhow::ensure!(
            !io::stdin().is_terminal(),
            "standard input is a terminal; pipe a capture into it (tcpdump -U -w - | hopscope anonymize - OUT)"
        );
        Capture::new(io::stdin())
    } else {
        Capture::new(open_file(&job.from)?)
    };
    match capture {
        Ok(mut capture) => {
            let mut output = Output::create(&job.to)?;
            let done = rewrite(&mut capture, mapping, settings, &mut output);
            let done = done.with_context(|| writing(&job.to))?;
            output.finish()?;
            Ok(Made::Capture(done, capture.damage().cloned()))
        }
        Err(error @ (SourceError::NotACapture { .. } | SourceError::Empty)) if !job.is_stdin() => {
            log(job, mapping, settings, error)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is expected of captures names what is in them.
fn case(job: &Job, mapping: &mut Mapping, settings: Settings) -> anyhow::Result<Made> {
    let text = fs::read_to_string(&job.from).context("cannot read it")?;
    let rewritten = rewrite_case(&text, mapping, settings).map_err(|faults| {
        let first = faults
            .first()
            .map(|fault| format!("{}: {}", fault.place, fault.what));
        let first = first.unwrap_or_default();
        anyhow::anyhow!("it is no case that can be understood, and left out: {first}")
    });
    let (written, done) = rewritten?;
    if !settings.keep_headers && (written.contains("chains =") || written.contains("request =")) {
        complain(&format!(
            "{}: it expects something of requests, which is only told with --keep-headers or access logs",
            job.from.display()
        ));
    }
    let mut output = Output::create(&job.to)?;
    let put = output.write_all(written.as_bytes());
    put.with_context(|| writing(&job.to))?;
    output.finish()?;
    Ok(Made::Case(done))
}

/// What is no capture may be an access log.
fn log(
    job: &Job,
    mapping: &mut Mapping,
    settings: Settings,
    error: SourceError,
) -> anyhow::Result<Made> {
    let file = BufReader::new(File::open(&job.from)?);
    let log = AccessLog::read("", "", file).context("cannot read it")?;
    if log.entries.is_empty() {
        if job.named {
            return Err(anyhow::Error::from(error)
                .context("it is no access log of Envoy, Istio or HAProxy, and no capture"));
        }
        return Ok(Made::Nothing);
    }
    let mut output = Output::create(&job.to)?;
    let done = rewrite_log(&log, mapping, settings, &mut output);
    let done = done.with_context(|| writing(&job.to))?;
    output.finish()?;
    Ok(Made::Log(done))
}

fn writing(path: &Path) -> String {
    format!(
        "cannot write {}; make room, or name another place",
        path.display()
    )
}

/// Says what was made; false where the input was damaged.
fn told(job: &Job, made: &Made) -> anyhow::Result<bool> {
    let mut out = anstream::stdout();
    write!(out, "{} -> {}: ", shown(&job.from), shown(&job.to))?;
    match made {
        Made::Capture(done, damage) => {
            let told = counted(done.frames, "frame");
            write!(
                out,
                "{told}, {} removed",
                counted(done.bytes_removed, "byte")
            )?;
            for (why, count) in done.skipped.iter() {
                write!(out, "; {count} {why}: headers only")?;
            }
            if done.proxied_crowded > 0 {
                let headers = counted(done.proxied_crowded, "PROXY protocol header");
                write!(out, "; {headers} without room for other addresses: emptied")?;
            }
            if done.untimed > 0 {
                write!(out, "; {} without a timestamp: left out", done.untimed)?;
            }
            let unread = done.unread.damaged + done.unread.newer;
            if unread > 0 {
                write!(
                    out,
                    "; {unread} records of hopscope that could not be read: left out"
                )?;
            }
            writeln!(out)?;
            if let Some(damage) = damage {
                complain(&format!(
                    "{}: {damage}; everything before it was made anonymous; copy or record it again",
                    job.from.display()
                ));
            }
            Ok(damage.is_none())
        }
        Made::Log(done) => {
            let entries = if done.entries == 1 {
                "entry"
            } else {
                "entries"
            };
            write!(out, "{} {entries} of an access log", done.entries)?;
            if done.unread > 0 {
                write!(
                    out,
                    "; {} that are none: left out",
                    counted(done.unread, "line")
                )?;
            }
            writeln!(out)?;
            Ok(true)
        }
        Made::Case(done) => {
            write!(out, "{}", counted(done.expectations, "expectation"))?;
            if done.left_out > 0 {
                let left_out = counted(done.left_out, "expectation");
                write!(out, "; {left_out} of words that cannot be mapped: left out")?;
            }
            if !done.keys_left_out.is_empty() {
                write!(out, "; {}: left out", done.keys_left_out.join(", "))?;
            }
            writeln!(out)?;
            Ok(true)
        }
        Made::Nothing => Ok(true),
    }
}

fn shown(path: &Path) -> String {
    crate::render::harmless(&path.display().to_string())
}

fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Some of them, where there are many.
fn listed(paths: &[&PathBuf]) -> String {
    const MOST: usize = 8;
    let mut names: Vec<String> = paths
        .iter()
        .take(MOST)
        .map(|path| path.display().to_string())
        .collect();
    if paths.len() > MOST {
        names.push(format!("and {} more", paths.len() - MOST));
    }
    names.join(", ")
}

/// The key of that file, made where there is none; else one that nobody will know.
fn key(file: Option<&Path>) -> anyhow::Result<Key> {
    let Some(file) = file else {
        return Key::random().context("cannot throw a key: the system has no random numbers");
    };
    let secret = match File::open(file) {
        Ok(opened) => {
            let mut secret = Vec::new();
            let read = opened.take(LONGEST_SECRET + 1).read_to_end(&mut secret);
            read.with_context(|| format!("cannot read the key in {}", file.display()))?;
            anyhow::ensure!(
                !secret.is_empty() && secret.len() as u64 <= LONGEST_SECRET,
                "{} is no key: it has to hold 1 to {LONGEST_SECRET} bytes; name a file that does not \
                 exist to have one made",
                file.display()
            );
            secret
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => made(file)?,
        Err(error) => {
            return Err(error).with_context(|| {
                format!(
                    "cannot open the key {}; check its permissions",
                    file.display()
                )
            });
        }
    };
    Ok(Key::of(&secret))
}

/// A new secret in a file that only its owner can read.
fn made(file: &Path) -> anyhow::Result<Vec<u8>> {
    use std::fmt::Write as _;

    let mut text = String::new();
    for byte in Key::secret().context("cannot throw a key: the system has no random numbers")? {
        let _ = write!(text, "{byte:02x}");
    }
    text.push('\n');
    let told = || format!("cannot make the key {}; check the folder", file.display());
    let options = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    let written = options.with_context(told)?.write_all(text.as_bytes());
    if written.is_err() {
        // Half a key is another key.
        let _ = fs::remove_file(file);
    }
    written.with_context(told)?;
    complain(&format!(
        "made a new key in {}; keep it secret, and do not share it with what it mapped",
        file.display()
    ));
    Ok(text.into_bytes())
}
