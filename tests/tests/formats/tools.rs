//! As Wireshark's programs write them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use hopscope_tests::craft::{Scratch, recordings};

use super::{Flows, Outcome, assert_same, expected, flows, name, report, unnumbered};

/// Whether a program of Wireshark's is here; says so where not.
fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok();
    if !there {
        println!("skipped: {program} is not installed (apt install wireshark-common)");
    }
    there
}

fn run(command: &mut Command) -> Outcome {
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

/// Not only our own idea of these formats.
#[test]
fn as_editcap_writes_them() -> Outcome {
    if !installed("editcap") {
        return Ok(());
    }
    let scratch = Scratch::new("editcap")?;
    for format in ["pcapng", "nsecpcap", "pcap", "modpcap"] {
        let mut files = Vec::new();
        for path in recordings() {
            let to = scratch.path().join(format!("{}.{format}", name(&path)));
            run(Command::new("editcap")
                .args(["-F", format])
                .args([&path, &to]))?;
            files.push((name(&path), to));
        }
        assert_same(&flows(&report(&files)?), expected());
    }
    Ok(())
}

#[test]
fn as_mergecap_merges_them() -> Outcome {
    if !installed("mergecap") {
        return Ok(());
    }
    let scratch = Scratch::new("mergecap")?;
    let mut scenarios: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in recordings() {
        let scenario = path.parent().map(Path::to_owned).unwrap_or_default();
        scenarios.entry(scenario).or_default().push(path);
    }
    scenarios.retain(|_, captures| captures.len() > 1);
    for (scenario, captures) in scenarios {
        let merged = scratch.path().join("merged.pcapng");
        // Interfaces in the order of the files; they have no names.
        run(Command::new("mergecap")
            .args(["-I", "none", "-F", "pcapng", "-w"])
            .arg(&merged)
            .args(&captures))?;
        let found = flows(&report(&[("m".to_owned(), merged)])?);
        let renamed: Flows = captures
            .iter()
            .enumerate()
            .filter_map(|(index, path)| {
                let flows = found.get(&format!("m:{index}"))?.clone();
                Some((name(path), flows))
            })
            .collect();
        let mut here = expected().clone();
        here.retain(|vantage, _| captures.iter().any(|path| name(path) == *vantage));
        assert!(!here.is_empty(), "{}", scenario.display());
        assert_same(&unnumbered(&renamed), &unnumbered(&here));
    }
    Ok(())
}
