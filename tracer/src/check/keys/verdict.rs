//! What can be expected of a verdict.

use std::sync::LazyLock;

use super::super::subject::{Key, Subject, View};
use super::super::test::{Value, Wants};
use super::{CAUSES, CONFIDENCES, evidence, requests_or_none, word};
use crate::report::{FlowReport, Report, VerdictReport};

impl Subject for VerdictReport {
    fn keys() -> &'static [Key<Self>] {
        &KEYS
    }

    fn all(report: &Report) -> &[Self] {
        &report.verdicts
    }

    fn told(&self) -> String {
        let about = match (self.chain, self.hop) {
            (Some(chain), _) => format!(" on chain {chain}"),
            (None, Some(hop)) => format!(" on hop {hop}"),
            (None, None) => String::new(),
        };
        format!("verdict '{}'{about}", self.summary)
    }

    fn flows<'a>(&self, _: &View<'a>) -> Vec<&'a FlowReport> {
        Vec::new()
    }

    const TELLS_ALL: bool = true;

    const CONSISTS_OF_FLOWS: bool = false;
}

/// The vantage at whoever ended it, else whoever it was in words.
pub(super) fn culprit(verdict: &VerdictReport) -> Value {
    let name = verdict
        .ended_by_vantage
        .as_deref()
        .or(verdict.ended_by.as_deref());
    Value::Text(name.unwrap_or("nobody").to_owned())
}

fn proof(_: &View<'_>, verdict: &VerdictReport) -> Vec<String> {
    evidence::verdicts(std::iter::once(verdict))
}

/// Requests of its chain, else those that went over its hop.
fn requests(view: &View<'_>, verdict: &VerdictReport) -> Vec<Value> {
    let chain = verdict.chain.and_then(|id| {
        let mut chains = view.report.chains.iter();
        chains.find(|chain| chain.id == id)
    });
    requests_or_none(match chain {
        Some(chain) => chain.request_value().into_iter().collect(),
        None => view.requests(verdict.hop.as_slice()),
    })
}

static KEYS: LazyLock<Vec<Key<VerdictReport>>> = LazyLock::new(|| {
    let mut keys = vec![Key::new("request", Wants::Request, proof, requests)];
    let mut key = |name: &str, wants, find: fn(&VerdictReport) -> Value| {
        keys.push(Key::new(name, wants, proof, move |_, verdict| {
            vec![find(verdict)]
        }));
    };
    key("cause", Wants::Word(CAUSES), |verdict| word(&verdict.cause));
    key("confidence", Wants::Rank(CONFIDENCES), |verdict| {
        word(&verdict.confidence)
    });
    key("alarm", Wants::Flag, |verdict| Value::Flag(verdict.alarm));
    key("ended_by", Wants::VantageOrNobody, culprit);
    key("summary", Wants::Text, |verdict| {
        Value::Text(verdict.summary.clone())
    });
    keys
});
