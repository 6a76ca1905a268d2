//! A file that is there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file being written beside the place that it will have.
pub(super) struct Output {
    to: Writing,
    part: PathBuf,
    path: PathBuf,
}

/// Compressed as its name says.
enum Writing {
    Plain(BufWriter<File>),
    Gzip(Box<GzEncoder<BufWriter<File>>>),
    Zstd(Box<zstd::Encoder<'static, BufWriter<File>>>),
}

impl Output {
    /// Begins a file, and the folders that it is in.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let told = || {
            format!(
                "cannot write {}; check the folder and its permissions",
                path.display()
            )
        };
        let mut name = OsString::from(".");
        name.push(path.file_name().with_context(told)?);
        name.push(".part");
        let part = path.with_file_name(name);
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            fs::create_dir_all(folder).with_context(told)?;
        }
        let _ = fs::remove_file(&part);
        let file = OpenOptions::new().write(true).create_new(true).open(&part);
        let file = BufWriter::new(file.with_context(told)?);
        let ending = path.extension().and_then(|ending| ending.to_str());
        let to = match ending {
            Some("gz") => Writing::Gzip(Box::new(GzEncoder::new(file, Compression::default()))),
            Some("zst") => Writing::Zstd(Box::new(zstd::Encoder::new(file, 0).with_context(told)?)),
            _ => Writing::Plain(file),
        };
        Ok(Self {
            to,
            part,
            path: path.to_owned(),
        })
    }

    /// Puts it in its place.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let ended = match &mut self.to {
            Writing::Plain(file) => file.flush(),
            Writing::Gzip(file) => file.try_finish().and_then(|()| file.get_mut().flush()),
            Writing::Zstd(file) => file.do_finish().and_then(|()| file.get_mut().flush()),
        };
        let placed = ended.and_then(|()| fs::rename(&self.part, &self.path));
        placed.with_context(|| {
            format!(
                "cannot write {}; make room, or name another place",
                self.path.display()
            )
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.to {
            Writing::Plain(file) => file.write(bytes),
            Writing::Gzip(file) => file.write(bytes),
            Writing::Zstd(file) => file.write(bytes),
        }
    }

    /// What is compressed is flushed at its end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What was not finished is not left behind.
impl Drop for Output {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}
