//! Processes as /proc shows them: who is there, under which name, in which container.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// Linux keeps this many bytes of a process's name (TASK_COMM_LEN without the final zero,
/// include/linux/sched.h).
const COMM_BYTES: usize = 15;

/// Shortest run of hex digits taken for the id of a container: what Docker, containerd, CRI-O and
/// Podman give has 64, AWS Fargate's has 32. Pods and slices have ids, too, cut up by dashes or
/// underscores.
const ID_DIGITS: usize = 32;

/// The ids of all processes that are to be seen, lowest first.
pub(crate) fn all() -> io::Result<Vec<u32>> {
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        pids.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    pids.sort_unstable();
    Ok(pids)
}

/// The thread that shows what a process has open, and where it is: the first one, or another where that
/// has ended and others go on (`pthread_exit` in `main`).
pub(crate) fn showing_thread(pid: u32) -> u32 {
    let shows = |thread: u32| fs::read_link(format!("/proc/{thread}/ns/net"));
    let ended = shows(pid).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let threads = ended.then(|| fs::read_dir(format!("/proc/{pid}/task")));
    let threads = threads.and_then(Result::ok).into_iter().flatten().flatten();
    let mut threads = threads.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    threads.find(|thread| shows(*thread).is_ok()).unwrap_or(pid)
}

/// Whether there is a process of that number, shown or not.
pub(crate) fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

/// The name of a process; `None` where it has ended.
pub(crate) fn comm(pid: u32) -> Option<String> {
    let comm = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let comm = comm.strip_suffix(b"\n").unwrap_or(&comm);
    Some(String::from_utf8_lossy(comm).into_owned())
}

/// Whether a process of this name may be meant by `wanted`, which may be longer than what the kernel
/// keeps.
pub(crate) fn is_called(comm: &str, wanted: &str) -> bool {
    let kept = wanted.len().min(COMM_BYTES);
    comm.as_bytes() == &wanted.as_bytes()[..kept]
}

/// The ids of containers that a process is in, of nested ones the innermost; none where it is in none
/// or has ended. Each hierarchy of control groups may know another one (version 1 has several).
pub(crate) fn containers(pid: u32) -> BTreeSet<String> {
    let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup"));
    containers_in(&cgroups.unwrap_or_default())
}

/// The text is lines of `number:controllers:path` (man 7 cgroups). Each runtime puts the id last into
/// the path: `/docker/ID`, `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID`, `libpod-ID.scope`,
/// `/kubepods/burstable/podUID/ID`. `crio-conmon-ID` and `libpod-conmon-ID` hold the container's
/// guard, which is outside of it.
fn containers_in(cgroups: &str) -> BTreeSet<String> {
    let paths = cgroups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2));
    let ids = paths.filter_map(|path| {
        let mut parts = path.rsplit('/').map(|part| {
            let part = part.strip_suffix(".scope").unwrap_or(part);
            part.rsplit_once('-').unwrap_or(("", part))
        });
        let (runtime, id) = parts.find(|(_, id)| is_id(id))?;
        (!runtime.ends_with("conmon")).then(|| id.to_owned())
    });
    ids.collect()
}

fn is_id(text: &str) -> bool {
    text.len() >= ID_DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4e1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f";
    const OUTER: &str = "aaaa1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f";

    fn found(path: &str) -> Vec<String> {
        let path = path.replace("OUTER", OUTER).replace("ID", ID);
        containers_in(&path).into_iter().collect()
    }

    #[test]
    fn ids_are_found_where_runtimes_put_them() {
        let pod = "pod0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
        for cgroup in [
            "0::/docker/ID",
            "0::/system.slice/docker-ID.scope",
            "0::/../../cri-containerd-ID.scope",
            &format!("0::/kubepods/burstable/{pod}/ID"),
            "0::/kubepods.slice/kubepods-besteffort.slice/crio-ID.scope",
            "0::/machine.slice/libpod-ID.scope/container",
            "0::/docker/OUTER/kubelet/kubepods/cri-containerd-ID.scope/init.scope",
            "12:cpu,cpuacct:/\n1:name=systemd:/docker/ID\n0::/",
        ] {
            assert_eq!(found(cgroup), [ID], "{cgroup}");
        }
    }

    #[test]
    fn hierarchies_may_know_several() {
        assert_eq!(found("4:memory:/OUTER\n1:cpu:/docker/ID"), [ID, OUTER]);
    }

    #[test]
    fn what_is_beside_a_container_is_not_in_it() {
        for cgroup in [
            "0::/",
            "0::/user.slice/user-1000.slice/session-2.scope",
            "0::/machine.slice/libpod-conmon-ID.scope",
            "0::/kubepods.slice/kubepods-pod0f1e2d3c_4b5a_6978_8796_a5b4c3d2e1f0.slice",
            "0::/kubepods/pod0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        ] {
            assert!(found(cgroup).is_empty(), "{cgroup}");
        }
    }

    #[test]
    fn a_long_name_is_compared_as_far_as_the_kernel_keeps_it() {
        assert!(is_called("gateway-with-a-", "gateway-with-a-long-name"));
        assert!(is_called("envoy", "envoy"));
        assert!(!is_called("envoy-agent", "envoy"));
        assert!(!is_called("envo", "envoy"));
    }
}
