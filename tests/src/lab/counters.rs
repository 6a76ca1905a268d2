//! The kernel's own TCP counters of a namespace.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::netns::Node;

/// The counters of interest: file of /proc/net, group, name.
const WANTED: [(&str, &str, &str); 8] = [
    ("netstat", "TcpExt", "TCPKeepAlive"),
    ("netstat", "TcpExt", "TCPWinProbe"),
    ("netstat", "TcpExt", "TCPTimeouts"),
    ("netstat", "TcpExt", "TCPAbortOnTimeout"),
    ("snmp", "Tcp", "RetransSegs"),
    ("snmp", "Tcp", "EstabResets"),
    ("snmp", "Tcp", "OutRsts"),
    ("snmp", "Tcp", "AttemptFails"),
];

/// Counter name (as `nstat` writes it) to value.
pub type Counters = BTreeMap<String, u64>;

/// Reads the counters of a namespace as they stand.
///
/// # Errors
/// When the kernel's files lack one of them.
pub fn read(node: &Node) -> Result<Counters> {
    let mut counters = Counters::new();
    for (file, group, name) in WANTED {
        let text = node.proc_net(file)?;
        let value = value(&text, group, name)
            .with_context(|| format!("/proc/net/{file} of {} has no {group}{name}", node.name))?;
        counters.insert(format!("{group}{name}"), value);
    }
    Ok(counters)
}

/// What was added between two readings.
#[must_use]
pub fn difference(before: &Counters, after: &Counters) -> Counters {
    after
        .iter()
        .map(|(name, value)| {
            let old = before.get(name).copied().unwrap_or(0);
            (name.clone(), value.saturating_sub(old))
        })
        .collect()
}

/// Both files hold pairs of lines: `Group: name name ...` and `Group: value value ...`.
fn value(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text
        .lines()
        .filter_map(|line| line.strip_prefix(group)?.strip_prefix(':'));
    let (names, values) = (lines.next()?, lines.next()?);
    names
        .split_whitespace()
        .zip(values.split_whitespace())
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}
