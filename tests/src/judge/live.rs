//! Compares what was watched live with what really happened, and what two that watched say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Key, disagreements_of};
use crate::lab::Watched;
use crate::lab::truth::{Connection, NAMELESS, Truth};

/// What disagrees between a watch and the truth at every interface, a line each.
#[must_use]
pub fn disagreements(watched: &Watched, truth: &Truth) -> Vec<String> {
    let Watched { backend, report } = watched;
    let mut found = disagreements_of(report, truth);
    found.extend(losses(report));
    if *backend == "ebpf" {
        found.extend(closers(report, truth));
        let unjoined = report["unjoined"].as_array().into_iter().flatten();
        found.extend(unjoined.map(|fact| format!("joined to no flow: {fact}")));
    }
    let named = found.into_iter().map(|line| format!("{backend}: {line}"));
    named.collect()
}

/// Every interface must say that it lost nothing.
fn losses(report: &Value) -> Vec<String> {
    let vantages = report["vantages"].as_array().into_iter().flatten();
    let lost = vantages.filter(|vantage| vantage["dropped"] != 0);
    lost.map(|vantage| format!("{}: dropped is {}", vantage["name"], vantage["dropped"]))
        .collect()
}

/// In the namespace of each socket its flow knows it, and the program that closed it, or that none
/// did; and the kernel told of every RST that it sent.
fn closers(report: &Value, truth: &Truth) -> Vec<String> {
    let name = |flow: &Value, field: &str| flow[field].as_str().unwrap_or_default().to_owned();
    let flows = report["flows"].as_array().into_iter().flatten();
    let flows: BTreeMap<Key, &Value> = flows
        .map(|flow| {
            let [vantage, client, server] = ["vantage", "client", "server"].map(|f| name(flow, f));
            ((vantage, client, server), flow)
        })
        .collect();
    let mut found = Vec::new();
    for connection in &truth.connections {
        let Some(closed) = &connection.closed_by_process else {
            found.push(format!(
                "the truth of {} lacks who closed",
                connection.client
            ));
            continue;
        };
        let process = &connection.process;
        for (side, owner, closed) in [
            ("client", &process.client, closed.client),
            ("server", &process.server, closed.server),
        ] {
            let Some((node, program)) = owner.as_ref().and_then(|owner| owner.split_once('/'))
            else {
                continue;
            };
            let here = connection.vantages.iter();
            for vantage in here.filter(|vantage| truth.vantages[*vantage].node == node) {
                let Connection { client, server, .. } = connection;
                let key = (vantage.clone(), client.clone(), server.clone());
                // That it is missing was said already.
                if let Some(flow) = flows.get(&key) {
                    let expected = closed.then_some(program);
                    found.extend(
                        socket(flow, side, expected).map(|line| format!("{key:?}: {line}")),
                    );
                }
            }
        }
    }
    found
}

fn socket(flow: &Value, side: &str, expected: Option<&str>) -> Option<String> {
    let facts = flow["kernel"].as_array().into_iter().flatten();
    let closes = facts.filter(|fact| fact["by"] == side && fact["what"] == "closed_by_process");
    let told: BTreeSet<&str> = closes.filter_map(|fact| fact["comm"].as_str()).collect();
    // Whoever gives up a connection that never was closes no more than an attempt, of which the truth
    // does not speak.
    let attempt = ["refused", "unanswered"]
        .iter()
        .any(|end| flow["end"] == *end);
    let agrees = match expected {
        Some(NAMELESS) => told.len() == 1,
        None if attempt => told.len() <= 1,
        _ => told == expected.into_iter().collect(),
    };
    if !agrees {
        return Some(format!("{side} closed by {told:?}, truth {expected:?}"));
    }
    if let Some(line) = resets(flow, side) {
        return Some(line);
    }
    (flow["sockets"][side].is_null() && !attempt).then(|| format!("no socket of {side}"))
}

/// The kernel told of every RST that this side sent, and of none taken in that the other did not.
fn resets(flow: &Value, side: &str) -> Option<String> {
    let seen = |mine: bool| {
        let resets = flow["rsts"].as_array().into_iter().flatten();
        resets.filter(|reset| (reset["by"] == side) == mine).count() as u64
    };
    let told = |what: &str| -> u64 {
        let facts = flow["kernel"].as_array().into_iter().flatten();
        let facts = facts.filter(|fact| fact["by"] == side && fact["what"] == what);
        facts.filter_map(|fact| fact["times"].as_u64()).sum()
    };
    // Two alike within microseconds are taken for one that was captured twice.
    let twice = flow["duplicates"].as_u64().unwrap_or_default();
    let (sent, received) = (told("reset_sent"), told("reset_received"));
    if !(seen(true)..=seen(true) + twice).contains(&sent) {
        return Some(format!("{side} sent {} RSTs, told of {sent}", seen(true)));
    }
    let invented = received > 0 && seen(false) == 0;
    invented.then(|| format!("no RST came to {side}, told of {received}"))
}

/// What two that look at the same interface at the same time must tell alike: all but the moment at
/// which each was handed a frame, and the frames' numbers.
#[must_use]
pub fn essence(report: &Value) -> Vec<String> {
    let flows = report["flows"].as_array().map(Vec::as_slice);
    let mut told: Vec<String> = flows.unwrap_or_default().iter().map(of_flow).collect();
    told.sort();
    told
}

/// What the two backends do not tell alike, a line each. Only how many segments they were may differ:
/// the probe sees what goes out before the kernel cuts what the device would not take whole
/// (`validate_xmit_skb`, net/core/dev.c), as it does on loopback with more than 64 KiB.
#[must_use]
pub fn differences(one: &Watched, other: &Watched) -> Vec<String> {
    let whole = |watched: &Watched| {
        let mut report = watched.report.clone();
        for flow in report["flows"].as_array_mut().into_iter().flatten() {
            flow["segments"] = Value::Null;
        }
        essence(&report)
    };
    let (told, also) = (whole(one), whole(other));
    let only = |of: &Watched, mine: &[String], others: &[String]| -> Vec<String> {
        let alone = mine.iter().filter(|flow| !others.contains(flow));
        alone
            .map(|flow| format!("{} alone: {flow}", of.backend))
            .collect()
    };
    [only(one, &told, &also), only(other, &also, &told)].concat()
}

fn of_flow(flow: &Value) -> String {
    let fields = [
        "vantage",
        "client",
        "server",
        "roles",
        "end",
        "ended_by",
        "syns",
        "zero_window_probes",
        "zero_windows",
        "retransmissions",
        "bytes",
        "unseen_bytes",
        "segments",
        "duplicates",
        "exchanges",
        "answer_pending",
    ];
    let mut told: Vec<String> = fields
        .into_iter()
        .map(|field| format!("{field} {}", flow[field]))
        .collect();
    for side in ["client", "server"] {
        let probes = flow["keepalive"][side]["probes"].as_array();
        let answered = probes.map(|probes| {
            let answered = |probe: &&Value| !probe["answered"].is_null();
            (probes.len(), probes.iter().filter(answered).count())
        });
        told.push(format!("probes of {side} {answered:?}"));
    }
    told.join(", ")
}
