//! Whether anybody but this process still has a use for a network namespace.
//!
//! Watching one keeps it alive: its end would never come by itself. So what else keeps it is looked
//! for, a name (a mount) or a process, and where that is no more the namespace is let go.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::netns::Namespace;

/// Something that keeps a namespace alive.
#[derive(Debug)]
pub(super) struct Holder {
    path: PathBuf,
}

impl Holder {
    /// One that can be seen from here. None is no proof that there is none: mounts and processes of
    /// other containers may be out of sight.
    pub(super) fn of(namespace: &Namespace) -> Option<Self> {
        let inode = namespace.inode();
        mount(inode)
            .into_iter()
            .chain(processes())
            .map(|path| Self { path })
            .find(|holder| holder.holds(inode))
    }

    /// Whether it still does.
    pub(super) fn still_holds(&self, namespace: &Namespace) -> bool {
        self.holds(namespace.inode())
    }

    fn holds(&self, inode: u64) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == inode)
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
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries
        .filter_map(move |entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            (pid != own).then_some(pid)
        })
        .map(|pid| Path::new("/proc").join(pid.to_string()).join("ns/net"))
}
