//! What hopscope says of itself: its help, and the schema of its reports.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::recordings;
use hopscope_tests::schema;
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn printed(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let told = Told::from(hopscope(arguments).env("COLUMNS", "100").output()?);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    Ok(told.out)
}

/// Compares with a file under `tests/golden`, which `RENEW=1` rewrites.
fn golden(name: &str, found: &str) -> Outcome {
    let path = in_repository("tests/tests/golden").join(name);
    if std::env::var_os("RENEW").is_some() {
        fs::write(&path, found)?;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "{} differs: look at it, then RENEW=1 cargo test -p hopscope-tests --test help",
        path.display()
    );
    Ok(())
}

#[test]
fn help() -> Outcome {
    golden("help.txt", &printed(&["--help"])?)?;
    golden("help-short.txt", &printed(&["-h"])?)
}

#[test]
fn help_of_every_command() -> Outcome {
    golden("read-help.txt", &printed(&["read", "--help"])?)?;
    golden("watch-help.txt", &printed(&["watch", "--help"])?)?;
    golden("sockets-help.txt", &printed(&["sockets", "--help"])?)?;
    golden("check-help.txt", &printed(&["check", "--help"])?)?;
    golden("diff-help.txt", &printed(&["diff", "--help"])?)?;
    golden("anonymize-help.txt", &printed(&["anonymize", "--help"])?)?;
    golden("doctor-help.txt", &printed(&["doctor", "--help"])?)?;
    golden("schema-help.txt", &printed(&["schema", "--help"])?)
}

/// What a person reads on a terminal of 100 columns.
#[test]
fn help_fits_and_shows_examples() -> Outcome {
    let help = printed(&["read", "--help"])?;
    let widest = help.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 100), "{widest:?}");
    let examples = help
        .lines()
        .filter(|line| line.starts_with("  hopscope read"));
    assert!(examples.count() >= 5);
    Ok(())
}

#[test]
fn version() -> Outcome {
    assert_eq!(
        printed(&["--version"])?,
        format!("hopscope {}\n", env!("CARGO_PKG_VERSION"))
    );
    Ok(())
}

#[test]
fn a_mistyped_command_is_a_usage_error() -> Outcome {
    for arguments in [
        &["raed", "gw.pcap"][..],
        &["read", "--fromat=json", "x"],
        &[],
    ] {
        let told = Told::from(hopscope(arguments).output()?);
        assert_eq!(told.code, Some(2), "{arguments:?}");
        assert_eq!(told.out, "");
        assert!(told.err.contains("Usage: "), "{}", told.err);
    }
    Ok(())
}

#[test]
fn the_schema_in_the_repository_is_current() -> Outcome {
    for (file, command) in [
        ("schema/hopscope.report.v1.json", &["schema"][..]),
        ("schema/hopscope.lines.v1.json", &["schema", "--lines"]),
    ] {
        let committed = fs::read_to_string(in_repository(file)).unwrap_or_default();
        assert!(
            printed(command)? == committed,
            "{file} is stale: make schema"
        );
    }
    Ok(())
}

/// Every recording's report is what the schema says, and uses no field that it does not name.
#[test]
fn reports_of_all_recordings_are_valid() -> Outcome {
    let mut reports = vec![Vec::new()];
    let recordings = recordings();
    assert!(recordings.len() >= 20);
    reports[0].extend(recordings.iter().map(|path| path.display().to_string()));
    // Captures without frames and with damage have fields of their own.
    let folder = hopscope_tests::craft::Scratch::new("schema")?;
    let bytes = fs::read(&recordings[0])?;
    let quiet = folder.file("quiet.pcap", &bytes[..24])?;
    let cut = folder.file("cut.pcap", &bytes[..bytes.len() - 3])?;
    reports.push(vec![quiet.display().to_string(), cut.display().to_string()]);
    for captures in reports {
        let mut arguments = vec!["read", "--format=json"];
        arguments.extend(captures.iter().map(String::as_str));
        let report: Value = serde_json::from_str(&printed(&arguments)?)?;
        let problems = schema::problems(&report)?;
        assert!(problems.is_empty(), "{problems:#?}");
    }
    Ok(())
}

/// A line of ndjson is the same object as in the document, with its type.
#[test]
fn ndjson_says_the_same_as_json() -> Outcome {
    let captures: Vec<String> = recordings()
        .iter()
        .take(12)
        .map(|path| path.display().to_string())
        .collect();
    let read = |format| -> Result<String, Box<dyn Error>> {
        let mut arguments = vec!["read", format];
        arguments.extend(captures.iter().map(String::as_str));
        printed(&arguments)
    };
    let report: Value = serde_json::from_str(&read("--format=json")?)?;
    let mut lines = Vec::new();
    for line in read("--format=ndjson")?.lines() {
        lines.push(serde_json::from_str::<Value>(line)?);
    }
    let problems = schema::problems_of_lines(&lines)?;
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(lines[0]["type"], "report");
    assert_eq!(lines[0]["schema"], report["schema"]);
    for (kind, list) in [("vantage", "vantages"), ("flow", "flows")] {
        let mut told: Vec<Value> = lines
            .iter()
            .filter(|line| line["type"] == kind)
            .cloned()
            .collect();
        for line in told.iter_mut().filter_map(Value::as_object_mut) {
            line.remove("type");
        }
        assert_eq!(Some(&told), report[list].as_array(), "{kind}");
    }
    Ok(())
}
