//! The libpcap backend: one capture for each interface.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use super::backend::{Broken, Drained, Refused};
use super::capture::{Capture, CaptureError, ROUND, Round, SNAPLEN};
use super::interfaces::{Interfaces, Link};
use super::roster::{Key, Roster};
use super::{Settings, Sink};
use crate::netns::Namespace;
use crate::source::Interface;

/// Frames wait here until they are read; 16 MiB hold them for about 20 ms at a million a second. The
/// memory is the kernel's own, so that many interfaces share what there is.
const BUFFERS: usize = 256 << 20;
const BUFFER: RangeInclusive<usize> = (1 << 20)..=(16 << 20);

/// Rounds that are read of a capture that is closed: it may never be empty where frames keep
/// arriving.
const LAST_ROUNDS: usize = 64;

/// Opening and closing one mostly waits for other processors (`synchronize_net` in the kernel's
/// af_packet.c): several at once wait together.
const AT_ONCE: usize = 32;

/// All captures of a session.
pub(super) struct Captures {
    settings: Settings,
    open: Vec<Capture>,
    roster: Roster,
    /// Frames lost by captures that were closed, by place.
    dropped_before: HashMap<u32, u64>,
    frames: u64,
    round: Round,
}

impl Captures {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            open: Vec::new(),
            roster: Roster::default(),
            dropped_before: HashMap::new(),
            frames: 0,
            round: Round::default(),
        }
    }

    pub(super) fn add(&mut self, namespace: &Namespace, links: &[Link]) -> Vec<Refused> {
        let is_open = |link: &Link| {
            let key = (namespace.id(), link.index);
            self.open
                .iter()
                .any(|one| self.roster.key(one.place) == key)
        };
        let wanted: Vec<&Link> = links
            .iter()
            .filter(|link| link.up && !is_open(link))
            .collect();
        let share = BUFFERS / (self.open.len() + wanted.len()).max(1);
        let buffer = share.clamp(*BUFFER.start(), *BUFFER.end());
        let opened = match namespace.within(|| open_all(&wanted, &self.settings, buffer)) {
            Ok(opened) => opened,
            Err(error) => {
                // The same for all: said once.
                let first = wanted.first().map(|link| (*link).clone());
                let error = CaptureError::from(error).into();
                return first.map(|link| (link, error)).into_iter().collect();
            }
        };
        let mut refused = Vec::new();
        for (link, capture) in wanted.into_iter().zip(opened) {
            match capture {
                Ok(capture) => self.take(namespace, link, capture),
                Err(error) => refused.push((link.clone(), error.into())),
            }
        }
        refused
    }

    fn take(&mut self, namespace: &Namespace, link: &Link, mut capture: Capture) {
        let interface = Interface {
            name: Some(link.name.clone()),
            namespace: Some(namespace.name.clone()),
            snaplen: SNAPLEN,
            ..Interface::new(capture.link)
        };
        capture.place = self.roster.enter((namespace.id(), link.index), interface);
        self.open.push(capture);
    }

    pub(super) fn knows(&self, key: Key) -> bool {
        self.roster.knows(key)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open.iter().map(AsFd::as_fd)
    }

    /// Yields frames in the order of time. Captures that cannot be read any more are closed.
    pub(super) fn drain(&mut self, sink: Sink<'_>) -> Drained {
        let mut drained = Drained::default();
        let mut failed = Vec::new();
        for (place, one) in self.open.iter_mut().enumerate() {
            match one.read(&mut self.round) {
                Ok(count) => drained.more |= count >= ROUND,
                Err(error) => failed.push((place, error)),
            }
        }
        self.yield_round(sink);
        for (place, error) in failed.into_iter().rev() {
            let one = self.open.remove(place);
            drained.broken.push(Broken {
                key: self.roster.key(one.place),
                vantage: self.roster.vantage(one.place),
                error: error.into(),
            });
            self.close(vec![one], sink);
        }
        drained
    }

    fn yield_round(&mut self, sink: Sink<'_>) {
        self.roster.tell(sink);
        self.round.tell(&mut self.frames, sink);
    }

    pub(super) fn count(&mut self, sink: Sink<'_>) {
        for one in &mut self.open {
            let before = self.dropped_before.get(&one.place);
            one.count(before.copied().unwrap_or_default(), sink);
        }
    }

    pub(super) fn remove(&mut self, sink: Sink<'_>, gone: impl Fn(Key) -> bool) -> Vec<String> {
        let mut closed = Vec::new();
        let mut place = 0;
        while place < self.open.len() {
            if !gone(self.roster.key(self.open[place].place)) {
                place += 1;
                continue;
            }
            let mut one = self.open.remove(place);
            // An error ends the reading just as well. What arrives meanwhile must not.
            let mut rounds = LAST_ROUNDS;
            while rounds > 0 && one.read(&mut self.round).is_ok_and(|count| count >= ROUND) {
                rounds -= 1;
            }
            closed.push(one);
        }
        self.yield_round(sink);
        self.close(closed, sink)
    }

    /// Closes captures that were read to their end. Their vantages.
    fn close(&mut self, mut closed: Vec<Capture>, sink: Sink<'_>) -> Vec<String> {
        for one in &mut closed {
            let before = self.dropped_before.entry(one.place).or_default();
            *before = one.count(*before, sink);
        }
        let names = closed
            .iter()
            .map(|one| self.roster.vantage(one.place))
            .collect();
        at_once(closed, drop);
        names
    }
}

/// Captures for a moment on an interface of the current namespace, the loopback where it is up. Its
/// name.
///
/// # Errors
///
/// Where that cannot be done, or no interface is up.
pub(crate) fn try_capture() -> Result<String, String> {
    let told = |error: &dyn std::error::Error| error.to_string();
    let here = Namespace::current().map_err(|error| told(&error))?;
    let interfaces = Interfaces::of(&here).map_err(|error| told(&error))?;
    let up = interfaces.iter().filter(|link| link.up);
    let link = up.min_by_key(|link| !link.loopback);
    let link = link.ok_or("no interface is up; 'ip link set lo up' brings up the loopback")?;
    let capture = Capture::open(link, &Settings::default(), *BUFFER.start());
    capture.map_err(|error| format!("{}: {error}", link.name))?;
    Ok(link.name.clone())
}

fn open_all(
    links: &[&Link],
    settings: &Settings,
    buffer: usize,
) -> Vec<Result<Capture, CaptureError>> {
    // A thread begins in the namespace of the one that starts it.
    at_once(links.to_vec(), |link| Capture::open(link, settings, buffer))
}

/// Does `work` for all of them, many at the same time; results in order.
fn at_once<T: Send, R: Send>(mut all: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let work = &work;
    let mut results = Vec::with_capacity(all.len());
    while !all.is_empty() {
        let some: Vec<T> = all.drain(..all.len().min(AT_ONCE)).collect();
        thread::scope(|scope| {
            let threads: Vec<_> = some
                .into_iter()
                .map(|one| scope.spawn(move || work(one)))
                .collect();
            results.extend(threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }));
        });
    }
    results
}
