//! Any sequence of segments, sorted into flows.

use std::collections::BTreeMap;

use tracer::flow::{Event, Flow, FlowId, FlowTable, Observer, Timeline, Trail, Trails};
use tracer::report::{Given, Report};
use tracer::segment::{Endpoint, Flags, Options, Segment};
use tracer::seq::Seq;
use tracer::time::Time;
use tracer::vantage::{Gathered, Vantage};

use super::check;

/// One segment in twelve bytes: few endpoints and few sequence numbers, so that random ones meet.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Bit 0: direction. Bits 1 and 2: which connection. Bit 3: which vantage. Bit 4: time goes
    /// back. Bit 5: timestamps. Bit 6: a selective acknowledgment. Bit 7: no IPv4 identification.
    pub way: u8,
    /// TCP flags.
    pub flags: u8,
    /// Sequence number, from a base that differs between the sides.
    pub seq: i8,
    /// Acknowledgment number, from the other side's base.
    pub ack: i8,
    /// Payload length; the highest values stand for huge ones.
    pub len: u8,
    /// Window; the highest bit makes it large.
    pub window: u8,
    /// Time since the segment before in units of 2^(7 * (`scale` % 6)) ns.
    pub wait: u16,
    /// Unit of `wait`.
    pub scale: u8,
    /// IPv4 identification.
    pub ip_id: u8,
    /// Timestamp value, or left edge of the selective acknowledgment.
    pub mark: u8,
    /// Moves the sequence number by 2^26 times this.
    pub leap: u8,
}

impl Step {
    const LEN: usize = 12;

    /// As the fuzz target reads it.
    #[must_use]
    pub fn bytes(self) -> [u8; Self::LEN] {
        let [low, high] = self.wait.to_le_bytes();
        [
            self.way,
            self.flags,
            self.seq.cast_unsigned(),
            self.ack.cast_unsigned(),
            self.len,
            self.window,
            low,
            high,
            self.scale,
            self.ip_id,
            self.mark,
            self.leap,
        ]
    }

    fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        let [
            way,
            flags,
            seq,
            ack,
            len,
            window,
            low,
            high,
            scale,
            ip_id,
            mark,
            leap,
        ] = bytes;
        Self {
            way,
            flags,
            seq: seq.cast_signed(),
            ack: ack.cast_signed(),
            len,
            window,
            wait: u16::from_le_bytes([low, high]),
            scale,
            ip_id,
            mark,
            leap,
        }
    }

    fn segment(self, number: u64, at: Time) -> Segment<'static> {
        let client = Endpoint::v4([10, 0, 0, 1], 40_000 + u16::from(self.way >> 1 & 3));
        let server = Endpoint::v4([10, 0, 0, 2], 80);
        let forth = self.way & 1 == 0;
        let (source, destination) = if forth {
            (client, server)
        } else {
            (server, client)
        };
        // One side's numbers wrap soon.
        let (mine, theirs) = if forth {
            (0, 1_000_000)
        } else {
            (1_000_000, 0)
        };
        let near = |base: u32, by: i8| Seq(base) + i32::from(by).cast_unsigned();
        let len = match self.len {
            len @ ..200 => u32::from(len),
            len @ 200..250 => u32::from(len) * 1_000,
            len => u32::MAX - u32::from(255 - len),
        };
        Segment {
            vantage: u32::from(self.way >> 3 & 1),
            frame: number,
            at,
            source,
            destination,
            seq: near(mine, self.seq) + (u32::from(self.leap) << 26),
            ack: near(theirs, self.ack) + (u32::from(self.leap) << 26),
            flags: Flags(self.flags),
            window: match self.window {
                window @ ..128 => u16::from(window),
                window => u16::from(window) << 8,
            },
            len,
            options: Options {
                timestamps: (self.way & 0x20 != 0)
                    .then(|| (u32::from(self.mark), u32::from(self.mark))),
                sack: (self.way & 0x40 != 0)
                    .then(|| (Seq(u32::from(self.mark)), Seq(u32::from(self.mark) + 1))),
                ..Options::default()
            },
            ip_id: (self.way & 0x80 == 0).then_some(u16::from(self.ip_id)),
            ttl: 64,
            passage: None,
            payload: &[],
        }
    }
}

/// Sorts the segments that `data` spells into flows, one by one and in batches: both ways must
/// come to the same, and what is found must hold together.
pub fn segments(data: &[u8]) {
    let segments = spell(data);
    let (told, duplicates, events) = one_by_one(&segments);
    let (batch_told, batch_duplicates) = in_batches(&segments);
    assert_eq!(duplicates, batch_duplicates, "duplicates");
    let reported = report(&segments, &duplicates, told);
    let in_batches = report(&segments, &duplicates, batch_told);
    assert_eq!(
        serde_json::to_string(&reported).expect("a report is JSON"),
        serde_json::to_string(&in_batches).expect("a report is JSON"),
    );
    check::hops(&reported);
    check::hops(&apart(&segments));
    for vantage in &reported.vantages {
        check::vantage(vantage, &reported.flows);
    }
    for flow in &reported.flows {
        check::flow(flow, false);
        let events = events.iter().filter(|(id, _)| *id == flow.id);
        let mut timeline = Timeline::of(flow.id);
        events.for_each(|(id, event)| timeline.event(*id, *event));
        check::timeline(flow, &timeline.into_events());
    }
    bytes(&segments, &reported);
}

fn spell(data: &[u8]) -> Vec<Segment<'static>> {
    let mut at = 1_700_000_000_000_000_000_i64;
    data.chunks_exact(Step::LEN)
        .zip(1..)
        .map(|(bytes, number)| {
            let step = Step::from_bytes(bytes.try_into().expect("chunks of that length"));
            let wait = i64::from(step.wait) << (7 * (step.scale % 6));
            at = if step.way & 0x10 == 0 {
                at.saturating_add(wait)
            } else {
                at.saturating_sub(wait)
            };
            step.segment(number, Time::from_nanos(at))
        })
        .collect()
}

/// Keeps the events of all flows.
#[derive(Default)]
struct All(Vec<(FlowId, Event)>);

impl Observer for All {
    fn event(&mut self, flow: FlowId, event: Event) {
        self.0.push((flow, event));
    }
}

/// Flows, and what happened on each.
type Told = (Vec<Flow>, Vec<Trail>);

fn told(flows: Vec<Flow>, mut trails: Trails) -> Told {
    let ids = (0..flows.len() as u64).map(FlowId);
    let trails = ids.map(|id| trails.take(id)).collect();
    (flows, trails)
}

fn one_by_one(segments: &[Segment<'_>]) -> (Told, Vec<u64>, Vec<(FlowId, Event)>) {
    let mut table = FlowTable::new(0, (Trails::default(), All::default()));
    let duplicates = segments
        .iter()
        .filter(|segment| !table.handle(segment))
        .map(|segment| segment.frame)
        .collect();
    let (flows, (trails, All(events))) = table.finish();
    (told(flows, trails), duplicates, events)
}

fn in_batches(segments: &[Segment<'_>]) -> (Told, Vec<u64>) {
    let mut table = FlowTable::new(0, Trails::default());
    let mut duplicates = Vec::new();
    table.handle_all(segments, |segment| duplicates.push(segment.frame));
    let (flows, trails) = table.finish();
    (told(flows, trails), duplicates)
}

fn report(segments: &[Segment<'_>], duplicates: &[u64], (flows, trails): Told) -> Report {
    let mut vantages = vec![Vantage::default(); 2];
    for (index, vantage) in vantages.iter_mut().enumerate() {
        let here = |segment: &&Segment<'_>| segment.vantage as usize == index;
        let here: Vec<_> = segments.iter().filter(here).copied().collect();
        *vantage = seen(index, &here);
        vantage.duplicates = here
            .iter()
            .filter(|segment| duplicates.contains(&segment.frame))
            .count() as u64;
    }
    let gathered = Gathered {
        vantages,
        flows,
        trails,
        ..Gathered::default()
    };
    Report::new(&[gathered], &Given::default())
}

/// What is said of the same where each vantage is a capture of its own, with a clock of its own.
fn apart(segments: &[Segment<'_>]) -> Report {
    let sources = [0, 1].map(|index| {
        let here = segments.iter().filter(|segment| segment.vantage == index);
        let here: Vec<Segment<'_>> = here
            .map(|segment| Segment {
                vantage: 0,
                ..*segment
            })
            .collect();
        let ((flows, trails), _) = in_batches(&here);
        Gathered {
            vantages: vec![seen(index as usize, &here)],
            flows,
            trails,
            ..Gathered::default()
        }
    });
    Report::new(&sources, &Given::default())
}

fn seen(index: usize, segments: &[Segment<'_>]) -> Vantage {
    let count = segments.len() as u64;
    Vantage {
        name: index.to_string(),
        segments: count,
        frames: count,
        first: segments.iter().map(|segment| segment.at).min(),
        last: segments.iter().map(|segment| segment.at).max(),
        ..Vantage::default()
    }
}

/// No side has sent more bytes than its segments carry.
fn bytes(segments: &[Segment<'_>], report: &Report) {
    let mut sent = BTreeMap::<String, u64>::new();
    for segment in segments {
        *sent.entry(segment.source.to_string()).or_default() += u64::from(segment.len);
    }
    let mut counted = BTreeMap::<String, u64>::new();
    for flow in &report.flows {
        *counted.entry(flow.client.clone()).or_default() += flow.bytes.client;
        *counted.entry(flow.server.clone()).or_default() += flow.bytes.server;
    }
    for (endpoint, bytes) in counted {
        let most = sent.get(&endpoint).copied().unwrap_or_default();
        assert!(bytes <= most, "{endpoint}: {bytes} of {most} bytes");
    }
}
