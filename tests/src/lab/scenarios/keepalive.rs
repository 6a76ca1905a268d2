//! Keepalive that does its work.

use anyhow::Result;

use super::{CHAIN, CHAIN_ANY, CHAIN_SPLIT, PAIR, PAIR_VANTAGES, Scenario, chain};
use crate::lab::{Lab, envoy::Keepalive, netns::Family};

/// Keepalive on the gateway's listener.
pub(super) const GATEWAY_7_5_2: Scenario = Scenario {
    name: "gw-keepalive-7-5-2",
    description: "The gateway's listener sets keepalive 7/5/2 by socket_options; while the app works \
                  16 s on its answer the gateway probes the load balancer twice and is answered. \
                  The answer arrives: nothing is wrong.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_SPLIT,
    late: false,
    drive: gateway_7_5_2,
};

fn gateway_7_5_2(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 60, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 7,
            interval: 5,
            count: 2,
        });
    })?;
    slow_success(lab, "/sleep/16000")
}

/// Keepalive on the gateway's cluster.
pub(super) const UPSTREAM_ONLY: Scenario = Scenario {
    name: "upstream-keepalive-only",
    description: "The gateway's cluster sets tcp_keepalive 2/1/3, as a DestinationRule does: during \
                  an answer of 7 s it probes the pod and never the load balancer. The answer \
                  arrives: nothing is wrong.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    accepted: &[],
    nodes: CHAIN,
    family: Family::V4,
    vantages: CHAIN_ANY,
    late: false,
    drive: upstream_only,
};

fn upstream_only(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 60, |envoy| {
        envoy.upstream_keepalive = Some(Keepalive {
            idle: 2,
            interval: 1,
            count: 3,
        });
    })?;
    slow_success(lab, "/sleep/7000")
}

fn slow_success(lab: &mut Lab, path: &str) -> Result<()> {
    let url = chain::url(lab, "lb", chain::LB, path)?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 30, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)
}

/// Keepalive works in half-closed states, too.
pub(super) const HALF_CLOSED: Scenario = Scenario {
    name: "keepalive-half-closed",
    description: "The client shuts its writing side, then both sides probe each other while the app \
                  works 6 s: the client every second in FIN_WAIT2, the app every 2 s in CLOSE_WAIT. \
                  The answer arrives: nothing is wrong.",
    cause: "half_close",
    ended_by: Some("client"),
    alarm: Some(false),
    accepted: &[],
    nodes: PAIR,
    family: Family::V4,
    vantages: PAIR_VANTAGES,
    late: false,
    drive: half_closed,
};

fn half_closed(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &["--keepalive", "2/1/3"])?;
    let server = app.to_string();
    let args = ["half-close", &server, "/sleep/6000", "--keepalive", "1/1/3"];
    let client = lab.peer("client", &args)?;
    chain::expect(client, 10, 0)?;
    lab.logged("app", 4)
}
