//! Reading a recording gives the report of the watch that wrote it.

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::Scratch;
use hopscope_tests::watched::watched;
use serde_json::{Value, json};

use super::story::story;
use super::{Outcome, json as report, read, read_as, recorded, sourceless};
use tracer::report::{Given, Report};

#[test]
fn the_story_reads_as_it_was_watched() -> Outcome {
    let things = story();
    let live = report(watched(&things))?;
    let again = report(read(&recorded(&things))?)?;
    assert_eq!(sourceless(again), sourceless(live.clone()));
    // Otherwise nothing was compared.
    assert!(
        live["flows"]
            .as_array()
            .is_some_and(|flows| flows.len() >= 2)
    );
    assert!(live["flows"][0]["keepalive"]["client"]["probes"][0].is_object());
    assert_eq!(live["sockets"].as_array().map(Vec::len), Some(3));
    Ok(())
}

/// The real binary says the same as the library.
#[test]
fn hopscope_read_says_the_same() -> Outcome {
    let things = story();
    let scratch = Scratch::new("recording-read")?;
    let file = scratch.file("watch.pcapng", &recorded(&things))?;
    let told: Told = hopscope(["read", "--format=json"])
        .arg(&file)
        .output()?
        .into();
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let again: Value = serde_json::from_str(&told.out)?;
    assert_eq!(again["vantages"][0]["source"], file.display().to_string());
    assert_eq!(sourceless(again), sourceless(report(watched(&things))?));
    Ok(())
}

fn names(report: &Value, list: &str, field: &str) -> Vec<String> {
    let list = report[list].as_array().into_iter().flatten();
    list.filter_map(|entry| entry[field].as_str())
        .map(str::to_owned)
        .collect()
}

/// A recording has its own names, unless they could be another's or the caller gives one.
#[test]
fn names_are_those_of_the_watch() -> Outcome {
    let bytes = recorded(&story());
    let alone = report(read(&bytes)?)?;
    assert_eq!(names(&alone, "vantages", "name"), ["gw:eth0", "lo"]);
    assert_eq!(names(&alone, "vantages", "namespace"), ["gw", ""]);
    assert_eq!(names(&alone, "sockets", "vantage"), ["gw", "gw", "gw"]);
    let two = [read_as(&bytes, "a", true)?, read_as(&bytes, "b", true)?];
    let two = serde_json::to_value(Report::new(&two, &Given::default()))?;
    assert_eq!(
        names(&two, "vantages", "name"),
        ["a:gw:eth0", "a:lo", "b:gw:eth0", "b:lo"]
    );
    assert_eq!(
        names(&two, "vantages", "namespace"),
        ["a:gw", "a", "b:gw", "b"]
    );
    assert_eq!(names(&two, "unjoined", "vantage"), ["a:gw", "b:gw"]);
    Ok(())
}

#[test]
fn the_command_line_decides_about_prefixes() -> Outcome {
    let scratch = Scratch::new("recording-names")?;
    let file = scratch.file("watch.pcapng", &recorded(&story()))?;
    let file = file.display().to_string();
    let other = scratch.file("other.pcapng", &recorded(&story()))?;
    let other = other.display().to_string();
    for (arguments, expected) in [
        (vec![file.clone()], json!(["gw:eth0", "lo"])),
        (
            vec![format!("node={file}")],
            json!(["node:gw:eth0", "node:lo"]),
        ),
        (
            vec![file, other],
            json!(["watch:gw:eth0", "watch:lo", "other:gw:eth0", "other:lo"]),
        ),
    ] {
        let told: Told = hopscope(["read", "--format=json"])
            .args(arguments)
            .output()?
            .into();
        assert_eq!(told.code, Some(0), "{}", told.err);
        let report: Value = serde_json::from_str(&told.out)?;
        assert_eq!(json!(names(&report, "vantages", "name")), expected);
    }
    Ok(())
}

/// What is lost and what was not shown is counted.
#[test]
fn counts_come_back() -> Outcome {
    let report = report(read(&recorded(&story()))?)?;
    let vantage = &report["vantages"][0];
    // Seven frames; 3 and 2 segments counted of their flow, 40 and 41 of one that was not shown.
    assert_eq!(vantage["segments"], 7 + 5 + 81);
    assert_eq!(
        (&vantage["counted"], &vantage["unshown"]),
        (&json!(86), &json!(81))
    );
    assert_eq!(vantage["frames"], 7 + 5 + 81 + 31);
    assert_eq!(
        report["flows"][0]["segments"],
        json!({"client": 4 + 3, "server": 3 + 2})
    );
    assert_eq!(
        report["flows"][0]["bytes"],
        json!({"client": 100, "server": 2000})
    );
    assert_eq!(vantage["dropped"], 3);
    assert_eq!(vantage["skipped"]["no_tcp_not_shown"], 31);
    assert_eq!(vantage["lower_bounds"], false);
    assert_eq!(vantage["unread"], json!({"damaged": 0, "newer": 0}));
    assert_eq!(report["vantages"][1]["dropped"], 0);
    assert_eq!(report["vantages"][1]["cut"], 1);
    Ok(())
}

/// Its report is what the schema says.
#[test]
fn its_report_is_valid() -> Outcome {
    let schema = serde_json::to_value(tracer::report::schema())?;
    let validator = jsonschema::validator_for(&schema)?;
    let report = report(read(&recorded(&story()))?)?;
    let problems: Vec<String> = validator
        .iter_errors(&report)
        .map(|problem| format!("{}: {problem}", problem.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert!(
        report["flows"][0]["kernel"]
            .as_array()
            .is_some_and(|told| told.len() > 3)
    );
    assert!(
        report["unjoined"]
            .as_array()
            .is_some_and(|told| !told.is_empty())
    );
    Ok(())
}
