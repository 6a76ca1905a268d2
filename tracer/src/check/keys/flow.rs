//! What can be expected of a flow.

use std::sync::LazyLock;

use super::super::subject::{Evidence, Key, Subject, View};
use super::super::test::{Value, Wants};
use super::{
    CAUSES, CONFIDENCES, count, evidence, flag, port, requests_or_none, said, seconds, text,
    told_seconds, word,
};
use crate::flow::{End, Side, Sides};
use crate::report::{FlowReport, KeepaliveReport, Report, VerdictReport};

pub(super) const ENDS: &[&str] = &["fin", "rst", "open", "refused", "unanswered"];
pub(super) const RUN_ENDS: &[&str] = &[
    "data",
    "fin",
    "reset_by_prober",
    "reset_by_peer",
    "capture_end",
];
const SIDES: &[&str] = &["client", "server", "nobody"];

impl Subject for FlowReport {
    fn keys() -> &'static [Key<Self>] {
        &KEYS
    }

    fn all(report: &Report) -> &[Self] {
        &report.flows
    }

    fn told(&self) -> String {
        format!(
            "flow {} at {}, {} -> {}",
            self.id.0, self.vantage, self.client, self.server
        )
    }

    fn flows<'a>(&self, _: &View<'a>) -> Vec<&'a FlowReport> {
        Vec::new()
    }

    const CONSISTS_OF_FLOWS: bool = false;
}

const BOTH: Sides<Side> = Sides {
    client: Side::Client,
    server: Side::Server,
};

/// Verdicts about a flow: those that it shows best, and those of the hop that it is.
fn verdicts<'a>(
    view: &View<'a>,
    flow: &FlowReport,
) -> impl Iterator<Item = &'a VerdictReport> + use<'a> {
    let hops = view.hops_of(flow.id).to_vec();
    let id = flow.id;
    view.verdicts(move |verdict| {
        verdict.flow == Some(id) || verdict.hop.is_some_and(|hop| hops.contains(&hop))
    })
}

fn proof(view: &View<'_>, flow: &FlowReport) -> Vec<String> {
    let mut lines = evidence::verdicts(verdicts(view, flow));
    if lines.is_empty() {
        lines = evidence::ending(view, flow);
    }
    lines
}

fn resets(flow: &FlowReport, by: Side) -> u64 {
    flow.rsts.iter().filter(|rst| rst.by == by).count() as u64
}

fn answered(keepalive: &KeepaliveReport) -> u64 {
    let probes = keepalive.probes.iter();
    probes.filter(|probe| probe.answered.is_some()).count() as u64
}

fn sent(keepalive: &KeepaliveReport) -> u64 {
    keepalive.probes.len() as u64
}

type Keys = Vec<Key<FlowReport>>;

/// Keys of a number that both sides have: the name, what shows it, and where it is.
type Sum = (
    &'static str,
    Evidence<FlowReport>,
    fn(&FlowReport) -> Sides<u64>,
);

/// Three keys: of both sides together, and of each.
fn by_side(
    keys: &mut Keys,
    name: &str,
    evidence: Evidence<FlowReport>,
    sides: fn(&FlowReport) -> Sides<u64>,
) {
    let mut key = |name: String, pick: fn(Sides<u64>) -> u64| {
        keys.push(Key::new(name, Wants::Count, evidence, move |_, flow| {
            count(pick(sides(flow)))
        }));
    };
    key(name.to_owned(), |sides| sides.client + sides.server);
    key(format!("{name}.client"), |sides| sides.client);
    key(format!("{name}.server"), |sides| sides.server);
}

/// The keys of one side's keepalive probes.
fn keepalive(keys: &mut Keys, side: Side) {
    type Of = fn(&KeepaliveReport) -> Vec<Value>;
    let mut key = |name: &str, wants, none: fn() -> Vec<Value>, of: Of| {
        let name = format!("keepalive.{}.{name}", side.name());
        keys.push(Key::new(
            name,
            wants,
            evidence::probes,
            move |_, flow: &FlowReport| flow.keepalive[side].as_ref().map_or_else(none, of),
        ));
    };
    let zero = || count(0);
    let no_probe = || vec![Value::None("that side sent no keepalive probe")];
    key("probes", Wants::Count, zero, |keepalive| {
        count(sent(keepalive))
    });
    key("answered", Wants::Count, zero, |keepalive| {
        count(answered(keepalive))
    });
    key("unanswered", Wants::Count, zero, |keepalive| {
        count(sent(keepalive) - answered(keepalive))
    });
    key("idle", Wants::Measured, no_probe, |keepalive| {
        told_seconds(keepalive.idle_s, "no silence was seen from its beginning")
    });
    key("interval", Wants::Measured, no_probe, |keepalive| {
        told_seconds(keepalive.interval_s, "no unanswered probe was repeated")
    });
    key("ended", Wants::Word(RUN_ENDS), no_probe, |keepalive| {
        let ended = keepalive.ended.as_ref();
        vec![ended.map_or(Value::None("a RST seemed to end it and did not"), word)]
    });
}

/// Which flow it is.
fn identity(keys: &mut Keys) {
    let mut key = |name: &str, wants, find: fn(&View<'_>, &FlowReport) -> Vec<Value>| {
        keys.push(Key::new(name, wants, evidence::span, find));
    };
    key("vantage", Wants::Vantage, |_, flow| text(&flow.vantage));
    key("client", Wants::Address, |_, flow| text(&flow.client));
    key("server", Wants::Address, |_, flow| text(&flow.server));
    key("client_port", Wants::Port, |_, flow| port(&flow.client));
    key("server_port", Wants::Port, |_, flow| port(&flow.server));
    key("request", Wants::Request, |view, flow| {
        requests_or_none(view.requests(view.hops_of(flow.id)))
    });
}

/// How it went, and how long that took.
fn course(keys: &mut Keys) {
    let mut key =
        |name: &str, wants, evidence: Evidence<FlowReport>, find: fn(&FlowReport) -> Vec<Value>| {
            keys.push(Key::new(name, wants, evidence, move |_, flow| find(flow)));
        };
    key("end", Wants::Word(ENDS), evidence::ending, |flow| {
        vec![word(&flow.end)]
    });
    key("ended_by", Wants::Word(SIDES), evidence::ending, |flow| {
        text(flow.ended_by.map_or("nobody", Side::name))
    });
    key("closed", Wants::Flag, evidence::ending, |flow| {
        flag(flow.closed.is_some())
    });
    key("lasted", Wants::Measured, evidence::span, |flow| {
        seconds(Some(flow.lasted_s), "")
    });
    key(
        "handshake_rtt",
        Wants::Measured,
        evidence::opening,
        |flow| match flow.end {
            End::Refused | End::Unanswered => seconds(flow.handshake_rtt_s, "it was never open"),
            _ => told_seconds(flow.handshake_rtt_s, "its handshake was not seen"),
        },
    );
    key(
        "longest_silence",
        Wants::Measured,
        evidence::silence,
        |flow| seconds(Some(flow.longest_idle_s), ""),
    );
    key(
        "longest_payload_gap",
        Wants::Measured,
        evidence::silence,
        |flow| seconds(Some(flow.longest_payload_gap_s), ""),
    );
    key("exchanges", Wants::Count, evidence::turns, |flow| {
        count(flow.exchanges)
    });
    key("answer_pending", Wants::Flag, evidence::turns, |flow| {
        flag(flow.answer_pending)
    });
    key("syns", Wants::Count, evidence::opening, |flow| {
        count(flow.syns.into())
    });
    key("duplicates", Wants::Count, evidence::span, |flow| {
        count(flow.duplicates)
    });
}

/// What verdicts say of it.
fn judged(keys: &mut Keys) {
    let mut key = |name: &str, wants, what: fn(&VerdictReport) -> Value| {
        keys.push(Key::new(
            name,
            wants,
            proof,
            move |view: &View<'_>, flow| said(verdicts(view, flow), what),
        ));
    };
    key("cause", Wants::Word(CAUSES), |verdict| word(&verdict.cause));
    key("confidence", Wants::Rank(CONFIDENCES), |verdict| {
        word(&verdict.confidence)
    });
    key("alarm", Wants::Flag, |verdict| Value::Flag(verdict.alarm));
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys::new();
    identity(&mut keys);
    course(&mut keys);
    for side in [Side::Client, Side::Server] {
        keepalive(&mut keys, side);
    }
    let sums: [Sum; 7] = [
        ("resets", evidence::resets, |flow| {
            BOTH.map(|side| resets(flow, side))
        }),
        ("retransmissions", evidence::retransmissions, |flow| {
            flow.retransmissions
        }),
        ("zero_windows", evidence::windows, |flow| {
            flow.zero_windows.map(u64::from)
        }),
        ("zero_window_probes", evidence::windows, |flow| {
            flow.zero_window_probes.map(u64::from)
        }),
        ("bytes", evidence::turns, |flow| flow.bytes),
        ("segments", evidence::span, |flow| flow.segments),
        ("unseen_bytes", evidence::span, |flow| flow.unseen_bytes),
    ];
    for (name, evidence, sides) in sums {
        by_side(&mut keys, name, evidence, sides);
    }
    judged(&mut keys);
    keys
});
