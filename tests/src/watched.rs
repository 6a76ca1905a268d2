//! What a live source yields, made by hand.

use etherparse::PacketBuilder;
use tracer::decode::LinkType;
use tracer::live::Item;
use tracer::note::{Moment, Note, SocketId, What};
use tracer::segment::{Endpoint, Flags};
use tracer::seq::Seq;
use tracer::socket::{Options, Origin, Process, Reading, Socket, State};
use tracer::source::{Frame, Interface};
use tracer::tally::{FlowTally, Sent, Tally};
use tracer::time::Time;
use tracer::vantage::{Collector, Gathered, Naming};

/// When stories begin: any time will do.
pub const START: i64 = 1_795_219_200_000_000_000;

/// So many milliseconds after the beginning.
#[must_use]
pub const fn ms(milliseconds: i64) -> Time {
    Time::from_nanos(START + milliseconds * 1_000_000)
}

/// What a live source yields, kept.
#[derive(Clone, Debug)]
pub enum Thing {
    /// An interface.
    Interface(Interface),
    /// A frame.
    Frame(Shown),
    /// A flow's last tally.
    Rest(FlowTally),
    /// Something that the kernel told.
    Note(Note),
    /// What an interface counted beside frames.
    Counted {
        /// Which.
        interface: u32,
        /// Lost.
        dropped: u64,
        /// Without TCP.
        other: u64,
    },
}

/// A frame, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Place of its interface.
    pub interface: u32,
    /// When.
    pub at: Time,
    /// What was captured of it.
    pub data: Vec<u8>,
    /// How long it was.
    pub wire_len: u32,
    /// What its flow's tally was before it.
    pub tally: Option<Tally>,
    /// Who sent it.
    pub sender: Option<u64>,
}

/// Yields things as a live source does.
pub fn yield_all(things: &[Thing], mut sink: impl FnMut(&Item<'_>)) {
    let mut links = Vec::new();
    let mut number = 0;
    for thing in things {
        match thing {
            Thing::Interface(interface) => {
                links.push(interface.link);
                sink(&Item::Interface(interface));
            }
            Thing::Frame(shown) => {
                number += 1;
                sink(&Item::Frame {
                    frame: Frame {
                        interface: shown.interface,
                        link: links[shown.interface as usize],
                        number,
                        at: shown.at,
                        data: &shown.data,
                        wire_len: shown.wire_len,
                    },
                    tally: shown.tally.as_ref(),
                    sender: shown.sender,
                });
            }
            Thing::Rest(rest) => sink(&Item::Rest(rest)),
            Thing::Note(note) => sink(&Item::Note(note)),
            &Thing::Counted {
                interface,
                dropped,
                other,
            } => sink(&Item::Counted {
                interface,
                dropped,
                other,
            }),
        }
    }
}

/// What comes of them when they are watched.
///
/// # Panics
///
/// Never: there is no filter that could have no meaning.
#[must_use]
pub fn watched(things: &[Thing]) -> Gathered {
    let mut collector = Collector::new(0, (), None);
    yield_all(things, |item| {
        collector.take(item).expect("there is no filter");
    });
    let naming = Naming {
        name: "",
        source: "live",
        prefixed: false,
    };
    collector.finish(&naming).0
}

/// An interface of a namespace.
#[must_use]
pub fn interface(namespace: &str, name: &str, thinned: bool) -> Thing {
    Thing::Interface(Interface {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        snaplen: 384,
        thinned,
        ..Interface::new(LinkType::Ethernet)
    })
}

/// A segment to be put into a frame.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Sender.
    pub from: Endpoint,
    /// Receiver.
    pub to: Endpoint,
    /// Flags.
    pub flags: Flags,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgment number.
    pub ack: u32,
    /// Payload bytes.
    pub len: usize,
}

impl Segment {
    /// In an Ethernet frame.
    ///
    /// # Panics
    ///
    /// Where the addresses are not both IPv4.
    #[must_use]
    pub fn frame(&self, at: Time) -> Shown {
        let [from, to] = [self.from, self.to].map(|end| match end.address() {
            std::net::IpAddr::V4(address) => address.octets(),
            std::net::IpAddr::V6(_) => unreachable!("stories are told in IPv4"),
        });
        let packet = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
            .ipv4(from, to, 64)
            .tcp(self.from.port(), self.to.port(), self.seq, 500);
        let mut header = packet;
        if self.flags.syn() {
            header = header.syn();
        }
        if self.flags.fin() {
            header = header.fin();
        }
        if self.flags.rst() {
            header = header.rst();
        }
        if self.flags.any(Flags::ACK) {
            header = header.ack(self.ack);
        }
        let mut data = Vec::new();
        let payload = vec![b'x'; self.len];
        header
            .write(&mut data, &payload)
            .expect("a vector can be written to");
        let wire_len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        data.truncate(384);
        Shown {
            interface: 0,
            at,
            data,
            wire_len,
            tally: None,
            sender: None,
        }
    }
}

/// What an endpoint sent of a tally: segments, bytes, and the sequence number after them.
pub type Counts = (u64, u64, u32);

/// A tally of what the lower endpoint sent and the higher one, between two times.
#[must_use]
pub fn tally(since: Time, lower: Counts, higher: Counts, between: [Time; 2]) -> Tally {
    let sent = |(segments, bytes, next): Counts, acknowledged: u32| Sent {
        segments,
        bytes,
        turns: u32::from(bytes > 0),
        next: Seq(next),
        acknowledged: Seq(acknowledged),
        window: 500,
        tail: 0,
        first_at: (segments > 0).then_some(between[0]),
        last_at: (segments > 0).then_some(between[1]),
        data_at: (bytes > 0).then_some(between[1]),
    };
    Tally {
        since,
        sent: [sent(lower, higher.2), sent(higher, lower.2)],
        longest_silence_ns: 5_000_000,
        longest_payload_gap_ns: 7_000_000,
        turn: (lower.1 + higher.1 > 0).then_some(1),
    }
}

/// A note about a namespace.
#[must_use]
pub fn note(at: Time, namespace: &str, what: What) -> Thing {
    Thing::Note(Note {
        at,
        namespace: namespace.into(),
        what,
    })
}

/// Names a socket.
#[must_use]
pub fn id(cookie: u64, local: Endpoint, peer: Endpoint) -> SocketId {
    SocketId {
        cookie: (cookie != 0).then_some(cookie),
        local,
        peer,
    }
}

/// A socket that was looked at, with this TCP_KEEPIDLE in seconds.
#[must_use]
pub fn seen(moment: Moment, id: SocketId, state: State, keepidle: u64) -> What {
    let set = |value| Reading::Read {
        value,
        origin: Origin::Socket,
    };
    let socket = Socket {
        local: id.local,
        peer: Some(id.peer),
        state,
        cookie: id.cookie,
        inode: Some(4711),
        owner: Some(process(19_495, "envoy")),
        accepted: None,
        also_held_by: Vec::new(),
        queues: None,
        timer: None,
        options: Options {
            keepalive: Reading::Read {
                value: true,
                origin: Origin::Socket,
            },
            keepidle: set(std::time::Duration::from_secs(keepidle)),
            ..Options::not_read("this kernel does not tell it")
        }
        .into(),
    };
    What::Socket {
        moment,
        socket: std::sync::Arc::new(socket),
    }
}

/// A process.
#[must_use]
pub fn process(pid: u32, comm: &str) -> Process {
    Process {
        pid,
        comm: comm.to_owned(),
    }
}
