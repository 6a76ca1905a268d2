//! Watching some namespaces until told to stop.

mod follow;
mod open;

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::backend::{Backend, BackendError, Broken};
use super::interfaces::InterfacesError;
use super::place::Place;
use super::sieve::Sieve;
use super::standing::Standing;
use super::{Remark, Sink};
use crate::netns::Namespace;
use crate::source::FilterError;

/// Reading more often than this costs more than it tells: where much arrives, a packet wakes the
/// reader that finds nothing but this one.
const PACE: Duration = Duration::from_millis(5);

/// How often to look at what no file descriptor tells: losses, and whether a namespace is still
/// in use.
const LOOK: Duration = Duration::from_secs(1);

/// Which backend is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The eBPF probe, or libpcap where that cannot be had.
    Auto,
    /// The eBPF probe.
    Ebpf,
    /// libpcap.
    Pcap,
}

/// Why nothing can be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The filter cannot be compiled.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The interfaces of a namespace cannot be had.
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    /// None of the interfaces can be watched.
    #[error("cannot watch {vantage}: {error}")]
    Refused {
        /// The first of them.
        vantage: String,
        /// Why.
        error: BackendError,
    },
    /// Neither can the probe watch, nor libpcap.
    #[error("{pcap}; the eBPF probe cannot either: {probe}")]
    Neither {
        /// Why the probe cannot.
        probe: Box<Self>,
        /// Why libpcap cannot.
        pcap: Box<Self>,
    },
    /// The probe cannot be loaded.
    #[error(transparent)]
    Probe(#[from] crate::probe::ProbeError),
    /// Waiting failed.
    #[error("cannot wait for frames (poll): {0}")]
    Wait(io::Error),
}

/// Why a backend is the one that watches.
enum Why {
    Asked,
    Best,
    /// The probe cannot.
    Instead(String),
}

/// What is watched, and through what.
pub struct Session {
    places: Vec<Place>,
    backend: Backend,
    sieve: Sieve,
    why: Why,
    remarks: Vec<Remark>,
    /// Sockets that were there before; `None` where nothing is told of sockets.
    standing: Option<Standing>,
    /// What broke since the last look: what became of an interface is told later than that.
    broken: Vec<Broken>,
    /// There was more to read the last time.
    more: bool,
    read_at: Instant,
    looked_at: Instant,
}

impl Session {
    /// What watches.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.backend.name()
    }

    /// Why that one, in words.
    #[must_use]
    pub fn why(&self) -> &str {
        match &self.why {
            Why::Asked => "as asked",
            Why::Best => "the best that works",
            Why::Instead(why) => why,
        }
    }

    /// Why the probe does not watch, where nobody asked for something else.
    #[must_use]
    pub fn no_probe(&self) -> Option<&str> {
        match &self.why {
            Why::Instead(why) => Some(why),
            Why::Asked | Why::Best => None,
        }
    }

    /// Names of the namespaces that are watched.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.places
            .iter()
            .map(|place| place.namespace.name.as_str())
    }

    /// All namespaces are gone.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.places.is_empty()
    }

    /// What has become known since the last call that whoever watches must know.
    pub fn take_remarks(&mut self) -> Vec<Remark> {
        let lacking = self.backend.remarks().into_iter();
        let lacking = lacking.chain(self.sieve.senseless()).map(Remark::Lacking);
        self.remarks.drain(..).chain(lacking).collect()
    }

    /// Waits until something arrives, for a signal, or at most for `timeout`, and yields it.
    ///
    /// # Errors
    ///
    /// Where waiting fails.
    pub fn poll(&mut self, timeout: Duration, sink: Sink<'_>) -> Result<(), SessionError> {
        let looked = self.looked_at.elapsed();
        let timeout = timeout
            .min(LOOK.saturating_sub(looked))
            .min(self.backend.patience());
        if !self.more {
            self.wait(timeout).map_err(SessionError::Wait)?;
        }
        self.read_at = Instant::now();
        let mut sieve = std::mem::take(&mut self.sieve);
        self.look(looked >= LOOK, &mut |item| sieve.pass(item, sink));
        self.sieve = sieve;
        Ok(())
    }

    /// Yields what has arrived, and follows what becomes of interfaces; now and then, what else there is
    /// to look at.
    fn look(&mut self, all: bool, sink: Sink<'_>) {
        let drained = self.backend.drain(sink);
        self.more = drained.more;
        self.broken.extend(drained.broken);
        let unknown = self
            .standing
            .as_mut()
            .and_then(|standing| standing.found(false, sink));
        self.remarks.extend(unknown.map(Remark::Lacking));
        self.follow_interfaces(sink);
        if all {
            self.looked_at = Instant::now();
            self.repair();
            self.let_go(sink);
            self.backend.count(sink);
        }
    }

    /// Yields the rest, and watches no more. What became known in the end.
    pub fn finish(mut self, sink: Sink<'_>) -> Vec<Remark> {
        let mut sieve = std::mem::take(&mut self.sieve);
        let sink: Sink<'_> = &mut |item| sieve.pass(item, sink);
        let mut standing = self.standing.take();
        let found = standing.as_mut();
        let found = found.and_then(|standing| standing.found(true, sink));
        // Before sockets are looked at, which takes long where there are many: nothing is watched
        // meanwhile.
        let lacking = self.backend.finish(sink);
        let left = standing.and_then(|standing| {
            let places = self.places.drain(..);
            let namespaces: Vec<Namespace> = places.map(|place| place.namespace).collect();
            standing.left(&namespaces, sink)
        });
        let senseless = sieve.senseless();
        let unknown = found
            .into_iter()
            .chain(lacking)
            .chain(left)
            .chain(senseless);
        self.remarks.extend(unknown.map(Remark::Lacking));
        self.remarks
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let links = self
            .places
            .iter()
            .filter_map(|place| place.interfaces.as_ref());
        let mut fds: Vec<PollFd<'_>> = links
            .map(AsFd::as_fd)
            .chain(self.backend.fds())
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        let timespec = timeout.try_into().ok();
        match rustix::event::poll(&mut fds, timespec.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        thread::sleep(PACE.saturating_sub(self.read_at.elapsed()));
        Ok(())
    }
}
