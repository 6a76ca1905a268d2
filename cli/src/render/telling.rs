//! Which flows tell most.

use std::cmp::Reverse;

use tracer::report::FlowReport;

/// The flows, the most telling first, otherwise in their order.
pub(super) fn order(flows: &[FlowReport]) -> Vec<&FlowReport> {
    let mut flows: Vec<&FlowReport> = flows.iter().collect();
    flows.sort_by_key(|flow| Reverse(flow.weight));
    flows
}
