//! Why a capture cannot be read, or not to its end.

use std::{fmt, io};

/// Why a capture cannot be read at all. The caller names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file cannot be opened.
    #[error("cannot open it: {0}; check the name and the permissions")]
    Open(io::Error),
    /// The name is a directory.
    #[error("it is a directory; name the capture files in it")]
    Directory,
    /// There is nothing in it.
    #[error("it is empty; was the capture stopped before anything was written? (tcpdump -U)")]
    Empty,
    /// Reading failed at the start.
    #[error("cannot read it: {0}")]
    Read(io::Error),
    /// It does not begin as a capture does.
    #[error("it is not a pcap or pcapng capture: {hint}")]
    NotACapture {
        /// What it looks like and what to do.
        hint: &'static str,
    },
    /// A pcap file of a link type that is not decoded.
    #[error(
        "its link type {0} is not supported; supported are Ethernet, Linux cooked v1 and v2, \
         raw IP and null/loopback: capture on another interface or with tcpdump -y"
    )]
    LinkType(u32),
}

/// What ended the reading of a capture before its end; everything before it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Damage {
    /// The capture ends in the middle of a record, as when the capturing program was killed.
    CutInHalf {
        /// Where the record begins, in bytes of the (decompressed) capture.
        position: u64,
    },
    /// A recording of hopscope without its end: what was only counted after its last record is missing.
    NoEnd {
        /// Where it ends, in bytes of the (decompressed) capture.
        position: u64,
    },
    /// A record contradicts itself or the format.
    BadRecord {
        /// Where the record begins, in bytes of the (decompressed) capture.
        position: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Reading or decompressing failed.
    Read {
        /// How far reading came, in bytes of the (decompressed) capture.
        position: u64,
        /// The error.
        error: String,
    },
}

impl Damage {
    /// Reading failed behind `position`. A compressed stream that ends too early was cut like any
    /// other.
    #[cold]
    pub(super) fn reading(position: u64, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::CutInHalf { position }
        } else {
            Self::Read {
                position,
                error: error.to_string(),
            }
        }
    }

    /// A record that claims `length` bytes runs past the end. Longer ones than any frame (512 KiB
    /// with BIG TCP) were not cut, but damaged: there may have been more after it.
    #[cold]
    pub(super) fn cut(position: u64, length: u32) -> Self {
        if length > 1024 * 1024 {
            let what = "a record of impossible length";
            Self::BadRecord { position, what }
        } else {
            Self::CutInHalf { position }
        }
    }

    /// Whether more may be missing than the record that was being written when capturing ended.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        !matches!(self, Self::CutInHalf { .. })
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutInHalf { position } => {
                write!(f, "the last record, at byte {position}, is cut in half")
            }
            Self::NoEnd { position } => {
                write!(
                    f,
                    "the recording stops at byte {position} without its end: hopscope was killed, still \
                     writes it, or the file was cut"
                )
            }
            Self::BadRecord { position, what } => {
                write!(f, "reading stopped at byte {position}: {what}")
            }
            Self::Read { position, error } => {
                write!(f, "reading stopped after byte {position}: {error}")
            }
        }
    }
}
