//! What paths do: die, and translate addresses.

use std::time::Duration;

use anyhow::Result;

use super::{Scenario, WHOLE, at, chain};
use crate::lab::{Lab, capture::Interface, envoy::Keepalive, wait};

/// The path dies between load balancer and gateway.
pub(super) const DEAD_PATH: Scenario = Scenario {
    name: "dead-path",
    description: "A router between load balancer and gateway begins to drop everything while an \
                  answer of 8 s is pending; the gateway's probes (keepalive 2/1/3) stay unanswered, \
                  so its kernel resets the connection (ETIMEDOUT). The path is to blame; the client \
                  gives up at 10 s.",
    cause: "keepalive_death",
    ended_by: Some("gw"),
    alarm: Some(true),
    nodes: &["client", "lb", "router", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("lb", "lb", Interface::Any),
        at("gw-down", "gw", Interface::Eth0),
        at("gw-up", "gw", Interface::Eth1),
        at("pod", "pod", Interface::Any),
    ],
    drive: dead_path,
    ..WHOLE
};

fn dead_path(lab: &mut Lab) -> Result<()> {
    lab.net.forward("router")?;
    chain::whole(lab, 60, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 2,
            interval: 1,
            count: 3,
        });
    })?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/8000")?;
    let curl = lab.curl("client", &["--max-time", "10", &url])?;
    // accepted, got: the request has come through to the end.
    lab.logged("app", 2)?;
    wait::pause(Duration::from_millis(500))?;
    lab.sever("router", "drop")?;
    chain::expect(curl, 15, 28)?;
    lab.logged("gw", 1)?;
    lab.logged("app", 4)
}

/// The path dies while there is something to send.
pub(super) const RETRANSMISSION_DEATH: Scenario = Scenario {
    name: "retransmission-death",
    description: "A router between load balancer and gateway begins to drop everything while an \
                  answer is pending; the gateway sends the answer again and again, and after \
                  TCP_USER_TIMEOUT (3 s) its kernel forgets the connection without a RST. The path \
                  is to blame; the client gives up at 8 s.",
    cause: "retransmission_death",
    ended_by: Some("gw"),
    drive: retransmission_death,
    ..DEAD_PATH
};

fn retransmission_death(lab: &mut Lab) -> Result<()> {
    lab.net.forward("router")?;
    chain::whole(lab, 60, |envoy| envoy.downstream_user_timeout = Some(3000))?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/2000")?;
    let curl = lab.curl("client", &["--max-time", "8", &url])?;
    lab.logged("app", 2)?;
    wait::pause(Duration::from_millis(500))?;
    lab.sever("router", "drop")?;
    chain::expect(curl, 15, 28)?;
    lab.logged("gw", 1)
}

/// A box on the way resets in the name of the other side.
pub(super) const INJECTED_RESET: Scenario = Scenario {
    name: "injected-reset",
    description: "A router between load balancer and gateway has forgotten the connection and \
                  answers the gateway's keepalive probe with a RST in the load balancer's name, \
                  which never sent it and still waits; when the load balancer closes after 6 s it \
                  is reset likewise. The router is to blame.",
    cause: "injected_reset",
    ended_by: Some("router"),
    drive: injected_reset,
    ..DEAD_PATH
};

fn injected_reset(lab: &mut Lab) -> Result<()> {
    lab.net.forward("router")?;
    chain::whole(lab, 6, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 2,
            interval: 1,
            count: 3,
        });
    })?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/7000")?;
    let curl = lab.curl("client", &[&url])?;
    lab.logged("app", 2)?;
    wait::pause(Duration::from_millis(500))?;
    lab.sever("router", "reject with tcp reset")?;
    // 52: an empty reply.
    chain::expect(curl, 15, 52)?;
    lab.logged("gw", 1)?;
    lab.logged("app", 4)
}

/// A router that translates both addresses.
pub(super) const NAT: Scenario = Scenario {
    name: "nat",
    description: "A router translates the client's destination to the gateway (DNAT) and its source \
                  to its own address (masquerade), so the router holds the connection twice with \
                  different ends. One request succeeds, a second client gives up after 2 s.",
    cause: "client_gave_up",
    ended_by: Some("client"),
    alarm: Some(true),
    nodes: &["client", "nat", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("nat", "nat", Interface::Any),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Any),
    ],
    drive: nat,
    ..WHOLE
};

fn nat(lab: &mut Lab) -> Result<()> {
    lab.net.forward("nat")?;
    let gateway = lab.net.at("gw", chain::GATEWAY)?;
    let rules = format!(
        "table ip lab {{ chain in {{ type nat hook prerouting priority dstnat; \
         iifname \"eth0\" tcp dport 80 dnat to {gateway}; }}; \
         chain out {{ type nat hook postrouting priority srcnat; \
         oifname \"eth1\" masquerade fully-random; }}; }}"
    );
    lab.net.exec("nat", &["nft", &rules])?;
    // The lab reads what was translated from the table at the end.
    for state in ["close", "time_wait", "last_ack", "close_wait"] {
        let setting = format!("net.netfilter.nf_conntrack_tcp_timeout_{state}=300");
        lab.net.sysctl("nat", &setting)?;
    }
    chain::pod(lab)?;
    chain::gateway(lab, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 1,
            interval: 1,
            count: 3,
        });
    })?;
    let url = chain::url(lab, "nat", 80, "/sleep/2500")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    let curl = lab.curl("client-2", &["--max-time", "2", &url])?;
    chain::expect(curl, 10, 28)?;
    lab.logged("gw", 2)?;
    lab.logged("app", 6)
}

/// The path is dead for a while: a probe is lost, the next is answered.
pub(super) const HEALS: Scenario = Scenario {
    name: "path-heals",
    description: "A router drops everything for 2.5 s while an answer of 7 s is pending: one or two \
                  probes of the gateway (keepalive 2/1/9) stay unanswered, the next ones are \
                  answered, and the answer arrives. Nothing was ended: nothing is wrong.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    drive: heals,
    ..DEAD_PATH
};

fn heals(lab: &mut Lab) -> Result<()> {
    lab.net.forward("router")?;
    chain::whole(lab, 60, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 2,
            interval: 1,
            count: 9,
        });
    })?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/7000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    lab.logged("app", 2)?;
    wait::pause(Duration::from_millis(1000))?;
    lab.sever("router", "drop")?;
    wait::pause(Duration::from_millis(2500))?;
    lab.heal("router")?;
    chain::expect(curl, 15, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)
}

/// The path is dead while there is something to send, and not for long.
pub(super) const RECOVERS: Scenario = Scenario {
    name: "retransmissions-recover",
    description: "A router drops everything for 1.5 s just when the answer comes: the gateway sends \
                  it again until it arrives. Nothing was ended: nothing is wrong.",
    drive: recovers,
    ..HEALS
};

fn recovers(lab: &mut Lab) -> Result<()> {
    lab.net.forward("router")?;
    chain::whole(lab, 60, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/1500")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    lab.logged("app", 2)?;
    wait::pause(Duration::from_millis(1000))?;
    lab.sever("router", "drop")?;
    // accepted, got, answered.
    lab.logged("app", 3)?;
    wait::pause(Duration::from_millis(1000))?;
    lab.heal("router")?;
    chain::expect(curl, 15, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)
}

/// SYNs are lost, and a later one is answered.
pub(super) const LATE_SYN: Scenario = Scenario {
    name: "syn-answered-late",
    description: "A router drops everything for the first 1.5 s: the load balancer's SYNs to the \
                  gateway are answered when they pass at last, within its connect timeout. The \
                  request succeeds after about 2 s.",
    // It cost two seconds, and it went well.
    alarm: None,
    drive: late_syn,
    ..HEALS
};

fn late_syn(lab: &mut Lab) -> Result<()> {
    lab.net.forward("router")?;
    chain::whole(lab, 60, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/ok")?;
    lab.sever("router", "drop")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    wait::pause(Duration::from_millis(1500))?;
    lab.heal("router")?;
    chain::expect(curl, 15, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)
}
