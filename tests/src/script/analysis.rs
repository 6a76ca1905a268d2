//! What the tracer makes of frames, as JSON.

use std::fmt;

use serde_json::{Map, Value, json};
use tracer::flow::{Event, Flow, FlowId, FlowTable, Observer, Trail, Trails, What};
use tracer::report::{Given, Report};
use tracer::vantage::{Gathered, Vantage};

use super::wire::{Frame, since_start};

/// The kinds of [`tracer::flow::What`].
const KINDS: [&str; 11] = [
    "Syn",
    "SynAck",
    "Data",
    "KeepaliveProbe",
    "KeepaliveAnswer",
    "ZeroWindowProbe",
    "ZeroWindow",
    "WindowOpened",
    "Retransmission",
    "Fin",
    "Rst",
];

/// The flows of a report, as JSON, each with its events.
#[derive(Clone, PartialEq, Debug)]
pub struct Analysis {
    /// In the order of the report.
    pub flows: Vec<Value>,
}

impl fmt::Display for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for flow in &self.flows {
            writeln!(f, "{flow:#}")?;
        }
        Ok(())
    }
}

/// Collects what is told of all flows.
#[derive(Debug, Default)]
pub struct Collector {
    events: Vec<(FlowId, Event)>,
    /// What was told before all was known of it.
    at_once: Vec<(FlowId, Event)>,
}

impl Observer for Collector {
    fn event(&mut self, flow: FlowId, event: Event) {
        self.events.push((flow, event));
    }

    fn as_it_happens(&mut self, flow: FlowId, event: Event) {
        self.at_once.push((flow, event));
    }
}

/// What the tracer makes of the frames.
#[must_use]
pub fn analyse(frames: &[Frame]) -> Analysis {
    feed(|table| {
        for frame in frames {
            table.handle(&frame.segment());
        }
    })
}

/// What the tracer makes of the segments that `handle` gives it.
pub fn feed(handle: impl FnOnce(&mut FlowTable<(Trails, Collector)>)) -> Analysis {
    let mut table = FlowTable::new(0, (Trails::default(), Collector::default()));
    handle(&mut table);
    let (flows, (mut trails, mut told)) = table.finish();
    let ids = (0..flows.len() as u64).map(FlowId);
    let trails = ids.map(|id| trails.take(id)).collect();
    told.events
        .sort_by_key(|(_, event)| (event.at, event.frame));
    let mut flows = report(flows, trails);
    for (number, flow) in (0..).map(FlowId).zip(&mut flows) {
        for (name, told) in [("events", &told.events), ("at_once", &told.at_once)] {
            let mine = told.iter().filter(|(flow, _)| *flow == number);
            flow[name] = by_kind(mine.map(|(_, event)| event));
        }
    }
    Analysis { flows }
}

fn report(flows: Vec<Flow>, trails: Vec<Trail>) -> Vec<Value> {
    let vantages = ["one", "two"].map(|name| Vantage {
        name: name.to_owned(),
        first: flows.iter().map(Flow::first_at).min(),
        last: flows.iter().map(Flow::last_at).max(),
        ..Vantage::default()
    });
    let gathered = Gathered {
        vantages: vantages.into(),
        flows,
        trails,
        ..Gathered::default()
    };
    let report = Report::new(&[gathered], &Given::default());
    let mut flows: Vec<Value> = report
        .flows
        .iter()
        .map(|flow| serde_json::to_value(flow).unwrap_or_default())
        .collect();
    for verdict in &report.verdicts {
        let Some(number) = verdict.flow.and_then(|flow| usize::try_from(flow.0).ok()) else {
            continue;
        };
        // The first one of a flow is what people see of it.
        if let Some(flow) = flows.get_mut(number)
            && flow.get("verdict").is_none()
        {
            flow["verdict"] = json!({
                "cause": verdict.cause,
                "ended_by": verdict.ended_by,
                "confidence": verdict.confidence,
                "alarm": verdict.alarm,
                "at": verdict.at,
            });
        }
    }
    flows
}

fn by_kind<'a>(events: impl Iterator<Item = &'a Event>) -> Value {
    let mut kinds: Map<String, Value> = KINDS
        .iter()
        .map(|kind| ((*kind).to_owned(), json!([])))
        .collect();
    for event in events {
        let mut what = event.what;
        if let What::Data { ends, .. } = &mut what {
            // That is read of payload, and not of headers.
            *ends = None;
        }
        let what = format!("{what:?}");
        let kind = what.split(' ').next().unwrap_or_default();
        let list = kinds.entry(kind).or_insert_with(|| json!([]));
        if let Value::Array(list) = list {
            list.push(json!({
                "at": event.at,
                "by": event.by,
                "frame": event.frame,
                "what": what,
            }));
        }
    }
    Value::Object(kinds)
}

/// A time of the report as seconds since the start of the script.
pub(super) fn seconds(time: &str) -> Option<f64> {
    let time: jiff::Timestamp = time.parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "scripts are short")]
    let nanos = since_start(time) as f64;
    Some(nanos / 1e9)
}
