//! What upstreams do: be away, refuse, die, close at the wrong moment.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, bail};

use super::{CHAIN, CHAIN_ANY, CHAIN_SPLIT, Scenario, at, chain};
use crate::lab::{Lab, capture::Interface, netns::Family, wait};

/// One of two endpoints is a dead address.
pub(super) const DEAD_RETRY: Scenario = Scenario {
    name: "dead-upstream-retry",
    description: "One of the gateway's two endpoints is an address whose SYNs nobody answers; after \
                  its connect timeout of 2 s the gateway tries the other and succeeds. The dead \
                  endpoint costs that request 2 s.",
    cause: "unreachable",
    ended_by: Some("gw"),
    alarm: Some(true),
    accepted: &[],
    nodes: &["client", "gw", "pod"],
    family: Family::V4,
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Any),
    ],
    late: false,
    drive: dead_retry,
};

fn dead_retry(lab: &mut Lab) -> Result<()> {
    chain::pod(lab)?;
    // Routed to the pod, which drops it: the SYNs arrive there and are not answered.
    let dead = SocketAddr::new(lab.net.address(1, 99), chain::APP);
    let (host, pod) = (
        dead.ip().to_string(),
        lab.net.at("pod", 0)?.ip().to_string(),
    );
    lab.net
        .exec("gw", &["ip", "route", "add", &host, "via", &pod])?;
    let rule = format!(
        "table ip dead {{ chain in {{ type filter hook prerouting priority raw; \
         ip daddr {host} drop; }}; }}"
    );
    lab.net.exec("pod", &["nft", &rule])?;
    chain::gateway(lab, |envoy| {
        envoy.upstream.push(dead);
        envoy.connect_timeout = "2s";
        envoy.retry = Some("connect-failure");
    })?;
    let url = chain::url(lab, "gw", chain::GATEWAY, "/ok")?;
    for request in 1..=4 {
        let curl = lab.curl(&format!("client-{request}"), &["-o", "/dev/null", &url])?;
        chain::expect(curl, 20, 0)?;
        lab.logged("gw", request)?;
        if lab.log("gw").contains("\"attempts\":2") {
            return Ok(());
        }
    }
    bail!("four requests and none went to the dead endpoint first");
}

/// The app dies.
pub(super) const APP_KILLED: Scenario = Scenario {
    name: "app-killed",
    description: "The app is killed (SIGKILL) 2 s after it got the request and owes an answer; its \
                  kernel closes the connection, sidecar and gateway answer 503. The app ended it.",
    cause: "closed_mid_exchange",
    ended_by: Some("pod"),
    alarm: Some(true),
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_SPLIT,
    late: false,
    drive: app_killed,
};

fn app_killed(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/die/2000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    chain::says(lab, "sidecar", "\"response_flags\":\"UC\"")
}

/// The app resets.
pub(super) const APP_RESETS: Scenario = Scenario {
    name: "app-resets",
    description: "The app closes with a RST (linger 0) 2 s after it got the request and owes an \
                  answer; sidecar and gateway answer 503. The app ended it.",
    cause: "closed_mid_exchange",
    ended_by: Some("pod"),
    drive: app_resets,
    ..APP_KILLED
};

fn app_resets(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/reset/2000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    chain::says(lab, "app", "resets, owing an answer")
}

/// Nothing listens.
pub(super) const REFUSED: Scenario = Scenario {
    name: "refused",
    description: "Nothing listens at the app's port: the pod's kernel answers the gateway's SYN with \
                  a RST, and the gateway answers 503 (UF). The missing app is to blame.",
    cause: "refused",
    ended_by: Some("pod"),
    alarm: Some(true),
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_ANY,
    late: false,
    drive: refused,
};

fn refused(lab: &mut Lab) -> Result<()> {
    chain::gateway(lab, |_| {})?;
    chain::lb(lab, 30)?;
    let url = chain::url(lab, "lb", chain::LB, "/ok")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    chain::says(lab, "gw", "\"response_flags\":\"UF\"")
}

/// Request and FIN cross.
pub(super) const STALE_REUSE: Scenario = Scenario {
    name: "stale-reuse",
    description: "The gateway uses a pooled connection again at the very moment the app closes it \
                  for having been idle: request and FIN cross, the app's kernel answers the request \
                  with a RST, and the gateway answers 503 (UC). The app's idle timeout is shorter \
                  than the gateway's.",
    cause: "stale_reuse",
    ended_by: Some("pod"),
    alarm: Some(true),
    accepted: &[],
    nodes: &["client", "gw", "router", "pod"],
    family: Family::V4,
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("router", "router", Interface::Any),
        at("pod", "pod", Interface::Eth0),
    ],
    late: false,
    drive: stale_reuse,
};

/// The app closes one second after its first answer. So that the second request is on its way at
/// that moment, the router has to ask for the pod's hardware address again and the pod is kept from
/// answering until it has closed.
fn stale_reuse(lab: &mut Lab) -> Result<()> {
    lab.net.forward("router")?;
    lab.net
        .sysctl("router", "net.ipv4.neigh.eth1.retrans_time_ms=50")?;
    lab.net
        .sysctl("router", "net.ipv4.neigh.eth1.mcast_solicit=20")?;
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &[])?;
    chain::gateway(lab, |_| {})?;
    let first = chain::url(lab, "gw", chain::GATEWAY, "/close-after/1000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &first])?;
    chain::expect(curl, 10, 0)?;
    // accepted, got, answered: from here the app's idle time runs.
    lab.logged("app", 3)?;
    // A busy machine takes its time for what follows.
    wait::pause(Duration::from_millis(780))?;
    let silent = "table arp lab { chain in { type filter hook input priority 0; policy drop; }; }";
    lab.net.exec("pod", &["nft", silent])?;
    let pod = app.ip().to_string();
    lab.net
        .exec("router", &["ip", "neigh", "del", &pod, "dev", "eth1"])?;
    let second = chain::url(lab, "gw", chain::GATEWAY, "/ok")?;
    let curl = lab.curl("client-2", &["-o", "/dev/null", &second])?;
    // closes
    lab.logged("app", 4)?;
    lab.net.exec("pod", &["nft", "delete table arp lab"])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 2)?;
    chain::says(lab, "gw", "\"response_flags\":\"UC\"")
}
