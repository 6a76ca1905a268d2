//! What upstreams do: be away, refuse.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, bail};

use super::{CHAIN_ANY, Scenario, WHOLE, at, chain};
use crate::lab::{Lab, capture::Interface, wait};

/// One of two endpoints is a dead address.
pub(super) const DEAD_RETRY: Scenario = Scenario {
    name: "dead-upstream-retry",
    description: "One of the gateway's two endpoints is an address whose SYNs nobody answers; after \
                  its connect timeout of 2 s the gateway tries the other and succeeds. The dead \
                  endpoint costs that request 2 s.",
    cause: "unreachable",
    ended_by: Some("gw"),
    alarm: Some(true),
    nodes: &["client", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Any),
    ],
    drive: dead_retry,
    ..WHOLE
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

/// Nothing listens.
pub(super) const REFUSED: Scenario = Scenario {
    name: "refused",
    description: "Nothing listens at the app's port: the pod's kernel answers the gateway's SYN with \
                  a RST, and the gateway answers 503 (UF). The missing app is to blame.",
    cause: "refused",
    ended_by: Some("pod"),
    alarm: Some(true),
    vantages: CHAIN_ANY,
    drive: refused,
    ..WHOLE
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

/// A load balancer with a dead server among its fixed addresses.
pub(super) const DEAD_GATEWAY: Scenario = Scenario {
    name: "dead-gateway",
    description: "The load balancer has two fixed gateway addresses and one of them is of a node that \
                  is gone: of four calls every second one hangs until the connect timeout of 2 s and \
                  fails. The dead node is to blame; the load balancer gave up.",
    cause: "unreachable",
    ended_by: Some("lb"),
    alarm: Some(true),
    vantages: CHAIN_ANY,
    drive: dead_gateway,
    ..WHOLE
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
                  2 or 3 s for it, of its connect timeout of 4 s, then takes the other and \
                  succeeds. The dead node costs that request this time.",
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
    // The time at which the next SYN would come passes: curl has given the first address up.
    wait::pause(Duration::from_millis(2500))?;
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
