//! Which processes hold a socket: /proc/PID/fd names the inodes of what a process has open.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use rustix::fd::RawFd;

use crate::processes;
use crate::socket::Process;

/// Who holds which socket.
#[derive(Debug, Default)]
pub(super) struct Owners {
    by_inode: HashMap<u64, Vec<Holder>>,
    /// Processes that may not be looked into.
    pub(super) denied: usize,
}

/// A process and the number under which it holds a socket.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) process: Process,
    /// The thread of it that shows this.
    pub(super) thread: u32,
    pub(super) fd: RawFd,
}

impl Owners {
    /// Looks for sockets with these inodes in all processes, lowest pid first. A process may hold
    /// sockets of any namespace, so none is left out.
    pub(super) fn find(inodes: &HashSet<u64>) -> io::Result<Self> {
        let mut owners = Self::default();
        for pid in processes::all()? {
            match owners.look_into(pid, inodes) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => owners.denied += 1,
                // It ended meanwhile: what it held is somebody else's, or will turn out gone.
                _ => {}
            }
        }
        Ok(owners)
    }

    /// Who holds the socket of that inode.
    pub(super) fn of(&self, inode: u64) -> &[Holder] {
        self.by_inode.get(&inode).map_or(&[], Vec::as_slice)
    }

    fn look_into(&mut self, pid: u32, inodes: &HashSet<u64>) -> io::Result<()> {
        let thread = processes::showing_thread(pid);
        let mut comm = None;
        for entry in fs::read_dir(format!("/proc/{thread}/fd"))? {
            let entry = entry?;
            // Files may be closed at any time.
            let target = match fs::read_link(entry.path()) {
                Ok(target) => target,
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error),
                Err(_) => continue,
            };
            let Some(inode) = target.to_str().and_then(socket_inode) else {
                continue;
            };
            let number = entry.file_name();
            let number = number.to_str().and_then(|number| number.parse().ok());
            if let Some(fd) = number
                && inodes.contains(&inode)
            {
                let comm = comm.get_or_insert_with(|| processes::comm(pid).unwrap_or_default());
                let comm = comm.clone();
                let process = Process { pid, comm };
                let holders = self.by_inode.entry(inode).or_default();
                holders.push(Holder {
                    process,
                    thread,
                    fd,
                });
            }
        }
        Ok(())
    }
}

/// `socket:[4711]`.
fn socket_inode(link: &str) -> Option<u64> {
    let inode = link.strip_prefix("socket:[")?.strip_suffix(']')?;
    inode.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn an_own_socket_is_found_under_each_of_its_numbers() -> io::Result<()> {
        let one = TcpListener::bind("127.0.0.1:0")?;
        let two = one.try_clone()?;
        let link = format!("/proc/self/fd/{}", one.as_raw_fd());
        let inode = fs::metadata(link)?.ino();
        let owners = Owners::find(&HashSet::from([inode]))?;
        let mut found: Vec<_> = owners.of(inode).iter().map(|holder| holder.fd).collect();
        found.sort_unstable();
        let mut own = [one.as_raw_fd(), two.as_raw_fd()];
        own.sort_unstable();
        assert_eq!(found, own);
        let pid = std::process::id();
        let own = |holder: &Holder| holder.process.pid == pid && !holder.process.comm.is_empty();
        assert!(owners.of(inode).iter().all(own));
        assert!(owners.of(u64::MAX).is_empty());
        Ok(())
    }
}
