//! What is true of every report, whatever was read.

use std::collections::{BTreeSet, HashSet};

use tracer::flow::{Event, Side, What};
use tracer::report::{End, FlowReport, KeepaliveReport, Report, VantageReport};

/// Every frame is accounted for once, and every segment belongs to one flow.
pub(crate) fn vantage(vantage: &VantageReport, flows: &[FlowReport]) {
    let skipped = wide(vantage.skipped.values().copied());
    assert!(u128::from(vantage.malformed) <= skipped && vantage.cut <= vantage.segments);
    assert!(vantage.first <= vantage.last);
    assert!(vantage.unshown <= vantage.counted && vantage.counted <= vantage.segments);
    let here = || flows.iter().filter(|flow| flow.vantage == vantage.name);
    let duplicates: u64 = here().map(|flow| flow.duplicates).sum();
    assert_eq!(vantage.duplicates, duplicates, "duplicates add up");
    let segments = here().flat_map(|flow| [flow.segments.client, flow.segments.server]);
    let segments = wide(segments.chain([duplicates, vantage.unshown]));
    let frames = wide([vantage.segments, vantage.filtered_out]) + skipped;
    // A damaged recording may claim counts that no number holds.
    if segments.max(frames) < 1 << 60 {
        assert_eq!(u128::from(vantage.frames), frames, "frames add up");
        assert_eq!(u128::from(vantage.segments), segments, "segments add up");
    }
}

fn wide(numbers: impl IntoIterator<Item = u64>) -> u128 {
    numbers.into_iter().map(u128::from).sum()
}

/// The parts of a flow's report agree with each other. What a recording says was counted is
/// believed, so that little can be held against it where there is some.
pub(crate) fn flow(flow: &FlowReport, tallied: bool) {
    assert!(flow.first <= flow.last);
    for told in &flow.kernel {
        assert!(told.fact.at <= told.fact.until && told.fact.times > 0);
    }
    assert!(flow.kernel.is_sorted_by_key(|told| told.fact.at));
    if tallied {
        return;
    }
    times(flow);
    ending(flow);
    for side in [Side::Client, Side::Server] {
        if let Some(run) = &flow.keepalive[side] {
            keepalive(flow, run);
        }
        let probes = flow.keepalive[side]
            .as_ref()
            .map_or(0, |run| run.probes.len() as u64);
        let zero = u64::from(flow.zero_window_probes[side]);
        assert!(probes + zero + flow.retransmissions[side] <= flow.segments[side]);
        assert!(u64::from(flow.zero_windows[side]) <= flow.segments[side]);
    }
}

/// Every flow is of one hop, and no vantage sees a hop twice between the same endpoints.
pub(crate) fn hops(report: &Report) {
    let mut of_hops: Vec<u64> = Vec::new();
    for hop in &report.hops {
        of_hops.extend(hop.flows.iter().map(|flow| flow.0));
        let flows = report.flows.iter();
        let mut places = HashSet::new();
        for flow in flows.filter(|flow| hop.flows.contains(&flow.id)) {
            let ends = BTreeSet::from([&flow.client, &flow.server]);
            assert!(places.insert((&flow.vantage, ends)), "twice in a hop");
        }
        for side in [Side::Client, Side::Server] {
            assert!(hop.at[side].is_some() || !hop.at_proved[side]);
        }
        assert_eq!(hop.joined_by.iter().filter(|by| by.is_none()).count(), 1);
    }
    of_hops.sort_unstable();
    let mut flows: Vec<u64> = report.flows.iter().map(|flow| flow.id.0).collect();
    flows.sort_unstable();
    assert_eq!(of_hops, flows, "every flow is of one hop");
}

/// What the kernel told is in order.
pub(crate) fn sockets(report: &Report) {
    for socket in &report.sockets {
        assert!(
            !socket.seen.is_empty(),
            "only what was looked at is a socket"
        );
        assert!(socket.seen.is_sorted_by_key(|seen| seen.at));
        let moments: HashSet<String> = socket
            .seen
            .iter()
            .map(|s| format!("{:?}", s.moment))
            .collect();
        assert_eq!(moments.len(), socket.seen.len(), "each moment once");
    }
    assert!(report.unjoined.is_sorted_by_key(|told| told.fact.at));
}

fn times(flow: &FlowReport) {
    let span = flow.last.since(flow.first).as_secs_f64();
    for length in [
        flow.lasted_s,
        flow.longest_idle_s,
        flow.longest_payload_gap_s,
    ] {
        assert!((0.0..=span).contains(&length), "{length} within {span}");
    }
    for at in [flow.opened, flow.ended, flow.closed].into_iter().flatten() {
        assert!(flow.first <= at && at <= flow.last, "{at} within the flow");
    }
}

fn ending(flow: &FlowReport) {
    let open = matches!(flow.end, End::Open | End::Unanswered);
    assert_eq!(flow.ended_by.is_none(), open, "who ended it");
    assert_eq!(flow.ended.is_none(), open, "when it ended");
    let sides: Vec<Side> = flow.fins.iter().map(|fin| fin.by).collect();
    assert!(sides.len() <= 2 && (sides.len() < 2 || sides[0] != sides[1]));
    match flow.end {
        End::Fin => {
            assert_eq!(Some(flow.fins[0].at), flow.ended);
            assert_eq!(Some(flow.fins[0].by), flow.ended_by);
        }
        End::Rst | End::Refused => {
            let first = flow
                .rsts
                .iter()
                .find(|rst| Some(rst.at) == flow.ended && Some(rst.by) == flow.ended_by);
            assert!(first.is_some(), "the RST that ended it");
        }
        End::Open => {}
        End::Unanswered => {
            assert_eq!(flow.segments.server, 0);
            assert_eq!(flow.segments.client, u64::from(flow.syns));
        }
    }
    if flow.end == End::Refused {
        assert_eq!(flow.ended_by, Some(Side::Server));
        assert!(flow.syns > 0);
    }
}

fn keepalive(flow: &FlowReport, run: &KeepaliveReport) {
    assert!(!run.probes.is_empty(), "null stands for no probes");
    for (before, after) in run.probes.iter().zip(&run.probes[1..]) {
        assert!(before.frame < after.frame, "probes in the order of frames");
    }
    for probe in &run.probes {
        assert!(flow.first <= probe.at && probe.at <= flow.last);
        assert!(probe.answered.is_none_or(|at| at <= flow.last));
        assert!(probe.after_s.is_none_or(|after| after >= 0.0));
    }
    for measured in [run.idle_s, run.interval_s].into_iter().flatten() {
        let waits = || run.probes.iter().filter_map(|probe| probe.after_s);
        assert!(waits().any(|wait| wait >= measured) && waits().any(|wait| wait <= measured));
    }
}

/// The timeline of a flow tells what its report counts.
pub(crate) fn timeline(flow: &FlowReport, events: &[Event]) {
    assert!(events.is_sorted_by_key(|event| event.at));
    let frames = |of: fn(&What) -> bool| {
        let mut frames: Vec<u64> = events
            .iter()
            .filter(|event| of(&event.what))
            .map(|event| event.frame)
            .collect();
        frames.sort_unstable();
        frames
    };
    let mut probes: Vec<u64> = [&flow.keepalive.client, &flow.keepalive.server]
        .into_iter()
        .flatten()
        .flat_map(|run| &run.probes)
        .map(|probe| probe.frame)
        .collect();
    probes.sort_unstable();
    assert_eq!(
        frames(|what| matches!(what, What::KeepaliveProbe { .. })),
        probes
    );
    let zero = flow.zero_window_probes.client + flow.zero_window_probes.server;
    assert_eq!(
        frames(|what| *what == What::ZeroWindowProbe).len(),
        zero as usize
    );
    let mut fins: Vec<u64> = flow.fins.iter().map(|fin| fin.frame).collect();
    fins.sort_unstable();
    assert_eq!(frames(|what| *what == What::Fin), fins);
    assert_eq!(frames(|what| *what == What::Rst).len(), flow.rsts.len());
    let asked = |event: &&Event| event.by == Side::Client && matches!(event.what, What::Syn { .. });
    assert_eq!(events.iter().filter(asked).count(), flow.syns as usize);
}
