//! What load balancers do: close what is idle by their own clock.

use anyhow::Result;

use super::{CHAIN_ANY, Scenario, WHOLE, chain};
use crate::lab::{Lab, envoy::Keepalive, haproxy::Mode};

/// Idle timeout of the load balancer.
pub(super) const IDLE_TIMEOUT: Scenario = Scenario {
    name: "lb-idle-timeout",
    description: "The app needs 7 s for its answer; HAProxy closes both its sides after 4 s of \
                  silence (timeout client and server 4s) while the answer is pending. The load \
                  balancer ended it.",
    cause: "idle_timeout",
    ended_by: Some("lb"),
    alarm: Some(true),
    drive: idle_timeout,
    ..WHOLE
};

fn idle_timeout(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 4, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/7000")?;
    let curl = lab.curl("client", &[&url])?;
    // 52: an empty reply.
    chain::expect(curl, 10, 52)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    lab.logged("app", 4)
}

/// Probes keep a connection alive for kernels, not for a proxy's own timer.
pub(super) const CLOSES_DESPITE_PROBES: Scenario = Scenario {
    name: "lb-closes-despite-probes",
    description: "The gateway probes the load balancer every 2 s and its kernel answers each probe, \
                  yet HAProxy closes after its idle timeout of 6 s, as probes do not reset the \
                  timer of a program. The load balancer ended it.",
    cause: "idle_timeout",
    ended_by: Some("lb"),
    alarm: Some(true),
    vantages: CHAIN_ANY,
    drive: closes_despite_probes,
    ..WHOLE
};

fn closes_despite_probes(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 6, |envoy| {
        envoy.downstream_keepalive = Some(Keepalive {
            idle: 2,
            interval: 2,
            count: 3,
        });
    })?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/8000")?;
    let curl = lab.curl("client", &[&url])?;
    chain::expect(curl, 12, 52)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    lab.logged("app", 4)
}

/// The client is a little faster than the load balancer.
pub(super) const JUST_BEFORE: Scenario = Scenario {
    name: "client-gives-up-before-lb",
    description: "The app needs 7 s for its answer, HAProxy would close after 4 s of silence, and \
                  curl gives up after 3.7 s (--max-time 3.7). The client ended it.",
    cause: "client_gave_up",
    ended_by: Some("client"),
    drive: just_before,
    ..IDLE_TIMEOUT
};

fn just_before(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 4, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/7000")?;
    let curl = lab.curl("client", &["--max-time", "3.7", &url])?;
    // 28: curl's operation timed out.
    chain::expect(curl, 10, 28)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    // HAProxy says of an end of its own making that it is one: cD.
    chain::says(lab, "lb", "\"state\":\"--\"")?;
    lab.logged("app", 4)
}

/// A load balancer that reads requests.
pub(super) const ANSWERS_504: Scenario = Scenario {
    name: "lb-http-timeout",
    description: "HAProxy in HTTP mode: a request of 1 s succeeds; the next needs 5 s, HAProxy waits \
                  3 s (timeout server) and answers 504 itself. The load balancer ended it.",
    cause: "request_timeout",
    ended_by: Some("lb"),
    vantages: CHAIN_ANY,
    drive: answers_504,
    ..IDLE_TIMEOUT
};

fn answers_504(lab: &mut Lab) -> Result<()> {
    chain::pod(lab)?;
    chain::gateway(lab, |_| {})?;
    chain::balancer(lab, 3, |lb| lb.mode = Mode::Http)?;
    for (name, path) in [("client", "/sleep/1000"), ("client-2", "/sleep/5000")] {
        let url = chain::url(lab, "lb", chain::LB, path)?;
        let curl = lab.curl(name, &["-o", "/dev/null", &url])?;
        chain::expect(curl, 10, 0)?;
    }
    lab.logged("gw", 2)?;
    lab.logged("lb", 2)?;
    chain::says(lab, "lb", " sH-- ")?;
    // accepted, got, answered; accepted or not, got, answered (too late), closes.
    lab.logged("app", 6)
}

/// A header tells the gateway of the client.
pub(super) const PROXY_PROTOCOL: Scenario = Scenario {
    name: "proxy-protocol",
    description: "HAProxy sends a PROXY protocol header (version 2), so the gateway's log names the \
                  client and not the connection from HAProxy. One request succeeds; of two at once \
                  one waits 2 s and gives up, the other gets its answer after 4 s. The client ended \
                  it.",
    cause: "client_gave_up",
    ended_by: Some("client"),
    vantages: CHAIN_ANY,
    drive: proxy_protocol,
    ..IDLE_TIMEOUT
};

fn proxy_protocol(lab: &mut Lab) -> Result<()> {
    chain::pod(lab)?;
    chain::gateway(lab, |envoy| envoy.proxy_protocol = true)?;
    chain::balancer(lab, 30, |lb| lb.proxy_protocol = true)?;
    let ok = chain::url(lab, "lb", chain::LB, "/ok")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &ok])?;
    chain::expect(curl, 10, 0)?;
    let slow = chain::url(lab, "lb", chain::LB, "/sleep/4000")?;
    let patient = lab.curl("client-2", &["-o", "/dev/null", &slow])?;
    let hasty = lab.curl("client-3", &["--max-time", "2", &slow])?;
    chain::expect(hasty, 10, 28)?;
    chain::expect(patient, 10, 0)?;
    lab.logged("gw", 3)?;
    lab.logged("lb", 3)
}
