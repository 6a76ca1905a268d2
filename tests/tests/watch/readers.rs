//! Whoever reads what is printed may be slow, pause or leave.

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use hopscope_tests::binary::hopscope;
use hopscope_tests::lab::wait;
use hopscope_tests::watching::{Watching, objects};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use serde_json::Value;

use super::{BACKENDS, Outcome, Pair, flows, named, read};

/// More events than anybody can read are counted, not printed; the report has every flow.
#[test]
fn a_flood_of_events_is_cut_down() -> Outcome {
    for backend in BACKENDS {
        a_flood_of_events_is_cut_down_by(backend)?;
    }
    Ok(())
}

fn a_flood_of_events_is_cut_down_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-flood-{backend}"))? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let arguments = ["--backend", backend, "--format=ndjson", "--netns", ns];
    let mut watching = Watching::start(&arguments)?;
    let flood = format!("{}[1-1500]", pair.url("/ok?")?);
    pair.curl(&[
        "-H",
        "Connection: close",
        "-Z",
        "--parallel-max",
        "40",
        &flood,
    ])?;
    watching.until("it says that there was more", |out, _| {
        out.contains("\"omitted\"")
    })?;
    let told = watching.interrupt()?;
    let lines = objects(&told.out)?;
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count() as u64;
    let omitted = lines
        .iter()
        .filter_map(|line| line["events"].as_u64())
        .sum::<u64>();
    assert_eq!(count("flow"), 1500);
    let list = |flow: &Value, field: &str| flow[field].as_array().map_or(0, Vec::len) as u64;
    let flows = lines.iter().filter(|line| line["type"] == "flow");
    let happened: u64 = flows
        .map(|flow| {
            // One more for the SYN-ACK.
            let syns = flow["syns"].as_u64().unwrap_or_default() + 1;
            syns + list(flow, "fins") + list(flow, "rsts")
        })
        .sum();
    assert!(happened > 5000, "{happened}");
    assert!(
        count("event") + omitted >= happened,
        "{} and {omitted}",
        count("event")
    );
    assert!(count("event") < happened);
    Ok(())
}

/// A reader that pauses does not stop the watching; a second Ctrl-C ends it at once.
#[test]
fn a_reader_that_pauses_holds_nothing_up() -> Outcome {
    let Some(pair) = Pair::new("watch-pause")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let file = pair.logs.path().join("watch.pcapng");
    let path = file.to_string_lossy();
    let arguments = [
        "--backend=pcap",
        "--format=ndjson",
        "--netns",
        ns,
        "-w",
        &path,
    ];
    let mut watching = Watching::piped(&arguments)?;
    let flood = format!("{}[1-1500]", pair.url("/ok?")?);
    // More than a pipe holds: whoever waits for its reader waits forever.
    pair.curl(&[
        "-H",
        "Connection: close",
        "-Z",
        "--parallel-max",
        "40",
        &flood,
    ])?;
    let recorded = || -> Result<usize, Box<dyn Error>> {
        Ok(read(&file)?["flows"].as_array().map_or(0, Vec::len))
    };
    wait::until("everything is recorded", Duration::from_secs(20), || {
        let count = recorded().map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok((count == 1500).then_some(()))
    })?;
    watching.signal(Signal::INT);
    assert!(
        watching.ends_within(Duration::from_millis(300))?.is_none(),
        "the report waits for its reader"
    );
    watching.signal(Signal::INT);
    assert_eq!(watching.status()?.signal(), Some(Signal::INT.as_raw()));
    Ok(())
}

/// `| head` ends it, and that is no error.
#[test]
fn a_reader_that_leaves_ends_it() -> Outcome {
    let Some(pair) = Pair::new("watch-head")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let mut watching = Watching::piped(&["--backend=pcap", "--netns", ns])?;
    let reader = watching.child().stdout.take().ok_or("no pipe")?;
    let mut reader = BufReader::new(reader);
    pair.curl(&[&pair.url("/ok")?])?;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    assert!(line.contains("asks for a connection"), "{line}");
    drop(reader);
    let told = watching.end()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    Ok(())
}

/// The recording on standard output, and nothing else: for a pipe into another program.
#[test]
fn a_recording_is_piped_on() -> Outcome {
    let Some(pair) = Pair::new("watch-pipe")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let arguments = ["--backend=pcap", "--netns", ns, "-w", "-"];
    let mut watching = Watching::piped(&arguments)?;
    let recording = watching.child().stdout.take().ok_or("no pipe")?;
    let reading = hopscope(["read", "--format=json", "-"])
        .stdin(recording)
        .stdout(Stdio::piped())
        .spawn()?;
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    let report: Value = serde_json::from_slice(&reading.wait_with_output()?.stdout)?;
    assert_eq!(flows(&report, &named(ns, "eth0")).len(), 1);
    assert!(report["vantages"][0]["damage"].is_null());
    Ok(())
}

/// Standard output on a full disk is an error; the recording goes on.
#[test]
fn a_full_disk_under_what_is_printed_ends_nothing() -> Outcome {
    let Some(pair) = Pair::new("watch-full")? else {
        return Ok(());
    };
    let file = pair.logs.path().join("watch.pcapng");
    let path = file.to_string_lossy();
    let full = File::create("/dev/full")?;
    let ns = pair.ns("client")?;
    let mut watching = Watching::printing_to(full, &["--netns", ns, "-w", &path])?;
    pair.curl(&[&pair.url("/ok")?])?;
    watching.until("it says so", |_, err| err.contains("watching goes on"))?;
    pair.curl(&[&pair.url("/late")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(2));
    let said = "cannot write to standard output: No space left";
    // Once for the events, once for the report.
    assert_eq!(told.err.matches(said).count(), 2, "{}", told.err);
    assert_eq!(flows(&read(&file)?, &named(ns, "eth0")).len(), 2);
    Ok(())
}

/// A named pipe that nobody reads is waited for, as long as nobody says stop.
#[test]
fn a_pipe_without_a_reader_can_be_given_up() -> Outcome {
    let Some(pair) = Pair::new("watch-fifo")? else {
        return Ok(());
    };
    let pipe = pair.logs.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR)?;
    let path = pipe.to_string_lossy();
    let ns = pair.ns("client")?;
    let arguments = ["--netns", ns, "-w", &path];
    let waits = |watching: &mut Watching| {
        watching.until("it waits", |_, err| err.contains("waiting for a reader"))
    };
    let mut given_up = Watching::unannounced(&arguments)?;
    waits(&mut given_up)?;
    assert_eq!(given_up.interrupt()?.code, Some(0));
    let mut watching = Watching::unannounced(&arguments)?;
    waits(&mut watching)?;
    let reader = thread::spawn(move || fs::read(pipe));
    let watching = watching.announced()?;
    pair.curl(&[&pair.url("/ok")?])?;
    watching.interrupt()?;
    let recording = reader.join().map_err(|_| "the reader panicked")??;
    let file = pair.logs.path().join("read.pcapng");
    fs::write(&file, recording)?;
    assert_eq!(flows(&read(&file)?, &named(ns, "eth0")).len(), 1);
    Ok(())
}
