//! What sockets of a namespace get that set nothing themselves.

use std::path::Path;
use std::time::Duration;
use std::{fs, io};

use crate::netns::{Namespace, NamespaceError};

/// Sysctls of a network namespace (`man 7 tcp`), and what the kernel begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `net.ipv4.tcp_keepalive_time`.
    pub keepidle: Duration,
    /// `net.ipv4.tcp_keepalive_intvl`.
    pub keepintvl: Duration,
    /// `net.ipv4.tcp_keepalive_probes`.
    pub keepcnt: u32,
    /// `net.ipv4.tcp_congestion_control`.
    pub congestion: String,
}

impl Defaults {
    /// Those of a namespace.
    ///
    /// # Errors
    ///
    /// Where it cannot be entered, or its sysctls cannot be read (inner).
    pub fn of(namespace: &Namespace) -> Result<io::Result<Self>, NamespaceError> {
        // What /proc/sys/net shows depends on who looks.
        namespace.within(|| {
            let seconds = |name| number(name).map(|seconds| Duration::from_secs(seconds.into()));
            Ok(Self {
                keepidle: seconds("tcp_keepalive_time")?,
                keepintvl: seconds("tcp_keepalive_intvl")?,
                keepcnt: number("tcp_keepalive_probes")?,
                congestion: text("tcp_congestion_control")?,
            })
        })
    }
}

fn number(name: &str) -> io::Result<u32> {
    text(name)?
        .parse()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{name}: {error}")))
}

fn text(name: &str) -> io::Result<String> {
    let path = Path::new("/proc/sys/net/ipv4").join(name);
    let text = fs::read_to_string(&path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("cannot read {}: {error}", path.display()),
        )
    })?;
    Ok(text.trim().to_owned())
}
