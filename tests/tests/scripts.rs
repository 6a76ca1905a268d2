//! Runs every script of `tests/scripts`: see [`hopscope_tests::script`] for how to write one.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use hopscope_tests::script::{Script, analyse};

/// A rule needs a source: each script names its own.
const SOURCES: [&str; 3] = ["RFC ", "net/", "FACTS 3."];

#[test]
fn flows_are_as_the_scripts_expect() -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    ensure!(
        !paths.is_empty(),
        "there is no script in {}",
        folder.display()
    );
    let only = std::env::var("SCRIPT").ok();
    let mut failures = Vec::new();
    for path in &paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if only.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        let text = fs::read_to_string(path)?;
        match run(&text) {
            Ok(mismatches) => {
                failures.extend(
                    mismatches
                        .iter()
                        .map(|mismatch| format!("{name}: {mismatch}")),
                );
                if only.is_some() && !mismatches.is_empty() {
                    failures.push(analyse(Script::parse(&text)?.frames()).to_string());
                }
            }
            Err(error) => failures.push(format!("{name}: {error:#}")),
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
    Ok(())
}

/// Runs one; `SCRIPT=name` also prints the whole analysis.
fn run(text: &str) -> Result<Vec<String>> {
    let script = Script::parse(text)?;
    ensure!(script.expects_something(), "it expects nothing");
    ensure!(!script.frames().is_empty(), "it captures nothing");
    ensure!(
        SOURCES.iter().any(|source| script.title.contains(source)),
        "the first line names no source: an RFC, a file of the kernel (net/...), FACTS 3.n"
    );
    Ok(script.mismatches())
}
