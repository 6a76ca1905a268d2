//! The kernel probe's rules in user space: what it would tell of a capture, and what it would only
//! count.

use std::collections::HashMap;

use hopscope_ebpf::thin::{self, Seen};
use hopscope_ebpf::{Counters, Counts, side};
use serde_json::Value;
use tracer::flow::{FlowTable, Trails};
use tracer::segment::{Endpoint, Segment};
use tracer::tally::{FlowTally, Tally};
use tracer::time::Time;

use crate::script::{Analysis, Collector, feed};

/// A connection at a vantage, the lower endpoint first.
type Key = (u32, Endpoint, Endpoint);

/// The flows of a capture as the probe counts them.
#[derive(Default)]
pub struct Thinning {
    flows: HashMap<Key, Counters>,
    counts: Counts,
    /// Segments that were told.
    pub told: u64,
    /// Segments that were only counted.
    pub counted: u64,
    /// Turns are not told: as on a machine where too many are.
    pub busy: bool,
}

impl Thinning {
    /// Takes in a segment. Its flow's tally before it, where it is told.
    pub fn take(&mut self, segment: &Segment<'_>) -> Option<Tally> {
        let now = segment.at.as_nanos().cast_unsigned();
        let lower = segment.source < segment.destination;
        let (one, other) = if lower {
            (segment.source, segment.destination)
        } else {
            (segment.destination, segment.source)
        };
        let key = (segment.vantage, one, other);
        let flow = self
            .flows
            .entry(key)
            .or_insert_with(|| Counters::beginning(now));
        let mut last = [0; 4];
        let known = segment.payload.len() == segment.len as usize;
        for (to, byte) in last.iter_mut().rev().zip(segment.payload.iter().rev()) {
            *to = *byte;
        }
        let seen = Seen {
            by: if lower { side::LOWER } else { side::HIGHER },
            seq: segment.seq.0,
            ack: segment.ack.0,
            len: segment.len,
            window: segment.window,
            flags: segment.flags.0,
            last,
            last_known: known,
        };
        if self.busy {
            self.counts.stretch = now;
            self.counts.told = hopscope_ebpf::TURNS_TOLD;
        }
        let told = thin::is_telling(flow, &seen, now, &mut self.counts);
        // Others tell only when counting began.
        let tally = told.then(|| match seen.brings_counters(flow) {
            true => tally(flow),
            false => tally(&Counters {
                since: flow.since,
                ..Counters::default()
            }),
        });
        if thin::take(flow, &seen, now, told) {
            self.flows.remove(&key);
        }
        self.told += u64::from(told);
        self.counted += u64::from(!told);
        tally
    }

    /// What the flows that are left have counted.
    pub fn rest(&self) -> impl Iterator<Item = FlowTally> {
        self.flows
            .iter()
            .map(|(&(interface, lower, higher), counters)| FlowTally {
                interface,
                endpoints: [lower, higher],
                tally: tally(counters),
            })
    }
}

fn tally(counters: &Counters) -> Tally {
    Tally::of(counters, |at| Time::from_nanos(at.cast_signed()))
}

/// The report without what thinning may change: how a turn without a frame of its own is told; and
/// where no turns are told, verdicts, which also rest on what the first bytes of turns say.
fn flows(analysis: &Analysis, busy: bool) -> Vec<Value> {
    let mut flows = analysis.flows.clone();
    for flow in &mut flows {
        if busy && let Some(fields) = flow.as_object_mut() {
            fields.remove("verdict");
        }
        if let Some(events) = flow["events"].as_object_mut() {
            events.remove("Data");
        }
    }
    flows
}

/// The verdict on the first flow, where no more than so many bytes of each payload are told, as the probe
/// tells of long ones only how they begin.
#[must_use]
pub fn verdict_of_beginnings(segments: &[Segment<'_>], most: usize) -> Value {
    let analysis = thinned(segments, &mut Thinning::default(), most);
    let flow = analysis.flows.first();
    flow.map_or(Value::Null, |flow| flow["verdict"].clone())
}

fn thinned(segments: &[Segment<'_>], thinning: &mut Thinning, most: usize) -> Analysis {
    feed(|table: &mut FlowTable<(Trails, Collector)>| {
        for segment in segments {
            if let Some(tally) = thinning.take(segment) {
                let told = Segment {
                    payload: &segment.payload[..segment.payload.len().min(most)],
                    ..*segment
                };
                table.handle_thinned(&told, &tally);
            }
        }
        for rest in thinning.rest() {
            table.rest(&rest);
        }
    })
}

fn whole(segments: &[Segment<'_>]) -> Analysis {
    feed(|table| {
        for segment in segments {
            table.handle(segment);
        }
    })
}

/// An interface shows each segment once and in order, to the probe.
#[must_use]
pub fn is_live(segments: &[Segment<'_>]) -> bool {
    are_live(segments, &whole(segments))
}

fn are_live(segments: &[Segment<'_>], whole: &Analysis) -> bool {
    segments.is_sorted_by_key(|segment| segment.at)
        && whole.flows.iter().all(|flow| flow["duplicates"] == 0)
}

/// Where the report on segments differs when they are thinned; `None` where it does not, or where no
/// interface would show the probe such segments. `busy`: no turns are told.
#[must_use]
pub fn differences(name: &str, segments: &[Segment<'_>], busy: bool) -> Option<String> {
    let whole = whole(segments);
    if !are_live(segments, &whole) {
        return None;
    }
    let mut thinning = Thinning {
        busy,
        ..Thinning::default()
    };
    let thinned = flows(&thinned(segments, &mut thinning, usize::MAX), busy);
    let whole = flows(&whole, busy);
    if whole == thinned {
        return None;
    }
    let mut told = format!("{name} (busy: {busy}):\n");
    for (whole, thinned) in whole.iter().zip(&thinned) {
        let fields = whole.as_object().into_iter().flatten();
        let events = whole["events"].as_object().into_iter().flatten();
        let fields = fields.map(|(name, whole)| (name, whole, &thinned[name]));
        let events = events.map(|(name, whole)| (name, whole, &thinned["events"][name]));
        for (name, whole, thinned) in fields.filter(|(name, ..)| *name != "events").chain(events) {
            if whole != thinned {
                told += &format!("  {name}: {whole} whole, {thinned} thinned\n");
            }
        }
    }
    Some(told)
}
