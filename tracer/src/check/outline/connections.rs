//! Connections by the port that they go to: once for each hop where all vantages saw the same of it,
//! else at each vantage.

use std::collections::BTreeSet;

use super::super::subject::{Subject, View};
use super::super::test::Pattern;
use super::draft::{Draft, quoted};
use super::facts::{Asked, Table, at_most};
use super::ports::{Ports, port};
use crate::flow::Side;
use crate::report::{FlowReport, HopReport, SocketReport};
use crate::socket::State;

const COURSE: &[Asked] = &[
    Asked("end", "what came first: a FIN, a RST, or neither"),
    Asked("ended_by", "who sent it"),
    Asked("resets", "RSTs of both sides"),
];

const BOTH: [Side; 2] = [Side::Client, Side::Server];

const AGAIN: Asked = Asked("retransmissions", "of both sides");

/// What probes of a side are.
struct OfProbes {
    /// Their number, first, and what else tells connections apart.
    counted: &'static [Asked],
    /// What clocks measure of them, which is never quite the same.
    measured: &'static [Asked],
}

const fn of_probes(side: Side) -> OfProbes {
    match side {
        Side::Client => OfProbes {
            counted: &[
                Asked("keepalive.client.probes", "keepalive probes of the client"),
                Asked("keepalive.client.unanswered", "of them without an answer"),
                Asked("keepalive.client.ended", "what ended the last of them"),
            ],
            measured: &[
                Asked("keepalive.client.idle", "TCP_KEEPIDLE, as measured"),
                Asked("keepalive.client.interval", "TCP_KEEPINTVL, as measured"),
            ],
        },
        Side::Server => OfProbes {
            counted: &[
                Asked("keepalive.server.probes", "keepalive probes of the server"),
                Asked("keepalive.server.unanswered", "of them without an answer"),
                Asked("keepalive.server.ended", "what ended the last of them"),
            ],
            measured: &[
                Asked("keepalive.server.idle", "TCP_KEEPIDLE, as measured"),
                Asked("keepalive.server.interval", "TCP_KEEPINTVL, as measured"),
            ],
        },
    }
}

/// Expectations of hops, and of flows where vantages differ.
pub(super) fn drafts(view: &View<'_>) -> Vec<Draft> {
    let (hops, flows) = (&view.report.hops, &view.report.flows);
    let mut drafts = Vec::new();
    // Vantages and ports at which flows are looked at one by one.
    let mut apart: BTreeSet<(&str, Ports)> = BTreeSet::new();
    for ports in Ports::groups(hops.iter().map(|hop| port(&hop.server))) {
        let selected = hops.iter().filter(|hop| ports.holds(port(&hop.server)));
        let selected: Vec<&HopReport> = selected.collect();
        if selected.iter().all(|hop| is_seen_alike(view, hop)) {
            drafts.extend(of_hops(view, ports, &selected));
        } else {
            let seen = selected.iter().flat_map(|hop| hop.flows(view));
            let at = seen.map(|flow| (flow.vantage.as_str(), Ports::One(port(&flow.server))));
            apart.extend(at);
        }
    }
    let no_hop = flows.iter().filter(|flow| view.hops_of(flow.id).is_empty());
    let no_hop: Vec<&FlowReport> = no_hop.collect();
    for ports in Ports::groups(no_hop.iter().map(|flow| port(&flow.server))) {
        let at = no_hop.iter().filter(|flow| ports.holds(port(&flow.server)));
        apart.extend(at.map(|flow| (flow.vantage.as_str(), ports)));
    }
    for (vantage, ports) in apart {
        drafts.extend(of_flows(view, vantage, ports));
    }
    drafts.extend(made(hops));
    drafts
}

/// Whether every vantage tells the same of a hop: a RST that was made on the way, or lost there, is
/// not everywhere.
fn is_seen_alike(view: &View<'_>, hop: &HopReport) -> bool {
    let flows = hop.flows(view);
    let probes = BOTH.map(|side| of_probes(side).counted).concat();
    let asked: Vec<Asked> = COURSE.iter().copied().chain(probes).collect();
    Table::new(view, &flows, &asked).is_alike()
}

fn of_hops(view: &View<'_>, ports: Ports, hops: &[&HopReport]) -> Vec<Draft> {
    let who = owner(view, ports).map_or_else(String::new, |owner| format!(" ({owner})"));
    let name = format!("connections to {}{who}", ports.told());
    let about = Selection {
        kind: "hops",
        keys: ports.selector("server_port").into_iter().collect(),
    };
    let silences = hops.iter().flat_map(|hop| hop.flows(view));
    let silences = silences.map(|flow| flow.longest_idle_s);
    of_group(view, &name, &about, hops, silences)
}

fn of_flows(view: &View<'_>, vantage: &str, ports: Ports) -> Vec<Draft> {
    let named = Pattern(vantage.to_owned());
    let flows: Vec<&FlowReport> = view
        .report
        .flows
        .iter()
        .filter(|flow| named.matches(&flow.vantage) && ports.holds(port(&flow.server)))
        .collect();
    let name = format!("{vantage}: connections to {}", ports.told());
    let mut keys = vec![format!("vantage = {}", quoted(vantage))];
    keys.extend(ports.selector("server_port"));
    let about = Selection {
        kind: "flows",
        keys,
    };
    let silences = flows.iter().map(|flow| flow.longest_idle_s);
    of_group(view, &name, &about, &flows, silences)
}

/// What selects connections.
struct Selection {
    kind: &'static str,
    keys: Vec<String>,
}

impl Selection {
    /// As it is written, with one key more.
    fn with(&self, more: Option<&str>) -> String {
        let keys: Vec<&str> = self.keys.iter().map(String::as_str).chain(more).collect();
        if keys.is_empty() {
            format!("{} = \"all\"", self.kind)
        } else {
            format!("{} = {{ {} }}", self.kind, keys.join(", "))
        }
    }
}

fn of_group<T: Subject>(
    view: &View<'_>,
    name: &str,
    about: &Selection,
    group: &[&T],
    silences: impl Iterator<Item = f64>,
) -> Vec<Draft> {
    let mut main = Draft::new(name, &about.with(None));
    main.count(group.len(), "so many connections");
    let mut apart = Vec::new();
    let (mut asked, mut times) = (COURSE.to_vec(), vec![AGAIN]);
    for side in BOTH {
        let OfProbes { counted, measured } = of_probes(side);
        let probing = Table::new(view, group, &counted[..1]).counted();
        let probing: Vec<&T> = probing.into_iter().map(|row| group[row]).collect();
        if probing.is_empty() {
            // Their number alone: nothing can be said of times.
            asked.extend(&counted[..1]);
        } else if probing.len() == group.len() {
            asked.extend(counted);
            times.extend(measured);
        } else {
            let about = about.with(Some(&format!("{} = \">= 1\"", counted[0].0)));
            let name = format!("{name}: those with probes of the {}", side.name());
            let mut draft = Draft::new(&name, &about);
            draft.count(probing.len(), &format!("so many of {}", group.len()));
            Table::new(view, &probing, measured).bounds(&mut draft);
            apart.extend(Table::new(view, &probing, counted).drafts(draft, &name, &about));
        }
    }
    let mut drafts = Table::new(view, group, &asked).drafts(main, name, &about.with(None));
    if let Some(main) = drafts.first_mut() {
        Table::new(view, group, &times).bounds(main);
        at_most(main, "longest_silence", "no segment at all", silences);
    }
    drafts.extend(apart);
    drafts
}

/// Who listens on a port, where sockets were looked at and all of them are one's.
fn owner<'a>(view: &View<'a>, ports: Ports) -> Option<&'a str> {
    let listens =
        |socket: &&SocketReport| socket.state == State::Listen && ports.holds(port(&socket.local));
    let sockets = view.report.sockets.iter().filter(listens);
    let mut owners: Vec<&str> = sockets
        .filter_map(|socket| socket.comm.as_deref())
        .collect();
    owners.dedup();
    match owners[..] {
        [one] if ports != Ports::All => Some(one),
        _ => None,
    }
}

/// How many connections there are, and on which of them something on the way closed.
fn made(hops: &[HopReport]) -> Option<Draft> {
    if hops.is_empty() {
        return None;
    }
    let made = hops.iter().filter(|hop| !hop.made.is_empty()).count();
    let name = "connections that something on the way closed";
    let mut draft = Draft::new(name, "hops = { made = \">= 1\" }");
    draft.count(made, "by a FIN or RST that neither side sent");
    Some(draft)
}
