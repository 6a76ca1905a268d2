//! Any bytes, said by either side of a connection.

use std::net::{IpAddr, Ipv4Addr};

use tracer::flow::{FlowId, FlowTable, Trail, Trails};
use tracer::segment::{Endpoint, Flags, Options, Segment};
use tracer::seq::Seq;
use tracer::time::Time;

/// What comes next: its length follows.
const SERVER: u8 = 1;
const LOST: u8 = 2;
const CUT: u8 = 4;
const AGAIN: u8 = 8;

/// Each piece of `data` begins with what is done with it and how long it is. Neither losing, cutting
/// nor repeating may do harm; and what is repeated says nothing new.
pub fn payload(data: &[u8]) {
    let trail = said(data, AGAIN);
    let frames: Vec<u64> = trail.events.iter().map(|event| event.frame).collect();
    for turn in &trail.headings {
        assert!(frames.contains(&turn.frame), "{turn:?}");
        assert!(turn.seen >= turn.frame, "{turn:?}");
    }
    for turn in &trail.prints {
        assert!(frames.contains(&turn.frame), "{turn:?}");
    }
    let once = said(data, 0);
    let headings = |trail: &Trail| -> Vec<_> {
        let headings = trail.headings.iter();
        headings
            .map(|turn| (turn.by, turn.heading.clone(), turn.body))
            .collect()
    };
    assert_eq!(headings(&trail), headings(&once));
    assert_eq!(trail.streams, once.streams);
}

/// The trail of a connection on which all of `data` is said, without what is not `allowed`.
fn said(mut data: &[u8], allowed: u8) -> Trail {
    let mut table = FlowTable::new(0, Trails::default());
    let mut next = [Seq(u32::MAX - 50), Seq(1000)];
    let mut frame = 1;
    let mut handle = |by: usize, seq: Seq, payload: &[u8], len: usize, flags: Flags| {
        let ends = [80, 4711].map(|port| Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
        table.handle(&Segment {
            vantage: 0,
            frame,
            at: Time::from_nanos(1_000_000_000 + 1_000_000 * frame.cast_signed()),
            source: ends[1 - by],
            destination: ends[by],
            seq,
            ack: Seq(0),
            flags,
            window: 1000,
            len: u32::try_from(len).unwrap_or(u32::MAX),
            options: Options::default(),
            ip_id: None,
            ttl: 64,
            passage: None,
            payload,
        });
        frame += 1;
    };
    handle(0, next[0] - 1, &[], 0, Flags::SYN);
    while let [what, length, rest @ ..] = data {
        let (bytes, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        data = rest;
        if bytes.is_empty() {
            continue;
        }
        let by = usize::from(what & SERVER);
        let seq = next[by];
        #[expect(clippy::cast_possible_truncation, reason = "at most 255")]
        let len = bytes.len() as u32;
        next[by] = seq + len;
        if what & LOST != 0 {
            continue;
        }
        let captured = match what & CUT {
            0 => bytes.len(),
            _ => bytes.len() / 2,
        };
        handle(by, seq, &bytes[..captured], bytes.len(), Flags::PSH);
        if what & allowed & AGAIN != 0 {
            handle(by, seq, &bytes[..captured], bytes.len(), Flags::PSH);
        }
    }
    let (_, mut trails) = table.finish();
    trails.take(FlowId(0))
}
