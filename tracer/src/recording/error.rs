//! Why something cannot be recorded.

use std::io;

/// Why nothing more is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be made.
    #[error("cannot record to {name}: {error}; check the folder and its permissions")]
    Create {
        /// The file.
        name: String,
        /// The error.
        error: io::Error,
    },
    /// It could be written up to here.
    #[error(
        "recording to {name} ends here: {error}; {remedy}; what was recorded before can be read",
        remedy = remedy(error)
    )]
    Write {
        /// The file.
        name: String,
        /// The error.
        error: io::Error,
    },
    /// Somebody has deleted it.
    #[error(
        "recording to {name} ends here: it was deleted, with what was recorded before; record to a file that nobody deletes meanwhile"
    )]
    Deleted {
        /// The file.
        name: String,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room, or record to another disk"
        }
        io::ErrorKind::FileTooLarge => "raise the limit (ulimit -f), or record for a shorter time",
        io::ErrorKind::BrokenPipe => "the program that read it has ended",
        _ => "check the disk, or record to another one",
    }
}
