//! What access logs came to.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::chain::Chain;
use crate::flow::Side;
use crate::log::{AccessLog, Entry};
use crate::scene::Scene;
use crate::segment::Endpoint;
use crate::time::Time;

/// An access log that was given.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AccessLogReport {
    /// Its name: that of a vantage at the proxy, or any other.
    pub name: String,
    /// The file.
    pub source: String,
    /// Requests or sessions that it tells of.
    pub entries: u64,
    /// Those among them that name a connection which was seen, by its client's address and port.
    pub seen: u64,
    /// Those among them that say something of a chain: whose exchange it is, or how hops are joined.
    pub matched: u64,
    /// Lines that are no entry in a known format.
    pub unread: u64,
    /// The first of these.
    pub first_unread: Option<LineReport>,
    /// The earliest beginning of an entry, by the clock of the proxy.
    pub first: Option<Time>,
    /// The latest beginning of an entry.
    pub last: Option<Time>,
}

/// A line of a file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LineReport {
    /// Its number, from 1.
    pub line: u64,
    /// How it begins.
    pub text: String,
}

impl AccessLogReport {
    /// Of all logs.
    pub(super) fn all(scene: &Scene<'_>, logs: &[AccessLog], chains: &[Chain]) -> Vec<Self> {
        if logs.is_empty() {
            return Vec::new();
        }
        let flows = scene.flows.iter().map(|seen| seen.flow);
        let ends: HashSet<Endpoint> = flows
            .flat_map(|flow| [Side::Client, Side::Server].map(|side| flow.endpoint(side)))
            .collect();
        let links = chains.iter().flat_map(|chain| &chain.links);
        let matched: HashSet<(usize, usize)> = links
            .flat_map(|link| link.entries.iter().copied())
            .collect();
        let mut counts = vec![0; logs.len()];
        for (log, _) in matched {
            counts[log] += 1;
        }
        logs.iter()
            .zip(counts)
            .map(|(log, matched)| Self::new(&ends, log, matched))
            .collect()
    }

    fn new(ends: &HashSet<Endpoint>, log: &AccessLog, matched: u64) -> Self {
        let seen = |entry: &&Entry| {
            let named = [
                entry.downstream_remote,
                entry.downstream_direct,
                entry.upstream_local,
            ];
            named.iter().flatten().any(|end| ends.contains(end))
        };
        let began = || log.entries.iter().filter_map(|entry| entry.began);
        Self {
            name: log.name.clone(),
            source: log.source.clone(),
            entries: log.entries.len() as u64,
            seen: log.entries.iter().filter(seen).count() as u64,
            matched,
            unread: log.unread,
            first_unread: log.first_unread.as_ref().map(|(line, text)| LineReport {
                line: *line,
                text: text.clone(),
            }),
            first: began().min(),
            last: began().max(),
        }
    }
}
