//! A first `hopscope.toml`, written from what captures show: each line holds, and says what it means.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::measure::told;
use crate::flow::Side;
use crate::report::{FlowReport, KeepaliveReport, Report, SocketReport};

/// What a case names: each with the name of its vantage or proxy, and the file.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Captures.
    pub captures: Vec<(String, String)>,
    /// Access logs.
    pub access_logs: Vec<(String, String)>,
    /// A capture ends in the middle of a frame.
    pub cut: bool,
}

const HEAD: &str = "\
# What must hold of the captures in this folder: 'hopscope check' says whether it does.
# Written by 'hopscope check --init' from what they show. Look through it, keep what matters, and
# give each expectation the name of the promise that it guards.
#
# Numbers: 3, \">= 3\", \"2..4\", \"10 ± 2\". Times: \"7s ± 10%\", \"< 500ms\", \"2s..4s\".
# An expectation holds for all that it selects, unless it says match = \"any\", \"none\" or \"exactly 2\".
";

/// The text of a case that these captures meet.
#[must_use]
pub fn outline(files: &Files, report: &Report) -> String {
    let mut out = HEAD.to_owned();
    if files.cut {
        out.push('\n');
        line(
            &mut out,
            "cut = \"allowed\"",
            "a capture ends in the middle of a frame: better record it again",
        );
    }
    named(&mut out, "captures", "vantage = file", &files.captures);
    named(&mut out, "access_logs", "proxy = file", &files.access_logs);
    verdicts(&mut out, report);
    for ((vantage, server), flows) in groups(report) {
        connections(&mut out, &vantage, &server, &flows);
    }
    sockets(&mut out, report);
    whole(&mut out, report);
    out
}

/// TOML's basic strings are JSON's.
fn quoted(text: &str) -> String {
    // Texts can always be written.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    // JSON leaves DEL as it is, TOML does not.
    quoted.replace('\u{7f}', "\\u007f")
}

// Writing to a text cannot fail.
macro_rules! put {
    ($out:expr, $($what:tt)*) => {{ let _ = writeln!($out, $($what)*); }};
}

fn named(out: &mut String, table: &str, meaning: &str, files: &[(String, String)]) {
    if files.is_empty() {
        return;
    }
    put!(out, "\n[{table}] # {meaning}");
    for (name, file) in files {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let bare = !name.is_empty() && name.chars().all(plain);
        let name = if bare { name.clone() } else { quoted(name) };
        put!(out, "{name} = {}", quoted(file));
    }
}

/// A key, its value, and what it means.
fn line(out: &mut String, assignment: &str, meaning: &str) {
    put!(out, "{assignment:<40} # {meaning}");
}

/// What was found to be the cause, and that nothing else went wrong.
fn verdicts(out: &mut String, report: &Report) {
    if report.verdicts.is_empty() {
        return;
    }
    let mut causes: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for verdict in &report.verdicts {
        causes
            .entry(word(&verdict.cause))
            .or_default()
            .push(verdict);
    }
    for (cause, verdicts) in causes {
        put!(out, "\n[[expect]]");
        put!(out, "name = {}", quoted(&format!("verdicts: {cause}")));
        put!(out, "verdicts = {{ cause = {} }}", quoted(&cause));
        line(
            out,
            &format!("count = {}", verdicts.len()),
            "so many verdicts of this cause",
        );
        let culprits = verdicts.iter().map(|verdict| {
            let vantage = verdict.ended_by_vantage.as_deref();
            vantage
                .or(verdict.ended_by.as_deref())
                .unwrap_or("nobody")
                .to_owned()
        });
        line(
            out,
            &format!("ended_by = {}", words(culprits)),
            "who ended it: a vantage",
        );
        let least = verdicts.iter().map(|verdict| verdict.confidence).min();
        let least = least.map(|least| word(&least)).unwrap_or_default();
        let least = if least == "certain" {
            least
        } else {
            format!(">= {least}")
        };
        line(
            out,
            &format!("confidence = {}", quoted(&least)),
            "possible, likely or certain",
        );
    }
    let alarms = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.alarm)
        .count();
    put!(out, "\n[[expect]]");
    put!(out, "name = \"alarms\"");
    put!(out, "verdicts = {{ alarm = true }}");
    line(
        out,
        &format!("count = {alarms}"),
        "so many verdicts say that something went wrong",
    );
}

type Group<'a> = ((String, String), Vec<&'a FlowReport>);

/// Flows by vantage and server, as they were first seen.
fn groups(report: &Report) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for flow in &report.flows {
        let key = (flow.vantage.clone(), flow.server.clone());
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, flows)) => flows.push(flow),
            None => groups.push((key, vec![flow])),
        }
    }
    groups
}

fn connections(out: &mut String, vantage: &str, server: &str, flows: &[&FlowReport]) {
    put!(out, "\n[[expect]]");
    put!(
        out,
        "name = {}",
        quoted(&format!("{vantage}: connections to {server}"))
    );
    put!(
        out,
        "flows = {{ vantage = {}, server = {} }}",
        quoted(vantage),
        quoted(server)
    );
    line(
        out,
        &format!("count = {}", flows.len()),
        "so many connections",
    );
    let ends = flows.iter().map(|flow| word(&flow.end));
    line(
        out,
        &format!("end = {}", words(ends)),
        "what came first: a FIN, a RST, or neither",
    );
    let closers = flows
        .iter()
        .map(|flow| flow.ended_by.map_or("nobody", Side::name).to_owned());
    line(
        out,
        &format!("ended_by = {}", words(closers)),
        "who sent it",
    );
    let resets = flows.iter().map(|flow| flow.rsts.len() as u64);
    line(
        out,
        &format!("resets = {}", counts(resets)),
        "RSTs of both sides",
    );
    let again = flows
        .iter()
        .map(|flow| flow.retransmissions.client + flow.retransmissions.server);
    line(
        out,
        &format!("retransmissions = {}", counts(again)),
        "of both sides",
    );
    for side in [Side::Client, Side::Server] {
        let runs: Vec<&KeepaliveReport> = flows
            .iter()
            .filter_map(|flow| flow.keepalive[side].as_ref())
            .collect();
        keepalive(out, side, flows.len(), &runs);
    }
    let longest = flows
        .iter()
        .map(|flow| flow.longest_idle_s)
        .fold(0.0, f64::max);
    let bound = format!("longest_silence = \"<= {}s\"", (longest * 1.1 + 0.5).ceil());
    line(
        out,
        &bound,
        &format!("no segment at all; here {}", told(longest)),
    );
}

/// One side's probes. Where some connections have none, only their number is told.
fn keepalive(out: &mut String, side: Side, of: usize, runs: &[&KeepaliveReport]) {
    let side = side.name();
    let sent = |run: &&KeepaliveReport| run.probes.len() as u64;
    let none = (0..of - runs.len()).map(|_| 0);
    let probes = counts(runs.iter().map(sent).chain(none));
    line(
        out,
        &format!("keepalive.{side}.probes = {probes}"),
        &format!("keepalive probes of the {side}"),
    );
    if runs.is_empty() || runs.len() < of {
        return;
    }
    let unanswered = runs.iter().map(|run| {
        run.probes
            .iter()
            .filter(|probe| probe.answered.is_none())
            .count() as u64
    });
    line(
        out,
        &format!("keepalive.{side}.unanswered = {}", counts(unanswered)),
        "of them without an answer",
    );
    let idle: Option<Vec<f64>> = runs.iter().map(|run| run.idle_s).collect();
    if let Some(times) = idle.and_then(|times| times_of(&times)) {
        line(
            out,
            &format!("keepalive.{side}.idle = {times}"),
            "TCP_KEEPIDLE, as measured",
        );
    }
    let interval: Option<Vec<f64>> = runs.iter().map(|run| run.interval_s).collect();
    if let Some(times) = interval.and_then(|times| times_of(&times)) {
        line(
            out,
            &format!("keepalive.{side}.interval = {times}"),
            "TCP_KEEPINTVL, as measured",
        );
    }
}

/// Options in effect, of sockets that serve or use the same port.
fn sockets(out: &mut String, report: &Report) {
    let mut groups: BTreeMap<(String, String), Vec<&SocketReport>> = BTreeMap::new();
    for socket in &report.sockets {
        let by = match &socket.peer {
            None => format!("local = {}", quoted(&socket.local)),
            Some(peer) => format!("peer = {}", quoted(peer)),
        };
        groups
            .entry((socket.vantage.clone(), by))
            .or_default()
            .push(socket);
    }
    for ((vantage, by), sockets) in groups {
        let keepalive: Option<Vec<bool>> = sockets
            .iter()
            .map(|socket| socket.options.so_keepalive)
            .collect();
        let Some([first, rest @ ..]) = keepalive.as_deref() else {
            continue;
        };
        if rest.iter().any(|other| other != first) {
            continue;
        }
        put!(out, "\n[[expect]]");
        put!(
            out,
            "name = {}",
            quoted(&format!(
                "options of sockets in '{vantage}', {}",
                by.replace('"', "'")
            ))
        );
        put!(out, "sockets = {{ vantage = {}, {by} }}", quoted(&vantage));
        line(
            out,
            &format!("so_keepalive = {first}"),
            "SO_KEEPALIVE, in effect",
        );
    }
}

/// That nothing is missing from what everything else rests on.
fn whole(out: &mut String, report: &Report) {
    put!(out, "\n[[expect]]");
    put!(out, "name = \"captures are whole\"");
    put!(out, "vantages = \"all\"");
    let malformed = report.vantages.iter().map(|vantage| vantage.malformed);
    line(
        out,
        &format!("malformed = {}", counts(malformed)),
        "frames whose headers make no sense",
    );
    if report
        .vantages
        .iter()
        .all(|vantage| vantage.dropped == Some(0))
    {
        line(out, "dropped = 0", "frames that the capturing program lost");
    }
    if report
        .vantages
        .iter()
        .all(|vantage| vantage.damage.is_none())
    {
        line(
            out,
            "damaged = false",
            "no capture was cut in the middle of a frame",
        );
    }
}

fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// One word, or a list of those that occur.
fn words(words: impl Iterator<Item = String>) -> String {
    let mut words: Vec<String> = words.map(|word| quoted(&word)).collect();
    words.sort();
    words.dedup();
    match &words[..] {
        [one] => one.clone(),
        _ => format!("[{}]", words.join(", ")),
    }
}

/// One number, or the range that they are in.
fn counts(counts: impl Iterator<Item = u64>) -> String {
    let (least, most) = counts.fold((u64::MAX, 0), |(least, most), count| {
        (count.min(least), count.max(most))
    });
    if least >= most {
        most.to_string()
    } else {
        format!("\"{least}..{most}\"")
    }
}

/// A time with a tolerance of a tenth, or a range where they differ by more. Nothing where a tenth is
/// less than clocks and timers are good for.
fn times_of(times: &[f64]) -> Option<String> {
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    let most = times.iter().copied().fold(0.0, f64::max);
    if least < 0.05 {
        return None;
    }
    let middle = f64::midpoint(least, most);
    Some(if most <= middle * 1.09 {
        format!("\"{middle:.3}s ± 10%\"")
    } else {
        format!("\"{:.3}s..{:.3}s\"", least * 0.9, most * 1.1)
    })
}
