//! What is made of a recording tells the same.

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use hopscope_tests::anonymity::{comparable, mapped};
use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::Scratch;
use serde_json::Value;
use tracer::anonymize::{Key, Mapping};

use super::{Outcome, SECRET, anonymize, elsewhere, report, scenarios};

/// What only payload tells: without header lines, chains of these are joined by less, and these causes
/// rest on a status, a length or a GOAWAY.
const TOLD_BY_PAYLOAD: [&str; 7] = [
    "answer-cut-short",
    "goaway",
    "gw-request-timeout",
    "gw-stream-idle-timeout",
    "lb-http-timeout",
    "no-healthy-host",
    "overload",
];

/// Its chains rest on payload that is cut all the same: a request in pieces, of which none is a head.
const CUT: [&str; 1] = ["half-close"];

/// The part without words for people, which name paths.
fn wordless(part: &Value) -> Value {
    match part {
        Value::Array(list) => list.iter().map(wordless).collect(),
        Value::Object(fields) => {
            let words = [
                "summary",
                "evidence",
                "against",
                "advice",
                "request",
                "request_id",
                "missing",
                "then",
            ];
            let kept = fields
                .iter()
                .filter(|(name, _)| !words.contains(&name.as_str()));
            kept.map(|(name, field)| (name.clone(), wordless(field)))
                .collect()
        }
        other => other.clone(),
    }
}

/// The report is the same, once addresses are mapped: every flow, end, probe, time and number, every
/// hop; with header lines, every chain and verdict, too.
#[test]
fn every_recording_tells_the_same() -> Outcome {
    let scratch = Scratch::new("anonymize-same")?;
    let scenarios = scenarios();
    assert!(scenarios.len() >= 20);
    for (folder, captures) in scenarios {
        let scenario = folder
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let before = report(&captures)?;
        let told = |part: &str| before[part].as_array().is_some_and(|all| !all.is_empty());
        assert!(
            told("verdicts") && told("hops") && told("flows"),
            "{scenario}"
        );
        for headers in [false, true] {
            let out = scratch.path().join("out");
            let more: &[&str] = if headers { &["--keep-headers"] } else { &[] };
            anonymize(&scratch, &folder, &out, more)?;
            let after = report(&elsewhere(&captures, &out))?;
            let mut mapping = Mapping::new(Key::of(SECRET.as_bytes()));
            let (before, after) = (mapped(&before, &mut mapping), comparable(after));
            for part in [
                "vantages",
                "flows",
                "flows_left_out",
                "sockets",
                "unjoined",
                "hops",
            ] {
                assert_eq!(after[part], before[part], "{part} of {scenario}");
            }
            if headers && !CUT.contains(&scenario) {
                assert_eq!(
                    wordless(&after["chains"]),
                    wordless(&before["chains"]),
                    "{scenario}"
                );
            }
            if headers {
                assert_eq!(
                    wordless(&after["verdicts"]),
                    wordless(&before["verdicts"]),
                    "{scenario}"
                );
            } else if !TOLD_BY_PAYLOAD.contains(&scenario) {
                assert_eq!(causes(&after), causes(&before), "{scenario}");
            }
            fs::remove_dir_all(&out)?;
        }
    }
    Ok(())
}

/// What rests on payload even where access logs tell of it.
const NOT_LOGGED: [&str; 2] = ["goaway", "lb-http-timeout"];

/// Logs name the same connections as captures do: a gateway behind the PROXY protocol logs a client that
/// only the header in front of the request joins to a connection.
#[test]
fn every_recording_with_its_logs_tells_the_same() -> Outcome {
    let scratch = Scratch::new("anonymize-logs")?;
    let mut read = 0;
    for (folder, captures) in scenarios() {
        let logs: Vec<&str> = ["gw.log", "lb.log", "sidecar.log"]
            .into_iter()
            .filter(|log| folder.join(log).exists())
            .collect();
        let names: Vec<&OsStr> = captures
            .iter()
            .filter_map(|path| path.file_name())
            .collect();
        let told = |folder: &Path| -> Result<Value, Box<dyn Error>> {
            let mut read = hopscope(["read", "--format=json"]);
            // A log without an entry is not written.
            let there = logs.iter().filter(|log| folder.join(log).exists());
            read.args(there.map(|log| format!("--access-log={log}")));
            let told = Told::from(read.args(&names).current_dir(folder).output()?);
            assert_eq!(told.code, Some(0), "{}", told.err);
            Ok(serde_json::from_str(&told.out)?)
        };
        let scenario = folder
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let before = told(&folder)?;
        for headers in [false, true] {
            let out = scratch.path().join("out");
            let more: &[&str] = if headers { &["--keep-headers"] } else { &[] };
            anonymize(&scratch, &folder, &out, more)?;
            let after = told(&out)?;
            if headers || !NOT_LOGGED.contains(&scenario) {
                assert_eq!(causes(&after), causes(&before), "{scenario} {more:?}");
            }
            if headers {
                assert_eq!(joins(&after), joins(&before), "{scenario}");
            }
            fs::remove_dir_all(&out)?;
        }
        read += logs.len();
    }
    assert!(read > 80, "{read} logs");
    Ok(())
}

/// Which hops make a chain, by what, and how it was answered.
fn joins(report: &Value) -> Vec<[String; 3]> {
    let chains = report["chains"].as_array().into_iter().flatten();
    let told = ["hops", "joined_by", "status"];
    chains
        .map(|chain| told.map(|field| chain[field].to_string()))
        .collect()
}

/// What is said of each hop, and how surely.
fn causes(report: &Value) -> BTreeSet<String> {
    let verdicts = report["verdicts"].as_array().into_iter().flatten();
    let told = ["flow", "hop", "cause", "ended_by_vantage", "confidence"];
    verdicts
        .map(|verdict| told.map(|field| verdict[field].to_string()).join(" "))
        .collect()
}
