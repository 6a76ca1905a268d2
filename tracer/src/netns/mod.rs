//! Network namespaces: how to find one and how to work in it.

mod targets;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::fstatfs;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(crate) use self::targets::{NAMED, named};
pub use self::targets::{Target, TargetError, resolve};
use crate::processes;

/// File system of the files that stand for namespaces (NSFS_MAGIC, include/uapi/linux/magic.h).
const NSFS: i64 = 0x6e73_6673;

/// A network namespace, kept alive while this exists.
#[derive(Debug)]
pub struct Namespace {
    /// What people call it: vantages are named after it.
    pub name: String,
    file: File,
    id: NamespaceId,
}

/// Tells namespaces apart: device and inode of their files (man 7 namespaces).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamespaceId {
    device: u64,
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
    /// The file stands for something else.
    #[error("{} is no network namespace{}", path.display(), what_it_is(path))]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be entered.
    #[error(
        "cannot enter network namespace {name}: {error}{}",
        remedy_to_enter(error)
    )]
    Enter {
        /// Its name.
        name: String,
        /// The error.
        error: io::Error,
    },
    /// No thread can be started to enter it.
    #[error(
        "cannot start a thread to enter a network namespace: {0}; raise the limit on processes \
         (ulimit -u, pids.max of the control group)"
    )]
    Thread(io::Error),
}

fn remedy(error: &io::Error, path: &Path) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound if !Path::new("/proc/self").exists() => {
            "; /proc is not there: mount -t proc proc /proc"
        }
        io::ErrorKind::NotFound if path.starts_with("/proc") => {
            "; there is no such process (any more)"
        }
        io::ErrorKind::NotFound => "; 'ip netns list' names those that exist",
        io::ErrorKind::PermissionDenied => {
            "; needs CAP_SYS_PTRACE over it: run as root, outside of containers"
        }
        _ => "",
    }
}

fn remedy_to_enter(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; needs CAP_SYS_ADMIN: run as root",
        io::ErrorKind::InvalidInput => "; it is a namespace of another kind",
        _ => "",
    }
}

fn what_it_is(path: &Path) -> &'static str {
    if path.starts_with("/run/netns") || path.starts_with("/var/run/netns") {
        ": what 'ip netns add' mounted there is gone; 'ip netns delete' removes the name"
    } else {
        "; name one of 'ip netns list', or a file such as /proc/PID/ns/net"
    }
}

impl NamespaceError {
    /// Whether it is there, but not for this process.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Self::Open { error, .. } if error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Whether there is nothing where the namespace was looked for.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Open { error, .. } if error.kind() == io::ErrorKind::NotFound)
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

    /// The same once more, for another thread.
    ///
    /// # Errors
    ///
    /// Where there are too many open files.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            name: self.name.clone(),
            file: self.file.try_clone()?,
            id: self.id,
        })
    }

    /// That of a process.
    ///
    /// # Errors
    ///
    /// Where there is no such process, or it may not be looked into.
    pub fn of_process(pid: u32, name: &str) -> Result<Self, NamespaceError> {
        let thread = processes::showing_thread(pid);
        Self::open(&PathBuf::from(format!("/proc/{thread}/ns/net")), name)
    }

    /// The one that `path` is bound to (`/run/netns/NAME`, `/proc/PID/ns/net`).
    ///
    /// # Errors
    ///
    /// Where it cannot be opened or is none.
    pub fn open(path: &Path, name: &str) -> Result<Self, NamespaceError> {
        let failed = |error| NamespaceError::Open {
            path: path.to_owned(),
            error,
        };
        let file = File::open(path).map_err(failed)?;
        let is_namespace = fstatfs(&file).is_ok_and(|system| system.f_type == NSFS);
        if !is_namespace {
            let path = path.to_owned();
            return Err(NamespaceError::Other { path });
        }
        let id = NamespaceId::of(&file).map_err(failed)?;
        let name = name.to_owned();
        Ok(Self { name, file, id })
    }

    /// What tells it apart from others.
    #[must_use]
    pub const fn id(&self) -> NamespaceId {
        self.id
    }

    /// The kernel's number for it: `net:[4026531840]`.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.id.inode
    }

    /// Does `work` on a thread inside it: what is opened there (sockets, links to interfaces) stays
    /// there. Being inside already asks for no privilege.
    ///
    /// # Errors
    ///
    /// Where it cannot be entered.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let entered = || {
            if !self.is_current() {
                move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))?;
            }
            Ok(work())
        };
        let done: io::Result<rustix::io::Result<T>> = thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, entered)?;
            let done = thread.join();
            Ok(done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        done.map_err(NamespaceError::Thread)?
            .map_err(|error| NamespaceError::Enter {
                name: self.name.clone(),
                error: error.into(),
            })
    }

    /// Whether the calling thread is in it.
    fn is_current(&self) -> bool {
        let current = File::open("/proc/thread-self/ns/net");
        current.is_ok_and(|file| NamespaceId::of(&file).is_ok_and(|id| id == self.id))
    }
}

impl NamespaceId {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let (device, inode) = (metadata.dev(), metadata.ino());
        Ok(Self { device, inode })
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
    fn what_is_done_within_the_current_one_needs_no_privilege() -> Result<(), NamespaceError> {
        let here = Namespace::current()?;
        assert!(here.is_current());
        assert_eq!(here.within(|| 7)?, 7);
        Ok(())
    }

    #[test]
    fn a_file_that_is_no_namespace_is_refused() {
        for path in ["/dev/null", "/proc/self/status"] {
            let told = Namespace::open(Path::new(path), "x").map_err(|error| error.to_string());
            let error = told.err().unwrap_or_default();
            assert!(error.contains("is no network namespace"), "{path}: {error}");
        }
    }

    #[test]
    fn a_namespace_of_another_kind_is_refused() -> Result<(), NamespaceError> {
        let uts = Namespace::open(Path::new("/proc/self/ns/uts"), "x")?;
        let told = uts.within(|| ()).map_err(|error| error.to_string());
        assert!(told.is_err_and(|error| error.starts_with("cannot enter network namespace x: ")));
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
