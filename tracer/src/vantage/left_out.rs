//! Flows that were let go: how many, and what they came to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::flow::{End, Flow, Side, Sides};
use crate::time::Time;

/// Flows of one vantage that ended alike, and are only counted.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LeftOut {
    /// Place of their vantage in its source.
    #[serde(skip)]
    pub vantage: u32,
    /// How they ended.
    pub end: End,
    /// The side that sent the first FIN or RST; null where nobody did.
    pub ended_by: Option<Side>,
    /// How many.
    pub flows: u64,
    /// First segment of any of them.
    pub first: Time,
    /// Last segment of any of them.
    pub last: Time,
    /// Payload bytes, each once.
    pub bytes: Sides<u64>,
    /// Segments, without duplicates.
    pub segments: Sides<u64>,
    /// Frames that were captured twice.
    pub duplicates: u64,
    /// Segments with sequence numbers that had been sent before.
    pub retransmissions: Sides<u64>,
    /// Keepalive probes.
    pub keepalive_probes: Sides<u64>,
    /// Probes of a window of zero.
    pub zero_window_probes: Sides<u64>,
    /// Turns: bytes from the client, then bytes from the server.
    pub exchanges: u64,
}

const BOTH: Sides<Side> = Sides {
    client: Side::Client,
    server: Side::Server,
};

/// Sums of flows that were let go, by vantage and end.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums(BTreeMap<(u32, End, Option<bool>), LeftOut>);

impl Sums {
    /// Adds a flow.
    pub(super) fn add(&mut self, flow: &Flow) {
        let by = flow.ended_by();
        let key = (flow.vantage(), flow.end(), by.map(|by| by == Side::Server));
        let sums = self.0.entry(key).or_insert_with(|| LeftOut::like(flow));
        sums.flows += 1;
        sums.first = sums.first.min(flow.first_at());
        sums.last = sums.last.max(flow.last_at());
        sums.duplicates += flow.duplicates();
        sums.exchanges = sums.exchanges.saturating_add(flow.exchanges());
        let mut add = |field: fn(&mut LeftOut) -> &mut Sides<u64>,
                       count: fn(&Flow, Side) -> u64| {
            let counted = BOTH.map(|side| count(flow, side));
            let sum = field(sums);
            sum.client = sum.client.saturating_add(counted.client);
            sum.server = sum.server.saturating_add(counted.server);
        };
        add(|sums| &mut sums.bytes, Flow::bytes);
        add(|sums| &mut sums.segments, Flow::segments);
        add(|sums| &mut sums.retransmissions, Flow::retransmissions);
        add(
            |sums| &mut sums.keepalive_probes,
            |flow, side| flow.probes(side).len() as u64,
        );
        add(
            |sums| &mut sums.zero_window_probes,
            |flow, side| flow.zero_window_probes(side).into(),
        );
    }

    /// What was added, by vantage.
    pub(super) fn into_list(self) -> Vec<LeftOut> {
        self.0.into_values().collect()
    }
}

impl LeftOut {
    /// None yet, that end as this one did.
    fn like(flow: &Flow) -> Self {
        Self {
            vantage: flow.vantage(),
            end: flow.end(),
            ended_by: flow.ended_by(),
            flows: 0,
            first: flow.first_at(),
            last: flow.last_at(),
            bytes: Sides::default(),
            segments: Sides::default(),
            duplicates: 0,
            retransmissions: Sides::default(),
            keepalive_probes: Sides::default(),
            zero_window_probes: Sides::default(),
            exchanges: 0,
        }
    }
}
