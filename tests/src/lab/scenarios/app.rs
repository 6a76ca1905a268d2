//! What apps do: die, reset, break off, close at the right moment and at the wrong one.

use std::time::Duration;

use anyhow::Result;

use super::{CHAIN_ANY, PAIR, PAIR_VANTAGES, Scenario, WHOLE, at, chain};
use crate::lab::{Lab, capture::Interface, wait};

/// The app dies.
pub(super) const APP_KILLED: Scenario = Scenario {
    name: "app-killed",
    description: "The app is killed (SIGKILL) 2 s after it got the request and owes an answer; its \
                  kernel closes the connection, sidecar and gateway answer 503. The app ended it.",
    cause: "closed_mid_exchange",
    ended_by: Some("pod"),
    alarm: Some(true),
    drive: app_killed,
    ..WHOLE
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
    nodes: &["client", "gw", "router", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("router", "router", Interface::Any),
        at("pod", "pod", Interface::Eth0),
    ],
    drive: stale_reuse,
    ..WHOLE
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
    nodes: &["client", "gw", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("gw", "gw", Interface::Any),
        at("pod", "pod", Interface::Eth0),
    ],
    drive: pool_closed,
    ..WHOLE
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
    vantages: CHAIN_ANY,
    drive: app_errors,
    ..WHOLE
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
    nodes: PAIR,
    vantages: PAIR_VANTAGES,
    drive: server_closes,
    ..WHOLE
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
