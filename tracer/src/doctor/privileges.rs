//! What this process may do.

use std::fs;

use super::{Check, Verdict};

/// A capability: its bit (include/uapi/linux/capability.h), another that includes it, and what is
/// not to be had without it.
struct Capability {
    name: &'static str,
    bit: u32,
    or: Option<u32>,
    without: &'static str,
}

const SYS_ADMIN: u32 = 21;
const NET_ADMIN: u32 = 12;

const CAPABILITIES: [Capability; 6] = [
    Capability {
        name: "CAP_BPF",
        bit: 39,
        // bpf_capable() in include/linux/capability.h; before Linux 5.8 there was no other.
        or: Some(SYS_ADMIN),
        without: "the eBPF probe cannot be loaded",
    },
    Capability {
        name: "CAP_PERFMON",
        bit: 38,
        or: Some(SYS_ADMIN),
        without: "the probe cannot read sockets: no options, owners and reasons of resets",
    },
    Capability {
        name: "CAP_NET_ADMIN",
        bit: NET_ADMIN,
        or: None,
        without: "the probe cannot be attached to interfaces",
    },
    Capability {
        name: "CAP_NET_RAW",
        bit: 13,
        or: None,
        without: "libpcap cannot capture",
    },
    Capability {
        name: "CAP_SYS_ADMIN",
        bit: SYS_ADMIN,
        or: None,
        without: "no other network namespace can be entered: watch the current one, or start with \
                  nsenter",
    },
    Capability {
        name: "CAP_SYS_PTRACE",
        bit: 19,
        or: None,
        without: "namespaces, sockets and options of other users' processes cannot be seen",
    },
];

pub(super) fn checks() -> Vec<Check> {
    let Ok(status) = fs::read_to_string("/proc/self/status") else {
        let advice = "mount /proc";
        return vec![Check::not(
            Verdict::Unknown,
            "capabilities",
            "/proc/self/status cannot be read",
            advice,
        )];
    };
    let effective = field(&status, "CapEff:")
        .and_then(|text| u64::from_str_radix(text, 16).ok())
        .unwrap_or_default();
    let mut checks: Vec<Check> = CAPABILITIES
        .iter()
        .map(|capability| check(capability, effective))
        .collect();
    checks.extend(user_namespace());
    checks.extend(seccomp(&status));
    checks
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim())
}

fn check(capability: &Capability, effective: u64) -> Check {
    let has = |bit: u32| effective >> bit & 1 == 1;
    if has(capability.bit) {
        return Check::works(capability.name, "effective");
    }
    if capability.or.is_some_and(has) {
        return Check::works(
            capability.name,
            "not effective, but CAP_SYS_ADMIN includes it",
        );
    }
    Check::not(
        Verdict::Missing,
        capability.name,
        "not effective",
        format!("{}; run as root", capability.without),
    )
}

/// The map of the first user namespace is the identity over all ids (man 7 user_namespaces).
fn user_namespace() -> Option<Check> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    let whole = map.split_whitespace().eq(["0", "0", "4294967295"]);
    (!whole).then(|| {
        Check::not(
            Verdict::Partly,
            "user namespace",
            "not the first one",
            "capabilities count inside it only, and not for loading programs: run outside",
        )
    })
}

/// man 2 seccomp; mode 2 is a filter, as container runtimes set.
fn seccomp(status: &str) -> Option<Check> {
    (field(status, "Seccomp:")? == "2").then(|| {
        Check::not(
            Verdict::Unknown,
            "seccomp",
            "a filter decides on system calls",
            "it may forbid bpf and setns: the trials below tell; --security-opt \
             seccomp=unconfined (or privileged: true) takes it away",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_user_has_none_and_root_all() {
        let verdicts =
            |effective| CAPABILITIES.map(|capability| check(&capability, effective).verdict);
        assert_eq!(verdicts(0), [Verdict::Missing; 6]);
        assert_eq!(verdicts(0x1ff_ffff_ffff), [Verdict::Works; 6]);
    }

    #[test]
    fn cap_sys_admin_includes_what_was_split_off() {
        let check = |bit: u32, which: usize| check(&CAPABILITIES[which], 1 << bit).verdict;
        assert_eq!(check(SYS_ADMIN, 0), Verdict::Works);
        assert_eq!(check(SYS_ADMIN, 1), Verdict::Works);
        assert_eq!(check(SYS_ADMIN, 2), Verdict::Missing);
        assert_eq!(check(NET_ADMIN, 2), Verdict::Works);
    }
}
