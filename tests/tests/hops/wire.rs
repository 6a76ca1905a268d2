//! A connection as it really was, and views of it: under other addresses, by other clocks, with
//! segments lost, from the middle on.

use tracer::flow::{FlowTable, Side, Trails};
use tracer::hop::{Hops, Sight};
use tracer::scene::Scene;
use tracer::segment::{Endpoint, Flags, Options, Passage, Segment};
use tracer::seq::Seq;
use tracer::time::Time;
use tracer::vantage::{Gathered, Vantage};

/// When connections begin: nanoseconds since the epoch.
pub(crate) const EPOCH: i64 = 1_700_000_000_000_000_000;
/// Nanoseconds in a millisecond.
pub(crate) const MS: i64 = 1_000_000;
/// Routers between client and server.
const ROUTERS: u8 = 2;
/// The whole way from the client to the server.
pub(crate) const WAY: i64 = 4 * MS;

/// A segment as it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) at: i64,
    pub(crate) by: Side,
    pub(crate) flags: Flags,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) len: u32,
    pub(crate) stamp: Option<u32>,
    pub(crate) ttl: u8,
}

/// A connection that is being written down.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub(crate) sent: Vec<Sent>,
    now: i64,
    next: [u32; 2],
    stamps: Option<u32>,
}

pub(crate) const SYN: Flags = Flags::SYN;
pub(crate) const ACK: Flags = Flags::ACK;
pub(crate) const RST: Flags = Flags::RST;
pub(crate) const FIN_ACK: Flags = Flags::FIN.with(Flags::ACK);

impl Talk {
    /// Nothing yet, with these initial sequence numbers; `stamps` is where timestamps begin.
    pub(crate) fn new(isns: [u32; 2], stamps: Option<u32>) -> Self {
        Self {
            sent: Vec::new(),
            now: 0,
            next: isns,
            stamps,
        }
    }

    /// The handshake.
    pub(crate) fn open(isns: [u32; 2], stamps: Option<u32>) -> Self {
        let mut talk = Self::new(isns, stamps);
        talk.send(Side::Client, SYN, 0);
        talk.wait(WAY);
        talk.send(Side::Server, SYN.with(ACK), 0);
        talk.wait(WAY);
        talk.send(Side::Client, ACK, 0);
        talk
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, nanos: i64) -> &mut Self {
        self.now += nanos;
        self
    }

    /// A segment of what comes next.
    pub(crate) fn send(&mut self, by: Side, flags: Flags, len: u32) -> &mut Self {
        let (mine, theirs) = match by {
            Side::Client => (0, 1),
            Side::Server => (1, 0),
        };
        let ack = if flags.ack() { self.next[theirs] } else { 0 };
        self.sent.push(Sent {
            at: self.now,
            by,
            flags,
            seq: self.next[mine],
            ack,
            len,
            stamp: self.stamp(),
            ttl: 64,
        });
        let taken = len + u32::from(flags.syn()) + u32::from(flags.fin());
        self.next[mine] = self.next[mine].wrapping_add(taken);
        self
    }

    /// A segment of before once more, by its number.
    pub(crate) fn again(&mut self, number: usize) -> &mut Self {
        let before = self.sent[number];
        let again = Sent {
            at: self.now,
            stamp: self.stamp(),
            ..before
        };
        self.sent.push(again);
        self
    }

    fn stamp(&self) -> Option<u32> {
        let millis = u32::try_from(self.now / MS).expect("a short connection");
        self.stamps.map(|first| first.wrapping_add(millis))
    }

    /// A request, its answer and an acknowledgment, each when the one before has come.
    pub(crate) fn exchange(&mut self, request: u32, answer: u32) -> &mut Self {
        self.send(Side::Client, ACK, request).wait(WAY);
        self.send(Side::Server, ACK, answer).wait(WAY);
        self.send(Side::Client, ACK, 0)
    }

    /// The client closes, the server follows.
    pub(crate) fn close(&mut self) -> &mut Self {
        self.send(Side::Client, FIN_ACK, 0).wait(WAY);
        self.send(Side::Server, FIN_ACK, 0).wait(WAY);
        self.send(Side::Client, ACK, 0)
    }
}

/// Where on the way a connection is seen, and how.
pub(crate) struct View<'t> {
    pub(crate) talk: &'t Talk,
    /// Its ends, as they are called there.
    pub(crate) ends: [Endpoint; 2],
    /// How far from the client: 0 is at the client, [`WAY`] at the server.
    pub(crate) place: i64,
    /// How the capturing host has each side's segments.
    pub(crate) passage: [Option<Passage>; 2],
    /// Segments that it does not see, by their numbers.
    pub(crate) without: Vec<usize>,
}

impl<'t> View<'t> {
    pub(crate) fn new(talk: &'t Talk, ends: [Endpoint; 2], place: i64) -> Self {
        Self {
            talk,
            ends,
            place,
            passage: [None; 2],
            without: Vec::new(),
        }
    }

    pub(crate) fn passing(self, client: Passage, server: Passage) -> Self {
        Self {
            passage: [Some(client), Some(server)],
            ..self
        }
    }

    pub(crate) fn without(self, numbers: impl IntoIterator<Item = usize>) -> Self {
        Self {
            without: numbers.into_iter().collect(),
            ..self
        }
    }

    fn segments(&self) -> impl Iterator<Item = Segment<'static>> {
        let all = self.talk.sent.iter().enumerate();
        all.filter(|(number, _)| !self.without.contains(number))
            .map(|(_, sent)| self.segment(sent))
    }

    fn segment(&self, sent: &Sent) -> Segment<'static> {
        let [client, server] = self.ends;
        let passed =
            u8::try_from(self.place * i64::from(ROUTERS) / WAY).expect("a place on the way");
        let (source, destination, way, routers, passage) = match sent.by {
            Side::Client => (client, server, self.place, passed, self.passage[0]),
            Side::Server => (
                server,
                client,
                WAY - self.place,
                ROUTERS - passed,
                self.passage[1],
            ),
        };
        Segment {
            vantage: 0,
            frame: 0,
            at: Time::from_nanos(EPOCH + sent.at + way),
            source,
            destination,
            seq: Seq(sent.seq),
            ack: Seq(sent.ack),
            flags: sent.flags,
            window: 500,
            len: sent.len,
            options: Options {
                timestamps: sent.stamp.map(|stamp| (stamp, 0)),
                ..Options::default()
            },
            ip_id: None,
            ttl: sent.ttl - routers,
            passage,
            payload: &[],
        }
    }
}

/// One capture of these views, by a clock that shows another time.
pub(crate) fn capture(name: &str, clock: impl Fn(i64) -> i64, views: &[View<'_>]) -> Gathered {
    let mut segments: Vec<Segment<'static>> = views.iter().flat_map(View::segments).collect();
    segments.sort_by_key(|segment| segment.at);
    let mut table = FlowTable::new(0, Trails::default());
    for (segment, number) in segments.iter_mut().zip(1..) {
        segment.frame = number;
        segment.at = Time::from_nanos(EPOCH + clock(segment.at.as_nanos() - EPOCH));
        table.handle(segment);
    }
    let (flows, mut trails) = table.finish();
    let ids = (0..flows.len() as u64).map(tracer::flow::FlowId);
    Gathered {
        vantages: vec![Vantage {
            name: name.to_owned(),
            first: segments.first().map(|segment| segment.at),
            last: segments.last().map(|segment| segment.at),
            ..Vantage::default()
        }],
        trails: ids.map(|id| trails.take(id)).collect(),
        flows,
        ..Gathered::default()
    }
}

/// What comes of captures.
pub(crate) fn join(sources: &[Gathered]) -> Hops {
    tracer::hop::join(&Scene::new(sources))
}

/// The sights of all hops, by the names of vantages and the client's port there.
pub(crate) fn sights(sources: &[Gathered], hops: &Hops) -> Vec<Vec<String>> {
    let scene = Scene::new(sources);
    let sight = |sight: &Sight| {
        let seen = &scene.flows[sight.flow];
        let port = seen.flow.endpoint(sight.side(Side::Client)).port();
        format!("{} {port}", scene.name(seen.vantage))
    };
    let hops = hops.hops.iter();
    hops.map(|hop| hop.sights.iter().map(sight).collect())
        .collect()
}

/// An endpoint of the test network.
pub(crate) fn end(host: u8, port: u16) -> Endpoint {
    Endpoint::v4([10, 0, 0, host], port)
}
