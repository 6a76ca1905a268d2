//! What a session asks of what watches, whichever it is.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::Sink;
use super::capture::CaptureError;
use super::interfaces::Link;
use super::pcap::Captures;
use super::probed::Probed;
use super::roster::Key;
use crate::netns::Namespace;
use crate::probe::ProbeError;

/// Why an interface is not watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackendError {
    /// libpcap says so.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The probe says so.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Its frames begin with what is not decoded.
    #[error("its hardware type {0} is not decoded; see include/uapi/linux/if_arp.h")]
    Hardware(u16),
}

/// What watches.
pub(super) enum Backend {
    Pcap(Box<Captures>),
    Probe(Box<Probed>),
}

/// What is to be done after reading.
#[derive(Default)]
pub(super) struct Drained {
    /// There is more to read.
    pub(super) more: bool,
    /// Interfaces that could not be read any more.
    pub(super) broken: Vec<Broken>,
}

/// An interface that could not be read any more.
pub(super) struct Broken {
    pub(super) key: Key,
    pub(super) vantage: String,
    pub(super) error: BackendError,
}

/// An interface that cannot be watched, and why.
pub(super) type Refused = (Link, BackendError);

impl Backend {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Pcap(_) => "libpcap",
            Self::Probe(_) => "eBPF",
        }
    }

    /// Watches interfaces of a namespace from now on, those that it can and does not yet.
    pub(super) fn add(&mut self, namespace: &Namespace, links: &[Link]) -> Vec<Refused> {
        match self {
            Self::Pcap(captures) => captures.add(namespace, links),
            Self::Probe(probed) => probed.add(namespace, links),
        }
    }

    /// All interfaces that are there were added.
    pub(super) fn begin(&mut self) {
        match self {
            Self::Pcap(_) => {}
            Self::Probe(probed) => probed.begin(),
        }
    }

    /// Yields what is left of the interfaces that `gone` names, and watches them no more. Their
    /// vantages.
    pub(super) fn remove(&mut self, sink: Sink<'_>, gone: impl Fn(Key) -> bool) -> Vec<String> {
        match self {
            Self::Pcap(captures) => captures.remove(sink, gone),
            Self::Probe(probed) => probed.remove(sink, gone),
        }
    }

    /// Yields what has arrived; never waits.
    pub(super) fn drain(&mut self, sink: Sink<'_>) -> Drained {
        match self {
            Self::Pcap(captures) => captures.drain(sink),
            Self::Probe(probed) => probed.drain(sink),
        }
    }

    /// Yields what was lost so far, as far as it is known before the end.
    pub(super) fn count(&mut self, sink: Sink<'_>) {
        match self {
            Self::Pcap(captures) => captures.count(sink),
            // The probe says it at the end.
            Self::Probe(_) => {}
        }
    }

    /// Yields the rest. What could not be told, for want of room.
    pub(super) fn finish(self, sink: Sink<'_>) -> Vec<String> {
        match self {
            Self::Pcap(mut captures) => {
                captures.remove(sink, |_| true);
                Vec::new()
            }
            Self::Probe(probed) => probed.finish(sink),
        }
    }

    /// What it lacks here, since the last call.
    pub(super) fn remarks(&mut self) -> Vec<String> {
        match self {
            Self::Pcap(_) => Vec::new(),
            Self::Probe(probed) => probed.remarks(),
        }
    }

    /// Whether that interface was ever watched.
    pub(super) fn knows(&self, key: Key) -> bool {
        match self {
            Self::Pcap(captures) => captures.knows(key),
            Self::Probe(probed) => probed.knows(key),
        }
    }

    /// How many interfaces are watched.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Pcap(captures) => captures.len(),
            Self::Probe(probed) => probed.len(),
        }
    }

    /// Readable when something has arrived.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let captures = match self {
            Self::Pcap(captures) => Some(captures),
            Self::Probe(_) => None,
        };
        captures.into_iter().flat_map(|captures| captures.fds())
    }

    /// Longest time between two readings, where nothing tells that something has arrived.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Self::Pcap(_) => Duration::MAX,
            Self::Probe(_) => Duration::from_millis(15),
        }
    }
}
