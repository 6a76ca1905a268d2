//! Whether anybody but this process still has a use for a network namespace.
//!
//! Watching one keeps it alive: its end would never come by itself. So what else keeps it is looked
//! for, a name (a mount) or a process, and where that is no more the namespace is let go.

use std::fs;
use std::path::PathBuf;

use crate::netns::Namespace;
use crate::processes;

/// Something that keeps a namespace alive.
#[derive(Debug)]
pub(super) struct Holder {
    path: PathBuf,
}

impl Holder {
    /// One that can be seen from here. None is no proof that there is none: mounts and processes of
    /// other containers may be out of sight.
    pub(super) fn of(namespace: &Namespace) -> Option<Self> {
        mount(namespace.inode())
            .into_iter()
            .chain(processes())
            .map(|path| Self { path })
            .find(|holder| holder.holds(namespace))
    }

    /// Whether it does, still.
    pub(super) fn holds(&self, namespace: &Namespace) -> bool {
        Namespace::open(&self.path, "").is_ok_and(|held| held.id() == namespace.id())
    }
}

/// Where the namespace is mounted, as `ip netns add` and container runtimes do: a line of
/// /proc/self/mountinfo (man 5 proc) with `net:[INODE]` as root and the mount point after it.
fn mount(inode: u64) -> Option<PathBuf> {
    let root = format!("net:[{inode}]");
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        (fields.next() == Some(&root)).then(|| fields.next().map(PathBuf::from))?
    })
}

/// The namespaces of all other processes.
fn processes() -> impl Iterator<Item = PathBuf> {
    let own = std::process::id();
    let all = processes::all().unwrap_or_default();
    let others = all.into_iter().filter(move |pid| *pid != own);
    let threads = others.map(processes::showing_thread);
    threads.map(|thread| PathBuf::from(format!("/proc/{thread}/ns/net")))
}
