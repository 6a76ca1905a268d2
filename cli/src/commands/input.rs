//! Files that are named on the command line, as `NAME=FILE` or without a name.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A file as named on the command line.
pub(super) struct Input<'a> {
    /// What it is called: as given, or by its file name.
    pub(super) name: String,
    /// The name was given.
    pub(super) named: bool,
    /// `-` is standard input.
    pub(super) path: &'a Path,
}

impl Input<'_> {
    pub(super) fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    /// As messages name it.
    pub(super) fn told(&self) -> Cow<'_, str> {
        if self.is_stdin() {
            "standard input".into()
        } else {
            self.path.to_string_lossy()
        }
    }
}

/// A file and its name, from `NAME=FILE` or the file alone, without `endings` that say what it is.
pub(super) fn input<'a>(argument: &'a OsString, endings: &[&str]) -> Input<'a> {
    let bytes = argument.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=');
    match equals.map(|place| (&bytes[..place], &bytes[place + 1..])) {
        // A file may have an equals sign in its name.
        Some((name, path)) if !name.contains(&b'/') && !Path::new(argument).exists() => Input {
            name: String::from_utf8_lossy(name).into_owned(),
            named: true,
            path: Path::new(OsStr::from_bytes(path)),
        },
        _ => Input {
            name: plain(Path::new(argument), endings),
            named: false,
            path: Path::new(argument),
        },
    }
}

/// What a file without a name of its own is called.
pub(super) fn plain(path: &Path, endings: &[&str]) -> String {
    if path == Path::new("-") {
        return "stdin".to_owned();
    }
    let file = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy();
    let mut name = file.as_ref();
    for ending in endings {
        name = name
            .strip_suffix(ending)
            .filter(|rest| !rest.is_empty())
            .unwrap_or(name);
    }
    name.to_owned()
}
