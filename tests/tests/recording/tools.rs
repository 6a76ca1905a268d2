//! What Wireshark's programs make of a recording, and what is true of what they leave of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use hopscope_tests::binary::Told;
use hopscope_tests::craft::Scratch;
use hopscope_tests::watched::Thing;

use super::story::story;
use super::{Outcome, json as report, read, recorded};

/// Whether a program of Wireshark's is here; says so if not.
fn have(program: &str, package: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: {program} is not installed (apt install {package})");
    }
    found
}

fn run(program: &str, arguments: &[&str]) -> Result<Told, Box<dyn std::error::Error>> {
    let mut told: Told = Command::new(program).args(arguments).output()?.into();
    // That is about who runs it, not about the file.
    let complaint = |line: &&str| !line.starts_with("Running as user \"root\"");
    told.err = told.err.lines().filter(complaint).collect();
    Ok(told)
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

fn frames() -> usize {
    let story = story();
    story
        .iter()
        .filter(|thing| matches!(thing, Thing::Frame(_)))
        .count()
}

#[test]
fn tshark_opens_it_without_complaint() -> Outcome {
    if !have("tshark", "tshark") {
        return Ok(());
    }
    let scratch = Scratch::new("recording-tshark")?;
    let file = scratch.file("watch.pcapng", &recorded(&story()))?;
    let fields = [
        "-T",
        "fields",
        "-e",
        "frame.interface_name",
        "-e",
        "frame.len",
    ];
    let told = run(
        "tshark",
        &[&["-n", "-r", path(&file)], &fields[..]].concat(),
    )?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = told.out.lines().collect();
    assert_eq!(lines.len(), frames());
    assert_eq!(lines[0], "gw:eth0\t54");
    assert_eq!(
        lines[frames() - 1],
        "lo\t1500",
        "as long as it was, not as it was cut"
    );
    // Nothing in it is malformed, and no expert complains.
    let told = run(
        "tshark",
        &["-n", "-r", path(&file), "-q", "-z", "expert,error"],
    )?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    assert!(!told.out.contains("Errors ("), "{}", told.out);
    Ok(())
}

#[test]
fn capinfos_knows_who_wrote_it_and_the_clock() -> Outcome {
    if !have("capinfos", "wireshark-common") {
        return Ok(());
    }
    let scratch = Scratch::new("recording-capinfos")?;
    let file = scratch.file("watch.pcapng", &recorded(&story()))?;
    let told = run("capinfos", &[path(&file)])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    for says in [
        concat!("hopscope ", env!("CARGO_PKG_VERSION")),
        "nanoseconds (9)",
        "Name = gw:eth0",
        "Number of stat entries = 1",
    ] {
        assert!(told.out.contains(says), "{says}: {}", told.out);
    }
    Ok(())
}

/// They keep frames and lose what was counted. What is left must not pass for the whole.
#[test]
fn what_other_programs_write_anew_is_known_to_miss_counts() -> Outcome {
    if !have("mergecap", "wireshark-common") || !have("editcap", "wireshark-common") {
        return Ok(());
    }
    let scratch = Scratch::new("recording-rewritten")?;
    let file = scratch.file("watch.pcapng", &recorded(&story()))?;
    let file = path(&file);
    let to = |name: &str| scratch.path().join(name);
    let (edited, merged) = (to("edited.pcapng"), to("merged.pcapng"));
    let ordinary = concat!(env!("CARGO_MANIFEST_DIR"), "/../pcaps/normal/lb.pcap");
    for (program, arguments) in [
        ("editcap", vec![file, path(&edited)]),
        ("mergecap", vec!["-w", path(&merged), file, ordinary]),
    ] {
        let told = run(program, &arguments)?;
        assert_eq!(told.code, Some(0), "{program}: {}", told.err);
    }
    for rewritten in [edited, merged] {
        let gathered = read(&fs::read(&rewritten)?)?;
        let eth0 = gathered
            .vantages
            .iter()
            .find(|vantage| vantage.interface.as_deref() == Some("gw:eth0"))
            .ok_or("the interface that was watched")?;
        assert!(eth0.lower_bounds, "{}", rewritten.display());
        assert_eq!(eth0.segments, frames() as u64 - 1);
        for vantage in &gathered.vantages {
            let thinned = vantage.interface.as_deref() == Some("gw:eth0");
            assert_eq!(vantage.lower_bounds, thinned, "{}", vantage.name);
        }
        let report = report(gathered)?;
        assert_eq!(
            report["flows"][0]["sockets"]["client"],
            serde_json::Value::Null
        );
    }
    Ok(())
}
