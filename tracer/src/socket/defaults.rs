//! What a namespace gives to sockets that hold no value of their own.

use std::fs;
use std::time::Duration;

use super::Origin;

/// The sysctls of a namespace that decide for sockets without a value of their own; `None` where one
/// could not be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// `net.ipv4.tcp_keepalive_time`; the sysctls under `ipv4` hold for IPv6 as well.
    pub keepidle: Option<Duration>,
    /// `net.ipv4.tcp_keepalive_intvl`.
    pub keepintvl: Option<Duration>,
    /// `net.ipv4.tcp_keepalive_probes`.
    pub keepcnt: Option<u32>,
    /// `net.ipv4.tcp_congestion_control`: what new sockets begin with.
    pub congestion: Option<String>,
}

impl Defaults {
    /// Those of the calling thread's namespace: what /proc/sys/net shows depends on who looks
    /// (is_seen, net/sysctl_net.c).
    pub(super) fn read() -> Self {
        let read = |name: &str| {
            let value = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
            Some(value.trim().to_owned())
        };
        let seconds = |name| Some(Duration::from_secs(read(name)?.parse().ok()?));
        Self {
            keepidle: seconds("tcp_keepalive_time"),
            keepintvl: seconds("tcp_keepalive_intvl"),
            keepcnt: read("tcp_keepalive_probes").and_then(|count| count.parse().ok()),
            congestion: read("tcp_congestion_control"),
        }
    }
}

impl Origin {
    /// Of an option that is off unless something sets it.
    pub(super) const fn of_switch(is_set: bool) -> Self {
        if is_set { Self::Socket } else { Self::Default }
    }

    /// Of a value in effect that a sysctl decides at every use where the socket holds none: a value
    /// unlike the sysctl's is the socket's.
    pub(super) fn of_value<T: PartialEq>(value: &T, default: Option<&T>) -> Self {
        match default {
            Some(default) if value == default => Self::EqualsDefault,
            Some(_) => Self::Socket,
            None => Self::Unknown,
        }
    }

    /// Of a value that a sysctl gives to new sockets: unlike the sysctl's now, it may be what the
    /// sysctl was then.
    pub(super) fn of_initial<T: PartialEq>(value: &T, default: Option<&T>) -> Self {
        match default {
            Some(default) if value == default => Self::EqualsDefault,
            _ => Self::Unknown,
        }
    }
}
