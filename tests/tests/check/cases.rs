//! Folders of cases, and what the real binary says of them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{Fraction, Order, Scratch};
use hopscope_tests::script::Script;
use serde_json::Value;

/// A folder of cases, removed when dropped.
pub(crate) struct Cases(Scratch);

impl Cases {
    pub(crate) fn new(name: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Scratch::new(&format!("check-{name}"))?))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file of a case.
    pub(crate) fn file(
        &self,
        case: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<PathBuf, Box<dyn Error>> {
        let folder = self.path().join(case);
        fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Writes a case of one capture at `gw`, which a script tells.
    pub(crate) fn script(
        &self,
        case: &str,
        script: &str,
        expectations: &str,
    ) -> Result<(), Box<dyn Error>> {
        self.file(case, "gw.pcap", &capture(script)?)?;
        let toml = format!("[captures]\ngw = \"gw.pcap\"\n\n{expectations}");
        self.file(case, "hopscope.toml", toml.as_bytes())?;
        Ok(())
    }

    /// Checks all of them, with these arguments before.
    pub(crate) fn check(&self, arguments: &[&str]) -> Result<Told, Box<dyn Error>> {
        let mut command = hopscope(["check"]);
        Ok(command
            .args(arguments)
            .arg(".")
            .current_dir(self.path())
            .output()?
            .into())
    }

    /// What came of each case, by its name.
    pub(crate) fn checked(&self) -> Result<Vec<Value>, Box<dyn Error>> {
        let told = self.check(&["--format", "json"])?;
        let document: Value = serde_json::from_str(&told.out)?;
        assert_eq!(document["schema"], "hopscope.check.v1", "{}", told.err);
        Ok(document["cases"].as_array().cloned().unwrap_or_default())
    }
}

/// A script as a pcap file.
pub(crate) fn capture(script: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let script = Script::parse(script).map_err(|error| format!("{error:#}:\n{script}"))?;
    Ok(script.trace().pcap(Order::Little, Fraction::Nanos))
}

/// Why the expectations of a case are not met, a text each; and why it could not be checked.
pub(crate) fn failures(case: &Value) -> Vec<String> {
    let problems = case["problems"].as_array().into_iter().flatten();
    let problems = problems.map(|problem| format!("problem: {}", problem["what"]));
    let outcomes = case["outcomes"].as_array().into_iter().flatten();
    let failed = outcomes.filter(|outcome| !outcome["failure"].is_null());
    problems
        .chain(failed.map(|outcome| outcome["failure"].to_string()))
        .collect()
}
