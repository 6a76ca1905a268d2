//! Which hops served each request: as the logs of the proxies say, and where a proxy does not log a
//! connection, in the order in which its sockets were opened.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::truth::{Chain, Connection, NAMELESS};

/// The chains of a run, from the logs in `results` and its connections; requests that began before
/// the captures did are none.
///
/// # Errors
/// When a log cannot be read.
pub(super) fn derive(
    results: &Path,
    connections: &[Connection],
    started: jiff::Timestamp,
) -> Result<Vec<Chain>> {
    let logs = Logs {
        lb: lines(results, "lb")?,
        gw: lines(results, "gw")?,
        sidecar: lines(results, "sidecar")?,
        connections,
    };
    let requests = logs.gw.iter().filter(|line| !before(line, started));
    let requests = requests.filter_map(|line| logs.request(line));
    let mut chains: Vec<Chain> = requests.collect();
    chains.extend(logs.sessions(&chains));
    Ok(chains
        .into_iter()
        .filter(|chain| chain.hops.len() > 1)
        .collect())
}

/// The lines of a log that are JSON, if there is such a log.
fn lines(results: &Path, name: &str) -> Result<Vec<Value>> {
    let path = results.join(format!("{name}.log"));
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let lines = text.lines();
    Ok(lines
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

struct Logs<'a> {
    lb: Vec<Value>,
    gw: Vec<Value>,
    sidecar: Vec<Value>,
    connections: &'a [Connection],
}

impl Logs<'_> {
    /// The chain of a request that the gateway logged.
    fn request(&self, line: &Value) -> Option<Chain> {
        let remote = field(line, "downstream_remote_address")?;
        let mut hops = Vec::new();
        if let Some(below) = self.named(remote, |connection| {
            owner(&connection.process.server) == "gw"
        }) {
            hops.extend(
                self.balanced()
                    .into_iter()
                    .find_map(|(down, up)| (up == below).then_some(down)),
            );
            hops.push(below);
        } else {
            // A PROXY protocol header told the gateway of the client.
            let client = self.named(remote, |_| true)?;
            hops.push(client);
            hops.extend(
                self.balanced()
                    .into_iter()
                    .find_map(|(down, up)| (down == client).then_some(up)),
            );
        }
        if let Some(local) = field(line, "upstream_local_address") {
            hops.extend(self.named(local, |connection| {
                owner(&connection.process.client) == "gw"
            }));
            let id = field(line, "request_id");
            let same = |other: &&Value| {
                id.is_some()
                    && field(other, "request_id") == id
                    && field(other, "downstream_remote_address") == Some(local)
            };
            let further = self.sidecar.iter().find(same);
            let local = further.and_then(|line| field(line, "upstream_local_address"));
            hops.extend(local.and_then(|local| self.named(local, |_| true)));
        }
        let (method, path) = (field(line, "method"), field(line, "path"));
        Some(Chain {
            request: method
                .zip(path)
                .map(|(method, path)| format!("{method} {path}")),
            hops,
            tried: self.tried(line),
        })
    }

    /// Of a request that was tried more than once: connections of the gateway that served none.
    fn tried(&self, line: &Value) -> Vec<usize> {
        if line["attempts"]
            .as_u64()
            .is_none_or(|attempts| attempts < 2)
        {
            return Vec::new();
        }
        let serving = self
            .gw
            .iter()
            .filter_map(|line| field(line, "upstream_local_address"));
        let serving: Vec<_> = serving
            .filter_map(|local| self.named(local, |_| true))
            .collect();
        let made = self.connections.iter();
        let made = made.filter(|connection| owner(&connection.process.client) == "gw");
        let made = made.map(|connection| connection.hop);
        made.filter(|hop| !serving.contains(hop)).collect()
    }

    /// The sessions of the load balancer on which the gateway logged no request.
    fn sessions(&self, known: &[Chain]) -> Vec<Chain> {
        let pairs = self.balanced().into_iter();
        let silent = pairs.filter(|(down, _)| !known.iter().any(|chain| chain.hops.contains(down)));
        silent
            .map(|(down, up)| Chain {
                request: None,
                hops: vec![down, up],
                tried: Vec::new(),
            })
            .collect()
    }

    /// Pairs of a connection that the load balancer took and the one that it made for it: as it logged
    /// them, else in the order of opening, which is the same on both sides as it connects at once.
    fn balanced(&self) -> Vec<(usize, usize)> {
        let logged = |line: &Value| {
            let client = self.named(field(line, "client")?, |_| true)?;
            let made = self.named(field(line, "backend")?, |_| true)?;
            Some((client, made))
        };
        let mut pairs: Vec<_> = self.lb.iter().filter_map(logged).collect();
        let taken = |side: fn(&Connection) -> &Option<String>| {
            let haproxy = self.connections.iter();
            let haproxy = haproxy.filter(move |one| is_haproxy(side(one)));
            haproxy.map(|one| one.hop)
        };
        let down =
            taken(|one| &one.process.server).filter(|hop| !pairs.iter().any(|pair| pair.0 == *hop));
        let up =
            taken(|one| &one.process.client).filter(|hop| !pairs.iter().any(|pair| pair.1 == *hop));
        let silent: Vec<_> = down.zip(up).collect();
        pairs.extend(silent);
        pairs
    }

    /// The hop whose client has this endpoint.
    fn named(&self, client: &str, also: impl Fn(&Connection) -> bool) -> Option<usize> {
        let at: SocketAddr = endpoint(client)?;
        let mut connections = self.connections.iter();
        let found = connections.find(|one| one.client.parse() == Ok(at) && also(one));
        found.map(|one| one.hop)
    }
}

fn before(line: &Value, started: jiff::Timestamp) -> bool {
    let began = field(line, "start_time").and_then(|at| at.parse::<jiff::Timestamp>().ok());
    began.is_some_and(|began| began < started)
}

fn field<'a>(line: &'a Value, name: &str) -> Option<&'a str> {
    line[name].as_str()
}

/// HAProxy writes an address of IPv6 without brackets.
fn endpoint(text: &str) -> Option<SocketAddr> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let (ip, port) = text.rsplit_once(':')?;
    Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?))
}

/// Whether a process is the load balancer, which is alone in its namespace: also where the tracer had
/// forgotten its name.
fn is_haproxy(process: &Option<String>) -> bool {
    let parts = process.as_deref().and_then(|name| name.split_once('/'));
    parts.is_some_and(|(node, program)| node == "lb" && ["haproxy", NAMELESS].contains(&program))
}

/// The namespace of `gw/envoy`.
fn owner(process: &Option<String>) -> &str {
    let name = process.as_deref().unwrap_or_default();
    name.split('/').next().unwrap_or_default()
}
