//! What gateways do by themselves, and the chain on IPv6.

use std::time::Duration;

use anyhow::Result;

use super::{CHAIN_ANY, Scenario, WHOLE, at, chain};
use crate::lab::{
    Lab,
    capture::Interface,
    envoy::{Envoy, Keepalive},
    netns::Family,
    wait,
};

/// IPv6 from the client to the app.
pub(super) const IPV6: Scenario = Scenario {
    name: "ipv6",
    description: "The whole chain on IPv6: an answer of 5 s succeeds while the gateway (keepalive \
                  2/1/3) probes the load balancer; then a second client waits 3 s for an answer of \
                  5 s and gives up. The client ended the second one.",
    cause: "client_gave_up",
    ended_by: Some("client"),
    alarm: Some(true),
    family: Family::V6,
    drive: ipv6,
    ..WHOLE
};

fn ipv6(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 2,
            interval: 1,
            count: 3,
        });
    })?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/5000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    let curl = lab.curl("client-2", &["--max-time", "3", &url])?;
    chain::expect(curl, 10, 28)?;
    lab.logged("gw", 2)?;
    lab.logged("lb", 2)?;
    // accepted, got, answered; got, answered (too late), closes.
    lab.logged("app", 6)
}

/// The gateway's own time limit.
pub(super) const REQUEST_TIMEOUT: Scenario = Scenario {
    name: "gw-request-timeout",
    description: "The app needs 5 s for its answer, the gateway's route allows 3 s: it answers 504 \
                  (UT) and closes its connection to the sidecar. The gateway ended it.",
    cause: "request_timeout",
    ended_by: Some("gw"),
    alarm: Some(true),
    vantages: CHAIN_ANY,
    drive: request_timeout,
    ..WHOLE
};

fn request_timeout(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |envoy| envoy.route_timeout = "3s")?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/5000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    chain::says(lab, "gw", "\"response_flags\":\"UT\"")?;
    lab.logged("app", 4)
}

/// The gateway's own idea of a stream that is idle.
pub(super) const STREAM_IDLE: Scenario = Scenario {
    name: "gw-stream-idle-timeout",
    description: "The app needs 6 s for its answer, and the gateway ends a stream on which nothing \
                  moves for 3 s (stream_idle_timeout, 5 min by default): it answers 504 (SI) and \
                  closes its connection to the sidecar. The gateway ended it.",
    accepted: &["idle_timeout"],
    drive: stream_idle,
    ..REQUEST_TIMEOUT
};

fn stream_idle(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |envoy| envoy.stream_idle = Some("3s"))?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/6000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    chain::says(lab, "gw", "stream_idle_timeout")?;
    lab.logged("app", 4)
}

/// The gateway closes a client's connection that nobody uses.
pub(super) const IDLE: Scenario = Scenario {
    name: "gw-idle-timeout",
    description: "A client keeps its connection after one request; the gateway closes it after 3 s \
                  of silence: idle_timeout 2 s (1 h by default), and drain_timeout 1 s. No answer \
                  is owed: nothing is wrong.",
    cause: "idle_timeout",
    ended_by: Some("gw"),
    alarm: Some(false),
    accepted: &["normal_close"],
    nodes: &["client", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Any),
    ],
    drive: idle,
    ..REQUEST_TIMEOUT
};

fn idle(lab: &mut Lab) -> Result<()> {
    chain::pod(lab)?;
    chain::gateway(lab, |envoy| envoy.idle = Some("2s"))?;
    let server = lab.net.at("gw", chain::GATEWAY)?.to_string();
    let once = ["--every", "6000", "--for", "5000"];
    let client = lab.peer("client", &[&["pool", &server, "/ok"], &once[..]].concat())?;
    chain::expect(client, 10, 0)?;
    lab.logged("gw", 1)?;
    chain::says(lab, "client", "server closed after 1 requests")
}

/// A circuit breaker.
pub(super) const OVERLOAD: Scenario = Scenario {
    name: "overload",
    description: "The gateway allows one connection to the app and one request waiting for it \
                  (circuit breaker): of three requests at once the third is answered 503 (UO) \
                  without a segment to the app. The gateway refused the third; the others succeed.",
    cause: "overload",
    ended_by: Some("gw"),
    alarm: Some(true),
    vantages: CHAIN_ANY,
    drive: overload,
    ..WHOLE
};

fn overload(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |envoy| envoy.breaker = Some(1))?;
    let slow = chain::url(lab, "lb", chain::LB, "/sleep/2000")?;
    let first = lab.curl("client", &["-o", "/dev/null", &slow])?;
    // accepted, got: the first one is under way.
    lab.logged("app", 2)?;
    let second = lab.curl("client-2", &["-o", "/dev/null", &slow])?;
    // Nothing tells when the gateway has queued the second one.
    wait::pause(Duration::from_millis(300))?;
    let third = lab.curl("client-3", &["-o", "/dev/null", &slow])?;
    for client in [third, first, second] {
        chain::expect(client, 10, 0)?;
    }
    lab.logged("gw", 3)?;
    lab.logged("lb", 3)?;
    chain::says(lab, "gw", "\"response_flags\":\"UO\"")
}

/// Nobody to ask.
pub(super) const NO_HOST: Scenario = Scenario {
    name: "no-healthy-host",
    description: "The gateway knows no endpoint of the app: it answers 503 (UH) without a segment to \
                  anybody. The gateway refused it.",
    nodes: &["client", "gw"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
    ],
    drive: no_host,
    ..OVERLOAD
};

fn no_host(lab: &mut Lab) -> Result<()> {
    let listen = lab.net.at("gw", chain::GATEWAY)?;
    let mut envoy = Envoy::new(listen, listen);
    envoy.upstream.clear();
    lab.envoy("gw", "gw", &envoy)?;
    let url = chain::url(lab, "gw", chain::GATEWAY, "/ok")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)?;
    chain::says(lab, "gw", "\"response_flags\":\"UH\"")
}

/// A retry that the client does not notice.
pub(super) const RETRIED: Scenario = Scenario {
    name: "reset-retried",
    description: "The app resets the first connection 300 ms into a request; the gateway (retry_on \
                  reset) asks again and gets an answer. The app ended the first one; the client \
                  does not notice.",
    cause: "closed_mid_exchange",
    ended_by: Some("pod"),
    alarm: Some(true),
    nodes: &["client", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Eth0),
    ],
    drive: retried,
    ..OVERLOAD
};

fn retried(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &[])?;
    chain::gateway(lab, |envoy| envoy.retry = Some("reset"))?;
    let url = chain::url(lab, "gw", chain::GATEWAY, "/reset-once/300")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)?;
    chain::says(lab, "gw", "\"attempts\":2")
}
