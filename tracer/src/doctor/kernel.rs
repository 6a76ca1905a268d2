//! The kernel: its version, and what it lets programs see of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Check, Verdict};

/// Ring buffers, which the probe writes its records to, came with this version.
const PROBE: (u32, u32) = (5, 8);
/// Memory of BPF is charged to cgroups from this version on (commit 3ac1f01b43b6), no more to a
/// limit of its own.
const CGROUPS: (u32, u32) = (5, 11);
/// What watching one namespace takes at first, the program itself included: 66 MiB are too little, 70 enough.
const PROBE_MEMORY: u64 = 80 << 20;

fn release() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    Some(text.trim().to_owned())
}

/// `6.18.5-cloud` is (6, 18).
fn parsed(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

pub(super) fn version() -> Check {
    const NAME: &str = "kernel";
    let Some(release) = release() else {
        let advice = "mount /proc";
        return Check::not(Verdict::Unknown, NAME, "/proc is not there", advice);
    };
    let Some(version) = parsed(&release) else {
        let advice = "the trials below tell more than a version does";
        return Check::not(Verdict::Unknown, NAME, format!("Linux {release}"), advice);
    };
    if version < PROBE {
        let advice = "the eBPF probe needs Linux 5.8: libpcap watches instead, without sockets' \
                      options, reasons of resets and who closed";
        return Check::not(Verdict::Partly, NAME, format!("Linux {release}"), advice);
    }
    let lacks: Vec<&str> = [
        ((6, 6), "TCX (6.6): clsact stands in"),
        ((6, 10), "reasons of resets (6.10)"),
    ]
    .into_iter()
    .filter(|(since, _)| version < *since)
    .map(|(_, what)| what)
    .collect();
    if lacks.is_empty() {
        return Check::works(NAME, format!("Linux {release}"));
    }
    let advice = format!("too old for {}", lacks.join(", "));
    Check::not(Verdict::Partly, NAME, format!("Linux {release}"), advice)
}

/// man 7 kernel_lockdown.
pub(super) fn lockdown() -> Check {
    const NAME: &str = "lockdown";
    match fs::read_to_string("/sys/kernel/security/lockdown") {
        Ok(modes) => {
            let mode = modes
                .split_whitespace()
                .find_map(|mode| mode.strip_prefix('[')?.strip_suffix(']'));
            match mode.unwrap_or_else(|| modes.trim()) {
                "confidentiality" => Check::not(
                    Verdict::Partly,
                    NAME,
                    "confidentiality",
                    "programs may not read kernel memory: the probe tells segments, not sockets; \
                     boot with lockdown=integrity for both",
                ),
                mode => Check::works(NAME, mode),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Check::not(
            Verdict::Unknown,
            NAME,
            "not told: securityfs is not mounted, or the kernel has no lockdown",
            "mount -t securityfs securityfs /sys/kernel/security shows it; the trials below tell \
             what it forbids",
        ),
        Err(error) => Check::not(
            Verdict::Unknown,
            NAME,
            format!("not told: {error}"),
            "run as root to see it; the trials below tell what it forbids",
        ),
    }
}

pub(super) fn btf() -> Check {
    const NAME: &str = "BTF";
    match aya::Btf::from_sys_fs() {
        Ok(_) => Check::works(NAME, "/sys/kernel/btf/vmlinux describes the kernel's types"),
        Err(error) => Check::not(
            Verdict::Missing,
            NAME,
            format!("/sys/kernel/btf/vmlinux: {error}"),
            "the probe cannot tell sockets' options, owners and reasons of resets; a kernel built \
             with CONFIG_DEBUG_INFO_BTF can",
        ),
    }
}

/// What limits the memory of programs and maps.
pub(super) fn bpf_memory() -> Check {
    const NAME: &str = "BPF memory";
    let by_cgroup = release()
        .and_then(|release| parsed(&release))
        .is_some_and(|version| version >= CGROUPS);
    let (limit, whose, remedy) = if by_cgroup {
        (
            memory_max(),
            "the memory cgroup",
            "raise its memory.max (memory.limit_in_bytes in version 1)",
        )
    } else {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock);
        (limit.current, "RLIMIT_MEMLOCK", "ulimit -l unlimited")
    };
    match limit {
        None => Check::works(NAME, format!("not limited by {whose}")),
        Some(bytes) if bytes >= PROBE_MEMORY => {
            Check::works(NAME, format!("{} MiB by {whose}", bytes >> 20))
        }
        Some(bytes) => Check::not(
            Verdict::Partly,
            NAME,
            format!("{} KiB by {whose}", bytes >> 10),
            format!("watching may need {} MiB: {remedy}", PROBE_MEMORY >> 20),
        ),
    }
}

/// The lowest limit on the way from this process's cgroup to the root; `None` where there is none that
/// can be seen.
fn memory_max() -> Option<u64> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limits = cgroups.lines().filter_map(memory_files).flatten();
    let limits = limits.filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    limits.filter(|limit| *limit < UNLIMITED).min()
}

/// Version 1 writes none as the highest number of whole pages.
const UNLIMITED: u64 = 1 << 60;

/// The files that limit memory on the way to the root, by a line of /proc/self/cgroup (man 7 cgroups):
/// `0::PATH` in version 2, `NUMBER:CONTROLLERS:PATH` in version 1.
fn memory_files(line: &str) -> Option<Vec<PathBuf>> {
    let mut fields = line.splitn(3, ':');
    let (number, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, file) = if controllers.split(',').any(|name| name == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else if number == "0" && controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max")
    } else {
        return None;
    };
    let below = |path: &Path| Path::new(root).join(path.strip_prefix("/").unwrap_or(path));
    let all = Path::new(path).ancestors();
    Some(all.map(|path| below(path).join(file)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_memory_are_looked_for_on_the_way_to_the_root() {
        let of = |line| -> Vec<String> {
            let files = memory_files(line).unwrap_or_default();
            files
                .iter()
                .map(|file| file.display().to_string())
                .collect()
        };
        let v2 = ["a/b/memory.max", "a/memory.max", "memory.max"];
        assert_eq!(
            of("0::/a/b"),
            v2.map(|file| format!("/sys/fs/cgroup/{file}"))
        );
        let v1 = ["a/memory.limit_in_bytes", "memory.limit_in_bytes"];
        let v1 = v1.map(|file| format!("/sys/fs/cgroup/memory/{file}"));
        assert_eq!(of("4:memory:/a"), v1);
        assert_eq!(of("4:cpu,memory:/a"), v1);
        assert!(of("3:cpuset:/a").is_empty());
        assert!(of("nothing").is_empty());
    }

    #[test]
    fn releases_of_distributions_are_read() {
        assert_eq!(parsed("6.18.5"), Some((6, 18)));
        assert_eq!(parsed("5.10.0-28-amd64"), Some((5, 10)));
        assert_eq!(parsed("6.1-rc3"), Some((6, 1)));
        assert_eq!(parsed("4.18.0-553.el8_10.x86_64"), Some((4, 18)));
        assert_eq!(parsed("unknown"), None);
    }
}
