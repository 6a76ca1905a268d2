//! What reading sockets without the probe takes.

use std::os::fd::{AsFd, AsRawFd};

use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{Check, Verdict};

pub(super) fn checks() -> Vec<Check> {
    vec![pidfd()]
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
