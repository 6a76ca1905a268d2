//! `-w`: the recording says the same, and a full disk ends only it.

use std::error::Error;
use std::fs;
use std::path::Path;

use hopscope_tests::lab::process::run;
use hopscope_tests::watching::{Watching, objects};
use serde_json::Value;

use super::{BACKENDS, Outcome, Pair, flows, named, read};

/// The recording says the same as the watch that wrote it.
#[test]
fn a_recording_gives_the_same_report() -> Outcome {
    for backend in BACKENDS {
        a_recording_gives_the_same_report_by(backend)?;
    }
    Ok(())
}

fn a_recording_gives_the_same_report_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-recording-{backend}"))? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let file = pair.logs.path().join("watch.pcapng");
    let file = file.to_string_lossy();
    let arguments = [
        "--backend",
        backend,
        "--format=json",
        "--netns",
        ns,
        "-w",
        &file,
    ];
    let watching = Watching::start(&arguments)?;
    pair.curl(&[
        &pair.url("/big/300000")?,
        "-o",
        "/dev/null",
        &pair.url("/ok")?,
    ])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let watched: Value = serde_json::from_str(&told.out)?;
    let read = read(Path::new(&*file))?;
    assert_eq!(flows(&read, &named(ns, "eth0")).len(), 1);
    assert_eq!(read["flows"], watched["flows"]);
    Ok(())
}

/// A disk that fills up ends the recording, not the watching.
#[test]
fn a_full_disk_is_said_once() -> Outcome {
    let Some(pair) = Pair::new("watch-full-disk")? else {
        return Ok(());
    };
    let disk = pair.logs.path().join("disk");
    fs::create_dir(&disk)?;
    let disk = Mounted::new(&disk)?;
    let file = disk.0.join("watch.pcapng");
    let ns = pair.ns("client")?;
    let path = file.to_string_lossy();
    let arguments = [
        "--backend=pcap",
        "--format=ndjson",
        "--netns",
        ns,
        "-w",
        &path,
    ];
    let mut watching = Watching::start(&arguments)?;
    let urls = vec![pair.url("/ok")?; 600];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    pair.curl(&[&["-H", "Connection: close"], &urls[..]].concat())?;
    watching.until("it says that the disk is full", |_, err| {
        err.contains("No space left")
    })?;
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(2));
    assert_eq!(told.err.lines().count(), 2, "{}", told.err);
    assert!(
        told.err.contains(&format!("recording to {path} ends here")),
        "{}",
        told.err
    );
    assert!(told.err.contains("watching goes on"), "{}", told.err);
    let lines = objects(&told.out)?;
    let flows = lines.iter().filter(|line| line["type"] == "flow").count();
    assert_eq!(flows, 601, "all in the report");
    let read = read(&file)?;
    let recorded = read["flows"].as_array().map_or(0, Vec::len);
    assert!((10..601).contains(&recorded), "{recorded}");
    Ok(())
}

/// A disk of 256 KiB; taken away when dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(at: &'a Path) -> Result<Self, Box<dyn Error>> {
        run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                "size=256k",
                "hopscope-test",
                &at.to_string_lossy(),
            ],
        )?;
        Ok(Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Nothing more can be done where it fails.
        let _ = run("umount", &[&self.0.to_string_lossy()]);
    }
}

/// Nobody would find it.
#[test]
fn a_recording_that_was_deleted_is_said_to_be_gone() -> Outcome {
    let Some(pair) = Pair::new("watch-deleted")? else {
        return Ok(());
    };
    let file = pair.logs.path().join("watch.pcapng");
    let name = file.to_string_lossy();
    let mut watching = Watching::start(&["--netns", pair.ns("client")?, "-w", &name])?;
    pair.curl(&[&pair.url("/ok")?])?;
    fs::remove_file(&file)?;
    watching.until("that it is gone", |_, err| err.contains("it was deleted"))?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(2), "{}", told.err);
    assert_eq!(
        told.err.matches("it was deleted").count(),
        1,
        "{}",
        told.err
    );
    assert!(told.out.contains("FLOWS  1 of 1"), "{}", told.out);
    Ok(())
}
