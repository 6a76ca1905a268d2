//! Real Envoy and curl: what they set on their sockets is reported, by both ways of reading.

use std::fs;
use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use hopscope_tests::lab::envoy::{self, Envoy, Keepalive, on_path};
use hopscope_tests::lab::rig;
use hopscope_tests::lab::wait;
use serde_json::{Value, json};

use super::stage::{FOREVER, KEEPALIVE_TIME, Stage, methods, report, skipped, sockets};

const GATEWAY: u16 = 8080;
const APP: u16 = 8087;

/// SO_KEEPALIVE, idle, interval and count of a socket.
fn keepalive(socket: &Value) -> Value {
    let options = &socket["options"];
    let names = [
        "so_keepalive",
        "tcp_keepidle_s",
        "tcp_keepintvl_s",
        "tcp_keepcnt",
    ];
    names
        .map(|name| options[name].clone())
        .into_iter()
        .collect()
}

/// Those of a process in a state, with the port `own` at their own end or `peers` at the other.
fn of<'a>(report: &'a Value, comm: &str, state: &str, own: u16, peers: u16) -> Vec<&'a Value> {
    let ends = |socket: &Value, end: &str, port: u16| {
        let suffix = format!(":{port}");
        socket[end]
            .as_str()
            .is_some_and(|end| end.ends_with(&suffix))
    };
    let wanted = |socket: &&Value| {
        let port =
            (own != 0 && ends(socket, "local", own)) || (peers != 0 && ends(socket, "peer", peers));
        socket["comm"] == comm && socket["state"] == state && port
    };
    sockets(report).iter().filter(wanted).collect()
}

/// Client, gateway and app, with a request under way; the gateway's Envoy.
fn under_way(stage: &mut Stage) -> Result<u32> {
    let (gateway, app) = (stage.net.at("gw", GATEWAY)?, stage.net.at("pod", APP)?);
    let peer = rig::peer()?;
    stage.start(
        "pod",
        "app",
        &[&peer.to_string_lossy(), "app", &app.to_string()],
    )?;
    let any = SocketAddr::from(([0, 0, 0, 0], GATEWAY));
    let mut config = Envoy::new(any, app);
    config.downstream_keepalive = Some(Keepalive {
        idle: 7,
        interval: 5,
        count: 2,
    });
    config.upstream_keepalive = Some(Keepalive {
        idle: 33,
        interval: 11,
        count: 4,
    });
    let (file, log) = (
        stage.folder().join("envoy.json"),
        stage.folder().join("access.log"),
    );
    fs::write(&file, config.config(&log).to_string())?;
    let binary = envoy::binary().context("Envoy is there")?;
    let file = file.to_string_lossy().into_owned();
    let command = [
        &*binary.to_string_lossy(),
        "-c",
        &file,
        "--disable-hot-restart",
        "--concurrency",
        "2",
        "-l",
        "error",
    ];
    stage.start("gw", "envoy", &command)?;
    let pid = stage.last_pid().context("Envoy runs")?;
    let ns = stage.ns("gw")?.to_owned();
    wait::until("Envoy to listen", FOREVER, || {
        let report = report(&["--netns", &ns, "--port", "8080"])?;
        Ok((of(&report, "envoy", "LISTEN", GATEWAY, 0).len() == 2).then_some(()))
    })?;
    let url = format!("http://{gateway}/sleep/300000");
    stage.start("client", "curl", &["curl", "-sS", "-o", "/dev/null", &url])?;
    wait::until("the request to reach the app", FOREVER, || {
        let report = report(&["--netns", &ns, "--port", "8087"])?;
        Ok((of(&report, "envoy", "ESTABLISHED", 0, APP).len() == 1).then_some(()))
    })?;
    Ok(pid)
}

#[test]
fn envoy_and_curl() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    if envoy::binary().is_none() || on_path("curl").is_none() {
        println!("skipped: needs curl (apt-get install) and Envoy (make test installs it)");
        return Ok(());
    }
    let mut stage = Stage::new("proxies", &["client", "gw", "pod"])?;
    let envoy = under_way(&mut stage)?;
    let [client, gw, pod] = ["client", "gw", "pod"].map(|node| stage.ns(node).map(str::to_owned));
    let (client, gw, pod) = (client?, gw?, pod?);
    for method in methods() {
        let report = report(&[
            "--method",
            method,
            "--netns",
            &client,
            "--pid",
            &envoy.to_string(),
            "--netns",
            &pod,
        ])?;
        let listeners = of(&report, "envoy", "LISTEN", GATEWAY, 0);
        assert_eq!(listeners.len(), 2, "one listening socket a worker");
        let downstream = of(&report, "envoy", "ESTABLISHED", GATEWAY, 0);
        assert_eq!(downstream.len(), 1);
        for socket in listeners.into_iter().chain(downstream) {
            assert_eq!(
                keepalive(socket),
                json!([true, 7.0, 5.0, 2]),
                "{method}: {socket}"
            );
            assert_eq!(socket["pid"], envoy);
            for option in [
                "so_keepalive",
                "tcp_keepidle_s",
                "tcp_keepintvl_s",
                "tcp_keepcnt",
            ] {
                assert_eq!(
                    socket["options_origin"][option], "socket",
                    "{method}: {socket}"
                );
            }
            assert_eq!(socket["vantage"], format!("envoy-{envoy}"));
        }
        let upstream = of(&report, "envoy", "ESTABLISHED", 0, APP);
        assert_eq!(upstream.len(), 1);
        assert_eq!(
            keepalive(upstream[0]),
            json!([true, 33.0, 11.0, 4]),
            "{method}"
        );
        let curl = of(&report, "curl", "ESTABLISHED", 0, GATEWAY);
        assert_eq!(curl.len(), 1);
        // curl's --keepalive-time is 60 by default, and is the interval, too.
        assert_eq!(keepalive(curl[0]), json!([true, 60.0, 60.0, 9]), "{method}");
        assert_eq!(curl[0]["vantage"], client);
        let app = of(&report, "lab_peer", "ESTABLISHED", APP, 0);
        assert_eq!(app.len(), 1);
        let default = KEEPALIVE_TIME as f64;
        assert_eq!(
            keepalive(app[0]),
            json!([false, default, 75.0, 9]),
            "{method}"
        );
        assert_eq!(app[0]["vantage"], pod);
        assert_eq!(gw, stage.ns("gw")?);
    }
    Ok(())
}
