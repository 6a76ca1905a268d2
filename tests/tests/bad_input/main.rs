//! Input that cannot be read, or not to its end: one line says which, what is wrong and what to
//! do; everything else is reported all the same; nothing panics or takes forever.

mod damaged;
mod no_capture;
mod printed;

use std::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{Fraction, Order, Scratch, Trace, link};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// Far longer than anything here takes, also where the machine is busy.
const FOREVER: Duration = Duration::from_secs(60);

/// A capture in which nothing is wrong: 75 frames of one flow.
fn good() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/zero-window/client.pcap")
}

fn good_trace() -> Result<Trace, Box<dyn Error>> {
    Ok(Trace::read(&good())?)
}

fn told(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Told, Box<dyn Error>> {
    let child = hopscope(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok(output(child)?.into())
}

/// Waits for a process, but not forever.
fn output(child: Child) -> Result<Output, Box<dyn Error>> {
    let id = child.id().to_string();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(FOREVER) {
        Ok(output) => Ok(output?),
        Err(_) => {
            Command::new("kill").args(["-9", &id]).status()?;
            Err(format!("still running after {FOREVER:?}").into())
        }
    }
}

fn json(told: &Told) -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::from_str(&told.out)?)
}

/// `hopscope read` of the bad input between two good ones: one line with all of `says`, exit code
/// 2, and the good ones are reported.
fn refused(bad: impl AsRef<OsStr>, named: &str, says: &[&str]) -> Outcome {
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        OsStr::new(&format!("one={}", good().display())),
        bad.as_ref(),
        OsStr::new(&format!("two={}", good().display())),
    ])?;
    one_line(&told, named, says);
    let report = json(&told)?;
    let vantages = report["vantages"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = vantages.iter().filter_map(|v| v["name"].as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(2));
    Ok(())
}

fn one_line(told: &Told, named: &str, says: &[&str]) {
    assert_eq!(told.code, Some(2), "{}", told.err);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    let line = told.err.trim_end();
    let begins = if named.is_empty() {
        "hopscope: ".to_owned()
    } else {
        format!("hopscope: {named}: ")
    };
    assert!(line.starts_with(&begins), "{line}");
    for part in says {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
    let clauses: Vec<&str> = line.split([':', ';']).map(str::trim).collect();
    for (index, clause) in clauses.iter().enumerate() {
        let again = clause.len() > 8 && clauses[index + 1..].contains(clause);
        assert!(!again, "says {clause:?} twice: {line}");
    }
}

#[test]
fn a_filter_that_is_none() -> Outcome {
    let good = good();
    let told = told([
        OsStr::new("read"),
        OsStr::new("-f"),
        OsStr::new("tcp prot 80"),
        good.as_os_str(),
    ])?;
    one_line(
        &told,
        "",
        &["filter 'tcp prot 80'", "syntax error", "pcap-filter"],
    );
    assert_eq!(told.out, "");
    Ok(())
}

/// It may have a meaning for one file and none for another.
#[test]
fn a_filter_without_meaning_for_a_link_type() -> Outcome {
    let scratch = Scratch::new("filter")?;
    let mut trace = good_trace()?;
    let ethernet = scratch.file("eth.pcap", &trace.pcap(Order::Little, Fraction::Micros))?;
    assert_eq!(trace.link, link::ETHERNET);
    trace.link = link::RAW;
    for packet in &mut trace.packets {
        packet.data.drain(..14);
        packet.wire_len -= 14;
    }
    let raw = scratch.file("raw.pcap", &trace.pcap(Order::Little, Fraction::Micros))?;
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        OsStr::new("-f"),
        OsStr::new("not ether host 02:00:00:00:00:01"),
        raw.as_os_str(),
        ethernet.as_os_str(),
    ])?;
    one_line(
        &told,
        &raw.display().to_string(),
        &["filter 'not ether host 02:00:00:00:00:01'"],
    );
    let report = json(&told)?;
    assert_eq!(report["vantages"][0]["name"], "eth");
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(1));
    Ok(())
}

#[test]
fn a_flow_that_is_not_there() -> Outcome {
    let good = good();
    let arguments = |id: &'static str| {
        [
            OsStr::new("read").to_owned(),
            OsStr::new("--flow").to_owned(),
            OsStr::new(id).to_owned(),
            good.as_os_str().to_owned(),
        ]
    };
    one_line(&told(arguments("1"))?, "", &["no flow 1"]);
    one_line(&told(arguments("18446744073709551615"))?, "", &["no flow"]);
    let word = told(arguments("gw"))?;
    assert_eq!(word.code, Some(2));
    assert!(word.err.contains("gw"), "{}", word.err);
    Ok(())
}
