//! What is not as one might think while watching: parts that are missing, and why.

use std::fmt;

/// Something that the person who watches must know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// An interface is not watched.
    NotWatched {
        /// What it would be called as a vantage.
        vantage: String,
        /// Why.
        why: String,
    },
    /// An interface has gone.
    InterfaceGone {
        /// Its vantage.
        vantage: String,
    },
    /// An interface is called something else now; its vantage keeps the name.
    Renamed {
        /// Its vantage.
        vantage: String,
        /// The interface's name now.
        now: String,
    },
    /// Nothing but this process uses a namespace any more.
    NamespaceGone {
        /// Its name.
        namespace: String,
    },
    /// What the backend cannot do here, or had no room for.
    Lacking(String),
    /// No interface of a namespace is up: there is nothing to see there yet.
    NothingUp {
        /// Its name.
        namespace: String,
    },
    /// Interfaces that appear from now on are not seen.
    NoChanges {
        /// Name of the namespace.
        namespace: String,
        /// Why.
        why: String,
    },
}

impl Remark {
    /// The vantage that it is about, where it is about one that segments were seen at.
    #[must_use]
    pub fn vantage(&self) -> Option<&str> {
        match self {
            Self::NotWatched { vantage, .. }
            | Self::InterfaceGone { vantage }
            | Self::Renamed { vantage, .. } => Some(vantage),
            Self::NamespaceGone { .. }
            | Self::Lacking(_)
            | Self::NothingUp { .. }
            | Self::NoChanges { .. } => None,
        }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWatched { vantage, why } => write!(f, "{vantage} is not watched: {why}"),
            Self::InterfaceGone { vantage } => {
                write!(f, "{vantage}: the interface is gone; what was seen is kept")
            }
            Self::Renamed { vantage, now } => {
                write!(f, "{vantage}: the interface is called {now} now")
            }
            Self::NamespaceGone { namespace } => write!(
                f,
                "{}: the network namespace is gone: no process is in it and it has no name; \
                 what was seen is kept",
                called(namespace)
            ),
            Self::Lacking(what) => f.write_str(what),
            Self::NothingUp { namespace } => write!(
                f,
                "{}: no interface is up yet; each is watched as soon as it is",
                called(namespace)
            ),
            Self::NoChanges { namespace, why } => write!(
                f,
                "{}: interfaces that appear from now on are not watched: {why}; start again",
                called(namespace)
            ),
        }
    }
}

fn called(namespace: &str) -> &str {
    if namespace.is_empty() {
        "this network namespace"
    } else {
        namespace
    }
}
