//! What flows came to that the table does not show one by one.

use tracer::flow::{End, Side, Sides};
use tracer::report::{FlowReport, LeftOutReport};

use super::units::{bytes, count};

/// Sums of some flows.
#[derive(Default)]
struct Totals {
    flows: u64,
    ends: Vec<(String, u64)>,
    probes: u64,
    bytes: Sides<u64>,
}

/// Those that there is no room for.
pub(super) fn not_shown(flows: &[&FlowReport], hint: &str) -> Option<String> {
    let mut totals = Totals::default();
    for flow in flows {
        let runs = [&flow.keepalive.client, &flow.keepalive.server];
        let probes = runs
            .into_iter()
            .flatten()
            .map(|run| run.probes.len() as u64);
        totals.add(1, ended(flow.end, flow.ended_by), probes.sum(), &flow.bytes);
    }
    (totals.flows > 0).then(|| format!("and {} more: {totals}. {hint}", totals.flows))
}

/// Those that are not kept one by one.
pub(super) fn left_out(gone: &[LeftOutReport]) -> Option<String> {
    let mut totals = Totals::default();
    for LeftOutReport { sums, .. } in gone {
        let probes = sums.keepalive_probes.client + sums.keepalive_probes.server;
        let end = ended(sums.end, sums.ended_by);
        totals.add(sums.flows, end, probes, &sums.bytes);
    }
    (totals.flows > 0).then(|| {
        format!(
            "and {} that are over and only counted: {totals}. More in detail: --keep",
            totals.flows
        )
    })
}

fn ended(end: End, by: Option<Side>) -> String {
    let by = by.map_or("", Side::name);
    match end {
        End::Fin => format!("ended by {by} FIN"),
        End::Rst => format!("ended by {by} RST"),
        End::Refused => format!("ended by {by} RST: refused"),
        End::Unanswered => "unanswered".to_owned(),
        End::Open => "still open".to_owned(),
    }
}

impl Totals {
    fn add(&mut self, flows: u64, end: String, probes: u64, bytes: &Sides<u64>) {
        self.flows += flows;
        match self.ends.iter_mut().find(|(known, _)| *known == end) {
            Some((_, times)) => *times += flows,
            None => self.ends.push((end, flows)),
        }
        self.probes += probes;
        self.bytes.client += bytes.client;
        self.bytes.server += bytes.server;
    }
}

/// `3 ended by client FIN, 1 still open; 2 keepalive probes; 154 B / 1.2 kB`.
impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut ends = self.ends.clone();
        ends.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let ends: Vec<String> = ends
            .into_iter()
            .map(|(end, times)| format!("{times} {end}"))
            .collect();
        write!(
            f,
            "{}; {}; {} / {}",
            ends.join(", "),
            count(self.probes, "keepalive probe"),
            bytes(self.bytes.client),
            bytes(self.bytes.server)
        )
    }
}
