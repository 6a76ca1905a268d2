//! What upstreams do: be away, refuse, die, close at the wrong moment.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, bail};

use super::{CHAIN, CHAIN_ANY, CHAIN_SPLIT, PAIR, PAIR_VANTAGES, Scenario, at, chain};
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
    let dead = nobody_at(lab, ("gw", 1, "pod"), chain::APP)?;
    chain::gateway(lab, |envoy| {
        envoy.upstream.push(dead);
        envoy.connect_timeout = "2s";
        envoy.retry = Some("connect-failure");
    })?;
    until_retried(lab)
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

/// A load balancer with a dead server among its fixed addresses.
pub(super) const DEAD_GATEWAY: Scenario = Scenario {
    name: "dead-gateway",
    description: "The load balancer has two fixed gateway addresses and one of them is of a node that \
                  is gone: of four calls every second one hangs until the connect timeout of 2 s and \
                  fails. The dead node is to blame; the load balancer gave up.",
    cause: "unreachable",
    ended_by: Some("lb"),
    alarm: Some(true),
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_ANY,
    late: false,
    drive: dead_gateway,
};

fn dead_gateway(lab: &mut Lab) -> Result<()> {
    chain::pod(lab)?;
    chain::gateway(lab, |_| {})?;
    let dead = nobody_at(lab, ("lb", 1, "gw"), chain::GATEWAY)?;
    chain::balancer(lab, 30, |lb| {
        lb.servers.push(dead);
        lb.connect = 2;
    })?;
    let url = chain::url(lab, "lb", chain::LB, "/ok")?;
    for (request, code) in [(1, 0), (2, 52), (3, 0), (4, 52)] {
        let curl = lab.curl(&format!("client-{request}"), &["-o", "/dev/null", &url])?;
        chain::expect(curl, 20, code)?;
        lab.logged("lb", request)?;
    }
    lab.logged("gw", 2)
}

/// A client that knows two addresses.
pub(super) const TWO_ADDRESSES: Scenario = Scenario {
    name: "dead-gateway-client-retries",
    description: "The gateway's name has two addresses, the first of a node that is gone: curl waits \
                  2 s for it, half of its connect timeout, then takes the other and succeeds. The \
                  dead node costs that request 2 s.",
    ended_by: Some("client"),
    nodes: &["client", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Any),
    ],
    drive: two_addresses,
    ..DEAD_GATEWAY
};

fn two_addresses(lab: &mut Lab) -> Result<()> {
    chain::pod(lab)?;
    chain::gateway(lab, |_| {})?;
    let dead = nobody_at(lab, ("client", 0, "gw"), chain::GATEWAY)?;
    let alive = lab.net.at("gw", chain::GATEWAY)?;
    let name = format!("gateway:{}:{},{}", alive.port(), dead.ip(), alive.ip());
    let url = format!("http://gateway:{}/ok", alive.port());
    let two = [
        "--resolve",
        &name,
        "--connect-timeout",
        "4",
        "-o",
        "/dev/null",
        &url,
    ];
    let curl = lab.curl("client", &two)?;
    chain::expect(curl, 20, 0)?;
    lab.logged("gw", 1)
}

/// An address on a link that the far end drops: SYNs arrive there and are not answered.
fn nobody_at(
    lab: &mut Lab,
    (from, link, to): (&str, usize, &str),
    port: u16,
) -> Result<SocketAddr> {
    let dead = SocketAddr::new(lab.net.address(link, 99), port);
    let (host, far) = (dead.ip().to_string(), lab.net.at(to, 0)?.ip().to_string());
    lab.net
        .exec(from, &["ip", "route", "add", &host, "via", &far])?;
    let rule = format!(
        "table ip dead {{ chain in {{ type filter hook prerouting priority raw; \
         ip daddr {host} drop; }}; }}"
    );
    lab.net.exec(to, &["nft", &rule])?;
    Ok(dead)
}

/// Refused here, served there.
pub(super) const REFUSED_RETRY: Scenario = Scenario {
    name: "refused-retry",
    description: "At one of the gateway's two endpoints nothing listens: the pod's kernel answers its \
                  SYN with a RST, the retry at the other endpoint succeeds at once. The client does \
                  not notice.",
    cause: "refused",
    ended_by: Some("pod"),
    drive: refused_retry,
    ..DEAD_RETRY
};

fn refused_retry(lab: &mut Lab) -> Result<()> {
    chain::pod(lab)?;
    let mut closed = lab.net.at("pod", chain::APP)?;
    closed.set_port(8088);
    chain::gateway(lab, |envoy| {
        envoy.upstream.push(closed);
        envoy.retry = Some("connect-failure");
    })?;
    until_retried(lab)
}

/// Requests until one had to be tried twice.
fn until_retried(lab: &mut Lab) -> Result<()> {
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

/// An idle pooled connection is closed in time.
pub(super) const POOL_CLOSED: Scenario = Scenario {
    name: "pool-idle-closed",
    description: "The app closes what was idle for 1.5 s (as Node does after 5 s), and so ends a \
                  pooled connection of the gateway on which no answer is owed; the next request, 1 s \
                  later, takes a new one and succeeds. Nothing is wrong.",
    // Of the request; the pooled connection ended for its silence.
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    accepted: &[],
    nodes: &["client", "gw", "pod"],
    family: Family::V4,
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Eth0),
    ],
    late: false,
    drive: pool_closed,
};

fn pool_closed(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &["--idle", "1500"])?;
    chain::gateway(lab, |_| {})?;
    let url = chain::url(lab, "gw", chain::GATEWAY, "/ok")?;
    for (name, lines) in [("client", 4), ("client-2", 8)] {
        let curl = lab.curl(name, &["-o", "/dev/null", &url])?;
        chain::expect(curl, 10, 0)?;
        // accepted, got, answered, closes.
        lab.logged("app", lines)?;
        wait::pause(Duration::from_millis(1000))?;
    }
    lab.logged("gw", 2)
}

/// A server's own 503 and 504.
pub(super) const APP_ERRORS: Scenario = Scenario {
    name: "app-answers-503-504",
    description: "The app itself answers 503 at once, and 504 after 3 s; gateway and sidecar pass \
                  both on. No gateway refused and none lost patience: whatever is wrong, it is \
                  in the app, and every connection ends as it should.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: None,
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_ANY,
    late: false,
    drive: app_errors,
};

fn app_errors(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    for (request, path) in [(1, "/status/503"), (2, "/sleep/3000?status=504")] {
        let url = chain::url(lab, "lb", chain::LB, path)?;
        let curl = lab.curl(&format!("client-{request}"), &["-o", "/dev/null", &url])?;
        chain::expect(curl, 10, 0)?;
        lab.logged("gw", request)?;
        lab.logged("lb", request)?;
    }
    chain::says(lab, "gw", "\"response_code\":504")?;
    chain::says(lab, "gw", "\"response_flags\":\"-\"")
}

/// An answer that breaks off.
pub(super) const CUT_SHORT: Scenario = Scenario {
    name: "answer-cut-short",
    description: "The app announces 20000 bytes, sends half of them, and closes with a FIN 1 s later, as \
                  a program does that dies in the middle. Sidecar and gateway have begun to answer \
                  and can only break off, too. The app ended it.",
    drive: cut_short,
    ..APP_KILLED
};

fn cut_short(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/half/20000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    // 18: a partial file.
    chain::expect(curl, 10, 18)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    chain::says(lab, "gw", "\"response_flags\":\"UPE\"")
        .or_else(|_| chain::says(lab, "gw", "upstream_reset_after_response_started"))
}

/// The server closes, as it was asked to.
pub(super) const SERVER_CLOSES: Scenario = Scenario {
    name: "server-closes-after-answer",
    description: "Two requests with `connection: close`: the app answers and closes, at once and \
                  after 2 s. The first FIN is the app's, and nothing is wrong.",
    cause: "normal_close",
    ended_by: Some("pod"),
    alarm: Some(false),
    accepted: &[],
    nodes: PAIR,
    family: Family::V4,
    vantages: PAIR_VANTAGES,
    late: false,
    drive: server_closes,
};

fn server_closes(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &[])?;
    for (name, path, lines) in [("client", "/ok", 4), ("client-2", "/sleep/2000", 8)] {
        let url = chain::url(lab, "pod", chain::APP, path)?;
        let close = ["-H", "Connection: close", "-o", "/dev/null", &url];
        let curl = lab.curl(name, &close)?;
        chain::expect(curl, 10, 0)?;
        lab.logged("app", lines)?;
    }
    Ok(())
}
