//! `hopscope diff`: real differences only.

use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::Scratch;
use serde_json::Value;

use super::Outcome;
use hopscope_tests::cases::capture;

/// A request that waits `wait` seconds for its answer, from a port, at a time of day, probed or not.
fn script(port: u16, start: f64, wait: f64, probed: bool, closer: &str) -> String {
    let other = if closer == "C" { "S" } else { "C" };
    let probes = if probed {
        format!("{:.3} S ACK seq-1\n+0.0002 C ACK\n", start + 7.05)
    } else {
        String::new()
    };
    format!(
        "# A request that waits.\nconnection 1 10.0.0.1:{port} 10.0.0.2:80 isn {port} 50000\n\
         {start:.3} C SYN\n+0.001 S SYN+ACK\n+0.001 C ACK\n+0.001 C ACK 10\n+0.001 S ACK\n{probes}\
         {:.3} S ACK 20\n+0.001 C ACK\n+0.5 {closer} FIN+ACK\n+0.001 {other} FIN+ACK\n+0.001 {closer} ACK\n",
        start + wait
    )
}

/// A script as a capture.
fn pcap(
    scratch: &Scratch,
    name: &str,
    script: &str,
) -> Result<PathBuf, Box<dyn std::error::Error>> {
    Ok(scratch.file(format!("{name}.pcap"), &capture(script)?)?)
}

fn diff(one: &Path, other: &Path, format: &str) -> Result<Told, Box<dyn std::error::Error>> {
    let mut command = hopscope(["diff", "--format", format]);
    Ok(command.args([one, other]).output()?.into())
}

#[test]
fn ports_and_times_of_day_are_no_difference() -> Outcome {
    let scratch = Scratch::new("diff-same")?;
    let one = pcap(&scratch, "before", &script(40_000, 0.0, 9.0, true, "C"))?;
    let other = pcap(&scratch, "after", &script(51_234, 777.0, 9.2, true, "C"))?;
    let told = diff(&one, &other, "table")?;
    assert_eq!(
        (told.code, told.err.as_str()),
        (Some(0), ""),
        "{}",
        told.out
    );
    assert!(
        told.out.starts_with("no difference between"),
        "{}",
        told.out
    );
    Ok(())
}

#[test]
fn who_closes_and_who_probes_are() -> Outcome {
    let scratch = Scratch::new("diff-other")?;
    let one = pcap(&scratch, "before", &script(40_000, 0.0, 9.0, true, "C"))?;
    let other = pcap(&scratch, "after", &script(51_234, 777.0, 9.0, false, "S"))?;
    let told = diff(&one, &other, "json")?;
    assert_eq!(told.code, Some(1), "{}", told.err);
    let document: Value = serde_json::from_str(&told.out)?;
    assert_eq!(document["schema"], "hopscope.diff.v1");
    let found: Vec<String> = document["differences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|found| format!("{} {} {}", found["what"], found["before"], found["after"]))
        .collect();
    for expected in [
        "\"end\" \"FIN by client\" \"FIN by server\"",
        "\"keepalive probes of the server\" \"answered\" \"none\"",
    ] {
        assert!(
            found.iter().any(|found| found == expected),
            "{expected} is not in {found:#?}"
        );
    }
    let table = diff(&one, &other, "table")?;
    assert_eq!(table.code, Some(1));
    assert!(
        table.out.contains("connections to 10.0.0.2:80"),
        "{}",
        table.out
    );
    Ok(())
}

fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pcaps")
        .join(name)
}

/// A case, a folder of captures without one, and the report on them are the same.
#[test]
fn cases_folders_and_reports_compare() -> Outcome {
    let scratch = Scratch::new("diff-kinds")?;
    let case = recording("lb-idle-timeout");
    let folder = scratch.path().join("folder");
    fs::create_dir(&folder)?;
    let mut captures = Vec::new();
    for file in fs::read_dir(&case)? {
        let file = file?.path();
        if file
            .extension()
            .is_some_and(|ending| ending == "pcap" || ending == "log")
        {
            fs::copy(&file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        if file.extension().is_some_and(|ending| ending == "pcap") {
            captures.push(file);
        }
    }
    captures.sort();
    let told = diff(&case, &folder, "table")?;
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    let read = |name: &str, captures: &[PathBuf]| -> Result<PathBuf, Box<dyn std::error::Error>> {
        let read = hopscope(["read", "--format", "json"])
            .args(captures)
            .output()?;
        Ok(scratch.file(name, &read.stdout)?)
    };
    let report = read("report.json", &captures)?;
    let told = diff(&report, &report, "table")?;
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    let told = diff(
        &recording("lb-idle-timeout"),
        &recording("client-gives-up"),
        "table",
    )?;
    assert_eq!(told.code, Some(1));
    assert!(
        told.out.contains("idle_timeout by lb") && told.out.contains("client_gave_up by client"),
        "{}",
        told.out
    );
    Ok(())
}

#[test]
fn what_cannot_be_compared_is_told() -> Outcome {
    let scratch = Scratch::new("diff-bad")?;
    let good = recording("normal/client.pcap");
    let other = scratch.file("other.json", b"{\"schema\": \"hopscope.report.v9\"}")?;
    let torn = scratch.file("torn.json", b"{\"schema\": ")?;
    for (path, why) in [
        (other, "its schema is 'hopscope.report.v9'"),
        (torn, "it is no JSON document"),
        (scratch.path().to_owned(), "there are no captures in it"),
        (scratch.path().join("gone.pcap"), "cannot read it"),
    ] {
        let told = diff(&path, &good, "table")?;
        assert_eq!(
            (told.code, told.out.as_str()),
            (Some(2), ""),
            "{}",
            told.err
        );
        assert!(told.err.contains(why), "{}", told.err);
    }
    Ok(())
}
