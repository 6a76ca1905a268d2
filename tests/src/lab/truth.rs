//! The truth of a recording: what the kernels and the programs say happened.

use std::{collections::BTreeMap, fs, net::SocketAddr, ops::Range, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{
    capture::Vantage,
    counters::Counters,
    netns::Net,
    sockets::{Close, Kind, Socket},
};

/// Its name in the folder of a recording.
const FILE: &str = "truth.json";
/// What the tracer writes for a name it no longer knows: it remembers few, on the whole machine.
const FORGOTTEN: &str = "<...>";
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

/// A translation done on the way: ends as the client's side has them, ends as the server has them.
#[derive(Debug, Clone, Copy)]
pub struct Translation {
    /// Client and server before.
    pub before: (SocketAddr, SocketAddr),
    /// Client and server after.
    pub after: (SocketAddr, SocketAddr),
}

/// What is needed to join sockets to connections.
pub struct Joiner<'a> {
    /// The namespaces.
    pub net: &'a Net,
    /// The captures.
    pub vantages: &'a [Vantage],
    /// Translations by a router between the namespaces.
    pub nat: &'a [Translation],
    /// Port on the wire, and port of the sidecar that it is redirected to.
    pub redirect: Option<(u16, u16)>,
    /// What each namespace's kernel counted.
    pub counters: &'a BTreeMap<String, Counters>,
    /// The router that drops everything, and from when to when on the tracer's clock.
    pub severed: Option<(usize, Range<f64>)>,
    /// Seconds to add to the tracer's clock to get Unix time.
    pub epoch: f64,
}

impl Joiner<'_> {
    /// One entry per connection and pair of addresses it has on the wire.
    #[must_use]
    pub fn connections(&self, sockets: &[Socket]) -> Vec<Connection> {
        let mut taken = vec![false; sockets.len()];
        let mut connections = Vec::new();
        for client in sockets.iter().filter(|socket| socket.connected) {
            let ends = self.at_server(client);
            let found = sockets.iter().enumerate().find(|(index, socket)| {
                !taken[*index] && !socket.connected && (socket.remote, self.wire(socket)) == ends
            });
            if let Some((index, _)) = found {
                taken[index] = true;
            }
            let pair = Pair {
                client,
                server: found.map(|(_, socket)| socket),
                after: ends,
            };
            self.entries(&pair, sockets, &mut connections);
        }
        connections
    }

    /// The ends of a connection after all translations.
    fn at_server(&self, client: &Socket) -> (SocketAddr, SocketAddr) {
        let ends = (client.local, client.remote);
        let changed = self.nat.iter().find(|nat| nat.before == ends);
        changed.map_or(ends, |nat| nat.after)
    }

    /// The address of a server's socket as on the wire: the sidecar's port never shows there.
    fn wire(&self, server: &Socket) -> SocketAddr {
        let mut at = server.local;
        if let Some((wire, sidecar)) = self.redirect
            && at.port() == sidecar
        {
            at.set_port(wire);
        }
        at
    }

    fn entries(&self, pair: &Pair<'_>, all: &[Socket], out: &mut Vec<Connection>) {
        let Pair {
            client,
            server,
            after,
        } = *pair;
        let before = (client.local, client.remote);
        let from = self.net.owner(before.0.ip()).unwrap_or(0);
        let to = self.net.owner(after.1.ip()).unwrap_or(from);
        let router = self.net.index("nat").unwrap_or(to);
        let parts = if before == after {
            vec![(before, from, to)]
        } else {
            vec![(before, from, router), (after, router, to)]
        };
        let (ending, closed_at) = overall(client, server);
        let view = self.view(ending, pair, all, None);
        let hop = out.last().map_or(0, |last: &Connection| last.hop + 1);
        for (ends, near, far) in parts {
            let sees = |vantage: &&Vantage| vantage.sees(self.net, near, far);
            let seen: Vec<&Vantage> = self.vantages.iter().filter(sees).collect();
            let views = seen.iter().filter_map(|vantage| {
                let node = self.net.index(vantage.node).ok()?;
                let here = self.view(ending_at(node, pair, (from, to)), pair, all, Some(node));
                (here != view).then(|| (vantage.name.to_owned(), here))
            });
            out.push(Connection {
                client: ends.0.to_string(),
                server: ends.1.to_string(),
                hop,
                vantages: seen.iter().map(|vantage| vantage.name.to_owned()).collect(),
                views: views.collect(),
                view: view.clone(),
                closed_at: closed_at.map(|at| rfc3339(at + self.epoch)),
                retransmissions: Sides {
                    client: client.retransmissions,
                    server: server.map_or(0, |server| server.retransmissions),
                },
                errors: Sides {
                    client: client.error,
                    server: server.and_then(|server| server.error),
                },
                process: Sides {
                    client: self.process(client),
                    server: server.and_then(|server| self.process(server)),
                },
                closed_by_process: Some(Sides {
                    client: client.closed_by_process(),
                    server: server.is_some_and(Socket::closed_by_process),
                }),
            });
        }
    }

    /// An ending with the probes that pass node `at`, or all of them.
    fn view(&self, ending: Ending, pair: &Pair<'_>, all: &[Socket], at: Option<usize>) -> View {
        let sides = |counter: &str, times: fn(&Socket) -> &[f64]| Sides {
            client: self.told(pair.client, all, (counter, times), at),
            server: pair.server.map_or(Some(0), |server| {
                self.told(server, all, (counter, times), at)
            }),
        };
        View {
            end: ending.map(|(end, _)| end.to_owned()),
            ended_by: ending.and_then(|(_, by)| by).map(str::to_owned),
            keepalive: sides("TcpExtTCPKeepAlive", |socket| &socket.keepalives),
            zero_window_probes: sides("TcpExtTCPWinProbe", |socket| &socket.window_probes),
        }
    }

    /// The probes of one socket, if the sum over the namespace's sockets is what its kernel counted.
    fn told(
        &self,
        socket: &Socket,
        all: &[Socket],
        (counter, times): (&str, fn(&Socket) -> &[f64]),
        at: Option<usize>,
    ) -> Option<u64> {
        let node = self.net.owner(socket.local.ip())?;
        let same = |other: &&Socket| self.net.owner(other.local.ip()) == Some(node);
        let sum: usize = all.iter().filter(same).map(|one| times(one).len()).sum();
        let counted = self.counters.get(self.net.nodes[node].name)?.get(counter)?;
        if u64::try_from(sum).ok()? != *counted {
            return None;
        }
        let arrives = |time: &&f64| match (&self.severed, at) {
            (Some((router, dead)), Some(at)) if at.cmp(router) != node.cmp(router) => {
                !dead.contains(*time)
            }
            _ => true,
        };
        u64::try_from(times(socket).iter().filter(arrives).count()).ok()
    }

    fn process(&self, socket: &Socket) -> Option<String> {
        let node = self.net.nodes[self.net.owner(socket.local.ip())?].name;
        // Envoy connects in its worker threads, which have names of their own.
        let program = match socket.comm.as_str() {
            "" => return None,
            worker if worker.starts_with("wrk:") => "envoy",
            FORGOTTEN => NAMELESS,
            program => program,
        };
        Some(format!("{node}/{program}"))
    }
}

/// Kind and side of the first FIN or RST; none if the kernel does not tell.
type Ending = Option<(&'static str, Option<&'static str>)>;

/// The sockets of one connection.
struct Pair<'a> {
    client: &'a Socket,
    /// None if nobody answered.
    server: Option<&'a Socket>,
    /// The ends after all translations on the way.
    after: (SocketAddr, SocketAddr),
}

/// What one socket knows of the end of its connection.
fn lived(socket: &Socket) -> Ending {
    let (mine, other) = if socket.connected {
        ("client", "server")
    } else {
        ("server", "client")
    };
    if socket.connected && !socket.established {
        return Some(if socket.refused {
            ("refused", Some("server"))
        } else {
            ("unanswered", None)
        });
    }
    Some(match socket.first_close {
        None => ("open", None),
        Some(Close { kind, own, .. }) => {
            let end = if kind == Kind::Fin { "fin" } else { "rst" };
            (end, Some(if own { mine } else { other }))
        }
    })
}

/// What a vantage in the namespace of one end sees is what that end's socket lived.
fn ending_at(node: usize, pair: &Pair<'_>, (from, to): (usize, usize)) -> Ending {
    let mine = lived(pair.client);
    let Some(server) = pair.server else {
        return mine;
    };
    let theirs = lived(server);
    if mine == theirs || (node == from && node != to) {
        mine
    } else if node == to && node != from {
        theirs
    } else {
        None
    }
}

/// The view of the side that lived it first, and when that was. Who acts knows it before the other
/// side; a RST that nobody sent is known only to the one it hits.
fn overall(client: &Socket, server: Option<&Socket>) -> (Ending, Option<f64>) {
    let at = |socket: &Socket| socket.first_close.map(|close| close.at);
    let mine = at(client);
    match server.map(|server| (server, at(server))) {
        Some((server, Some(theirs))) if mine.is_none_or(|mine| theirs < mine) => {
            (lived(server), Some(theirs))
        }
        _ => (lived(client), mine),
    }
}

fn rfc3339(unix: f64) -> String {
    // Whole nanoseconds of the present fit; the tracer gives microseconds.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "microseconds since 1970 fit"
    )]
    let micros = (unix * 1e6).round() as i64;
    jiff::Timestamp::from_microsecond(micros).map_or_else(|_| String::new(), |at| at.to_string())
}
