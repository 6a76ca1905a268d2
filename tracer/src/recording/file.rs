//! Where a recording goes: whole blocks or nothing.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::RecordingError;

/// Written at once at most, more or less.
const FULL: usize = 256 * 1024;

/// A file or stream, and the blocks that wait to be written to it.
pub(super) struct Out {
    stream: Box<dyn Write + Send>,
    /// To cut it back, where it is a file of ours.
    file: Option<File>,
    name: String,
    /// Whole blocks.
    waiting: Vec<u8>,
    written: u64,
    failed: bool,
}

impl Out {
    /// A new file; `-` is standard output.
    pub(super) fn create(path: &Path) -> Result<Self, RecordingError> {
        let on_stdout = path == Path::new("-");
        let name = if on_stdout {
            "standard output".to_owned()
        } else {
            path.display().to_string()
        };
        let failed = |error| RecordingError::Create {
            name: name.clone(),
            error,
        };
        if on_stdout {
            let descriptor = io::stdout().as_fd().try_clone_to_owned().map_err(failed)?;
            return Ok(Self::new(Box::new(File::from(descriptor)), &name));
        }
        let file = File::create(path).map_err(failed)?;
        let regular = file.metadata().map_err(failed)?.is_file();
        let ours = regular.then(|| file.try_clone()).transpose();
        let ours = ours.map_err(failed)?;
        Ok(Self {
            file: ours,
            ..Self::new(Box::new(file), &name)
        })
    }

    /// A stream that errors call `name`.
    pub(super) fn new(stream: Box<dyn Write + Send>, name: &str) -> Self {
        Self {
            stream,
            file: None,
            name: name.to_owned(),
            waiting: Vec::new(),
            written: 0,
            failed: false,
        }
    }

    /// Takes whole blocks at its end.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    pub(super) fn failed(&self) -> bool {
        self.failed
    }

    pub(super) fn flush_if_full(&mut self) -> Result<(), RecordingError> {
        if self.waiting.len() < FULL {
            return Ok(());
        }
        self.flush()
    }

    pub(super) fn flush(&mut self) -> Result<(), RecordingError> {
        if self.failed {
            self.waiting.clear();
            return Ok(());
        }
        if self.file.as_ref().is_some_and(is_deleted) {
            let name = self.end();
            return Err(RecordingError::Deleted { name });
        }
        let (done, result) = write(&mut self.stream, &self.waiting);
        match result {
            Ok(()) => {
                self.written += self.waiting.len() as u64;
                self.waiting.clear();
                Ok(())
            }
            Err(error) => {
                let whole = self.written + whole_blocks(&self.waiting, done) as u64;
                if let Some(file) = &self.file {
                    // Otherwise the last block stays cut, which readers can bear.
                    let _ = file.set_len(whole);
                }
                Err(self.fail(error))
            }
        }
    }

    /// Nothing more is written, for that error.
    pub(super) fn fail(&mut self, error: io::Error) -> RecordingError {
        let name = self.end();
        RecordingError::Write { name, error }
    }

    /// Nothing more is written; where it would have been.
    fn end(&mut self) -> String {
        self.failed = true;
        self.waiting = Vec::new();
        self.name.clone()
    }
}

/// Whether nobody can open it any more by a name.
fn is_deleted(file: &File) -> bool {
    file.metadata().is_ok_and(|found| found.nlink() == 0)
}

/// Writes as much as can be written, and says how much that was.
fn write(stream: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < bytes.len() {
        match stream.write(&bytes[done..]) {
            Ok(0) => return (done, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Err(error)),
        }
    }
    (done, stream.flush())
}

/// How many of the first `done` bytes are of blocks that end among them.
fn whole_blocks(blocks: &[u8], done: usize) -> usize {
    let mut whole = 0;
    while let Some(length) = blocks[whole..].get(4..8) {
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if length == 0 || whole + length > done {
            break;
        }
        whole += length;
    }
    whole
}
