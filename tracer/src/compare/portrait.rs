//! A report without what is different every time: roles, and what is known of each.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::{NUMBER, Traits};
use crate::report::SCHEMA;

/// A document that is no report, or one of another version.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("it is no report of hopscope ({0}); 'hopscope read --format json' makes one")]
pub struct UnknownReport(String);

/// All roles of a report, in its order.
pub(super) struct Portrait {
    pub(super) roles: Vec<Played>,
    /// Names of its vantages.
    pub(super) vantages: Vec<String>,
}

/// A role and what is known of it.
pub(super) struct Played {
    /// What it is called.
    pub(super) name: String,
    /// The same without addresses: somebody may have moved.
    pub(super) place: String,
    /// The same without vantages: they may have other names.
    pub(super) server: String,
    /// Without either.
    pub(super) port: String,
    pub(super) traits: Traits,
}

/// Silences that differ by less are the same: scheduling, and the pace of whoever recorded.
const SILENCE_FLOOR_S: f64 = 0.5;

/// Keepalive times that differ by less are the same: the coarsest timer that they come from ticks at
/// 100 Hz and more.
const TIMER_FLOOR_S: f64 = 0.1;

/// How many vantages a report has.
pub(super) fn vantages(report: &Value) -> Result<usize, UnknownReport> {
    let schema = match &report["schema"] {
        Value::String(schema) => schema.as_str(),
        _ => return Err(UnknownReport("it names no schema".to_owned())),
    };
    if schema != SCHEMA {
        return Err(UnknownReport(format!(
            "its schema is '{schema}', not '{SCHEMA}'"
        )));
    }
    Ok(list(report, "vantages").len())
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

/// The port of `ip:port`.
fn port(endpoint: &str) -> &str {
    endpoint.rsplit(':').next().unwrap_or_default()
}

impl Portrait {
    /// With the names of vantages in the names of roles, or without.
    pub(super) fn new(report: &Value, named: bool) -> Self {
        let mut portrait = Self {
            roles: Vec::new(),
            vantages: list(report, "vantages")
                .iter()
                .map(|vantage| text(vantage, "name").to_owned())
                .collect(),
        };
        portrait.connections(report, named);
        portrait.requests(report);
        portrait.sockets(report, named);
        portrait
    }

    /// `connections to` an endpoint ` at gw`.
    fn at(&mut self, what: &str, endpoint: &str, at: &str) -> &mut Traits {
        let port = port(endpoint);
        self.role(Played {
            name: format!("{what} {endpoint}{at}"),
            place: format!("{what} {port}{at}"),
            server: format!("{what} {endpoint}"),
            port: format!("{what} {port}"),
            traits: Traits::new(),
        })
    }

    /// Something that is known by its name alone.
    fn named(&mut self, name: &str) -> &mut Traits {
        let name = || name.to_owned();
        self.role(Played {
            name: name(),
            place: name(),
            server: name(),
            port: name(),
            traits: Traits::new(),
        })
    }

    fn role(&mut self, new: Played) -> &mut Traits {
        let known = self.roles.iter().position(|role| role.name == new.name);
        let at = known.unwrap_or_else(|| {
            self.roles.push(new);
            self.roles.len() - 1
        });
        &mut self.roles[at].traits
    }

    /// Hops, each by the flows nearest to its ends.
    fn connections(&mut self, report: &Value, named: bool) {
        let flows: BTreeMap<u64, &Value> = list(report, "flows")
            .iter()
            .filter_map(|flow| Some((flow["id"].as_u64()?, flow)))
            .collect();
        for hop in list(report, "hops") {
            let ids = list(hop, "flows").iter().filter_map(Value::as_u64);
            let seen: Vec<&Value> = ids.filter_map(|id| flows.get(&id).copied()).collect();
            let [first, ..] = seen[..] else {
                continue;
            };
            let last = seen.last().copied().unwrap_or(first);
            let mut at: Vec<&str> = seen.iter().map(|flow| text(flow, "vantage")).collect();
            at.dedup();
            let at = if named {
                format!(" at {}", at.join(", "))
            } else {
                String::new()
            };
            let traits = self.at("connections to", text(hop, "server"), &at);
            connection(traits, first, last);
            for made in list(hop, "made") {
                let what = if made["rst"] == true { "RST" } else { "FIN" };
                traits.entry("made on the way").or_default().word(what);
            }
            let verdicts = list(report, "verdicts").iter();
            for verdict in verdicts.filter(|verdict| verdict["hop"] == hop["id"]) {
                cause(traits, verdict);
            }
        }
    }

    /// Chains by what was asked for, and verdicts that name no hop.
    fn requests(&mut self, report: &Value) {
        for chain in list(report, "chains") {
            let request = chain["request"].as_str();
            let name = request.map_or_else(
                || "requests that cannot be read".to_owned(),
                |request| format!("requests {}", request.split('?').next().unwrap_or(request)),
            );
            let traits = self.named(&name);
            traits.entry(NUMBER).or_default().count();
            let status = chain["status"].as_u64();
            let status = status.map_or("none".to_owned(), |status| status.to_string());
            traits.entry("status").or_default().word(status);
            let hops = list(chain, "hops").len().to_string();
            traits.entry("hops").or_default().word(hops);
            let tried: usize = list(chain, "tried")
                .iter()
                .filter_map(Value::as_array)
                .map(Vec::len)
                .sum();
            traits
                .entry("connections tried before")
                .or_default()
                .word(tried.to_string());
            let verdicts = list(report, "verdicts").iter();
            for verdict in verdicts
                .filter(|verdict| verdict["hop"].is_null() && verdict["chain"] == chain["id"])
            {
                cause(traits, verdict);
            }
        }
        let unbound = list(report, "verdicts").iter();
        for verdict in
            unbound.filter(|verdict| verdict["hop"].is_null() && verdict["chain"].is_null())
        {
            cause(self.named("verdicts"), verdict);
        }
    }

    /// Options in effect, of listeners by their own address and of others by their peer's port.
    fn sockets(&mut self, report: &Value, named: bool) {
        for socket in list(report, "sockets") {
            let at = match text(socket, "vantage") {
                vantage if named && !vantage.is_empty() => format!(" in {vantage}"),
                _ => String::new(),
            };
            let local = text(socket, "local");
            let traits = match socket["peer"].as_str() {
                None => self.at("listener", local, &at),
                Some(peer) if is_client(report, local, peer) => self.at("sockets to", peer, &at),
                Some(_) => self.at("sockets of server", local, &at),
            };
            traits.entry(NUMBER).or_default().count();
            for (field, option) in OPTIONS {
                let value = match &socket["options"][field] {
                    Value::Null => continue,
                    Value::String(word) => word.clone(),
                    other => other.to_string(),
                };
                traits.entry(option).or_default().word(value);
            }
        }
    }
}

/// Fields of options, and what people call them.
const OPTIONS: [(&str, &str); 9] = [
    ("so_keepalive", "SO_KEEPALIVE"),
    ("tcp_keepidle_s", "TCP_KEEPIDLE, s"),
    ("tcp_keepintvl_s", "TCP_KEEPINTVL, s"),
    ("tcp_keepcnt", "TCP_KEEPCNT"),
    ("tcp_user_timeout_s", "TCP_USER_TIMEOUT, s"),
    ("so_linger_s", "SO_LINGER, s"),
    ("tcp_nodelay", "TCP_NODELAY"),
    ("tcp_defer_accept_s", "TCP_DEFER_ACCEPT, s"),
    ("tcp_congestion", "TCP_CONGESTION"),
];

/// Whether a socket is a client's: as the flow says that it is an end of, else by listeners, else by
/// the lower port.
fn is_client(report: &Value, local: &str, peer: &str) -> bool {
    for flow in list(report, "flows") {
        let ends = [text(flow, "client"), text(flow, "server")];
        if ends == [local, peer] || ends == [peer, local] {
            return ends[0] == local;
        }
    }
    let number = |endpoint: &str| port(endpoint).parse().unwrap_or(u16::MAX);
    let listens = |endpoint: &str| {
        list(report, "sockets")
            .iter()
            .any(|socket| socket["peer"].is_null() && port(text(socket, "local")) == port(endpoint))
    };
    !listens(local) && (listens(peer) || number(peer) < number(local))
}

/// Why, who and how sure.
fn cause(traits: &mut Traits, verdict: &Value) {
    let by = verdict["ended_by_vantage"]
        .as_str()
        .or(verdict["ended_by"].as_str());
    // Addresses of clients are others next time.
    let by = by.map_or_else(String::new, |by| {
        let is_address =
            |word: &&str| word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok();
        let words: Vec<&str> = by.split(' ').filter(|word| !is_address(word)).collect();
        let words = words.join(" ");
        // A vantage may be called as the side is, which has an article where no vantage is there.
        format!(" by {}", words.strip_prefix("the ").unwrap_or(&words))
    });
    let told = format!(
        "{}{by}, {}",
        text(verdict, "cause"),
        text(verdict, "confidence")
    );
    traits.entry("cause").or_default().word(told);
}

/// A connection: what its client did as seen nearest to it, and its server likewise.
fn connection(traits: &mut Traits, first: &Value, last: &Value) {
    traits.entry(NUMBER).or_default().count();
    let end = match (text(first, "end"), first["ended_by"].as_str()) {
        (end @ ("fin" | "rst"), Some(side)) => format!("{} by {side}", end.to_uppercase()),
        (end, _) => end.to_owned(),
    };
    traits.entry("end").or_default().word(end);
    for (side, flow, names) in [("client", first, &CLIENT), ("server", last, &SERVER)] {
        let keepalive = &flow["keepalive"][side];
        let probes = list(keepalive, "probes");
        let answered = probes
            .iter()
            .filter(|probe| !probe["answered"].is_null())
            .count();
        let word = match (probes.len(), answered) {
            (0, _) => "none",
            (all, answered) if all == answered => "answered",
            (_, 0) => "not answered",
            _ => "answered in part",
        };
        traits.entry(names.probes).or_default().word(word);
        let mut time = |name, field: &str| {
            if let Some(seconds) = keepalive[field].as_f64() {
                traits.entry(name).or_default().time(seconds, TIMER_FLOOR_S);
            }
        };
        time(names.idle, "idle_s");
        time(names.interval, "interval_s");
        let zero_windows = flow["zero_windows"][side].as_u64().unwrap_or(0);
        let word = if zero_windows > 0 { "some" } else { "none" };
        traits.entry(names.zero_windows).or_default().word(word);
    }
    let resets = if list(first, "rsts").is_empty() {
        "none"
    } else {
        "some"
    };
    traits.entry("resets").or_default().word(resets);
    let again = |side: &str| first["retransmissions"][side].as_u64().unwrap_or(0);
    // One or two are chance, as on every path.
    let word = if again("client") + again("server") > 2 {
        "three or more"
    } else {
        "two or fewer"
    };
    traits.entry("retransmissions").or_default().word(word);
    for (name, field) in [
        ("longest silence", "longest_idle_s"),
        ("longest time without data", "longest_payload_gap_s"),
    ] {
        let seconds = first[field].as_f64().unwrap_or(0.0);
        traits
            .entry(name)
            .or_default()
            .time(seconds, SILENCE_FLOOR_S);
    }
}

/// What traits of a side are called.
struct Names {
    probes: &'static str,
    idle: &'static str,
    interval: &'static str,
    zero_windows: &'static str,
}

const CLIENT: Names = Names {
    probes: "keepalive probes of the client",
    idle: "idle time before the client's probes",
    interval: "interval of the client's probes",
    zero_windows: "windows of zero of the client",
};

const SERVER: Names = Names {
    probes: "keepalive probes of the server",
    idle: "idle time before the server's probes",
    interval: "interval of the server's probes",
    zero_windows: "windows of zero of the server",
};
