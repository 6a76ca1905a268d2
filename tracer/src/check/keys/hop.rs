//! What can be expected of a hop beside what can be expected of each flow that it was seen as.

use std::sync::LazyLock;

use super::super::subject::{Key, Subject, View};
use super::super::test::{Value, Wants};
use super::{CAUSES, CONFIDENCES, count, evidence, port, requests_or_none, said, text, word};
use crate::flow::Sides;
use crate::report::{FlowReport, HopReport, Report, VerdictReport};

impl Subject for HopReport {
    fn keys() -> &'static [Key<Self>] {
        &KEYS
    }

    fn all(report: &Report) -> &[Self] {
        &report.hops
    }

    fn told(&self) -> String {
        format!("hop {}, {} -> {}", self.id, self.client, self.server)
    }

    fn flows<'a>(&self, view: &View<'a>) -> Vec<&'a FlowReport> {
        self.flows.iter().filter_map(|id| view.flow(*id)).collect()
    }

    const CONSISTS_OF_FLOWS: bool = true;
}

/// Verdicts on what began to end on this hop.
fn verdicts<'a>(
    view: &View<'a>,
    hop: &HopReport,
) -> impl Iterator<Item = &'a VerdictReport> + use<'a> {
    let id = hop.id;
    view.verdicts(move |verdict| verdict.hop == Some(id))
}

fn proof(view: &View<'_>, hop: &HopReport) -> Vec<String> {
    let mut lines = evidence::verdicts(verdicts(view, hop));
    if lines.is_empty() {
        lines = seen(view, hop);
    }
    lines
}

fn seen(view: &View<'_>, hop: &HopReport) -> Vec<String> {
    let flows = hop.flows(view).into_iter();
    flows.flat_map(|flow| evidence::span(view, flow)).collect()
}

/// What was made on the way; where nothing was, who looked, and when.
fn made(view: &View<'_>, hop: &HopReport) -> Vec<String> {
    if hop.made.is_empty() {
        return seen(view, hop);
    }
    let made = hop.made.iter().map(|made| {
        let what = if made.rst { "RST" } else { "FIN" };
        let by = made.by.name();
        format!(
            "{what} in the name of the {by} at {} (flow {}, frame {})",
            made.at, made.flow.0, made.frame
        )
    });
    made.collect()
}

const NOT_TOLD: Value =
    Value::Unknown("that cannot be told: it was not seen whole at two vantages");

fn lost(sides: Sides<Option<u64>>) -> Vec<Value> {
    match (sides.client, sides.server) {
        (Some(client), Some(server)) => count(client + server),
        _ => vec![NOT_TOLD],
    }
}

static KEYS: LazyLock<Vec<Key<HopReport>>> = LazyLock::new(|| {
    let mut keys = vec![
        Key::new("client", Wants::Address, seen, |_, hop: &HopReport| {
            text(&hop.client)
        }),
        Key::new("server", Wants::Address, seen, |_, hop: &HopReport| {
            text(&hop.server)
        }),
        Key::new("client_port", Wants::Port, seen, |_, hop: &HopReport| {
            port(&hop.client)
        }),
        Key::new("server_port", Wants::Port, seen, |_, hop: &HopReport| {
            port(&hop.server)
        }),
        Key::new("request", Wants::Request, seen, |view, hop: &HopReport| {
            requests_or_none(view.requests(&[hop.id]))
        }),
        Key::new("seen", Wants::Count, seen, |_, hop: &HopReport| {
            count(hop.flows.len() as u64)
        }),
        Key::new("made", Wants::Count, made, |_, hop: &HopReport| {
            count(hop.made.len() as u64)
        }),
        Key::new("lost", Wants::Count, seen, |_, hop: &HopReport| {
            lost(hop.lost)
        }),
        Key::new("lost.client", Wants::Count, seen, |_, hop: &HopReport| {
            vec![hop.lost.client.map_or(NOT_TOLD, Value::Count)]
        }),
        Key::new("lost.server", Wants::Count, seen, |_, hop: &HopReport| {
            vec![hop.lost.server.map_or(NOT_TOLD, Value::Count)]
        }),
    ];
    let mut key = |name: &str, wants, what: fn(&VerdictReport) -> Value| {
        keys.push(Key::new(name, wants, proof, move |view: &View<'_>, hop| {
            said(verdicts(view, hop), what)
        }));
    };
    key("cause", Wants::Word(CAUSES), |verdict| word(&verdict.cause));
    key("confidence", Wants::Rank(CONFIDENCES), |verdict| {
        word(&verdict.confidence)
    });
    key("alarm", Wants::Flag, |verdict| Value::Flag(verdict.alarm));
    keys
});
