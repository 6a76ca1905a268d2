//! The libpcap backend: one capture for each interface.
//!
//! On the loopback the kernel shows every packet twice, as it leaves and as it arrives. libpcap
//! passes over the first one (`linux_check_direction`, pcap-linux.c). Saying `inbound` in the filter
//! would save the room that it takes, but lose packets: libpcap applies a new filter to the first
//! ones itself, and cannot tell directions there (`pcapint_filter_with_aux_data`, bpf_filter.c).

use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;

use pcap::{Active, Capture, Precision};

use super::interfaces::Link;
use super::{Item, Settings, Sink, vantage};
use crate::decode::LinkType;
use crate::netns::{Namespace, NamespaceError, NamespaceId};
use crate::source::{Frame, Interface};
use crate::time::Time;

/// Bytes kept of each frame: Ethernet, two VLAN tags, the longest IP and TCP headers, and 256 bytes
/// of payload.
const SNAPLEN: u32 = 14 + 8 + 60 + 60 + 256;

/// Frames wait here until they are read; 16 MiB hold them for about 20 ms at a million a second. The
/// memory is the kernel's own, so that many interfaces share what there is.
const BUFFERS: usize = 256 << 20;
const BUFFER: RangeInclusive<usize> = (1 << 20)..=(16 << 20);

/// Frames read of one capture before the next one gets its turn.
const ROUND: usize = 4096;

/// Rounds that are read of a capture that is closed: it may never be empty where frames keep
/// arriving.
const LAST_ROUNDS: usize = 64;

/// Opening and closing one mostly waits for other processors (`synchronize_net` in the kernel's
/// af_packet.c): several at once wait together.
const AT_ONCE: usize = 32;

/// Why an interface is not captured on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// Its namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// libpcap cannot open it.
    #[error("libpcap cannot open it: {error}{}", remedy(error))]
    Open {
        /// The error.
        error: pcap::Error,
    },
    /// Its frames begin with what is not decoded.
    #[error("its link type {0} is not decoded; see https://www.tcpdump.org/linktypes.html")]
    LinkType(i32),
    /// The filter cannot be compiled for it.
    #[error("the filter '{filter}' has no meaning for it: {error}")]
    Filter {
        /// The filter.
        filter: String,
        /// The error.
        error: pcap::Error,
    },
    /// Reading failed.
    #[error("libpcap cannot read on: {error}")]
    Read {
        /// The error.
        error: pcap::Error,
    },
}

fn remedy(error: &pcap::Error) -> &'static str {
    let text = error.to_string();
    if text.contains("permission") || text.contains("not permitted") {
        "; needs CAP_NET_RAW: run as root"
    } else {
        ""
    }
}

/// All captures of a session.
pub(super) struct Captures {
    settings: Settings,
    open: Vec<One>,
    /// Every interface that was ever captured on; frames name it by its place.
    seen: Vec<Seen>,
    /// Interfaces that were told of.
    told: usize,
    frames: u64,
    round: Round,
}

/// Names an interface: its namespace, and its number there.
pub(super) type Key = (NamespaceId, u32);

/// A capture that could not be read any more.
pub(super) struct Broken {
    pub(super) key: Key,
    pub(super) vantage: String,
    pub(super) error: CaptureError,
}

struct Seen {
    key: Key,
    interface: Interface,
    /// Frames lost by captures that were closed.
    dropped_before: u64,
}

struct One {
    place: u32,
    link: LinkType,
    capture: Capture<Active>,
    /// As libpcap counts, which begins anew at 2^32.
    dropped: u32,
    dropped_total: u64,
}

/// What was read of all captures in one turn.
#[derive(Default)]
struct Round {
    bytes: Vec<u8>,
    records: Vec<Record>,
}

struct Record {
    at: Time,
    place: u32,
    link: LinkType,
    start: usize,
    end: usize,
    wire_len: u32,
}

impl Captures {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            settings: settings.clone(),
            open: Vec::new(),
            seen: Vec::new(),
            told: 0,
            frames: 0,
            round: Round::default(),
        }
    }

    /// Captures on interfaces of a namespace from now on. Those that cannot be captured on come
    /// back with the reason.
    pub(super) fn add(
        &mut self,
        namespace: &Namespace,
        links: &[Link],
    ) -> Vec<(Link, CaptureError)> {
        let wanted: Vec<&Link> = links
            .iter()
            .filter(|link| link.up && !self.is_open((namespace.id(), link.index)))
            .collect();
        let share = BUFFERS / (self.open.len() + wanted.len()).max(1);
        let buffer = share.clamp(*BUFFER.start(), *BUFFER.end());
        let opened = match namespace.within(|| open_all(&wanted, &self.settings, buffer)) {
            Ok(opened) => opened,
            Err(error) => {
                // The same for all: said once.
                let first = wanted.first().map(|link| (*link).clone());
                return first.map(|link| (link, error.into())).into_iter().collect();
            }
        };
        let mut failed = Vec::new();
        for (link, capture) in wanted.into_iter().zip(opened) {
            match capture {
                Ok(capture) => self.take(namespace, link, capture),
                Err(error) => failed.push((link.clone(), error)),
            }
        }
        failed
    }

    fn take(&mut self, namespace: &Namespace, link: &Link, (capture, link_type): Opened) {
        let key = (namespace.id(), link.index);
        let again = |seen: &Seen| seen.key == key && seen.interface.link == link_type;
        let place = self.seen.iter().position(again).unwrap_or_else(|| {
            self.seen.push(Seen {
                key,
                interface: Interface {
                    name: Some(link.name.clone()),
                    namespace: Some(namespace.name.clone()),
                    snaplen: SNAPLEN,
                    ..Interface::new(link_type)
                },
                dropped_before: 0,
            });
            self.seen.len() - 1
        });
        self.open.push(One {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            link: link_type,
            capture,
            dropped: 0,
            dropped_total: 0,
        });
    }

    /// Whether it was ever captured on.
    pub(super) fn knows(&self, key: Key) -> bool {
        self.seen.iter().any(|seen| seen.key == key)
    }

    fn is_open(&self, key: Key) -> bool {
        self.open
            .iter()
            .any(|one| self.seen[one.place as usize].key == key)
    }

    /// How many interfaces are captured on.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Readable when there are frames.
    pub(super) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open.iter().map(|one| one.capture.as_fd())
    }

    /// Yields what has arrived, in the order of time; never waits. Captures that cannot be read any
    /// more are closed: their interfaces, with the reason. True where there is more to read.
    pub(super) fn drain(&mut self, sink: Sink<'_>) -> (bool, Vec<Broken>) {
        let mut more = false;
        let mut failed = Vec::new();
        let round = &mut self.round;
        for (place, one) in self.open.iter_mut().enumerate() {
            match one.read(round) {
                Ok(count) => more |= count >= ROUND,
                Err(error) => failed.push((place, error)),
            }
        }
        self.yield_round(sink);
        let mut closed = Vec::new();
        for (place, error) in failed.into_iter().rev() {
            let one = self.open.remove(place);
            let key = self.seen[one.place as usize].key;
            let vantage = self.name(one.place);
            self.close(vec![one], sink);
            let error = CaptureError::Read { error };
            closed.push(Broken {
                key,
                vantage,
                error,
            });
        }
        (more, closed)
    }

    fn yield_round(&mut self, sink: Sink<'_>) {
        for seen in &self.seen[self.told..] {
            sink(Item::Interface(&seen.interface));
        }
        self.told = self.seen.len();
        self.round.records.sort_by_key(|record| record.at);
        for record in self.round.records.drain(..) {
            self.frames += 1;
            let frame = Frame {
                interface: record.place,
                link: record.link,
                number: self.frames,
                at: record.at,
                data: &self.round.bytes[record.start..record.end],
                wire_len: record.wire_len,
            };
            sink(Item::Frame {
                frame,
                tally: None,
                sender: None,
            });
        }
        self.round.bytes.clear();
    }

    /// Tells how many frames were lost so far.
    pub(super) fn count(&mut self, sink: Sink<'_>) {
        for one in &mut self.open {
            one.count();
            let seen = &self.seen[one.place as usize];
            sink(Item::Counted {
                interface: one.place,
                dropped: seen.dropped_before + one.dropped_total,
                other: 0,
            });
        }
    }

    /// Reads what is left of the interfaces that `gone` names, and captures there no more. Their
    /// vantages.
    pub(super) fn remove(&mut self, sink: Sink<'_>, gone: impl Fn(Key) -> bool) -> Vec<String> {
        let mut closed = Vec::new();
        let mut place = 0;
        while place < self.open.len() {
            if !gone(self.seen[self.open[place].place as usize].key) {
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
    fn close(&mut self, mut closed: Vec<One>, sink: Sink<'_>) -> Vec<String> {
        for one in &mut closed {
            one.count();
            let seen = &mut self.seen[one.place as usize];
            seen.dropped_before += one.dropped_total;
            sink(Item::Counted {
                interface: one.place,
                dropped: seen.dropped_before,
                other: 0,
            });
        }
        let names = closed.iter().map(|one| self.name(one.place)).collect();
        at_once(closed, drop);
        names
    }

    fn name(&self, place: u32) -> String {
        let interface = &self.seen[place as usize].interface;
        let [namespace, name] =
            [&interface.namespace, &interface.name].map(|name| name.as_deref().unwrap_or_default());
        vantage(namespace, name)
    }
}

impl One {
    /// Copies what has arrived, at most a round. How many frames.
    fn read(&mut self, round: &mut Round) -> Result<usize, pcap::Error> {
        let (place, link) = (self.place, self.link);
        self.capture.dispatch(Some(ROUND), |packet| {
            let start = round.bytes.len();
            round.bytes.extend_from_slice(packet.data);
            round.records.push(Record {
                at: stamp(packet.header),
                place,
                link,
                start,
                end: round.bytes.len(),
                wire_len: packet.header.len,
            });
        })
    }

    fn count(&mut self) {
        if let Ok(stat) = self.capture.stats() {
            self.dropped_total += u64::from(stat.dropped.wrapping_sub(self.dropped));
            self.dropped = stat.dropped;
        }
    }
}

/// A time in seconds and, as was asked for, nanoseconds: packet sockets always have them.
fn stamp(header: &pcap::PacketHeader) -> Time {
    let (seconds, nanos) = (header.ts.tv_sec, header.ts.tv_usec);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

type Opened = (Capture<Active>, LinkType);

fn open_all(
    links: &[&Link],
    settings: &Settings,
    buffer: usize,
) -> Vec<Result<Opened, CaptureError>> {
    // A thread begins in the namespace of the one that starts it.
    at_once(links.to_vec(), |link| open(link, settings, buffer))
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

fn open(link: &Link, settings: &Settings, buffer: usize) -> Result<Opened, CaptureError> {
    let opened = |error| CaptureError::Open { error };
    let mut capture = Capture::from_device(link.name.as_str())
        .map_err(opened)?
        .immediate_mode(true)
        .precision(Precision::Nano)
        .buffer_size(i32::try_from(buffer).unwrap_or(i32::MAX))
        .snaplen(SNAPLEN.cast_signed())
        .open()
        .map_err(opened)?;
    let number = capture.get_datalink().0;
    let link_type = u32::try_from(number)
        .ok()
        .and_then(LinkType::from_number)
        .ok_or(CaptureError::LinkType(number))?;
    let filter = expression(settings, link_type);
    capture
        .filter(&filter, true)
        .map_err(|error| CaptureError::Filter { filter, error })?;
    Ok((capture.setnonblock().map_err(opened)?, link_type))
}

/// What the kernel lets pass. `vlan` moves all that follows it behind the tag, so the user's own
/// filter comes first.
fn expression(settings: &Settings, link: LinkType) -> String {
    let ports: Vec<String> = settings
        .ports
        .iter()
        .map(|port| format!("port {port}"))
        .collect();
    let tcp = match ports.is_empty() {
        true => "tcp".to_owned(),
        false => format!("tcp and ({})", ports.join(" or ")),
    };
    let tcp = match link {
        LinkType::Ethernet => format!("(({tcp}) or (vlan and (({tcp}) or (vlan and {tcp}))))"),
        _ => format!("({tcp})"),
    };
    match &settings.filter {
        Some(filter) => format!("({filter}) and {tcp}"),
        None => tcp,
    }
}
