//! Options in effect, by whose sockets they are and by the port that they serve or use.

use std::collections::{BTreeSet, HashSet};

use super::super::subject::View;
use super::super::test::Pattern;
use super::draft::{Draft, quoted};
use super::facts::{Asked, Table};
use super::ports::{Ports, port};
use crate::report::{Report, SocketReport};
use crate::socket::State;

const OPTIONS: &[Asked] = &[
    Asked("so_keepalive", "SO_KEEPALIVE, in effect"),
    Asked("tcp_user_timeout", "TCP_USER_TIMEOUT; 0 is off"),
];

/// What matters where probes are sent at all.
const PROBES: &[Asked] = &[
    Asked("tcp_keepidle", "silence before the first probe"),
    Asked("tcp_keepintvl", "time between unanswered probes"),
    Asked("tcp_keepcnt", "unanswered probes before it is given up"),
];

/// Which end of a socket is the service's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Service {
    /// Its own: it listens there, or was accepted there.
    Local,
    /// The other one.
    Peer,
}

/// Expectations of sockets, one for each owner and port.
pub(super) fn drafts(view: &View<'_>) -> Vec<Draft> {
    let sockets = &view.report.sockets;
    let owners: BTreeSet<(&str, Option<&str>)> = sockets
        .iter()
        .map(|socket| (socket.vantage.as_str(), socket.comm.as_deref()))
        .collect();
    let services = Services::new(view.report);
    let mut drafts = Vec::new();
    for (vantage, owner) in owners {
        let named = Pattern(vantage.to_owned());
        let of_owner = |socket: &&SocketReport| {
            let its = owner.is_none_or(|owner| socket.comm.as_deref() == Some(owner));
            its && named.matches(&socket.vantage)
        };
        let of_owner: Vec<&SocketReport> = sockets.iter().filter(of_owner).collect();
        for service in [Service::Local, Service::Peer] {
            let there = of_owner
                .iter()
                .filter(|socket| services.of(socket) == service);
            for ports in Ports::groups(there.filter_map(|socket| socket.port_of(service))) {
                let its = |socket: &&&SocketReport| {
                    socket
                        .port_of(service)
                        .is_some_and(|port| ports.holds(port))
                };
                let group: Vec<&SocketReport> = of_owner.iter().filter(its).copied().collect();
                drafts.extend(of_group(view, (vantage, owner), (service, ports), &group));
            }
        }
    }
    drafts
}

impl SocketReport {
    fn port_of(&self, service: Service) -> Option<u16> {
        match service {
            Service::Local => Some(port(&self.local)),
            Service::Peer => self.peer.as_deref().map(port),
        }
    }
}

/// Which ends are those of services.
struct Services<'a> {
    served: HashSet<&'a str>,
    used: HashSet<&'a str>,
    listening: HashSet<(&'a str, u16)>,
}

impl<'a> Services<'a> {
    fn new(report: &'a Report) -> Self {
        let listening = |socket: &&SocketReport| socket.state == State::Listen;
        let listening = report.sockets.iter().filter(listening);
        Self {
            served: report
                .flows
                .iter()
                .map(|flow| flow.server.as_str())
                .collect(),
            used: report
                .flows
                .iter()
                .map(|flow| flow.client.as_str())
                .collect(),
            listening: listening
                .map(|socket| (socket.vantage.as_str(), port(&socket.local)))
                .collect(),
        }
    }

    /// It was accepted where a flow says so, or somebody listens on its port; else, as nobody saw it
    /// begin, the lower port is the service's.
    fn of(&self, socket: &SocketReport) -> Service {
        let Some(peer) = &socket.peer else {
            return Service::Local;
        };
        let (local, own) = (socket.local.as_str(), port(&socket.local));
        let listens = || self.listening.contains(&(socket.vantage.as_str(), own));
        let accepted = self.served.contains(local)
            || (!self.used.contains(local) && (listens() || own < port(peer)));
        if accepted {
            Service::Local
        } else {
            Service::Peer
        }
    }
}

fn of_group(
    view: &View<'_>,
    (vantage, owner): (&str, Option<&str>),
    (service, ports): (Service, Ports),
    group: &[&SocketReport],
) -> Vec<Draft> {
    let key = match service {
        Service::Local => "local_port",
        Service::Peer => "peer_port",
    };
    let mut keys = vec![format!("vantage = {}", quoted(vantage))];
    keys.extend(owner.map(|owner| format!("owner = {}", quoted(owner))));
    keys.extend(ports.selector(key));
    let (group, states) = readable(group);
    keys.extend(states);
    let about = format!("sockets = {{ {} }}", keys.join(", "));
    let whose = owner.map_or_else(String::new, |owner| format!(" of {owner}"));
    let direction = match service {
        Service::Local => "that serve",
        Service::Peer => "to",
    };
    let name = format!(
        "options of sockets in '{vantage}'{whose} {direction} {}",
        ports.told()
    );
    let probing = |socket: &&SocketReport| socket.options.so_keepalive == Some(true);
    let asked = if group.iter().all(probing) {
        [OPTIONS, PROBES].concat()
    } else {
        OPTIONS.to_vec()
    };
    let table = Table::new(view, &group, &asked);
    table.drafts(Draft::new(&name, &about), &name, &about)
}

/// Those whose options were read, and what selects them: a socket in TIME-WAIT has none. All of them
/// where that does not tell them apart.
fn readable<'a>(group: &[&'a SocketReport]) -> (Vec<&'a SocketReport>, Option<String>) {
    let read = |socket: &SocketReport| socket.options.so_keepalive.is_some();
    let states = |is_read: bool| -> BTreeSet<String> {
        let those = group.iter().filter(|socket| read(socket) == is_read);
        those.map(|socket| state(socket)).collect()
    };
    let (with, without) = (states(true), states(false));
    if without.is_empty() || with.is_empty() || !with.is_disjoint(&without) {
        return (group.to_vec(), None);
    }
    let group = group.iter().copied().filter(|socket| read(socket));
    let states: Vec<String> = with.iter().map(|state| quoted(state)).collect();
    let select = format!("state = [{}]", states.join(", "));
    (group.collect(), Some(select))
}

fn state(socket: &SocketReport) -> String {
    super::keys::word(&socket.state).to_string()
}
