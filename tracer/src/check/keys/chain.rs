//! What can be expected of a chain beside what can be expected of each flow of its hops.

use std::sync::LazyLock;

use super::super::subject::{Key, Subject, View};
use super::super::test::{Value, Wants};
use super::{CAUSES, CONFIDENCES, count, evidence, flag, said, seconds, word};
use crate::report::{ChainReport, FlowReport, Report, VerdictReport};

pub(super) const STRENGTHS: &[&str] = &[
    "access_log",
    "proxy_protocol",
    "request_id",
    "forwarded_bytes",
    "process",
    "time_and_size",
];

impl Subject for ChainReport {
    fn keys() -> &'static [Key<Self>] {
        &KEYS
    }

    fn all(report: &Report) -> &[Self] {
        &report.chains
    }

    fn told(&self) -> String {
        let hops: Vec<String> = self.hops.iter().map(u64::to_string).collect();
        let request = self
            .request
            .as_deref()
            .map_or_else(String::new, |request| format!(", {request}"));
        format!("chain {} of hops {}{request}", self.id, hops.join(" -> "))
    }

    fn flows<'a>(&self, view: &View<'a>) -> Vec<&'a FlowReport> {
        let hops = self.hops.iter().filter_map(|id| view.hop(*id));
        hops.flat_map(|hop| hop.flows(view)).collect()
    }

    const CONSISTS_OF_FLOWS: bool = true;
}

/// Verdicts on it; of those that name no chain, those on its hops.
fn verdicts<'a>(
    view: &View<'a>,
    chain: &ChainReport,
) -> impl Iterator<Item = &'a VerdictReport> + use<'a> {
    let (id, hops) = (chain.id, chain.hops.clone());
    view.verdicts(move |verdict| match verdict.chain {
        Some(chain) => chain == id,
        None => verdict.hop.is_some_and(|hop| hops.contains(&hop)),
    })
}

fn proof(view: &View<'_>, chain: &ChainReport) -> Vec<String> {
    let mut lines = evidence::verdicts(verdicts(view, chain));
    if lines.is_empty() {
        lines = course(view, chain);
    }
    lines
}

fn course(view: &View<'_>, chain: &ChainReport) -> Vec<String> {
    let time =
        |time: Option<crate::time::Time>| time.map_or("never".to_owned(), |at| at.to_string());
    let mut lines = vec![format!(
        "request began {}, answer complete {}",
        time(chain.began),
        time(chain.done)
    )];
    lines.extend(chain.hops.iter().filter_map(|id| view.hop(*id)).map(|hop| {
        let flows: Vec<String> = hop.flows.iter().map(|flow| flow.0.to_string()).collect();
        format!("{} (flows {})", hop.told(), flows.join(", "))
    }));
    lines
}

impl ChainReport {
    /// What was requested, which what is not HTTP, or encrypted, or cut away does not tell. Nothing
    /// where nobody requested anything.
    pub(in crate::check) fn request_value(&self) -> Option<Value> {
        let unread = self
            .began
            .map(|_| Value::Unknown("its request could not be read"));
        self.request.clone().map(Value::Text).or(unread)
    }
}

/// An answer that is owed has no status, and where the request could be read, so could the answer.
fn status(chain: &ChainReport) -> Vec<Value> {
    let read = || chain.request.is_some();
    vec![match (chain.status, chain.began, chain.done) {
        (Some(status), ..) => Value::Count(status.into()),
        (None, None, _) => Value::None("nothing was requested"),
        (None, Some(_), None) if read() => Value::None("it was not answered"),
        _ => Value::Unknown("no status could be read"),
    }]
}

/// From the first byte of the request to the last of the answer.
fn took(chain: &ChainReport) -> Vec<Value> {
    let took = match (chain.began, chain.done) {
        (Some(began), Some(done)) => Some(done.since(began).as_secs_f64()),
        _ => None,
    };
    seconds(took, "it was not answered to the end")
}

/// What one or all of its joins are: a single hop has none, and nothing can be said of it.
fn joined_by(chain: &ChainReport) -> Vec<Value> {
    if chain.joined_by.is_empty() {
        return vec![Value::None("it is a single hop")];
    }
    chain.joined_by.iter().map(word).collect()
}

static KEYS: LazyLock<Vec<Key<ChainReport>>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    let mut key = |name: &str, wants, find: fn(&ChainReport) -> Vec<Value>| {
        keys.push(Key::new(name, wants, course, move |_, chain| find(chain)));
    };
    key("request", Wants::Request, |chain| {
        vec![
            chain
                .request_value()
                .unwrap_or(Value::None("nothing was requested")),
        ]
    });
    key("status", Wants::Count, status);
    key("hop_count", Wants::Count, |chain| {
        count(chain.hops.len() as u64)
    });
    key("joined_by", Wants::Word(STRENGTHS), joined_by);
    key("ambiguous", Wants::Flag, |chain| {
        flag(chain.others.iter().any(|others| !others.is_empty()))
    });
    key("adjacent", Wants::Flag, |chain| {
        chain.adjacent.iter().copied().map(Value::Flag).collect()
    });
    key("node", Wants::Text, |chain| {
        chain.nodes.iter().cloned().map(Value::Text).collect()
    });
    key("tried", Wants::Count, |chain| {
        count(chain.tried.iter().map(|tried| tried.len() as u64).sum())
    });
    key("answered", Wants::Flag, |chain| flag(chain.done.is_some()));
    key("took", Wants::Measured, took);
    let mut key = |name: &str, wants, what: fn(&VerdictReport) -> Value| {
        keys.push(Key::new(
            name,
            wants,
            proof,
            move |view: &View<'_>, chain| said(verdicts(view, chain), what),
        ));
    };
    key("cause", Wants::Word(CAUSES), |verdict| word(&verdict.cause));
    key("confidence", Wants::Rank(CONFIDENCES), |verdict| {
        word(&verdict.confidence)
    });
    key("alarm", Wants::Flag, |verdict| Value::Flag(verdict.alarm));
    key("ended_by", Wants::VantageOrNobody, super::verdict::culprit);
    keys
});
