//! What reading sockets without the probe takes.

use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{Check, Verdict};
use crate::netns::Namespace;
use crate::survey::survey;

pub(super) fn checks() -> Vec<Check> {
    vec![sock_diag(), pidfd()]
}

/// Lists the TCP sockets of this namespace.
fn sock_diag() -> Check {
    const NAME: &str = "sock_diag";
    let listed = Namespace::current().map(|here| survey(&[here]));
    match listed {
        Ok(Ok(surveys)) => {
            let count: usize = surveys.iter().map(|survey| survey.sockets.len()).sum();
            Check::works(
                NAME,
                format!("lists the TCP sockets of this namespace: {count}"),
            )
        }
        Ok(Err(error)) => Check::not(Verdict::Missing, NAME, "not to be had", error.to_string()),
        Err(error) => Check::not(Verdict::Unknown, NAME, "not tried", error.to_string()),
    }
}

/// Takes a descriptor of this very process, as `sockets` does with those of others.
fn pidfd() -> Check {
    const NAME: &str = "pidfd_getfd";
    let tried = || {
        let file = pidfd_open(getpid(), PidfdFlags::empty())?;
        let itself = file.as_fd().as_raw_fd();
        pidfd_getfd(&file, itself, PidfdGetfdFlags::empty()).map(drop)
    };
    match tried() {
        Ok(()) => Check::works(NAME, "descriptors of processes can be looked at"),
        Err(error) => Check::not(
            Verdict::Missing,
            NAME,
            error.to_string(),
            "options of sockets are read by the probe only; Linux 5.6 has it, a seccomp filter \
             may forbid it",
        ),
    }
}
