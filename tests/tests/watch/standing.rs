//! Connections that are older than the watch: their sockets are told all the same.

use std::collections::BTreeSet;
use std::time::Duration;

use hopscope_tests::lab::process::Process;
use hopscope_tests::lab::wait;
use hopscope_tests::watching::Watching;
use serde_json::{Value, json};

use super::{APP, Outcome, Pair};

fn sockets<'a>(report: &'a Value, namespace: &str) -> Vec<&'a Value> {
    let sockets = report["sockets"].as_array().into_iter().flatten();
    sockets
        .filter(|socket| socket["vantage"] == namespace)
        .collect()
}

fn moments(socket: &Value) -> Vec<&str> {
    let seen = socket["seen"].as_array().into_iter().flatten();
    seen.filter_map(|seen| seen["moment"].as_str()).collect()
}

#[test]
fn sockets_of_before_are_found_and_left() -> Outcome {
    let Some(pair) = Pair::new("watch-standing")? else {
        return Ok(());
    };
    let (client, pod) = (pair.ns("client")?, pair.ns("pod")?);
    let url = pair.url("/sleep/120000")?;
    let command = ["curl", "-s", "--keepalive-time", "1", &url];
    let curl = Process::spawn(client, "curl", &command, pair.logs.path())?;
    wait::until("the app to be asked", Duration::from_secs(60), || {
        Ok(pair.app_says("got GET")?.then_some(()))
    })?;
    let port = APP.to_string();
    let targets = ["--port", &port, "--netns", client, "--netns", pod];
    let arguments = [&["--backend=ebpf", "--format=ndjson"], &targets[..]].concat();
    let mut watching = match Watching::start(&arguments) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(());
        }
    };
    watching.until("its keepalive probes are seen", |out, _| {
        out.contains("keepalive_answer")
    })?;
    // One that is opened and closed while watching goes on.
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    drop(curl);
    let lines = hopscope_tests::watching::objects(&told.out)?;
    let problems = hopscope_tests::schema::problems_of_lines(&lines)?;
    assert!(problems.is_empty(), "{problems:#?}");
    let notes = lines.iter().filter(|line| line["type"] == "note");
    let told_of: BTreeSet<&str> = notes.filter_map(|note| note["what"].as_str()).collect();
    assert!(
        told_of.is_superset(&["closed", "socket"].into()),
        "{told_of:?}"
    );
    let of = |kind: &str| -> Vec<Value> {
        lines
            .iter()
            .filter(|line| line["type"] == kind)
            .cloned()
            .collect()
    };
    let report = json!({"sockets": of("socket"), "flows": of("flow")});
    for (namespace, comm) in [(client, "curl"), (pod, "lab_peer")] {
        let sockets = sockets(&report, namespace);
        assert_eq!(sockets.len(), 2, "{report}");
        let old = sockets
            .iter()
            .find(|socket| moments(socket) == ["found", "left"]);
        let old = old.ok_or_else(|| format!("no old one: {report}"))?;
        assert_eq!(old["comm"], comm);
        assert_eq!(old["state"], "ESTABLISHED");
        let new = sockets
            .iter()
            .find(|socket| moments(socket) == ["established", "closing"]);
        assert!(new.is_some(), "{report}");
        // They are joined to their flows.
        let cookie = &old["cookie"];
        let flows = report["flows"].as_array().into_iter().flatten();
        let joined = flows.filter(|flow| {
            [&flow["sockets"]["client"], &flow["sockets"]["server"]].contains(&cookie)
        });
        assert_eq!(joined.count(), 1, "{report}");
    }
    let old = sockets(&report, client);
    let old = old
        .iter()
        .find(|socket| moments(socket) == ["found", "left"]);
    assert_eq!(
        old.map(|socket| &socket["options"]["tcp_keepidle_s"]),
        Some(&json!(1.0))
    );
    Ok(())
}

/// Whoever changes the namespace's defaults to see whether new connections have them sees it.
#[test]
fn defaults_are_those_of_the_moment() -> Outcome {
    let Some(pair) = Pair::new("watch-defaults")? else {
        return Ok(());
    };
    let client = pair.ns("client")?;
    let set = |idle: u32, count: u32| -> Outcome {
        let idle = format!("net.ipv4.tcp_keepalive_time={idle}");
        let count = format!("net.ipv4.tcp_keepalive_probes={count}");
        pair.net.exec("client", &["sysctl", "-qw", &idle, &count])?;
        Ok(())
    };
    set(77, 9)?;
    let arguments = ["--backend=ebpf", "--format=json", "--netns", client];
    let watching = match Watching::start(&arguments) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(());
        }
    };
    let mut expected = Vec::new();
    for (idle, count) in [(77, 9), (55, 3), (66, 4)] {
        set(idle, count)?;
        pair.curl(&["--no-keepalive", &pair.url("/ok")?])?;
        expected.push(json!([f64::from(idle), count, "default"]));
    }
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let report: Value = serde_json::from_str(&told.out)?;
    for moment in ["options_established", "options_closing"] {
        let sockets = sockets(&report, client);
        let found: Vec<Value> = sockets
            .iter()
            .map(|socket| {
                let (options, origin) = (&socket[moment], &socket["options_origin"]);
                json!([
                    options["tcp_keepidle_s"],
                    options["tcp_keepcnt"],
                    origin["tcp_keepidle_s"]
                ])
            })
            .collect();
        assert_eq!(found, expected, "{moment}");
    }
    Ok(())
}
