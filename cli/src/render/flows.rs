//! The table of flows: which columns there are, and what stands in them.

use tracer::flow::{RunEnd, Side, Sides};
use tracer::report::{End, FactName, FlowReport, KeepaliveReport, KernelReport, Roles};

use super::clocks::Clocks;
use super::grid::{self, Column, Drawn, Kind, STICKY};
use super::harmless;
use super::units::{bytes, count, seconds};
use super::wording::errno_name;

/// A heading and what stands under it.
struct Heading {
    name: &'static str,
    cell: fn(&FlowReport, &Clocks<'_>) -> String,
    kind: Kind,
}

const HEADINGS: [Heading; 10] = [
    heading("#", Kind::Fixed, |flow, _| flow.id.0.to_string()),
    heading("vantage", Kind::Fixed, |flow, _| harmless(&flow.vantage)),
    heading("client", Kind::Fixed, |flow, _| flow.client.clone()),
    heading("server", Kind::Fixed, |flow, _| flow.server.clone()),
    heading("opened", Kind::Spare, opened),
    heading("lasted", Kind::SpareWords, |flow, _| seconds(flow.lasted_s)),
    heading("ended by", Kind::Words, |flow, _| ended_by(flow)),
    heading("keepalive probes", Kind::Words, |flow, _| keepalive(flow)),
    heading("bytes", Kind::Spare, |flow, _| sent(flow)),
    heading("also", Kind::SpareWords, |flow, _| also(flow)),
];

const fn heading(
    name: &'static str,
    kind: Kind,
    cell: fn(&FlowReport, &Clocks<'_>) -> String,
) -> Heading {
    Heading { name, cell, kind }
}

/// One line a flow.
pub(super) fn flows(flows: &[&FlowReport], clocks: &Clocks<'_>, width: usize) -> Drawn {
    let column = |heading: &Heading| {
        let cells = flows.iter().map(|flow| (heading.cell)(flow, clocks));
        let cells = std::iter::once(heading.name.to_owned())
            .chain(cells)
            .collect();
        Column {
            cells,
            kind: heading.kind,
        }
    };
    let said = |column: &Column| column.cells[1..].iter().any(|cell| !cell.is_empty());
    grid::draw(HEADINGS.iter().map(column).filter(said).collect(), width)
}

fn opened(flow: &FlowReport, clocks: &Clocks<'_>) -> String {
    match flow.opened {
        Some(at) => {
            let at = clocks.common(&flow.vantage, at);
            format!("{:.3} s", at.since(clocks.start).as_secs_f64())
        }
        None => "before".to_owned(),
    }
}

fn sent(flow: &FlowReport) -> String {
    format!(
        "{} / {}",
        bytes(flow.bytes.client),
        bytes(flow.bytes.server)
    )
}

fn ended_by(flow: &FlowReport) -> String {
    let end = end(flow);
    if flow.answer_pending {
        format!("{end}, answer pending")
    } else {
        end
    }
}

fn end(flow: &FlowReport) -> String {
    let by = flow.ended_by.map_or("", Side::name);
    match flow.end {
        End::Fin => format!("{by} FIN"),
        End::Rst => format!("{by} RST"),
        End::Refused => format!("{by} RST: refused"),
        End::Unanswered => format!("nobody: {} unanswered", count(u64::from(flow.syns), "SYN")),
        End::Open => "nobody: open".to_owned(),
    }
}

fn keepalive(flow: &FlowReport) -> String {
    let keepalive = &flow.keepalive;
    let sides = [
        (Side::Client, &keepalive.client),
        (Side::Server, &keepalive.server),
    ];
    let told: Vec<String> = sides
        .into_iter()
        .filter_map(|(side, run)| {
            run.as_ref()
                .map(|run| format!("{} {}", side.name(), probes(run)))
        })
        .collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join("; ")
    }
}

/// `2 after 7.01 s, all answered`.
fn probes(run: &KeepaliveReport) -> String {
    let total = run.probes.len();
    let answered = run
        .probes
        .iter()
        .filter(|probe| probe.answered.is_some())
        .count();
    let time = |time| seconds(time).replace(' ', &STICKY.to_string());
    let idle = run
        .idle_s
        .map(|idle| format!(" after {}", time(idle)))
        .unwrap_or_default();
    let interval = run
        .interval_s
        .map(|every| format!(" every {}", time(every)))
        .unwrap_or_default();
    let answers = match answered {
        0 => "none answered".to_owned(),
        all if all == total => "answered".to_owned(),
        some => format!("{some} answered"),
    };
    let last_answered = run
        .probes
        .last()
        .is_some_and(|probe| probe.answered.is_some());
    let then = match run.ended {
        Some(RunEnd::ResetByProber) if last_answered => ", then RST",
        Some(RunEnd::ResetByProber) => ", gave up",
        Some(RunEnd::ResetByPeer) => ", peer reset",
        _ => "",
    };
    format!("{total}{idle}{interval}, {answers}{then}")
}

/// What else is worth knowing about a flow.
fn also(flow: &FlowReport) -> String {
    let mut notes = Vec::new();
    let mut each = |counts: [u64; 2], noun: &str| {
        for (side, counted) in [Side::Client, Side::Server].into_iter().zip(counts) {
            if counted > 0 {
                notes.push(format!("{} by {}", count(counted, noun), side.name()));
            }
        }
    };
    let wide = |counts: Sides<u32>| [u64::from(counts.client), u64::from(counts.server)];
    each(
        [flow.retransmissions.client, flow.retransmissions.server],
        "retransmission",
    );
    each(wide(flow.zero_windows), "zero window");
    each(wide(flow.zero_window_probes), "zero-window probe");
    if flow.roles == Roles::Inferred {
        notes.push("roles inferred".to_owned());
    }
    let unseen = flow.unseen_bytes.client + flow.unseen_bytes.server;
    if unseen > 0 {
        notes.push(format!("{} not captured", bytes(unseen)));
    }
    notes.extend(flow.kernel.iter().filter_map(befell));
    notes.join(", ")
}

/// What the kernel told, as far as segments do not tell it, too.
fn befell(told: &KernelReport) -> Option<String> {
    let (side, fact) = (told.by.name(), &told.fact);
    match fact.what {
        FactName::ClosedByProcess => {
            let comm = harmless(fact.comm.as_deref().unwrap_or("?"));
            let pid = fact.pid.map(|pid| format!("/{pid}"));
            Some(format!(
                "{side} closed by {comm}{}",
                pid.unwrap_or_default()
            ))
        }
        FactName::ResetSent => {
            let reason = harmless(fact.reason.as_deref()?);
            Some(format!("RST by {side}: {reason}"))
        }
        FactName::Error => Some(format!("{side} got {}", errno_name(fact.errno?))),
        FactName::ResetReceived | FactName::Retransmitted => None,
    }
}
