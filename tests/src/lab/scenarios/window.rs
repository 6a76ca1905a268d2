//! Windows of zero: probes that look like keepalives, and keepalives that look like them.

use anyhow::Result;

use super::{PAIR, PAIR_VANTAGES, Scenario, WHOLE, chain};
use crate::lab::Lab;

/// Window probes one way, keepalives the other.
pub(super) const ZERO_WINDOW: Scenario = Scenario {
    name: "zero-window",
    description: "The client stops reading for 8 s: its window closes and the app's kernel sends \
                  zero-window probes, which have the form of keepalives, while the client's kernel \
                  (keepalive 2/1/9) sends real keepalives the other way. The client stalled, then \
                  read everything, and the app closed as asked.",
    cause: "receiver_stalled",
    ended_by: Some("client"),
    alarm: None,
    nodes: PAIR,
    vantages: PAIR_VANTAGES,
    drive: zero_window,
    ..WHOLE
};

fn zero_window(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &["--keepalive", "1/1/9", "--sndbuf", "8192"])?;
    let server = app.to_string();
    let client = lab.peer(
        "client",
        &[
            "slow-read",
            &server,
            "/big/60000",
            "--stall",
            "8000",
            "--rcvbuf",
            "4096",
            "--keepalive",
            "2/1/9",
        ],
    )?;
    chain::expect(client, 20, 0)?;
    lab.logged("app", 4)
}

/// Keepalives at a window of zero.
pub(super) const KEEPALIVE_AT_ZERO: Scenario = Scenario {
    name: "keepalive-at-zero-window",
    description: "The client fills the app's window to the last byte while the app reads nothing, \
                  and has nothing left to send: what its kernel (keepalive 1/1/9) then sends are \
                  keepalives, although the window is 0. The app stalled for 6 s, read on, and the \
                  client closed.",
    cause: "receiver_stalled",
    ended_by: Some("pod"),
    alarm: None,
    nodes: PAIR,
    vantages: PAIR_VANTAGES,
    drive: keepalive_at_zero,
    ..WHOLE
};

fn keepalive_at_zero(lab: &mut Lab) -> Result<()> {
    fill(lab, "/stall/6000", "8000")
}

/// A FIN that does not fit into the window.
pub(super) const FIN_AT_ZERO: Scenario = Scenario {
    name: "fin-at-zero-window",
    description: "As keepalive-at-zero-window, but the client closes after 6 s while the window is \
                  still 0: its FIN has to wait, and the probes of its kernel (keepalive 1/1/9) are \
                  keepalives before the close and zero-window probes after it. The app stalled for \
                  12 s; the client closed.",
    cause: "receiver_stalled",
    ended_by: Some("pod"),
    alarm: None,
    nodes: PAIR,
    vantages: PAIR_VANTAGES,
    drive: fin_at_zero,
    ..WHOLE
};

fn fin_at_zero(lab: &mut Lab) -> Result<()> {
    fill(lab, "/stall/12000", "6000")
}

fn fill(lab: &mut Lab, path: &str, hold: &str) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &["--rcvbuf", "4096"])?;
    let server = app.to_string();
    let tuning = ["--keepalive", "1/1/9"];
    let args = [&["fill", &server, path, "--hold", hold], &tuning[..]].concat();
    let client = lab.peer("client", &args)?;
    chain::expect(client, 30, 0)?;
    chain::says(lab, "client", "window 0 after")?;
    // accepted, got, stops, reads again, closes.
    lab.logged("app", 5)
}
