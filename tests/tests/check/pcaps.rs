//! The project's own recordings are cases, and first drafts of all of them are met.

use std::fs;
use std::path::Path;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::Scratch;

use super::Outcome;

fn recordings() -> Result<Vec<std::path::PathBuf>, Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let mut folders: Vec<_> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    folders.retain(|path| path.is_dir());
    folders.sort();
    Ok(folders)
}

#[test]
fn every_recording_is_a_case_and_meets_its_expectations() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let told = Told::from(hopscope(["check"]).arg(&folder).output()?);
    assert_eq!(
        (told.code, told.err.as_str()),
        (Some(0), ""),
        "{}",
        told.out
    );
    for recording in recordings()? {
        let text = fs::read_to_string(recording.join("hopscope.toml"))?;
        assert!(
            text.matches("[[expect]]").count() >= 2,
            "{}",
            recording.display()
        );
        assert!(
            text.contains("cause"),
            "{} expects a cause",
            recording.display()
        );
    }
    Ok(())
}

#[test]
fn first_drafts_of_all_recordings_are_met() -> Outcome {
    let scratch = Scratch::new("check-drafts")?;
    let mut folders = Vec::new();
    for recording in recordings()? {
        let copy = scratch
            .path()
            .join(recording.file_name().unwrap_or_default());
        fs::create_dir(&copy)?;
        for file in fs::read_dir(&recording)? {
            let file = file?;
            if file.file_name() != "hopscope.toml" {
                fs::copy(file.path(), copy.join(file.file_name()))?;
            }
        }
        folders.push(copy);
    }
    let told = Told::from(hopscope(["check", "--init"]).args(&folders).output()?);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let told = Told::from(hopscope(["check"]).arg(scratch.path()).output()?);
    assert_eq!(
        (told.code, told.err.as_str()),
        (Some(0), ""),
        "{}",
        told.out
    );
    Ok(())
}
