//! Which cases the command line means.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::captured::is_capture;
use super::case::{Checked, FILE, Problem};

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    /// Folders of cases, by name.
    pub(super) cases: Vec<PathBuf>,
    /// What was named and is no case, nor holds one.
    pub(super) missing: Vec<Checked>,
    /// What somebody should know.
    pub(super) remarks: Vec<String>,
    seen: HashSet<PathBuf>,
}

/// Looks through the folders named, and all folders in them.
pub(super) fn cases(named: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in named {
        let before = found.cases.len() + found.missing.len();
        let path = match path.file_name() {
            Some(name) if name == FILE && path.is_file() => path.parent().unwrap_or(path),
            _ => path,
        };
        let known = fs::canonicalize(path).is_ok_and(|path| found.seen.contains(&path));
        found.search(path);
        if found.cases.len() + found.missing.len() == before && !known {
            found.missing.push(Checked::impossible(
                path,
                vec![Problem::of_file(format!(
                    "there is no {FILE} in it, nor in a folder below; 'hopscope check --init {}' \
                     writes one",
                    path.display()
                ))],
            ));
        }
    }
    // The order of the command line must not change what is printed.
    found.cases.sort();
    found
}

impl Found {
    /// A case has no cases within. Links that lead in a circle are followed once.
    fn search(&mut self, folder: &Path) {
        let entries = match fs::canonicalize(folder).and_then(|real| {
            let new = self.seen.insert(real);
            Ok((new, fs::read_dir(folder)?))
        }) {
            Ok((false, _)) => return,
            Ok((true, entries)) => entries,
            Err(error) => {
                let problem = Problem::of_file(format!("cannot open it: {error}; check the name"));
                self.missing
                    .push(Checked::impossible(folder, vec![problem]));
                return;
            }
        };
        if folder.join(FILE).exists() {
            self.cases.push(folder.to_owned());
            return;
        }
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        if paths.iter().any(|path| is_capture(path)) {
            self.remarks.push(format!(
                "{}: captures without a {FILE} are not checked; 'hopscope check --init' writes one",
                folder.display()
            ));
        }
        for path in paths
            .iter()
            .filter(|path| path.is_dir() && !is_hidden(path))
        {
            self.search(path);
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'))
}
