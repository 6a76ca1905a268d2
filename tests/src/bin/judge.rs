//! Judges recordings of the lab again, as `make test` does: what the live lab leaves behind where it
//! disagrees shows whether a mend mends it.
//!
//! `judge FOLDER...`: folders with a `truth.json`, or folders of such. Prints what disagrees with the
//! truth; exits 1 where anything does.

use std::path::{Path, PathBuf};
use std::{env, fs, process};

use hopscope_tests::judge;
use hopscope_tests::judge::story::Asked;
use hopscope_tests::judge::variation::{self, Variation};

fn main() -> anyhow::Result<()> {
    let mut found = 0;
    for folder in env::args().skip(1) {
        for recording in recordings(Path::new(&folder))? {
            let mut lines = judge::disagreements(&recording)?;
            for variation in [Variation::Plain, Variation::WithLogs] {
                let asked = Asked::EverythingByChance;
                lines.extend(variation::asking(&recording, variation, asked)?);
            }
            found += lines.len();
            for line in lines {
                println!("{}: {line}", recording.display());
            }
        }
    }
    process::exit(i32::from(found > 0));
}

/// A folder itself, or those in it.
fn recordings(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if folder.join("truth.json").exists() {
        return Ok(vec![folder.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.join("truth.json").exists() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
