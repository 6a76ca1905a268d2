//! Reads what is known beside what was captured, and says what came of it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufReader;

use anyhow::Context;
use tracer::log::{AccessLog, Entry};
use tracer::report::{AccessLogReport, Report};
use tracer::verdict::Timeouts;

use super::input::{Input, input};
use super::{Outcome, complain};
use crate::args::Known;

/// Endings that say that a file is a log.
const ENDINGS: [&str; 5] = [".log", ".txt", ".json", ".jsonl", ".ndjson"];

/// That of gzip (RFC 1952 section 2.3.1).
const GZIP: char = '\u{1f}';

/// Whether the files can be opened: whoever watches learns that before, not after.
pub(super) fn probe(known: &Known) -> anyhow::Result<()> {
    for log in &known.access_logs {
        open(&input(log, &ENDINGS))?;
    }
    Ok(())
}

/// The timeouts that are known: the last file named comes first.
pub(super) fn timeouts(known: &Known) -> anyhow::Result<Timeouts> {
    let mut timeouts = Timeouts::default();
    for path in &known.timeouts {
        let name = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("{name}: cannot read the table of timeouts"))?;
        timeouts
            .add(&text)
            .with_context(|| format!("{name}: cannot use the table of timeouts"))?;
    }
    Ok(timeouts)
}

/// The access logs that can be read; says which cannot.
pub(super) fn access_logs(known: &Known) -> (Vec<AccessLog>, Outcome) {
    let mut outcome = Outcome::Fine;
    let mut logs = Vec::new();
    for argument in &known.access_logs {
        match read(argument) {
            Ok(log) => {
                if let Some(wrong) = unread(&log) {
                    complain(&wrong);
                    if log.entries.is_empty() {
                        outcome = Outcome::CouldNotRun;
                    }
                }
                logs.push(log);
            }
            Err(error) => {
                complain(&format!("{error:#}"));
                outcome = Outcome::CouldNotRun;
            }
        }
    }
    (logs, outcome)
}

fn read(argument: &OsString) -> anyhow::Result<AccessLog> {
    let file = input(argument, &ENDINGS);
    let source = file.path.to_string_lossy();
    let log = BufReader::new(open(&file)?);
    AccessLog::read(&file.name, &source, log)
        .with_context(|| format!("{source}: cannot read the access log"))
}

fn open(file: &Input<'_>) -> anyhow::Result<File> {
    let path = file.told();
    anyhow::ensure!(
        !file.is_stdin(),
        "access logs cannot come from standard input: name a file, or <(kubectl logs POD)"
    );
    File::open(file.path).with_context(|| format!("{path}: cannot open the access log"))
}

/// What is to be said of lines that are no entries.
fn unread(log: &AccessLog) -> Option<String> {
    let (number, text) = log.first_unread.as_ref()?;
    let source = &log.source;
    if !log.entries.is_empty() {
        let lines = log.unread + log.entries.len() as u64;
        return Some(format!(
            "{source}: {} of its {lines} lines are no entries of an access log and say nothing; \
            the first is line {number}: {text}",
            log.unread
        ));
    }
    if text.starts_with(GZIP) {
        return Some(format!(
            "{source}: the access log is compressed: decompress it first"
        ));
    }
    Some(format!(
        "{source}: no line of it is an entry of an access log; known are the JSON and text formats of \
        Envoy and Istio, and HAProxy's option tcplog and httplog. Line {number}: {text}"
    ))
}

/// Whether an entry says which connection it speaks of.
fn names_a_peer(entry: &Entry) -> bool {
    let ends = [
        entry.downstream_remote,
        entry.downstream_direct,
        entry.upstream_local,
    ];
    ends.iter().any(Option::is_some)
}

/// Says which logs are of no use, and why.
pub(super) fn complain_of_strangers(report: &Report, logs: &[AccessLog]) {
    let strange = |log: &AccessLogReport| log.matched == 0 && log.entries > 0;
    let first = report.vantages.iter().filter_map(|vantage| vantage.first);
    let last = report.vantages.iter().filter_map(|vantage| vantage.last);
    let captured = first.min().zip(last.max());
    for (log, given) in report.access_logs.iter().zip(logs) {
        if !strange(log) {
            continue;
        }
        let AccessLogReport {
            source, entries, ..
        } = log;
        if !given.entries.iter().any(names_a_peer) {
            complain(&format!(
                "{source}: its format tells no client's address and port, by which its {entries} entries \
                could be matched: log them, too (Envoy: %DOWNSTREAM_REMOTE_ADDRESS% and \
                %UPSTREAM_LOCAL_ADDRESS% in JSON, or Istio's text format; HAProxy: option httplog)"
            ));
            continue;
        }
        if !report
            .vantages
            .iter()
            .any(|vantage| vantage.name == log.name)
        {
            complain(&format!(
                "{source}: no vantage is called '{}': a log goes by the name of the capture at its proxy",
                log.name
            ));
        }
        complain(&match (log.seen, log.first.zip(log.last), captured) {
            (0, Some((from, to)), Some((first, last))) => format!(
                "{source}: none of its {entries} entries names a connection that was captured; they \
                are from {from} to {to}, what was captured is from {first} to {last}"
            ),
            (0, ..) => format!(
                "{source}: none of its {entries} entries names a connection that was captured"
            ),
            (seen, ..) => format!(
                "{source}: {seen} of its {entries} entries name connections that were captured, but \
                nothing could be joined by them: connections on both sides of the proxy must be captured, \
                under the addresses that are in the log"
            ),
        });
    }
}
