//! Network namespaces: how to find one and how to work in it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A network namespace, kept alive while this exists.
#[derive(Debug)]
pub struct Namespace {
    /// What people call it: vantages are named after it.
    pub name: String,
    file: File,
    inode: u64,
}

/// Why a namespace cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// Its file cannot be opened.
    #[error("cannot open network namespace {}: {error}{}", path.display(), remedy(error, path))]
    Open {
        /// The file.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// It cannot be entered.
    #[error("cannot enter network namespace {name}: {error}; needs CAP_SYS_ADMIN: run as root")]
    Enter {
        /// Its name.
        name: String,
        /// The error.
        error: io::Error,
    },
}

fn remedy(error: &io::Error, path: &Path) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound if path.starts_with("/proc") => {
            "; there is no such process (any more)"
        }
        io::ErrorKind::NotFound => "; 'ip netns list' names those that exist",
        io::ErrorKind::PermissionDenied => "; needs CAP_SYS_PTRACE: run as root",
        _ => "",
    }
}

impl Namespace {
    /// The one that this thread is in.
    ///
    /// # Errors
    ///
    /// Where /proc is not there.
    pub fn current() -> Result<Self, NamespaceError> {
        Self::open(Path::new("/proc/thread-self/ns/net"), "")
    }

    /// That of a process.
    ///
    /// # Errors
    ///
    /// Where there is no such process, or it may not be looked into.
    pub fn of_process(pid: u32, name: &str) -> Result<Self, NamespaceError> {
        Self::open(&PathBuf::from(format!("/proc/{pid}/ns/net")), name)
    }

    /// The one that `path` is bound to (`/run/netns/NAME`, `/proc/PID/ns/net`).
    ///
    /// # Errors
    ///
    /// Where it cannot be opened.
    pub fn open(path: &Path, name: &str) -> Result<Self, NamespaceError> {
        let failed = |error| NamespaceError::Open {
            path: path.to_owned(),
            error,
        };
        let file = File::open(path).map_err(failed)?;
        let inode = file.metadata().map_err(failed)?.ino();
        Ok(Self {
            name: name.to_owned(),
            file,
            inode,
        })
    }

    /// The kernel's number for it: `net:[4026531840]`.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.inode
    }

    /// Does `work` on a thread inside it: what is opened there (sockets, links to interfaces) stays
    /// there.
    ///
    /// # Errors
    ///
    /// Where it cannot be entered.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let entered = || {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
            Ok(work())
        };
        let failed = |error| NamespaceError::Enter {
            name: self.name.clone(),
            error,
        };
        let done: rustix::io::Result<T> = thread::scope(|scope| {
            let thread = scope.spawn(entered);
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        done.map_err(|error| failed(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_namespace_can_be_opened_twice() -> Result<(), NamespaceError> {
        let (one, other) = (Namespace::current()?, Namespace::current()?);
        assert_eq!(one.inode(), other.inode());
        Ok(())
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let told = Namespace::of_process(u32::MAX, "x").map_err(|error| error.to_string());
        let error = told.err().unwrap_or_default();
        assert!(error.contains("/proc/4294967295/ns/net"), "{error}");
        assert!(error.contains("no such process"), "{error}");
    }
}
