//! Servers that end connections at a certain age, and what looks like it.

use anyhow::{Result, ensure};

use super::{CHAIN, CHAIN_SPLIT, PAIR, PAIR_VANTAGES, Scenario, WHOLE, chain};
use crate::lab::Lab;

/// Every connection ends at one age, whatever is on it.
pub(super) const MAX_AGE: Scenario = Scenario {
    name: "max-connection-age",
    description: "The app ends every connection at an age of 2.5 s, a tenth more or less, as gRPC's \
                  MaxConnectionAge does, as soon as it owes no answer: four connections with a \
                  request every 200, 450, 900 and 1900 ms are opened anew each time. No answer is \
                  lost. The app ends them, for their age.",
    cause: "max_connection_age",
    ended_by: Some("pod"),
    // Nobody lost anything by it, and it may still be what is looked for.
    alarm: None,
    nodes: PAIR,
    vantages: PAIR_VANTAGES,
    drive: max_age,
    ..WHOLE
};

fn max_age(lab: &mut Lab) -> Result<()> {
    pool(
        lab,
        &["--max-age", "2500"],
        "/ok",
        "200,450,900,1900",
        "7000",
    )?;
    none_lost(lab)
}

/// A request may come in the very moment in which the app closes: that is another scenario.
fn none_lost(lab: &Lab) -> Result<()> {
    let lost = lab.log("client").contains("an answer is owed");
    ensure!(!lost, "a request came just as the app closed, and was lost");
    Ok(())
}

/// The same without mercy.
pub(super) const MAX_AGE_CUTS: Scenario = Scenario {
    name: "max-connection-age-cuts-answers",
    description: "As max-connection-age, and the app closes also when it owes an answer: each takes \
                  600 ms, and on four connections there is a request every 50 to 400 ms, so nearly \
                  every connection ends in the middle of an answer. The app ends them, for their \
                  age.",
    alarm: Some(true),
    // A request may come in the very moment in which the app closes: that is told as what it is.
    accepted: &["stale_reuse"],
    drive: max_age_cuts,
    ..MAX_AGE
};

fn max_age_cuts(lab: &mut Lab) -> Result<()> {
    let limits = ["--max-age", "2500", "--cut"];
    pool(lab, &limits, "/sleep/600", "50,120,250,400", "7000")
}

/// Equal lifetimes, and silence is the reason.
pub(super) const EQUAL_LIFETIMES: Scenario = Scenario {
    name: "idle-equal-lifetimes",
    description: "The app closes what was idle for 2 s, and each of four connections has one request \
                  at its beginning: all live equally long, for their silence and not for their age. \
                  No answer is owed: nothing is wrong.",
    cause: "idle_timeout",
    alarm: Some(false),
    accepted: &["normal_close"],
    drive: equal_lifetimes,
    ..MAX_AGE
};

fn equal_lifetimes(lab: &mut Lab) -> Result<()> {
    pool(
        lab,
        &["--idle", "2000"],
        "/ok",
        "2800,2800,2800,2800",
        "5000",
    )?;
    none_lost(lab)
}

/// Equal ends, and the client is the reason.
pub(super) const CLIENTS_STOP: Scenario = Scenario {
    name: "clients-stop",
    description: "Four connections with a request every 200 to 900 ms, and after 3 s the client stops \
                  and closes them all within a moment: their ends agree, and nobody limits their \
                  age. Nothing is wrong.",
    cause: "normal_close",
    ended_by: Some("client"),
    alarm: Some(false),
    drive: clients_stop,
    ..MAX_AGE
};

fn clients_stop(lab: &mut Lab) -> Result<()> {
    pool(lab, &[], "/ok", "200,350,600,900", "3000")
}

fn pool(lab: &mut Lab, limits: &[&str], path: &str, every: &str, span: &str) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, limits)?;
    let server = app.to_string();
    let args = ["pool", &server, path, "--every", every, "--for", span];
    let client = lab.peer("client", &args)?;
    chain::expect(client, 20, 0)
}

/// GOAWAY from the sidecar.
pub(super) const GOAWAY: Scenario = Scenario {
    name: "goaway",
    description: "HTTP/2 between gateway and sidecar, which says GOAWAY when a connection is 2 s old \
                  (max_connection_duration), while the client sends a request every 500 ms on one \
                  connection of HTTP/1.1. The gateway closes each itself when it has read that: the \
                  first FIN is the gateway's, the reason is the sidecar's. No answer is lost.",
    nodes: CHAIN,
    vantages: CHAIN_SPLIT,
    drive: goaway,
    ..MAX_AGE
};

fn goaway(lab: &mut Lab) -> Result<()> {
    let app = lab.net.at("pod", chain::APP)?;
    lab.app("pod", app, &[])?;
    chain::sidecar(lab, |envoy| envoy.max_age = Some("2s"))?;
    chain::gateway(lab, |envoy| envoy.http2 = true)?;
    chain::lb(lab, 30)?;
    let url = chain::url(lab, "lb", chain::LB, "/ok")?;
    let mut args = vec!["--rate", "2/s"];
    for _ in 0..9 {
        args.extend(["-o", "/dev/null", &url]);
    }
    let curl = lab.curl("client", &args)?;
    chain::expect(curl, 20, 0)?;
    lab.logged("gw", 9)?;
    lab.logged("lb", 1)?;
    // The last one grows old without a request: how long recording takes does not matter then.
    lab.until_closed("gw", chain::APP)
}
