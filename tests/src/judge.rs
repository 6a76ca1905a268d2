//! Compares what hopscope reads from a recording with what really happened.

pub mod live;
pub mod story;
pub mod variation;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::ensure;
use serde_json::Value;

use crate::binary;
use crate::lab::truth::{Connection, Truth};

/// Reads all captures of a recording with the real binary; what disagrees with its truth, a line
/// each.
///
/// # Errors
///
/// Where the recording or the report cannot be read.
pub fn disagreements(recording: &Path) -> anyhow::Result<Vec<String>> {
    let truth = Truth::read(recording)?;
    let captures = truth
        .vantages
        .keys()
        .map(|name| recording.join(format!("{name}.pcap")));
    let arguments = ["read".into(), "--format".into(), "json".into()];
    let told: binary::Told = binary::hopscope(arguments.into_iter().chain(captures))
        .output()?
        .into();
    ensure!(
        told.code == Some(0) && told.err.is_empty(),
        "exit {:?}: {}",
        told.code,
        told.err
    );
    let report: Value = serde_json::from_str(&told.out)?;
    Ok(disagreements_of(&report, &truth))
}

/// What disagrees between a report and the truth, a line each; the report calls its vantages as the
/// truth does.
#[must_use]
pub fn disagreements_of(report: &Value, truth: &Truth) -> Vec<String> {
    let mut judge = Judge {
        truth,
        flows: BTreeMap::new(),
        found: Vec::new(),
    };
    for flow in report["flows"].as_array().into_iter().flatten() {
        let name = |field: &str| flow[field].as_str().unwrap_or_default().to_owned();
        let key = (name("vantage"), name("client"), name("server"));
        if judge.flows.insert(key.clone(), flow).is_some() {
            judge.found.push(format!("{key:?} is reported twice"));
        }
    }
    judge.connections();
    judge.counters();
    judge.found
}

type Key = (String, String, String);

struct Judge<'a> {
    truth: &'a Truth,
    flows: BTreeMap<Key, &'a Value>,
    found: Vec<String>,
}

impl Judge<'_> {
    /// Every connection is there at each of its vantages, as it was, and nothing else is.
    fn connections(&mut self) {
        let mut expected = Vec::new();
        for connection in &self.truth.connections {
            for vantage in &connection.vantages {
                let key = (
                    vantage.clone(),
                    connection.client.clone(),
                    connection.server.clone(),
                );
                match self.flows.get(&key) {
                    Some(flow) => self.found.extend(differences(connection, vantage, flow)),
                    None => self.found.push(format!("{key:?} is missing")),
                }
                expected.push(key);
            }
        }
        let more = self.flows.keys().filter(|key| !expected.contains(key));
        self.found
            .extend(more.map(|key| format!("{key:?} never was")));
    }

    /// The keepalive and zero-window probes that the sockets of a namespace sent, as reported at
    /// its own vantages, are as many as its kernel counted.
    fn counters(&mut self) {
        for (node, counters) in &self.truth.namespaces {
            for (kind, counter) in [
                ("keepalive", "TcpExtTCPKeepAlive"),
                ("zero_window_probes", "TcpExtTCPWinProbe"),
            ] {
                let reported: u64 = self
                    .truth
                    .connections
                    .iter()
                    .map(|connection| self.sent_by(node, connection, kind))
                    .sum();
                let counted = counters.get(counter).copied().unwrap_or(0);
                if i64::try_from(reported) != i64::try_from(counted) {
                    self.found.push(format!(
                        "namespace {node}: {reported} {kind} reported, {counter} is {counted}"
                    ));
                }
            }
        }
    }

    fn sent_by(&self, node: &str, connection: &Connection, kind: &str) -> u64 {
        let process = &connection.process;
        let own = |vantage: &&String| self.truth.vantages[*vantage].node == node;
        let Some(vantage) = connection.vantages.iter().find(own) else {
            return 0;
        };
        let key = (
            vantage.clone(),
            connection.client.clone(),
            connection.server.clone(),
        );
        let sides = [("client", &process.client), ("server", &process.server)];
        let ours = sides.into_iter().filter(|(_, owner)| {
            owner
                .as_ref()
                .is_some_and(|owner| owner.split('/').next() == Some(node))
        });
        ours.filter_map(|(side, _)| Some(probes(self.flows.get(&key)?, kind, side)))
            .sum()
    }
}

/// Probes of one kind that a side of a flow sent.
fn probes(flow: &Value, kind: &str, side: &str) -> u64 {
    match &flow[kind][side] {
        Value::Number(count) => count.as_u64().unwrap_or_default(),
        keepalive => keepalive["probes"]
            .as_array()
            .map_or(0, |probes| probes.len() as u64),
    }
}

fn differences(connection: &Connection, vantage: &str, flow: &Value) -> Vec<String> {
    let view = connection.views.get(vantage).unwrap_or(&connection.view);
    let mut found = Vec::new();
    let mut compare = |what: &str, truth: Option<String>, told: String| {
        if truth.as_ref().is_some_and(|truth| *truth != told) {
            let Connection { client, server, .. } = connection;
            found.push(format!(
                "{vantage}: {client} -> {server}: {what} is {told}, truth {truth:?}"
            ));
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or("null").to_owned();
    compare("end", view.end.clone(), text(&flow["end"]));
    let ended_by = view.ended_by.clone().unwrap_or_else(|| "null".to_owned());
    compare(
        "ended_by",
        view.end.as_ref().map(|_| ended_by),
        text(&flow["ended_by"]),
    );
    for (kind, truth) in [
        ("keepalive", &view.keepalive),
        ("zero_window_probes", &view.zero_window_probes),
    ] {
        for (side, truth) in [("client", truth.client), ("server", truth.server)] {
            let told = probes(flow, kind, side).to_string();
            compare(
                &format!("{kind} of {side}"),
                truth.map(|truth| truth.to_string()),
                told,
            );
        }
    }
    found
}
