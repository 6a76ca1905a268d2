//! The truth of a recording: what the kernels and the programs say happened.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{capture::Vantage, counters::Counters};

/// Its name in the folder of a recording.
const FILE: &str = "truth.json";
/// What stands for a program whose name is not known.
pub const NAMELESS: &str = "?";

/// Everything known of one recording.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Truth {
    /// Name of the scenario.
    pub scenario: String,
    /// What happened and who is to blame, in plain words.
    pub description: String,
    /// The cause, by the name it has in reports.
    pub cause: String,
    /// The namespace that ended it; `null` if nothing was ended or nobody in the chain did. For
    /// `receiver_stalled` the one that read nothing.
    pub ended_by_node: Option<String>,
    /// Whether something went wrong at which somebody should look; `null` where one can think so or
    /// not.
    pub alarm: Option<bool>,
    /// Causes that are as true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
    /// Versions of the programs and the kernel.
    pub software: BTreeMap<String, String>,
    /// When the captures had begun (RFC 3339).
    pub started: String,
    /// When they were stopped (RFC 3339).
    pub ended: String,
    /// The namespaces from the client to the app.
    pub nodes: Vec<String>,
    /// The captures, by name.
    pub vantages: BTreeMap<String, VantageTruth>,
    /// What each namespace's kernel counted while the captures ran.
    pub namespaces: BTreeMap<String, Counters>,
    /// Every TCP connection, in order of opening.
    pub connections: Vec<Connection>,
    /// Which hops served each request, as the logs of the proxies say.
    #[serde(default)]
    pub chains: Vec<Chain>,
}

impl Truth {
    /// Reads the truth of a recording.
    ///
    /// # Errors
    /// When there is none, or it is not one.
    pub fn read(recording: &Path) -> Result<Self> {
        let path = recording.join(FILE);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// Writes it to the folder of a recording.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, recording: &Path) -> Result<()> {
        let path = recording.join(FILE);
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }
}

/// The hops that served one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// `GET /ok`; `null` where only bytes were passed on.
    pub request: Option<String>,
    /// Numbers of hops ([`Connection::hop`]), the client's first.
    pub hops: Vec<usize>,
    /// Hops that the gateway tried before the one that served the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<usize>,
}

/// One capture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VantageTruth {
    /// Namespace.
    pub node: String,
    /// Interface.
    pub interface: String,
    /// Packets the kernel dropped for want of buffer, as tcpdump says.
    pub dropped: u64,
}

impl VantageTruth {
    pub(super) fn new(vantage: Vantage, dropped: u64) -> Self {
        Self {
            node: vantage.node.to_owned(),
            interface: vantage.interface.name().to_owned(),
            dropped,
        }
    }
}

/// A value for each side of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// The side that connected.
    pub client: T,
    /// The side that accepted.
    pub server: T,
}

/// What was to be seen of a connection, on the whole or at one vantage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// `fin`, `rst`, `open`, `refused` or `unanswered`: the first such thing; `null` if the kernel
    /// does not tell.
    pub end: Option<String>,
    /// The side that sent the first FIN or RST.
    pub ended_by: Option<String>,
    /// Keepalive probes sent; `null` where the kernel does not tell them apart.
    pub keepalive: Sides<Option<u64>>,
    /// Zero-window probes sent; `null` where the kernel does not tell them apart.
    pub zero_window_probes: Sides<Option<u64>>,
}

/// One TCP connection under the addresses it has at its vantages.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// Address and port of the client as on the wire.
    pub client: String,
    /// Address and port of the server as on the wire.
    pub server: String,
    /// Its number as a hop: the entries of one connection, one for each pair of addresses that it
    /// has on its way, have the same.
    #[serde(default)]
    pub hop: usize,
    /// Captures in which it must appear under these addresses.
    pub vantages: Vec<String>,
    /// How it ended (what happened first in time), and the probes sent.
    #[serde(flatten)]
    pub view: View,
    /// Captures where something else is to be seen, because segments crossed or were lost.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub views: BTreeMap<String, View>,
    /// When that side closed or reset (RFC 3339): its FIN may still have to wait, for a window.
    pub closed_at: Option<String>,
    /// Segments sent once more (without SYN+ACK).
    pub retransmissions: Sides<u64>,
    /// Error numbers the sockets got (110 is ETIMEDOUT).
    pub errors: Sides<Option<i32>>,
    /// Namespace and program that owned each socket.
    pub process: Sides<Option<String>>,
    /// Whether its process closed each socket, by a call or by its end, before anything else did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by_process: Option<Sides<bool>>,
}
