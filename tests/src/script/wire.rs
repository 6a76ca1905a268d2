//! What two stacks send, and what a capture sees of it.

use std::collections::BTreeMap;

use tracer::flow::{Side, Sides};
use tracer::segment::{Endpoint, Flags, Options, Segment};
use tracer::seq::Seq;
use tracer::time::Time;

/// Window field of a side that did not say another one.
const WINDOW: u16 = 500;

/// When scripts start: any time will do.
pub(super) const START: i64 = 1_795_219_200_000_000_000;

/// A sequence or acknowledgment number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Number {
    /// What comes next; what arrived without a gap.
    #[default]
    Automatic,
    /// So many off that.
    Shifted(i32),
    /// Relative to the initial sequence number.
    Relative(u32),
    /// The number itself.
    Absolute(u32),
}

/// A segment that is sent. Times are nanoseconds since the start.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When.
    pub at: i64,
    /// Of which connection.
    pub connection: usize,
    /// By whom.
    pub by: Side,
    /// Flags.
    pub flags: Flags,
    /// Payload bytes.
    pub len: u32,
    /// What is known of the payload.
    pub payload: Vec<u8>,
    /// Sequence number.
    pub seq: Number,
    /// Acknowledgment number.
    pub ack: Number,
    /// Window from here on.
    pub window: Option<u16>,
    /// IPv4 identification, where it is not automatic.
    pub id: Option<u16>,
    /// Timestamps, where they are not automatic.
    pub timestamps: Option<(u32, u32)>,
    /// A selective acknowledgment, relative.
    pub sack: Option<(u32, u32)>,
    /// How often it is captured.
    pub copies: u32,
    /// How long after each other.
    pub copy_gap: i64,
    /// It never arrives.
    pub lost: bool,
    /// It is not captured.
    pub unseen: bool,
    /// When it is captured, where that is not when it was sent.
    pub seen: Option<i64>,
    /// It is captured after the next one.
    pub late: bool,
}

impl Sent {
    /// All automatic, on connection 1.
    #[must_use]
    pub fn new(at: i64, by: Side, flags: Flags) -> Self {
        Self {
            at,
            connection: 1,
            by,
            flags,
            len: 0,
            payload: Vec::new(),
            seq: Number::Automatic,
            ack: Number::Automatic,
            window: None,
            id: None,
            timestamps: None,
            sack: None,
            copies: 1,
            copy_gap: 2_000,
            lost: false,
            unseen: false,
            seen: None,
            late: false,
        }
    }
}

/// A connection between two stacks.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Addresses and ports.
    pub endpoints: Sides<Endpoint>,
    /// Initial sequence numbers.
    pub isns: Sides<u32>,
    /// The handshake is over.
    pub established: bool,
}

impl Connection {
    /// The one that is meant where only its number is said.
    #[must_use]
    pub fn numbered(number: usize) -> Self {
        let place = u16::try_from(number).unwrap_or(u16::MAX);
        let port = 40_000_u16.saturating_add(place);
        Self {
            endpoints: Sides {
                client: Endpoint::v4([10, 0, 0, 1], port),
                server: Endpoint::v4([10, 0, 0, 2], 80),
            },
            isns: Sides {
                client: 100_000_u32.wrapping_mul(u32::from(place)),
                server: 90_000_000_u32.wrapping_mul(u32::from(place)),
            },
            established: false,
        }
    }
}

/// How the capture sees the connections.
#[derive(Clone, Debug, Default)]
pub struct Capturing {
    /// Segments carry timestamps.
    pub timestamps: bool,
    /// The IPv4 identification is 0.
    pub no_ids: bool,
    /// When it begins.
    pub from: Option<i64>,
    /// Whose segments it misses.
    pub without: Vec<(usize, Side)>,
}

/// A segment as it was captured: [`Segment`] with its own payload.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "those of Segment")]
pub struct Frame {
    pub vantage: u32,
    pub frame: u64,
    /// Nanoseconds since the start.
    pub at: i64,
    pub source: Endpoint,
    pub destination: Endpoint,
    pub seq: Seq,
    pub ack: Seq,
    pub flags: Flags,
    pub window: u16,
    pub len: u32,
    pub options: Options,
    pub ip_id: Option<u16>,
    pub payload: Vec<u8>,
}

impl Frame {
    /// What the analysis takes.
    #[must_use]
    pub fn segment(&self) -> Segment<'_> {
        Segment {
            vantage: self.vantage,
            frame: self.frame,
            at: Time::from_nanos(START + self.at),
            source: self.source,
            destination: self.destination,
            seq: self.seq,
            ack: self.ack,
            flags: self.flags,
            window: self.window,
            len: self.len,
            options: self.options,
            ip_id: self.ip_id,
            ttl: 64,
            passage: None,
            payload: &self.payload,
        }
    }
}

/// Nanoseconds since the start of the script.
pub(super) fn since_start(time: jiff::Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX) - START
}

/// What a stack keeps of a connection, relative to the initial sequence numbers.
#[derive(Clone, Debug)]
struct Stack {
    next: u32,
    received: u32,
    window: u16,
    id: u16,
    echo: u32,
}

/// Numbers the segments of the stacks and captures them.
#[derive(Debug)]
pub struct Wire {
    connections: BTreeMap<usize, (Connection, Sides<Stack>)>,
    capturing: Capturing,
    /// With their places in the order of the capture.
    captured: Vec<(i64, Frame)>,
    /// Waits for the next one.
    late: Option<Frame>,
}

impl Wire {
    /// Between these connections.
    #[must_use]
    pub fn new(connections: BTreeMap<usize, Connection>, capturing: Capturing) -> Self {
        let stack = |established: bool, id| Stack {
            next: u32::from(established),
            received: u32::from(established),
            window: WINDOW,
            id,
            echo: 0,
        };
        let connections = connections
            .into_iter()
            .map(|(number, connection)| {
                let stacks = Sides {
                    client: stack(connection.established, 1000),
                    server: stack(connection.established, 20_000),
                };
                (number, (connection, stacks))
            })
            .collect();
        Self {
            connections,
            capturing,
            captured: Vec::new(),
            late: None,
        }
    }

    /// A stack sends.
    pub fn send(&mut self, sent: &Sent) {
        let Some((connection, stacks)) = self.connections.get_mut(&sent.connection) else {
            return;
        };
        let frame = number(sent, connection, stacks, &self.capturing);
        let missed = sent.unseen
            || self.capturing.from.is_some_and(|from| sent.at < from)
            || self.capturing.without.contains(&(sent.connection, sent.by));
        if missed {
            return;
        }
        if sent.late {
            self.late = Some(frame);
            return;
        }
        let place = frame.at;
        for copy in 0..i64::from(sent.copies) {
            let at = frame.at + copy * sent.copy_gap;
            self.captured.push((
                at,
                Frame {
                    at,
                    ..frame.clone()
                },
            ));
        }
        self.captured
            .extend(self.late.take().map(|late| (place, late)));
    }

    /// The capture: in the order of time, but for what was captured late.
    #[must_use]
    pub fn into_frames(mut self) -> Vec<Frame> {
        let last = self.captured.last().map_or(0, |(place, _)| *place);
        self.captured
            .extend(self.late.take().map(|late| (last, late)));
        self.captured.sort_by_key(|(place, _)| *place);
        (1..)
            .zip(self.captured)
            .map(|(number, (_, frame))| Frame {
                frame: number,
                ..frame
            })
            .collect()
    }
}

/// Gives a segment its numbers and moves the stacks on.
fn number(
    sent: &Sent,
    connection: &Connection,
    stacks: &mut Sides<Stack>,
    capturing: &Capturing,
) -> Frame {
    let (by, peer) = (sent.by, sent.by.other());
    let relative = |number, automatic: u32, isn: u32| match number {
        Number::Automatic => automatic,
        Number::Shifted(by) => automatic.wrapping_add_signed(by),
        Number::Relative(number) => number,
        Number::Absolute(number) => number.wrapping_sub(isn),
    };
    let (isn, peer_isn) = (connection.isns[by], connection.isns[peer]);
    let me = &mut stacks[by];
    let automatic = if sent.flags.syn() { 0 } else { me.next };
    let seq = relative(sent.seq, automatic, isn);
    let ack = relative(sent.ack, me.received, peer_isn);
    let mut end = seq.wrapping_add(sent.len);
    end = end.wrapping_add(u32::from(sent.flags.syn()) + u32::from(sent.flags.fin()));
    if !sent.flags.rst() && end.wrapping_sub(me.next).cast_signed() > 0 {
        me.next = end;
    }
    me.window = sent.window.unwrap_or(me.window);
    me.id += 1;
    let base = match by {
        Side::Client => 5_000_000,
        Side::Server => 80_000_000,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "wraps"
    )]
    let value = base + (sent.at / 1_000_000) as u32;
    let automatic = capturing.timestamps.then_some((value, me.echo));
    let timestamps = sent.timestamps.or(automatic);
    let is_v4 = connection.endpoints.client.address().is_ipv4();
    let id = if capturing.no_ids { 0 } else { me.id };
    let frame = Frame {
        vantage: 0,
        frame: 0,
        at: sent.seen.unwrap_or(sent.at),
        source: connection.endpoints[by],
        destination: connection.endpoints[peer],
        seq: Seq(isn.wrapping_add(seq)),
        ack: Seq(if sent.flags.ack() {
            peer_isn.wrapping_add(ack)
        } else {
            0
        }),
        flags: sent.flags,
        window: me.window,
        len: sent.len,
        options: Options {
            timestamps,
            sack: sent.sack.map(|(left, right)| {
                (
                    Seq(peer_isn.wrapping_add(left)),
                    Seq(peer_isn.wrapping_add(right)),
                )
            }),
            ..Options::default()
        },
        ip_id: is_v4.then_some(sent.id.unwrap_or(id)),
        payload: sent.payload.clone(),
    };
    if !sent.lost {
        receive(
            &mut stacks[peer],
            seq,
            end,
            timestamps.map(|(value, _)| value),
        );
    }
    frame
}

fn receive(stack: &mut Stack, seq: u32, end: u32, value: Option<u32>) {
    let begins_within = seq.wrapping_sub(stack.received).cast_signed() <= 0;
    if begins_within && end.wrapping_sub(stack.received).cast_signed() > 0 {
        stack.received = end;
    }
    stack.echo = value.unwrap_or(stack.echo);
}
