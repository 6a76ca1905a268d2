//! A proxy that serves many clients at once over pooled connections, as one capture at it sees them.
//! Nothing but times and sizes tells which request went on as which.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;

use etherparse::PacketBuilder;
use hopscope_tests::craft::{Packet, Trace};

/// What the proxy has to do.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) seed: u64,
    pub(crate) clients: u16,
    pub(crate) requests: u64,
    /// A client's pause between an answer and its next request, at most, in microseconds.
    pub(crate) pause: u64,
    /// How long the proxy holds a request or an answer, at most, in microseconds.
    pub(crate) holds: u64,
}

/// A capture, and which exchange went on as which: connections by their client's port.
pub(crate) struct Busy {
    pub(crate) trace: Trace,
    pub(crate) truth: BTreeMap<(u16, u64), (u16, u64)>,
}

/// A linear congruential generator (Knuth, MMIX): the same seed, the same load.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// One connection: its ends, what each side has sent, and how many exchanges it had.
struct Connection {
    client: (Ipv4Addr, u16),
    server: (Ipv4Addr, u16),
    next: [u32; 2],
    exchanges: u64,
    free: u64,
}

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PROXY: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 2), 8080);
const OUT: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const APP: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 1, 2), 8087);

impl Load {
    pub(crate) fn run(self) -> Busy {
        let mut chance = Chance(self.seed);
        let mut wire = Vec::new();
        let mut truth = BTreeMap::new();
        let mut downstream = Vec::new();
        let mut due = BinaryHeap::new();
        for number in 0..self.clients {
            let at = chance.below(self.pause + 1);
            downstream.push(Connection::open(
                &mut wire,
                at,
                (CLIENT, 20_000 + number),
                PROXY,
            ));
            due.push(Reverse((at + 200, usize::from(number))));
        }
        let mut pool: Vec<Connection> = Vec::new();
        for _ in 0..self.requests {
            let Some(Reverse((at, number))) = due.pop() else {
                break;
            };
            let client = &mut downstream[number];
            let on = at + 20 + chance.below(self.holds);
            let idle = pool.iter().position(|connection| connection.free < on);
            let upstream = idle.unwrap_or_else(|| {
                let port = 40_000 + u16::try_from(pool.len()).expect("a small pool");
                pool.push(Connection::open(&mut wire, on - 15, (OUT, port), APP));
                pool.len() - 1
            });
            let upstream = &mut pool[upstream];
            truth.insert(
                (client.client.1, client.exchanges),
                (upstream.client.1, upstream.exchanges),
            );
            let answered = on + 1_000 + chance.below(30_000);
            let back = answered + 20 + chance.below(self.holds);
            client.send(&mut wire, at, 0, 120);
            upstream.send(&mut wire, on, 0, 320);
            upstream.send(&mut wire, answered, 1, 500);
            client.send(&mut wire, back, 1, 520);
            client.exchanges += 1;
            upstream.exchanges += 1;
            upstream.free = answered + 10;
            due.push(Reverse((back + 50 + chance.below(self.pause + 1), number)));
        }
        wire.sort_by_key(|packet: &Packet| packet.at);
        Busy {
            trace: Trace {
                link: 1,
                snaplen: 262_144,
                packets: wire,
            },
            truth,
        }
    }
}

impl Connection {
    fn open(
        wire: &mut Vec<Packet>,
        at: u64,
        client: (Ipv4Addr, u16),
        server: (Ipv4Addr, u16),
    ) -> Self {
        let isn = u32::from(client.1) * 7_919;
        let connection = Self {
            client,
            server,
            next: [isn + 1, isn + 500_001],
            exchanges: 0,
            free: 0,
        };
        for (after, by, seq, ack) in [(0, 0, isn, None), (5, 1, isn + 500_000, Some(isn + 1))] {
            let (source, destination) = connection.way(by);
            let mut builder = PacketBuilder::ethernet2([2; 6], [4; 6])
                .ipv4(source.0.octets(), destination.0.octets(), 64)
                .tcp(source.1, destination.1, seq, 64_000)
                .syn();
            if let Some(ack) = ack {
                builder = builder.ack(ack);
            }
            let mut data = Vec::new();
            builder.write(&mut data, &[]).expect("memory is enough");
            wire.push(packet(at + after, data));
        }
        connection.emit(wire, at + 10, 0, 0);
        connection
    }

    const fn way(&self, by: usize) -> ((Ipv4Addr, u16), (Ipv4Addr, u16)) {
        if by == 0 {
            (self.client, self.server)
        } else {
            (self.server, self.client)
        }
    }

    fn send(&mut self, wire: &mut Vec<Packet>, at: u64, by: usize, bytes: u32) {
        self.emit(wire, at, by, bytes);
        self.next[by] += bytes;
    }

    fn emit(&self, wire: &mut Vec<Packet>, at: u64, by: usize, bytes: u32) {
        let (source, destination) = self.way(by);
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(source.0.octets(), destination.0.octets(), 64)
            .tcp(source.1, destination.1, self.next[by], 64_000)
            .ack(self.next[1 - by])
            .psh();
        let mut data = Vec::new();
        let payload = vec![0x17; bytes as usize];
        builder
            .write(&mut data, &payload)
            .expect("memory is enough");
        wire.push(packet(at, data));
    }
}

fn packet(at: u64, data: Vec<u8>) -> Packet {
    Packet {
        at: 1_700_000_000_000_000_000 + at * 1_000,
        wire_len: u32::try_from(data.len()).expect("a small packet"),
        data,
    }
}
