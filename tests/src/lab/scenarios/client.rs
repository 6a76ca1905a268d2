//! What clients do: finish, give up, close one half.

use std::time::Duration;

use anyhow::Result;

use super::{CHAIN_ANY, Scenario, WHOLE, at, chain};
use crate::lab::{Lab, capture::Interface, haproxy::Haproxy, wait};

/// Nothing is wrong.
pub(super) const NORMAL: Scenario = Scenario {
    name: "normal",
    description: "Four requests over two client connections succeed, the pooled connections behind \
                  the gateway are used again, and at the end the gateway and the sidecar are \
                  stopped in an orderly way. Nobody is to blame.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    drive: normal,
    ..WHOLE
};

fn normal(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    let ok = chain::url(lab, "lb", chain::LB, "/ok")?;
    let slow = chain::url(lab, "lb", chain::LB, "/sleep/700")?;
    let big = chain::url(lab, "lb", chain::LB, "/big/200000")?;
    let out = ["-o", "/dev/null"];
    for (name, urls) in [("client", [&ok, &slow]), ("client-2", [&big, &ok])] {
        let args = [&out[..], &[urls[0].as_str()], &out[..], &[urls[1].as_str()]].concat();
        let curl = lab.curl(name, &args)?;
        chain::expect(curl, 10, 0)?;
    }
    lab.logged("gw", 4)?;
    lab.logged("lb", 2)?;
    lab.stop("gw")?;
    lab.stop("sidecar")
}

/// The client's own time limit.
pub(super) const GIVES_UP: Scenario = Scenario {
    name: "client-gives-up",
    description: "The app needs 6 s for its answer, curl waits 3 s (--max-time 3) and closes; the \
                  load balancer, the gateway and the sidecar pass the close on. The client ended \
                  it.",
    cause: "client_gave_up",
    ended_by: Some("client"),
    alarm: Some(true),
    vantages: CHAIN_ANY,
    drive: gives_up,
    ..WHOLE
};

fn gives_up(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/6000")?;
    let curl = lab.curl("client", &["--max-time", "3", &url])?;
    // 28: curl's operation timed out.
    chain::expect(curl, 10, 28)?;
    lab.logged("gw", 1)?;
    lab.logged("lb", 1)?;
    chain::says(lab, "gw", "downstream_remote_disconnect")?;
    // accepted, got, answered (too late), closes.
    lab.logged("app", 4)
}

/// FIN one way is not the end.
pub(super) const HALF_CLOSE: Scenario = Scenario {
    name: "half-close",
    description: "The client sends its request and shuts its writing side at once; the load \
                  balancer passes that on, the app answers 3 s later and closes. The close is a \
                  half-close honoured to the end: nothing is wrong.",
    cause: "half_close",
    ended_by: Some("client"),
    alarm: Some(false),
    nodes: &["client", "lb", "pod"],
    vantages: &[
        at("client", "client", Interface::Eth0),
        at("lb-down", "lb", Interface::Eth0),
        at("lb-up", "lb", Interface::Eth1),
        at("pod", "pod", Interface::Eth0),
    ],
    drive: half_close,
    ..WHOLE
};

fn half_close(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &[])?;
    let listen = lab.net.at("lb", chain::LB)?;
    lab.haproxy("lb", "lb", &Haproxy::new(listen, app, 30))?;
    let server = listen.to_string();
    let client = lab.peer("client", &["half-close", &server, "/sleep/3000"])?;
    chain::expect(client, 10, 0)?;
    lab.logged("lb", 1)?;
    lab.logged("app", 4)
}

/// Nothing has ended yet.
pub(super) const OPEN: Scenario = Scenario {
    name: "open-at-end",
    description: "The captures end 2 s into a request of 60 s: every connection is open and an answer \
                  is owed. Nobody ended anything.",
    cause: "open",
    ended_by: None,
    alarm: Some(false),
    drive: open,
    ..GIVES_UP
};

fn open(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 300, |_| {})?;
    let url = chain::url(lab, "lb", chain::LB, "/sleep/60000")?;
    let curl = lab.curl("client", &[&url])?;
    lab.logged("app", 2)?;
    wait::pause(Duration::from_millis(2000))?;
    lab.hold("curl", curl);
    Ok(())
}

/// The captures begin in the middle.
pub(super) const LATE: Scenario = Scenario {
    name: "begun-in-the-middle",
    description: "The captures begin when two requests of a connection are answered and the third is \
                  not yet sent; the client then waits 2 s for an answer of 6 s and gives up. No SYN \
                  is seen. The client ended it.",
    late: true,
    drive: late,
    ..GIVES_UP
};

fn late(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    let url = |path: &str| chain::url(lab, "lb", chain::LB, path);
    let urls = [url("/ok")?, url("/ok")?, url("/sleep/6000")?];
    let out = ["-o", "/dev/null"];
    let mut args = vec!["--rate", "30/m", "--max-time", "2"];
    for url in &urls {
        args.extend(out);
        args.push(url);
    }
    let curl = lab.curl("client", &args)?;
    // accepted, got, answered; got, answered. The third comes 2 s after the second.
    lab.logged("app", 5)?;
    lab.capture(LATE.vantages)?;
    // 28: curl's operation timed out.
    chain::expect(curl, 15, 28)?;
    lab.logged("gw", 3)?;
    lab.logged("lb", 1)
}

/// Too late to tell.
pub(super) const TOO_LATE: Scenario = Scenario {
    name: "seen-too-late",
    description: "One capture, at the gateway's side to the pod, begun when the request was long sent: \
                  all it sees is a RST from the app's side. Whether an answer was owed, for how long \
                  and since when is not in it: the cause cannot be told.",
    cause: "unknown",
    ended_by: None,
    alarm: None,
    nodes: &["client", "gw", "pod"],
    vantages: &[at("gw", "gw", Interface::Eth1)],
    late: true,
    drive: too_late,
    ..WHOLE
};

fn too_late(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &[])?;
    chain::gateway(lab, |_| {})?;
    let url = chain::url(lab, "gw", chain::GATEWAY, "/reset/3000")?;
    let curl = lab.curl("client", &["-o", "/dev/null", &url])?;
    // accepted, got.
    lab.logged("app", 2)?;
    lab.capture(TOO_LATE.vantages)?;
    chain::expect(curl, 10, 0)?;
    lab.logged("gw", 1)
}

/// Several requests at once.
pub(super) const CONCURRENT: Scenario = Scenario {
    name: "concurrent",
    description: "Five clients at once through the whole chain, each on a connection of its own with a \
                  request every 90 to 400 ms that takes 150 ms: on the gateway's pooled connections \
                  their requests follow each other in any order. Nothing is wrong.",
    drive: concurrent,
    ..NORMAL
};

fn concurrent(lab: &mut Lab) -> Result<()> {
    chain::whole(lab, 30, |_| {})?;
    let server = lab.net.at("lb", chain::LB)?.to_string();
    let args = [
        "pool",
        &server,
        "/sleep/150",
        "--every",
        "90,140,210,300,400",
        "--for",
        "1500",
    ];
    let clients = lab.peer("client", &args)?;
    chain::expect(clients, 10, 0)?;
    lab.logged("lb", 5)
}
