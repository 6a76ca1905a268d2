//! What shows a fact: times, sides and frames.

use super::super::measure::told;
use super::super::subject::{Subject, View};
use crate::flow::{Event, What};
use crate::report::{FlowReport, KeepaliveReport, VerdictReport};

/// Lines of one kind that are shown.
const MOST: usize = 6;

/// The first of them, and how many more there are.
fn some(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// When it was seen.
pub(super) fn span(_: &View<'_>, flow: &FlowReport) -> Vec<String> {
    vec![format!(
        "{}: first segment at {}, last at {}",
        flow.told(),
        flow.first,
        flow.last
    )]
}

/// FINs and RSTs.
pub(super) fn ending(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    let fins = flow.fins.iter().map(|closed| ("FIN", closed));
    let rsts = flow.rsts.iter().map(|closed| ("RST", closed));
    let mut all: Vec<_> = fins.chain(rsts).collect();
    all.sort_by_key(|(_, closed)| (closed.at, closed.frame));
    if all.is_empty() {
        let mut lines = span(view, flow);
        lines.push("neither a FIN nor a RST was seen".to_owned());
        return lines;
    }
    some(
        all.iter()
            .map(|(what, closed)| {
                let by = closed.by.name();
                format!("{what} by {by} at {} (frame {})", closed.at, closed.frame)
            })
            .collect(),
    )
}

/// RSTs alone.
pub(super) fn resets(_: &View<'_>, flow: &FlowReport) -> Vec<String> {
    let line = |closed: &crate::report::Closed| {
        let by = closed.by.name();
        format!("RST by {by} at {} (frame {})", closed.at, closed.frame)
    };
    some(flow.rsts.iter().map(line).collect())
}

/// Keepalive probes.
pub(super) fn probes(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    let of = |side: &str, keepalive: &Option<KeepaliveReport>| -> Vec<String> {
        let probes = keepalive.iter().flat_map(|keepalive| &keepalive.probes);
        let line = |probe: &crate::report::ProbeReport| {
            let after = probe.after_s.map_or_else(String::new, |after| {
                format!(" after {} of silence", told(after))
            });
            let answer = probe.answered.map_or_else(
                || "not answered".to_owned(),
                |at| format!("answered {} later", told(at.since(probe.at).as_secs_f64())),
            );
            format!(
                "keepalive probe by {side} at {} (frame {}){after}, {answer}",
                probe.at, probe.frame
            )
        };
        some(probes.map(line).collect())
    };
    let mut lines = of("client", &flow.keepalive.client);
    lines.extend(of("server", &flow.keepalive.server));
    if lines.is_empty() {
        lines = span(view, flow);
        lines.push("no keepalive probe was seen".to_owned());
    }
    lines
}

fn events(view: &View<'_>, flow: &FlowReport, word: fn(&What) -> Option<String>) -> Vec<String> {
    let Some(trail) = view.trail(flow.id) else {
        return span(view, flow);
    };
    let line = |event: &Event| {
        let what = word(&event.what)?;
        let by = event.by.name();
        Some(format!(
            "{what} by {by} at {} (frame {})",
            event.at, event.frame
        ))
    };
    let lines: Vec<String> = trail.events.iter().filter_map(line).collect();
    if lines.is_empty() {
        return span(view, flow);
    }
    some(lines)
}

/// What was sent again.
pub(super) fn retransmissions(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    events(view, flow, |what| match what {
        What::Retransmission { bytes: 0, .. } => Some("FIN sent again".to_owned()),
        What::Retransmission { bytes, .. } => Some(format!("{bytes} bytes sent again")),
        What::Syn { attempt } if *attempt > 1 => Some(format!("SYN number {attempt}")),
        _ => None,
    })
}

/// Windows of zero and their probes.
pub(super) fn windows(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    events(view, flow, |what| match what {
        What::ZeroWindow => Some("window of zero".to_owned()),
        What::ZeroWindowProbe => Some("zero-window probe".to_owned()),
        What::WindowOpened { after } => {
            Some(format!("window opened after {}", told(after.as_secs_f64())))
        }
        _ => None,
    })
}

/// Requests and answers.
pub(super) fn turns(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    events(view, flow, |what| match what {
        What::Data { bytes, .. } => Some(format!("{bytes} bytes")),
        _ => None,
    })
}

/// The opening.
pub(super) fn opening(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    events(view, flow, |what| match what {
        What::Syn { attempt } => Some(format!("SYN number {attempt}")),
        What::SynAck => Some("SYN-ACK".to_owned()),
        _ => None,
    })
}

/// The longest time without an event, where it is the silence that is asked for.
pub(super) fn silence(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    let of_data = flow.longest_payload_gap_s;
    let mut lines = span(view, flow);
    let events = view.trail(flow.id).map_or(&[][..], |trail| &trail.events);
    let moves = events.iter().filter(|event| {
        matches!(
            event.what,
            What::Syn { .. } | What::SynAck | What::Data { .. } | What::Fin | What::Rst
        )
    });
    let moves: Vec<&Event> = moves.collect();
    let until = |event: &Event| match event.what {
        What::Data { until, .. } => until,
        _ => event.at,
    };
    let gap = moves
        .windows(2)
        .map(|pair| (pair[1].at.since(until(pair[0])).as_secs_f64(), pair))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    if let Some((gap, pair)) = gap.filter(|(gap, _)| (gap - of_data).abs() < 0.01) {
        lines.push(format!(
            "no data for {} from {} (frame {} began it) to {} (frame {})",
            told(gap),
            until(pair[0]),
            pair[0].frame,
            pair[1].at,
            pair[1].frame
        ));
    }
    lines
}

/// What verdicts rest on.
pub(super) fn verdicts<'a>(verdicts: impl Iterator<Item = &'a VerdictReport>) -> Vec<String> {
    let lines = verdicts.flat_map(|verdict| {
        let summary = std::iter::once(format!("verdict: {}", verdict.summary));
        summary.chain(verdict.evidence.iter().cloned())
    });
    some(lines.collect())
}
