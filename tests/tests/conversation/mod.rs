//! Plausible conversations: what two stacks do, step by step, and what is true of it.

mod play;

use std::collections::BTreeMap;

use hopscope_tests::script::{Capturing, Connection, Frame, Wire};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use serde_json::{Value, json};
use tracer::flow::{Side, Sides};
use tracer::segment::Endpoint;

use self::play::Play;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;

/// What two sides do next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Data in several segments, acknowledged.
    Data { by: Side, bytes: u32, segments: u32 },
    /// Data that is lost and sent again.
    Retransmitted { by: Side, bytes: u32, times: u32 },
    /// A silence with probes: so many answered, then so many not.
    Probed {
        by: Side,
        idle: i64,
        interval: i64,
        answered: u32,
        unanswered: u32,
        garbage: bool,
    },
    /// A silence in which both sides probe.
    BothProbed { idle: Sides<i64>, probes: u32 },
    /// The peer of `by` stops reading; `by` has nothing to send for some keepalive probes, then
    /// has, and probes the window until it opens.
    Stalled {
        by: Side,
        keepalives: u32,
        window_probes: u32,
        /// When the data comes up.
        writes_after: i64,
        timeout: i64,
        answered: bool,
    },
}

/// How it ends.
#[derive(Clone, Copy, Debug)]
enum Close {
    Never,
    Fin { by: Side, data_after: bool },
    Crossing,
    Rst { by: Side },
    FinThenRst { by: Side, rst_by: Side },
}

/// A conversation.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    connection: Connection,
    timestamps: bool,
    no_ids: bool,
    delay: i64,
    start: i64,
    steps: Vec<Step>,
    close: Close,
}

/// What is true of a conversation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    /// Frames of the keepalive probes of client and server.
    pub(crate) probes: [Vec<Value>; 2],
    /// Fields of the flow.
    pub(crate) fields: Vec<(&'static str, Value)>,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Server)]
}

fn seconds(from: i64, to: i64) -> impl Strategy<Value = i64> {
    (from * 1000..to * 1000).prop_map(|ms| ms * MS)
}

fn step() -> impl Strategy<Value = Step> {
    let data = (side(), prop_oneof![Just(1_u32), 2..5000_u32], 1..4_u32).prop_map(
        |(by, bytes, segments)| Step::Data {
            by,
            bytes,
            segments,
        },
    );
    let retransmitted = (side(), prop_oneof![Just(1_u32), 2..5000_u32], 1..4_u32)
        .prop_map(|(by, bytes, times)| Step::Retransmitted { by, bytes, times });
    let probed = (
        side(),
        seconds(1, 20),
        seconds(1, 9),
        0..4_u32,
        0..3_u32,
        any::<bool>(),
    )
        .prop_map(
            |(by, idle, interval, answered, unanswered, garbage)| Step::Probed {
                by,
                // Within 3 s a byte of garbage may as well be a retransmission.
                idle: idle + if garbage { 3 * SECOND } else { 0 },
                interval,
                answered,
                unanswered,
                garbage,
            },
        );
    let both = (seconds(1, 9), seconds(1, 9), 1..8_u32).prop_map(|(client, server, probes)| {
        Step::BothProbed {
            idle: Sides { client, server },
            probes,
        }
    });
    let stalled = (
        side(),
        0..4_u32,
        1..7_u32,
        0..5000_i64,
        200..350_i64,
        any::<bool>(),
    )
        .prop_map(
            |(by, keepalives, window_probes, writes_after, timeout, answered)| Step::Stalled {
                by,
                keepalives,
                // After keepalive probes, only a timer that is too short for them tells.
                window_probes: window_probes + u32::from(keepalives > 0),
                writes_after: if keepalives > 0 { 0 } else { writes_after * MS },
                timeout: timeout * MS,
                answered,
            },
        );
    prop_oneof![3 => data, 1 => retransmitted, 2 => probed, 1 => both, 2 => stalled]
}

fn close() -> impl Strategy<Value = Close> {
    prop_oneof![
        Just(Close::Never),
        (side(), any::<bool>()).prop_map(|(by, data_after)| Close::Fin { by, data_after }),
        Just(Close::Crossing),
        side().prop_map(|by| Close::Rst { by }),
        (side(), side()).prop_map(|(by, rst_by)| Close::FinThenRst { by, rst_by }),
    ]
}

/// Any.
pub(crate) fn conversation() -> impl Strategy<Value = Talk> {
    numbered(Just(1))
}

/// Several at the same time on different ports.
pub(crate) fn conversations() -> impl Strategy<Value = Vec<Talk>> {
    proptest::collection::vec(numbered(Just(0)), 1..6).prop_map(|mut talks| {
        for (number, talk) in (1..).zip(&mut talks) {
            let port = 40_000 + number;
            let address = talk.connection.endpoints.client.address();
            talk.connection.endpoints.client = Endpoint::new(address, port);
        }
        talks
    })
}

fn numbered(number: impl Strategy<Value = usize>) -> impl Strategy<Value = Talk> {
    let capture = (any::<bool>(), any::<bool>(), any::<bool>());
    let times = (20..20_000_i64, 0..3 * SECOND);
    let isns = (any::<u32>(), any::<u32>());
    let steps = proptest::collection::vec(step(), 0..6);
    (number, capture, times, isns, steps, close()).prop_map(
        |(number, (v6, timestamps, no_ids), (delay, start), (client, server), steps, close)| {
            let mut connection = Connection::numbered(number);
            connection.isns = Sides { client, server };
            if v6 {
                let address = |last| std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).into();
                connection.endpoints = Sides {
                    client: Endpoint::new(address(1), 40_001),
                    server: Endpoint::new(address(2), 8080),
                };
            }
            Talk {
                connection,
                timestamps,
                no_ids,
                delay: delay * 1000,
                start,
                steps,
                close,
            }
        },
    )
}

impl Talk {
    /// The same with other initial sequence numbers.
    pub(crate) fn with_isns(&self, client: u32, server: u32) -> Self {
        let mut talk = self.clone();
        talk.connection.isns = Sides { client, server };
        talk
    }

    /// What a capture sees.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.play().0
    }

    /// What is true.
    pub(crate) fn truth(&self) -> Truth {
        self.play().1
    }

    fn play(&self) -> (Vec<Frame>, Truth) {
        let mut play = Play {
            delay: self.delay,
            now: self.start,
            heard: Sides {
                client: self.start,
                server: self.start,
            },
            sent: Vec::new(),
            facts: Facts::default(),
        };
        play.open();
        for step in &self.steps {
            play.step(*step);
        }
        play.close(self.close);
        let capturing = Capturing {
            timestamps: self.timestamps,
            no_ids: self.no_ids,
            ..Capturing::default()
        };
        let mut wire = Wire::new(BTreeMap::from([(1, self.connection.clone())]), capturing);
        for sent in &play.sent {
            wire.send(sent);
        }
        let frames = wire.into_frames();
        let truth = play.facts.truth(&frames);
        (frames, truth)
    }
}

#[derive(Default)]
struct Facts {
    probes: Vec<(Side, i64)>,
    window_probes: Sides<u32>,
    bytes: Sides<u64>,
    retransmissions: Sides<u64>,
    fins: Vec<Side>,
    rsts: Vec<Side>,
}

impl Facts {
    fn truth(&self, frames: &[Frame]) -> Truth {
        let probes = [Side::Client, Side::Server].map(|side| {
            let mine = self.probes.iter().filter(|(by, _)| *by == side);
            mine.filter_map(|(_, at)| frames.iter().find(|frame| frame.at == *at))
                .map(|frame| frame.frame.into())
                .collect()
        });
        let (end, ended_by) = match (self.fins.first(), self.rsts.first()) {
            (Some(by), _) => ("fin", Some(by)),
            (None, Some(by)) => ("rst", Some(by)),
            (None, None) => ("open", None),
        };
        Truth {
            probes,
            fields: vec![
                ("end", json!(end)),
                ("ended_by", json!(ended_by)),
                ("roles", json!("syn")),
                ("syns", json!(1)),
                ("bytes", json!(self.bytes)),
                ("unseen_bytes", json!({"client": 0, "server": 0})),
                ("retransmissions", json!(self.retransmissions)),
                ("zero_window_probes", json!(self.window_probes)),
                ("duplicates", json!(0)),
            ],
        }
    }
}
