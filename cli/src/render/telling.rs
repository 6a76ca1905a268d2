//! Which flows tell most: those where something went wrong, or nearly.

use std::cmp::Reverse;

use tracer::flow::{RunEnd, Side};
use tracer::report::{End, FlowReport};

/// The flows, the most telling first, otherwise in their order.
pub(super) fn order(flows: &[FlowReport]) -> Vec<&FlowReport> {
    let mut flows: Vec<&FlowReport> = flows.iter().collect();
    flows.sort_by_key(|flow| Reverse(weight(flow)));
    flows
}

/// How much a flow tells; reasons of a higher kind outweigh all of the lower ones.
fn weight(flow: &FlowReport) -> u32 {
    let keepalive = [&flow.keepalive.client, &flow.keepalive.server].map(Option::as_ref);
    let unanswered = keepalive
        .iter()
        .flatten()
        .any(|side| side.ended == Some(RunEnd::ResetByProber) || side.interval_s.is_some());
    let reasons = [
        flow.end == End::Unanswered || unanswered,
        matches!(flow.end, End::Refused | End::Rst),
        flow.answer_pending && flow.ended_by == Some(Side::Server),
        flow.answer_pending && flow.ended_by == Some(Side::Client),
        flow.answer_pending,
        keepalive.iter().any(Option::is_some),
        flow.zero_windows.client + flow.zero_windows.server > 0,
        flow.longest_payload_gap_s >= 1.0,
        flow.retransmissions.client + flow.retransmissions.server > 0,
    ];
    reasons
        .iter()
        .fold(0, |weight, &reason| weight * 2 + u32::from(reason))
}
