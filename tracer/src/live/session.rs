//! Watching some namespaces until told to stop.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::holder::Holder;
use super::interfaces::{Change, Interfaces, InterfacesError, Link};
use super::pcap::{Broken, CaptureError, Captures};
use super::{Remark, Settings, Sink, vantage};
use crate::netns::Namespace;

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
    /// The interfaces of a namespace cannot be had.
    #[error(transparent)]
    Interfaces(#[from] InterfacesError),
    /// libpcap captures on none of the interfaces.
    #[error("cannot watch {vantage}: {error}")]
    Capture {
        /// The first of them.
        vantage: String,
        /// Why it is not captured on.
        error: CaptureError,
    },
    /// Waiting for frames failed.
    #[error("cannot wait for frames (poll): {0}")]
    Wait(io::Error),
}

/// What is watched, and through what.
pub struct Session {
    places: Vec<Place>,
    backend: Backend,
    why: String,
    remarks: Vec<Remark>,
    /// Captures that broke since the last look: what became of their interfaces is told later than
    /// that they broke.
    broken: Vec<Broken>,
    /// There was more to read the last time.
    more: bool,
    read_at: Instant,
    looked_at: Instant,
}

enum Backend {
    Pcap(Captures),
}

/// A namespace that is watched.
struct Place {
    namespace: Namespace,
    /// `None` where changes could not be read any more.
    interfaces: Option<Interfaces>,
    holder: Option<Holder>,
    /// Nothing held it the last time.
    abandoned: bool,
}

impl Session {
    /// Watches from now on: when this returns, no segment is missed.
    ///
    /// # Errors
    ///
    /// Where nothing can be watched at all; what is missing besides is a remark.
    pub fn open(
        namespaces: Vec<Namespace>,
        _wanted: Wanted,
        settings: &Settings,
    ) -> Result<Self, SessionError> {
        let mut places = Vec::with_capacity(namespaces.len());
        for namespace in namespaces {
            places.push(Place {
                interfaces: Some(Interfaces::of(&namespace)?),
                holder: Holder::of(&namespace),
                namespace,
                abandoned: false,
            });
        }
        let mut remarks = Vec::new();
        let captures = open_captures(&places, settings, &mut remarks)?;
        let now = Instant::now();
        Ok(Self {
            places,
            backend: Backend::Pcap(captures),
            why: "as asked".to_owned(),
            remarks,
            broken: Vec::new(),
            more: false,
            read_at: now,
            looked_at: now,
        })
    }

    /// What watches.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        match self.backend {
            Backend::Pcap(_) => "libpcap",
        }
    }

    /// Why that one.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
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
        std::mem::take(&mut self.remarks)
    }

    /// Waits until something arrives, for a signal, or at most for `timeout`, and yields it.
    ///
    /// # Errors
    ///
    /// Where waiting fails.
    pub fn poll(&mut self, timeout: Duration, sink: Sink<'_>) -> Result<(), SessionError> {
        let looked = self.looked_at.elapsed();
        let timeout = if self.more {
            Duration::ZERO
        } else {
            timeout.min(LOOK.saturating_sub(looked))
        };
        self.wait(timeout).map_err(SessionError::Wait)?;
        self.read(sink);
        self.follow_interfaces(sink);
        if looked >= LOOK {
            self.looked_at = Instant::now();
            self.repair();
            self.look_after_namespaces(sink);
            let Backend::Pcap(captures) = &mut self.backend;
            captures.count(sink);
        }
        Ok(())
    }

    /// Yields the rest, and watches no more.
    pub fn finish(mut self, sink: Sink<'_>) -> Vec<Remark> {
        let Backend::Pcap(captures) = &mut self.backend;
        captures.remove(sink, |_| true);
        self.remarks
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let Backend::Pcap(captures) = &self.backend;
        let links = self
            .places
            .iter()
            .filter_map(|place| place.interfaces.as_ref());
        let mut fds: Vec<PollFd<'_>> = links
            .map(AsFd::as_fd)
            .chain(captures.fds())
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

    fn read(&mut self, sink: Sink<'_>) {
        self.read_at = Instant::now();
        let Backend::Pcap(captures) = &mut self.backend;
        let (more, failed) = captures.drain(sink);
        self.more = more;
        self.broken.extend(failed);
    }

    /// Takes up interfaces that have come and lets go those that have gone.
    fn follow_interfaces(&mut self, sink: Sink<'_>) {
        for place in &mut self.places {
            let Some(interfaces) = &mut place.interfaces else {
                continue;
            };
            let changes = match interfaces.changes() {
                Ok(changes) => changes,
                Err(error) => {
                    place.interfaces = None;
                    self.remarks.push(Remark::NoChanges {
                        namespace: place.namespace.name.clone(),
                        why: error.to_string(),
                    });
                    continue;
                }
            };
            let Backend::Pcap(captures) = &mut self.backend;
            for change in changes {
                if let Change::Vanished(link) = &change {
                    let key = (place.namespace.id(), link.index);
                    let broken = self.broken.extract_if(.., |broken| broken.key == key);
                    self.remarks
                        .extend(broken.map(|broken| Remark::InterfaceGone {
                            vantage: broken.vantage,
                        }));
                }
                follow(&place.namespace, change, captures, sink, &mut self.remarks);
            }
        }
    }

    /// Captures again where a capture broke and the interface is still there and up; while it is
    /// down there is nothing to see, and when it comes up it is taken up like a new one.
    fn repair(&mut self) {
        let Backend::Pcap(captures) = &mut self.backend;
        for broken in self.broken.drain(..) {
            let (namespace, index) = broken.key;
            let place = self
                .places
                .iter()
                .find(|place| place.namespace.id() == namespace);
            let link =
                place.and_then(|place| Some((place, place.interfaces.as_ref()?.get(index)?)));
            let Some((place, link)) = link.filter(|(_, link)| link.up) else {
                continue;
            };
            if !captures
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
    fn look_after_namespaces(&mut self, sink: Sink<'_>) {
        let Backend::Pcap(captures) = &mut self.backend;
        for place in self.places.extract_if(.., Place::is_abandoned) {
            let id = place.namespace.id();
            captures.remove(sink, |(namespace, _)| namespace == id);
            self.remarks.push(Remark::NamespaceGone {
                namespace: place.namespace.name.clone(),
            });
        }
    }
}

impl Place {
    /// Whether it had a holder, and had none now and the last time: the last segments of sockets
    /// whose process has ended are sent after that.
    fn is_abandoned(&mut self) -> bool {
        let Some(holder) = &self.holder else {
            return false;
        };
        if holder.holds(&self.namespace) {
            return false;
        }
        match Holder::of(&self.namespace) {
            Some(other) => {
                self.holder = Some(other);
                self.abandoned = false;
                false
            }
            None => std::mem::replace(&mut self.abandoned, true),
        }
    }
}

fn follow(
    namespace: &Namespace,
    change: Change,
    captures: &mut Captures,
    sink: Sink<'_>,
    remarks: &mut Vec<Remark>,
) {
    match change {
        Change::Appeared(link) => {
            let failed = captures.add(namespace, &[link]);
            remarks.extend(not_watched(namespace, failed));
        }
        Change::Changed { before, now } => {
            if before.name != now.name && captures.knows((namespace.id(), now.index)) {
                remarks.push(Remark::Renamed {
                    vantage: vantage(&namespace.name, &before.name),
                    now: now.name.clone(),
                });
            }
            let failed = captures.add(namespace, &[now]);
            remarks.extend(not_watched(namespace, failed));
        }
        Change::Vanished(link) => {
            let key = (namespace.id(), link.index);
            let gone = captures.remove(sink, |known| known == key);
            remarks.extend(
                gone.into_iter()
                    .map(|vantage| Remark::InterfaceGone { vantage }),
            );
        }
    }
}

fn not_watched(
    namespace: &Namespace,
    failed: Vec<(Link, CaptureError)>,
) -> impl Iterator<Item = Remark> {
    failed.into_iter().map(|(link, error)| Remark::NotWatched {
        vantage: vantage(&namespace.name, &link.name),
        why: error.to_string(),
    })
}

/// Captures on every interface that is up. Where that succeeds on none of them, there is no point
/// in going on.
fn open_captures(
    places: &[Place],
    settings: &Settings,
    remarks: &mut Vec<Remark>,
) -> Result<Captures, SessionError> {
    let mut captures = Captures::new(settings);
    for place in places {
        let links: Vec<Link> = place
            .interfaces
            .iter()
            .flat_map(Interfaces::iter)
            .cloned()
            .collect();
        let mut failed = captures.add(&place.namespace, &links);
        if captures.len() == 0 && !failed.is_empty() {
            let (link, error) = failed.swap_remove(0);
            let vantage = vantage(&place.namespace.name, &link.name);
            return Err(SessionError::Capture { vantage, error });
        }
        if links.iter().all(|link| !link.up) {
            remarks.push(Remark::NothingUp {
                namespace: place.namespace.name.clone(),
            });
        }
        remarks.extend(not_watched(&place.namespace, failed));
    }
    Ok(captures)
}
