//! Watching some namespaces until told to stop.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::backend::{Backend, BackendError, Broken, Refused};
use super::interfaces::{Change, InterfacesError};
use super::pcap::Captures;
use super::place::Place;
use super::probed::Probed;
use super::sieve::Sieve;
use super::standing::Standing;
use super::{Remark, Settings, Sink, vantage};
use crate::netns::Namespace;
use crate::source::{Filter, FilterError};

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
    /// Watches from now on: when this returns, no segment is missed.
    ///
    /// # Errors
    ///
    /// Where nothing can be watched at all; what is missing besides is a remark.
    pub fn open(
        namespaces: Vec<Namespace>,
        wanted: Wanted,
        settings: &Settings,
    ) -> Result<Self, SessionError> {
        let filter = settings.filter.as_deref().map(Filter::new).transpose()?;
        let probed = match wanted {
            Wanted::Pcap => None,
            Wanted::Ebpf | Wanted::Auto => Some(load_probe(&namespaces, settings)),
        };
        let places: Vec<Place> = namespaces
            .into_iter()
            .map(Place::new)
            .collect::<Result<_, _>>()?;
        let mut remarks = Vec::new();
        let probed = probed.map(|probed| attach(probed?, &places, &mut remarks));
        let (backend, why) = match probed {
            Some(Ok(backend)) if wanted == Wanted::Auto => (backend, Why::Best),
            Some(Ok(backend)) => (backend, Why::Asked),
            Some(Err(error)) if wanted == Wanted::Ebpf => return Err(error),
            failed => {
                remarks.clear();
                let captures = Backend::Pcap(Box::new(Captures::new(settings)));
                let error = failed.and_then(Result::err);
                let why = error.map_or(Why::Asked, |error| Why::Instead(error.to_string()));
                (attach(captures, &places, &mut remarks)?, why)
            }
        };
        let standing = match backend {
            Backend::Probe(_) => look(&places, settings, &mut remarks),
            Backend::Pcap(_) => None,
        };
        // libpcap applies it in the kernel. The probe cannot, and shows every segment where there is one.
        let filter = filter.filter(|_| matches!(backend, Backend::Probe(_)));
        let now = Instant::now();
        Ok(Self {
            places,
            backend,
            sieve: Sieve::new(settings, filter),
            why,
            remarks,
            standing,
            broken: Vec::new(),
            more: false,
            read_at: now,
            looked_at: now,
        })
    }

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

    /// Takes up interfaces that have come and lets go those that have gone.
    fn follow_interfaces(&mut self, sink: Sink<'_>) {
        for place in &mut self.places {
            let Some(interfaces) = &mut place.interfaces else {
                continue;
            };
            let changes = interfaces.changes().unwrap_or_else(|error| {
                place.interfaces = None;
                self.remarks.push(Remark::NoChanges {
                    namespace: place.namespace.name.clone(),
                    why: error.to_string(),
                });
                Vec::new()
            });
            for change in changes {
                let gone = match &change {
                    Change::Vanished(link) => {
                        let key = (place.namespace.id(), link.index);
                        let broken = self.broken.extract_if(.., |broken| broken.key == key);
                        let broken = broken.map(|broken| broken.vantage);
                        let mut gone: Vec<String> = broken.collect();
                        gone.extend(self.backend.remove(sink, |known| known == key));
                        gone
                    }
                    _ => Vec::new(),
                };
                let gone = gone.into_iter();
                self.remarks
                    .extend(gone.map(|vantage| Remark::InterfaceGone { vantage }));
                take_up(
                    &place.namespace,
                    change,
                    &mut self.backend,
                    &mut self.remarks,
                );
            }
        }
    }

    /// Watches again where reading broke and the interface is still there and up; while it is down
    /// there is nothing to see, and when it comes up it is taken up like a new one.
    fn repair(&mut self) {
        for broken in self.broken.drain(..) {
            let (namespace, index) = broken.key;
            let mut places = self.places.iter();
            let place = places.find(|place| place.namespace.id() == namespace);
            let link =
                place.and_then(|place| Some((place, place.interfaces.as_ref()?.get(index)?)));
            if let Some((place, link)) = link.filter(|(_, link)| link.up)
                && !self
                    .backend
                    .add(&place.namespace, std::slice::from_ref(link))
                    .is_empty()
            {
                self.remarks.push(Remark::NotWatched {
                    vantage: broken.vantage,
                    why: broken.error.to_string(),
                });
            }
        }
    }

    /// Lets go the namespaces that nothing but this process keeps alive.
    fn let_go(&mut self, sink: Sink<'_>) {
        for place in self.places.extract_if(.., Place::is_abandoned) {
            let id = place.namespace.id();
            self.backend.remove(sink, |(namespace, _)| namespace == id);
            self.remarks.push(Remark::NamespaceGone {
                namespace: place.namespace.name.clone(),
            });
        }
    }
}

/// Looks at the sockets that are there, from now on that nothing is missed.
fn look(places: &[Place], settings: &Settings, remarks: &mut Vec<Remark>) -> Option<Standing> {
    let namespaces = places.iter().map(|place| place.namespace.try_clone());
    let standing = namespaces
        .collect::<io::Result<Vec<_>>>()
        .and_then(|namespaces| Standing::look(namespaces, settings));
    standing
        .map_err(|error| {
            let why = format!("not told: sockets that were there when watching began: {error}");
            remarks.push(Remark::Lacking(why));
        })
        .ok()
}

fn load_probe(namespaces: &[Namespace], settings: &Settings) -> Result<Backend, SessionError> {
    let probed = Probed::load(namespaces, settings)?;
    Ok(Backend::Probe(Box::new(probed)))
}

/// Watches every interface that can be. Where none can, there is no point in going on.
fn attach(
    mut backend: Backend,
    places: &[Place],
    remarks: &mut Vec<Remark>,
) -> Result<Backend, SessionError> {
    let mut refused = Vec::new();
    for place in places {
        let links = place.links();
        let name = &place.namespace.name;
        for (link, error) in backend.add(&place.namespace, &links) {
            refused.push((vantage(name, &link.name), error));
        }
        if links.iter().all(|link| !link.up) {
            remarks.push(Remark::NothingUp {
                namespace: name.clone(),
            });
        }
    }
    if backend.len() == 0 && !refused.is_empty() {
        let (vantage, error) = refused.swap_remove(0);
        return Err(SessionError::Refused { vantage, error });
    }
    remarks.extend(
        refused
            .into_iter()
            .map(|(vantage, error)| Remark::NotWatched {
                vantage,
                why: error.to_string(),
            }),
    );
    backend.begin();
    Ok(backend)
}

fn take_up(
    namespace: &Namespace,
    change: Change,
    backend: &mut Backend,
    remarks: &mut Vec<Remark>,
) {
    let link = match change {
        Change::Appeared(link) => link,
        Change::Changed { before, now } => {
            if before.name != now.name && backend.knows((namespace.id(), now.index)) {
                remarks.push(Remark::Renamed {
                    vantage: vantage(&namespace.name, &before.name),
                    now: now.name.clone(),
                });
            }
            now
        }
        Change::Vanished(_) => return,
    };
    let refused: Vec<Refused> = backend.add(namespace, &[link]);
    remarks.extend(refused.into_iter().map(|(link, error)| Remark::NotWatched {
        vantage: vantage(&namespace.name, &link.name),
        why: error.to_string(),
    }));
}
