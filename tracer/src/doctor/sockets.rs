//! What reading sockets without the probe takes.

use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{Check, Verdict};
use crate::netns::Namespace;
use crate::survey::{Method, survey};

pub(super) fn checks() -> Vec<Check> {
    let iterator = listed(
        "iter/tcp",
        Method::Kernel,
        "'hopscope sockets' asks each socket instead, and cannot tell of those that no process holds",
    );
    let sock_diag = listed(
        "sock_diag",
        Method::Getsockopt,
        "'hopscope sockets' needs it",
    );
    vec![iterator, sock_diag, pidfd()]
}

/// Reads the TCP sockets of this namespace.
fn listed(name: &str, method: Method, without: &str) -> Check {
    let here = Namespace::current();
    match here.map(|here| survey(&[here], method)) {
        Ok(Ok(surveys)) => {
            let count: usize = surveys.iter().map(|survey| survey.sockets.len()).sum();
            Check::works(
                name,
                format!("tells the TCP sockets of this namespace: {count}"),
            )
        }
        Ok(Err(error)) => Check::not(Verdict::Missing, name, error.to_string(), without),
        Err(error) => Check::not(Verdict::Unknown, name, "not tried", error.to_string()),
    }
}

/// Takes a descriptor of this very process, as `sockets` does with those of others, and then one of
/// the first process, which is mostly somebody else's.
fn pidfd() -> Check {
    const NAME: &str = "pidfd_getfd";
    let own = || {
        let file = pidfd_open(getpid(), PidfdFlags::empty())?;
        let itself = file.as_fd().as_raw_fd();
        pidfd_getfd(&file, itself, PidfdGetfdFlags::empty()).map(drop)
    };
    let first = || {
        let file = pidfd_open(Pid::INIT, PidfdFlags::empty())?;
        pidfd_getfd(&file, 0, PidfdGetfdFlags::empty()).map(drop)
    };
    if let Err(error) = own() {
        return Check::not(
            Verdict::Missing,
            NAME,
            error.to_string(),
            "options of sockets are read by the probe only; Linux 5.6 has it, a seccomp filter may \
             forbid it",
        );
    }
    match first() {
        // Whether that process has such a descriptor is told to those only who may know.
        Ok(()) | Err(Errno::BADF) => {
            Check::works(NAME, "descriptors of processes can be looked at")
        }
        Err(error) => Check::not(
            Verdict::Partly,
            NAME,
            format!("those of process 1 cannot be looked at ({error}), own ones can"),
            "options of other people's sockets are not read; needs CAP_SYS_PTRACE: run as root",
        ),
    }
}
