//! One capture of libpcap, on one interface.
//!
//! On the loopback the kernel shows every packet twice, as it leaves and as it arrives. libpcap
//! passes over the first one (`linux_check_direction`, pcap-linux.c). Saying `inbound` in the filter
//! would save the room that it takes, but lose packets: libpcap applies a new filter to the first
//! ones itself, and cannot tell directions there (`pcapint_filter_with_aux_data`, bpf_filter.c).

use std::os::fd::{AsFd, BorrowedFd};

use pcap::{Active, Precision};

use super::interfaces::Link;
use super::{Item, Settings, Sink};
use crate::decode::LinkType;
use crate::netns::NamespaceError;
use crate::source::Frame;
use crate::time::Time;

/// Bytes kept of each frame: Ethernet, two VLAN tags, the longest IP and TCP headers, and 256 bytes
/// of payload; where a tunnel's headers come first, of the payload so much less.
pub(super) const SNAPLEN: u32 = 14 + 8 + 60 + 60 + 256;

/// Frames read of one capture before the next one gets its turn.
pub(super) const ROUND: usize = 4096;

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

/// A capture at work.
pub(super) struct Capture {
    /// Of its interface, as frames name it.
    pub(super) place: u32,
    pub(super) link: LinkType,
    pcap: pcap::Capture<Active>,
    /// As libpcap counts, which begins anew at 2^32.
    dropped: u32,
    dropped_total: u64,
}

/// What was read of all captures in one turn.
#[derive(Default)]
pub(super) struct Round {
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

impl Capture {
    /// Captures on an interface of the calling thread's network namespace.
    pub(super) fn open(
        link: &Link,
        settings: &Settings,
        buffer: usize,
    ) -> Result<Self, CaptureError> {
        let opened = |error| CaptureError::Open { error };
        let mut pcap = pcap::Capture::from_device(link.name.as_str())
            .map_err(opened)?
            .immediate_mode(true)
            .precision(Precision::Nano)
            .buffer_size(i32::try_from(buffer).unwrap_or(i32::MAX))
            .snaplen(SNAPLEN.cast_signed())
            .open()
            .map_err(opened)?;
        let number = pcap.get_datalink().0;
        let link = u32::try_from(number)
            .ok()
            .and_then(LinkType::from_number)
            .ok_or(CaptureError::LinkType(number))?;
        let filter = expression(settings, link);
        pcap.filter(&filter, true)
            .map_err(|error| CaptureError::Filter { filter, error })?;
        Ok(Self {
            place: 0,
            link,
            pcap: pcap.setnonblock().map_err(opened)?,
            dropped: 0,
            dropped_total: 0,
        })
    }

    /// Copies what has arrived, at most [`ROUND`]. How many frames.
    pub(super) fn read(&mut self, round: &mut Round) -> Result<usize, CaptureError> {
        let (place, link) = (self.place, self.link);
        let read = self.pcap.dispatch(Some(ROUND), |packet| {
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
        });
        read.map_err(|error| CaptureError::Read { error })
    }

    /// Tells how many frames were lost so far, by this capture and those `before` it. On the
    /// loopback libpcap counts what was lost in both directions.
    pub(super) fn count(&mut self, before: u64, sink: Sink<'_>) -> u64 {
        if let Ok(stat) = self.pcap.stats() {
            self.dropped_total += u64::from(stat.dropped.wrapping_sub(self.dropped));
            self.dropped = stat.dropped;
        }
        let dropped = before + self.dropped_total;
        sink(Item::Counted {
            interface: self.place,
            dropped,
            other: 0,
        });
        dropped
    }
}

/// Readable when there are frames.
impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pcap.as_fd()
    }
}

impl Round {
    /// Yields the frames by time, and numbers them on from the last one.
    pub(super) fn tell(&mut self, last: &mut u64, sink: Sink<'_>) {
        self.records.sort_by_key(|record| record.at);
        for record in self.records.drain(..) {
            *last += 1;
            let frame = Frame {
                interface: record.place,
                link: record.link,
                number: *last,
                at: record.at,
                data: &self.bytes[record.start..record.end],
                wire_len: record.wire_len,
            };
            sink(Item::Frame {
                frame,
                tally: None,
                sender: None,
            });
        }
        self.bytes.clear();
    }
}

/// A time in seconds and, as was asked for, nanoseconds: packet sockets always have them.
fn stamp(header: &pcap::PacketHeader) -> Time {
    let (seconds, nanos) = (header.ts.tv_sec, header.ts.tv_usec);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// Ports of UDP, protocols of IP and next headers of IPv6 behind which a TCP segment may be that libpcap
/// does not look for, and [`crate::decode`] does: tunnels, AH (RFC 4302), extension headers (RFC 8200).
/// Whether there is one, and of which ports, is found out in user space.
const HIDING: &str = "udp dst port 4789 or udp dst port 8472 or udp dst port 6081 \
    or ip proto 4 or ip proto 41 or ip proto 47 or ip proto 51 \
    or ip6 proto 4 or ip6 proto 41 or ip6 proto 47 or ip6 proto 51 \
    or ip6 proto 0 or ip6 proto 43 or ip6 proto 60 or ip6 proto 135";

/// What the kernel lets pass. `vlan` moves all that follows it behind the tag, so the user's own
/// filter comes first.
fn expression(settings: &Settings, link: LinkType) -> String {
    let ports: Vec<String> = settings
        .ports
        .iter()
        .map(|port| format!("port {port}"))
        .collect();
    let tcp = if ports.is_empty() {
        "tcp".to_owned()
    } else {
        format!("tcp and ({})", ports.join(" or "))
    };
    let wanted = format!("({tcp}) or {HIDING}");
    let wanted = match link {
        LinkType::Ethernet => {
            format!("({wanted} or (vlan and ({wanted} or (vlan and ({wanted})))))")
        }
        _ => format!("({wanted})"),
    };
    match &settings.filter {
        Some(filter) => format!("({filter}) and {wanted}"),
        None => wanted,
    }
}
