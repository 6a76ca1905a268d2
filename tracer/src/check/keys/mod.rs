//! What can be expected of each kind of thing, one file each.
//!
//! Where a report says null, a key says which of two it is. A fact ([`Value::None`]): the peer of a
//! listener, the status of a request that got no answer, the idle time of a side that sent no probe,
//! who closed an open socket. Or it cannot be told ([`Value::Unknown`]): requests and statuses in
//! payload that is not there or encrypted, frames that nobody counted, segments lost where nobody else
//! looked, options that were not read, times of what began before the capture. Absence of what cannot
//! be told is never proved.

mod chain;
mod evidence;
mod flow;
mod hop;
mod socket;
mod vantage;
mod verdict;

use serde::Serialize;

use super::subject::{Kind, Which, keys};
use super::test::{Value, Wants};
use crate::report::{
    ChainReport, FlowReport, HopReport, SocketReport, VantageReport, VerdictReport,
};

/// Causes, as reports name them.
pub(super) const CAUSES: &[&str] = &[
    "normal_close",
    "client_gave_up",
    "idle_timeout",
    "request_timeout",
    "keepalive_death",
    "retransmission_death",
    "max_connection_age",
    "stale_reuse",
    "refused",
    "unreachable",
    "closed_mid_exchange",
    "half_close",
    "injected_reset",
    "receiver_stalled",
    "overload",
    "tls_handshake_failed",
    "open",
    "unknown",
];

/// How sure a verdict is, the least first.
const CONFIDENCES: &[&str] = &["possible", "likely", "certain"];

/// What a kind understands.
pub(super) fn of(kind: Kind) -> Vec<(&'static str, Wants, Which)> {
    match kind {
        Kind::Flows => keys::<FlowReport>(),
        Kind::Hops => keys::<HopReport>(),
        Kind::Chains => keys::<ChainReport>(),
        Kind::Verdicts => keys::<VerdictReport>(),
        Kind::Sockets => keys::<SocketReport>(),
        Kind::Vantages => keys::<VantageReport>(),
    }
}

/// A word as it stands in reports.
pub(super) fn word(value: &impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Value::Text(word),
        _ => Value::None("it has no name"),
    }
}

fn text(text: &str) -> Vec<Value> {
    vec![Value::Text(text.to_owned())]
}

fn count(count: u64) -> Vec<Value> {
    vec![Value::Count(count)]
}

fn flag(flag: bool) -> Vec<Value> {
    vec![Value::Flag(flag)]
}

fn seconds(seconds: Option<f64>, otherwise: &'static str) -> Vec<Value> {
    vec![seconds.map_or(Value::None(otherwise), Value::Seconds)]
}

/// A time that nothing here may tell.
fn told_seconds(seconds: Option<f64>, otherwise: &'static str) -> Vec<Value> {
    vec![seconds.map_or(Value::Unknown(otherwise), Value::Seconds)]
}

/// Requests that are known; that there is none, where none went there, is a fact.
fn requests_or_none(requests: Vec<Value>) -> Vec<Value> {
    if requests.is_empty() {
        vec![Value::None("no request is known of it")]
    } else {
        requests
    }
}

/// The port of `ip:port`.
fn port(endpoint: &str) -> Vec<Value> {
    let port = endpoint
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    vec![port.map_or(Value::None("it has no port"), Value::Count)]
}

/// What verdicts say, one value each; and that there is none.
fn said<'a>(
    verdicts: impl Iterator<Item = &'a VerdictReport>,
    what: impl Fn(&VerdictReport) -> Value,
) -> Vec<Value> {
    let said: Vec<Value> = verdicts.map(what).collect();
    if said.is_empty() {
        vec![Value::None("no verdict is about it")]
    } else {
        said
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::chain::Strength;
    use crate::flow::{End, RunEnd};
    use crate::socket::State;
    use crate::verdict::{Cause, Confidence};

    /// Words that a schema allows.
    fn words(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
        match schema {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value) {
                        ("const", serde_json::Value::String(word)) => {
                            found.insert(word.clone());
                        }
                        ("enum", serde_json::Value::Array(words)) => {
                            let words = words.iter().filter_map(serde_json::Value::as_str);
                            found.extend(words.map(str::to_owned));
                        }
                        _ => words(value, found),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| words(item, found)),
            _ => {}
        }
    }

    fn same<T: schemars::JsonSchema>(known: &[&str]) {
        let mut found = BTreeSet::new();
        words(schemars::schema_for!(T).as_value(), &mut found);
        let known: BTreeSet<String> = known.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(found, known);
    }

    /// A word that reports use and expectations do not know could never be expected.
    #[test]
    fn every_word_of_a_report_can_be_expected() {
        same::<Cause>(CAUSES);
        same::<Confidence>(CONFIDENCES);
        same::<End>(flow::ENDS);
        same::<RunEnd>(flow::RUN_ENDS);
        same::<State>(socket::STATES);
        same::<Strength>(chain::STRENGTHS);
    }

    #[test]
    fn names_of_keys_are_used_once() {
        for kind in super::super::subject::KINDS {
            let keys = of(kind);
            let names: BTreeSet<&str> = keys.iter().map(|(name, ..)| *name).collect();
            assert_eq!(names.len(), keys.len(), "{kind:?}");
        }
    }
}
