//! Socket options in effect, and where each value comes from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The value of an option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    /// It was read.
    Read {
        /// The value in effect.
        value: T,
        /// Where it comes from.
        origin: Origin,
    },
    /// It could not be read, for this reason.
    NotRead {
        /// Why, and what to do.
        reason: String,
    },
}

/// Where the value of an option comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// It was set on the socket, or on the listener that it was accepted from.
    Socket,
    /// The socket holds nothing of its own: the namespace's sysctl decides, or what the kernel begins
    /// with. (A switch that is off is off, whether somebody has turned it off or nobody on.)
    Default,
    /// It equals the default, and what was read does not tell whether it was set to it.
    EqualsDefault,
    /// What was read does not tell.
    Unknown,
}

/// Stands for this long and longer: what is set with a negative number the kernel takes for the longest
/// wait that it knows (`sk_setsockopt`, net/core/sock.c).
pub const LONGEST_LINGER: Duration = Duration::from_secs(i32::MAX as u64);

/// The options of a TCP socket (`man 7 socket`, `man 7 tcp`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// SO_KEEPALIVE: whether probes are sent at all.
    pub keepalive: Reading<bool>,
    /// TCP_KEEPIDLE: silence before the first probe.
    pub keepidle: Reading<Duration>,
    /// TCP_KEEPINTVL: time between unanswered probes.
    pub keepintvl: Reading<Duration>,
    /// TCP_KEEPCNT: unanswered probes before the connection is given up.
    pub keepcnt: Reading<u32>,
    /// TCP_USER_TIMEOUT: how long data may stay unacknowledged; zero is off.
    pub user_timeout: Reading<Duration>,
    /// SO_LINGER: `None` is off; zero seconds makes close() send a RST; [`LONGEST_LINGER`] is without end.
    pub linger: Reading<Option<Duration>>,
    /// TCP_NODELAY: small segments are sent at once.
    pub nodelay: Reading<bool>,
    /// TCP_DEFER_ACCEPT of a listener: how long it waits for data before it accepts; zero is off.
    pub defer_accept: Reading<Duration>,
    /// TCP_CONGESTION: the congestion control algorithm.
    pub congestion: Reading<String>,
}

impl Options {
    /// None of them could be read, for this reason.
    #[must_use]
    pub fn not_read(reason: &str) -> Self {
        Self {
            keepalive: Reading::not_read(reason),
            keepidle: Reading::not_read(reason),
            keepintvl: Reading::not_read(reason),
            keepcnt: Reading::not_read(reason),
            user_timeout: Reading::not_read(reason),
            linger: Reading::not_read(reason),
            nodelay: Reading::not_read(reason),
            defer_accept: Reading::not_read(reason),
            congestion: Reading::not_read(reason),
        }
    }

    /// Takes from `earlier` what could not be read now.
    pub fn complete(&mut self, earlier: &Self) {
        self.keepalive.complete(&earlier.keepalive);
        self.keepidle.complete(&earlier.keepidle);
        self.keepintvl.complete(&earlier.keepintvl);
        self.keepcnt.complete(&earlier.keepcnt);
        self.user_timeout.complete(&earlier.user_timeout);
        self.linger.complete(&earlier.linger);
        self.nodelay.complete(&earlier.nodelay);
        self.defer_accept.complete(&earlier.defer_accept);
        self.congestion.complete(&earlier.congestion);
    }
}

impl<T: Clone> Reading<T> {
    fn complete(&mut self, earlier: &Self) {
        if matches!((&*self, earlier), (Self::NotRead { .. }, Self::Read { .. })) {
            self.clone_from(earlier);
        }
    }
}

impl Options {
    /// Whether all of them were read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.reasons().all(|reason| reason.is_none())
    }

    /// Why each was not read, `None` for those that were.
    pub fn reasons(&self) -> impl Iterator<Item = Option<&str>> {
        let Self {
            keepalive,
            keepidle,
            keepintvl,
            keepcnt,
            user_timeout,
            linger,
            nodelay,
            defer_accept,
            congestion,
        } = self;
        let reasons = [
            keepalive.reason(),
            keepidle.reason(),
            keepintvl.reason(),
            keepcnt.reason(),
            user_timeout.reason(),
            linger.reason(),
            nodelay.reason(),
            defer_accept.reason(),
            congestion.reason(),
        ];
        reasons.into_iter()
    }

    /// These, and of those that were not read, `other`'s.
    #[must_use]
    pub fn or(&self, other: Self) -> Self {
        Self {
            keepalive: self.keepalive.or(other.keepalive),
            keepidle: self.keepidle.or(other.keepidle),
            keepintvl: self.keepintvl.or(other.keepintvl),
            keepcnt: self.keepcnt.or(other.keepcnt),
            user_timeout: self.user_timeout.or(other.user_timeout),
            linger: self.linger.or(other.linger),
            nodelay: self.nodelay.or(other.nodelay),
            defer_accept: self.defer_accept.or(other.defer_accept),
            congestion: self.congestion.or(other.congestion),
        }
    }
}

impl<T: Clone> Reading<T> {
    /// This one, or `other` where it could not be read.
    #[must_use]
    pub fn or(&self, other: Self) -> Self {
        match self {
            Self::Read { .. } => self.clone(),
            Self::NotRead { .. } => other,
        }
    }
}

impl<T> Reading<T> {
    /// Could not be read, for this reason.
    #[must_use]
    pub fn not_read(reason: &str) -> Self {
        let reason = reason.to_owned();
        Self::NotRead { reason }
    }

    /// Why it could not be read; `None` where it was.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Read { .. } => None,
            Self::NotRead { reason } => Some(reason),
        }
    }
}

impl Origin {
    /// Of an option that is off unless something sets it.
    #[must_use]
    pub const fn of_switch(is_set: bool) -> Self {
        if is_set { Self::Socket } else { Self::Default }
    }

    /// Of a value in effect that a sysctl decides at every use where the socket holds none: a value
    /// unlike the sysctl's is the socket's.
    #[must_use]
    pub fn of_value<T: PartialEq>(value: &T, default: Option<&T>) -> Self {
        match default {
            Some(default) if value == default => Self::EqualsDefault,
            Some(_) => Self::Socket,
            None => Self::Unknown,
        }
    }

    /// Of a value that a sysctl gives to new sockets: unlike the sysctl's now, it may be what the
    /// sysctl was then.
    #[must_use]
    pub fn of_initial<T: PartialEq>(value: &T, default: Option<&T>) -> Self {
        match default {
            Some(default) if value == default => Self::EqualsDefault,
            _ => Self::Unknown,
        }
    }
}
