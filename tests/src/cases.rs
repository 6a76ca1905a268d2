//! Folders of cases for `hopscope check`, and what the real binary says of them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use crate::binary::{Told, hopscope};
use crate::craft::{Fraction, Order, Scratch};
use crate::script::Script;
use serde_json::Value;

/// A folder of cases, removed when dropped.
pub struct Cases(Scratch);

impl Cases {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn new(name: &str) -> Result<Self, Box<dyn Error>> {
        Ok(Self(Scratch::new(&format!("check-{name}"))?))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file of a case.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn file(&self, case: &str, name: &str, bytes: &[u8]) -> Result<PathBuf, Box<dyn Error>> {
        let folder = self.path().join(case);
        fs::create_dir_all(&folder)?;
        let path = folder.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Writes a case of one capture at `gw`, which a script tells.
    ///
    /// # Errors
    ///
    /// It cannot be written, or the script has no meaning.
    pub fn script(
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
    ///
    /// # Errors
    ///
    /// The binary cannot be run.
    pub fn check(&self, arguments: &[&str]) -> Result<Told, Box<dyn Error>> {
        let mut command = hopscope(["check"]);
        Ok(command
            .args(arguments)
            .arg(".")
            .current_dir(self.path())
            .output()?
            .into())
    }

    /// What came of each case, by its name.
    ///
    /// # Errors
    ///
    /// The binary cannot be run, or prints no JSON.
    pub fn checked(&self) -> Result<Vec<Value>, Box<dyn Error>> {
        let told = self.check(&["--format", "json"])?;
        let document: Value = serde_json::from_str(&told.out)?;
        if document["schema"] != "hopscope.check.v1" {
            return Err(told.err.into());
        }
        Ok(document["cases"].as_array().cloned().unwrap_or_default())
    }
}

/// A script as a pcap file.
///
/// # Errors
///
/// It has no meaning.
pub fn capture(script: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let script = Script::parse(script).map_err(|error| format!("{error:#}:\n{script}"))?;
    Ok(script.trace().pcap(Order::Little, Fraction::Nanos))
}

/// Why the expectations of a case are not met, a text each; and why it could not be checked.
#[must_use]
pub fn failures(case: &Value) -> Vec<String> {
    let problems = case["problems"].as_array().into_iter().flatten();
    let problems = problems.map(|problem| format!("problem: {}", problem["what"]));
    let outcomes = case["outcomes"].as_array().into_iter().flatten();
    let failed = outcomes.filter(|outcome| !outcome["failure"].is_null());
    problems
        .chain(failed.map(|outcome| outcome["failure"].to_string()))
        .collect()
}
