//! Keepalive that does its work.

use anyhow::Result;

use super::{CHAIN_ANY, PAIR, PAIR_VANTAGES, Scenario, WHOLE, at, chain};
use crate::lab::{
    Lab,
    capture::Interface,
    envoy::{Envoy, Keepalive},
};

/// Keepalive on the gateway's listener.
pub(super) const GATEWAY_7_5_2: Scenario = Scenario {
    name: "gw-keepalive-7-5-2",
    description: "The gateway's listener sets keepalive 7/5/2 by socket_options; while the app works \
                  16 s on its answer the gateway probes the load balancer twice and is answered. \
                  The answer arrives: nothing is wrong.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    drive: gateway_7_5_2,
    ..WHOLE
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
    vantages: CHAIN_ANY,
    drive: upstream_only,
    ..WHOLE
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
    nodes: PAIR,
    vantages: PAIR_VANTAGES,
    drive: half_closed,
    ..WHOLE
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

/// The look-alike: as long, and nobody probes.
pub(super) const LONG_ANSWER: Scenario = Scenario {
    name: "long-answer",
    description: "An answer of 7 s that succeeds although nobody sends a keepalive probe: every \
                  timeout on its way is longer. Nothing is wrong.",
    drive: long_answer,
    ..UPSTREAM_ONLY
};

fn long_answer(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 60, |_| {})?;
    slow_success(lab, "/sleep/7000")
}

/// Probes keep the state of a box on the way.
pub(super) const STATE_KEPT: Scenario = Scenario {
    name: "l4-state-kept",
    description: "A router forgets a connection after 3 s of silence (conntrack) and drops what comes \
                  for it then. The gateway's listener sets keepalive 1/1/3 by socket_options, so its \
                  probes cross the router every second while the app works 7 s on its answer, which \
                  arrives: nothing is wrong.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    nodes: &["client", "router", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("router", "router", Interface::Any),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Any),
    ],
    drive: state_kept,
    ..WHOLE
};

fn state_kept(lab: &mut Lab) -> Result<()> {
    behind_forgetful(lab, "drop", |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 1,
            interval: 1,
            count: 3,
        });
    })?;
    let url = chain::url(lab, "gw", chain::GATEWAY, "/sleep/7000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 20, 0)?;
    lab.logged("gw", 1)
}

/// The same without probes; the box resets.
pub(super) const STATE_EXPIRED: Scenario = Scenario {
    name: "l4-state-expired",
    description: "As l4-state-kept without keepalive: after 3 s of silence the router has forgotten \
                  the connection, and when the answer comes at 6 s it sends the gateway a RST in the \
                  client's name, which still waits and gives up at 9 s. The router ended it.",
    cause: "injected_reset",
    ended_by: Some("router"),
    alarm: Some(true),
    drive: state_expired,
    ..STATE_KEPT
};

fn state_expired(lab: &mut Lab) -> Result<()> {
    behind_forgetful(lab, "reject with tcp reset", |_| {})?;
    expires(lab)
}

/// The same without probes; the box drops.
pub(super) const STATE_EXPIRED_SILENTLY: Scenario = Scenario {
    name: "l4-state-expired-silently",
    description: "As l4-state-expired, but the router only drops: the gateway sends the answer again \
                  and again until TCP_USER_TIMEOUT (2 s), then its kernel forgets the connection \
                  without a RST; the client gives up at 9 s. The router lost it.",
    cause: "retransmission_death",
    ended_by: Some("gw"),
    drive: state_expired_silently,
    ..STATE_EXPIRED
};

fn state_expired_silently(lab: &mut Lab) -> Result<()> {
    behind_forgetful(lab, "drop", |envoy| {
        envoy.downstream_user_timeout = Some(2000);
    })?;
    expires(lab)
}

fn behind_forgetful(lab: &mut Lab, verdict: &str, tune: impl FnOnce(&mut Envoy)) -> Result<()> {
    lab.net.forward("router")?;
    lab.forgetful("router", 3, verdict)?;
    chain::pod(lab)?;
    chain::gateway(lab, tune)
}

fn expires(lab: &mut Lab) -> Result<()> {
    let url = chain::url(lab, "gw", chain::GATEWAY, "/sleep/6000")?;
    let curl = lab.curl("client", &["--max-time", "9", &url])?;
    // 28: curl's operation timed out.
    chain::expect(curl, 15, 28)?;
    lab.logged("gw", 1)
}

/// A connection is used again after the box has forgotten it.
pub(super) const STATE_EXPIRED_REUSED: Scenario = Scenario {
    name: "l4-state-expired-reused",
    description: "A client keeps its connection without keepalive; the router forgets it after 3 s of \
                  silence, as an L4 load balancer does, and answers the second request, at 5 s, with \
                  a RST in the gateway's name, which knows nothing of it. The router ended it.",
    drive: state_expired_reused,
    ..STATE_EXPIRED
};

fn state_expired_reused(lab: &mut Lab) -> Result<()> {
    behind_forgetful(lab, "reject with tcp reset", |_| {})?;
    let server = lab.net.at("gw", chain::GATEWAY)?.to_string();
    let args = ["pool", &server, "/ok", "--every", "5000", "--for", "5500"];
    let client = lab.peer("client", &args)?;
    chain::expect(client, 10, 0)?;
    chain::says(lab, "client", "reset by peer")
}
