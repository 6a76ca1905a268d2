//! Keepalive probes on the hops of a verdict, in words.

use tracer::flow::{Side, Sides};
use tracer::report::{FlowReport, HopReport, KeepaliveReport, Report, VerdictReport};

use super::units::{count, seconds};

/// Who probed whom on the way of what ended, a line each.
pub(super) fn on_the_way(report: &Report, verdict: &VerdictReport) -> Vec<String> {
    hops(report, verdict)
        .flat_map(|hop| {
            [Side::Client, Side::Server]
                .into_iter()
                .filter_map(|side| on_hop(report, hop, side))
        })
        .collect()
}

/// The hops that a verdict is about.
fn hops<'a>(
    report: &'a Report,
    verdict: &'a VerdictReport,
) -> impl Iterator<Item = &'a HopReport> + 'a {
    let chain = verdict.chain.and_then(|chain| at(&report.chains, chain));
    let (of_chain, alone) = match chain {
        Some(chain) => (chain.hops.as_slice(), None),
        None => (&[][..], verdict.hop),
    };
    let numbers = of_chain.iter().copied().chain(alone);
    numbers.filter_map(|hop| at(&report.hops, hop))
}

fn at<T>(all: &[T], number: u64) -> Option<&T> {
    all.get(usize::try_from(number).ok()?)
}

/// `gw probed lb twice ...`, as the flow nearest to the prober shows it.
fn on_hop(report: &Report, hop: &HopReport, by: Side) -> Option<String> {
    let near_first: Vec<_> = match by {
        Side::Client => hop.flows.iter().collect(),
        Side::Server => hop.flows.iter().rev().collect(),
    };
    let flow = |id| report.flows.iter().find(|flow| flow.id == id);
    let run = near_first
        .into_iter()
        .filter_map(|id| flow(*id))
        .find_map(|flow| run(flow, by))?;
    let ends = Sides {
        client: hop.at.client.as_deref().unwrap_or(&hop.client),
        server: hop.at.server.as_deref().unwrap_or(&hop.server),
    };
    Some(format!(
        "{} probed {}: {}",
        ends[by],
        ends[by.other()],
        probes(run)
    ))
}

fn run(flow: &FlowReport, by: Side) -> Option<&KeepaliveReport> {
    flow.keepalive[by].as_ref()
}

fn probes(run: &KeepaliveReport) -> String {
    let all = run.probes.len();
    let answered = run.probes.iter().filter(|probe| probe.answered.is_some());
    let answers = match answered.count() {
        0 => "not answered".to_owned(),
        some if some == all => "answered".to_owned(),
        some => format!("{some} of them answered"),
    };
    let idle = run
        .idle_s
        .map(|idle| format!(" after {} of silence", seconds(idle)));
    let every = run
        .interval_s
        .map(|every| format!(", repeated after {}", seconds(every)));
    format!(
        "{}{}{}, {answers}",
        count(all as u64, "keepalive probe"),
        idle.unwrap_or_default(),
        every.unwrap_or_default()
    )
}
