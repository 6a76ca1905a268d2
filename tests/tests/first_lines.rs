//! What somebody sees first: whether anything is wrong, who did it, why, how sure that is, and on what
//! evidence.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// A folder, and its captures.
type Recording = (PathBuf, Vec<String>);

/// The folders of all recordings, and their captures.
fn recordings() -> Result<Vec<Recording>, Box<dyn Error>> {
    let pcaps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let mut recordings = Vec::new();
    for entry in fs::read_dir(pcaps)? {
        let folder = entry?.path();
        if !folder.is_dir() {
            continue;
        }
        let mut captures = Vec::new();
        for file in fs::read_dir(&folder)? {
            let name = file?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".pcap") {
                captures.push(name);
            }
        }
        captures.sort();
        recordings.push((folder, captures));
    }
    recordings.sort();
    Ok(recordings)
}

fn read(
    recording: &(PathBuf, Vec<String>),
    options: &[&str],
    width: usize,
) -> Result<Told, Box<dyn Error>> {
    let (folder, captures) = recording;
    let told = hopscope(["read"])
        .args(options)
        .args(captures)
        .current_dir(folder)
        .env("COLUMNS", width.to_string())
        .output()?;
    Ok(told.into())
}

fn report(recording: &(PathBuf, Vec<String>)) -> Result<Value, Box<dyn Error>> {
    let told = read(recording, &["--format=json"], 80)?;
    Ok(serde_json::from_str(&told.out)?)
}

/// The first three lines, as one.
fn first_three(told: &Told) -> String {
    let lines: Vec<&str> = told.out.lines().take(3).map(str::trim).collect();
    lines.join(" ")
}

fn words(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[test]
fn the_first_three_lines_say_it() -> Outcome {
    let (mut alarms, mut calm) = (0, 0);
    for recording in recordings()? {
        let report = report(&recording)?;
        let name = recording.0.display();
        let verdict = &report["verdicts"][0];
        for width in [80, 100, 160] {
            let told = read(&recording, &[], width)?;
            let first = first_three(&told);
            if verdict["alarm"] == true {
                let confidence = verdict["confidence"].as_str().unwrap_or_default();
                let (summary, right) = told
                    .out
                    .lines()
                    .next()
                    .and_then(|line| line.rsplit_once("  "))
                    .ok_or("no first line")?;
                assert_eq!(right.trim(), confidence, "{name}: {first}");
                let said = verdict["summary"].as_str().map(words).unwrap_or_default();
                assert!(said.starts_with(&words(summary)), "{name}: {first}");
                // The rest of a long summary takes a line of its own.
                let evidence = verdict["evidence"][0].as_str().map(words);
                let begin: String = evidence.unwrap_or_default().chars().take(12).collect();
                assert!(!begin.is_empty(), "{name}: an alarm without evidence");
                let told = words(&first).contains(&format!("evidence {begin}"));
                assert!(told, "{name} at {width}: {first}");
            } else {
                assert!(first.starts_with("nothing is "), "{name}: {first}");
            }
        }
        match verdict["alarm"].as_bool() {
            Some(true) => alarms += 1,
            _ => calm += 1,
        }
    }
    assert!(alarms >= 15 && calm >= 10, "{alarms} {calm}");
    Ok(())
}

/// Of what is told, the parts that belong to alarms are red, and nothing is where colour is not wanted.
#[test]
fn alarms_are_coloured_where_colour_is_wanted() -> Outcome {
    let all = recordings()?;
    let alarm = all
        .iter()
        .find(|(folder, _)| folder.ends_with("lb-idle-timeout"))
        .ok_or("no recording")?;
    let coloured = read(alarm, &["--color=always"], 100)?;
    assert!(
        coloured.out.starts_with("\u{1b}[1m\u{1b}[31mlb"),
        "{}",
        coloured.out
    );
    let plain = read(alarm, &["--color=never"], 100)?;
    assert!(!plain.out.contains('\u{1b}'));
    assert_eq!(
        read(alarm, &[], 100)?.out,
        plain.out,
        "a file gets no colour"
    );
    Ok(())
}

/// Rules are shown where asked for, each once, with a reason.
#[test]
fn rules_are_explained() -> Outcome {
    for recording in recordings()? {
        let told = read(&recording, &["--explain"], 100)?;
        let rules = told.out.split("\n  rule ").nth(1);
        let rules = rules.ok_or_else(|| format!("no rules: {}", told.out))?;
        let rules = rules.split("\n\n").next().unwrap_or_default();
        let lines: Vec<&str> = rules.lines().skip(1).collect();
        for rule in [
            "injected reset",
            "idle timeout",
            "client gave up",
            "normal close",
        ] {
            let said = lines.iter().filter(|line| line.trim().starts_with(rule));
            assert_eq!(said.count(), 1, "{rule}: {rules}");
        }
        let held = |line: &&str| {
            let sure = ["  certain  ", "  likely  ", "  possible  "];
            sure.iter().any(|sure| line.contains(sure))
        };
        let known = report(&recording)?["verdicts"][0]["cause"] != "unknown";
        assert_eq!(lines.iter().any(held), known, "{rules}");
        assert!(!read(&recording, &[], 100)?.out.contains("\n  rule "));
    }
    Ok(())
}
