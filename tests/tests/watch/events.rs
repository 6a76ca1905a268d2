//! What happens is named as it happens, and the report follows.

use std::time::Duration;

use hopscope_tests::lab::process::Process;
use hopscope_tests::watching::{Watching, objects};
use rustix::process::Signal;
use serde_json::Value;

use super::{APP, Outcome, Pair, events, flows, named};

/// Events come while watching goes on, and say who did what; the report follows.
#[test]
fn events_are_named_as_they_happen() -> Outcome {
    let Some(pair) = Pair::new("watch-events")? else {
        return Ok(());
    };
    let (client, pod) = (pair.ns("client")?, pair.ns("pod")?);
    let arguments = ["--backend=pcap", "--format=ndjson", "--netns"];
    let mut watching = Watching::start(&[&arguments[..], &[client, "--netns", pod]].concat())?;
    // curl probes after one second, while the app works on its answer.
    let url = pair.url("/sleep/2500")?;
    let peer = ["--keepalive-time", "1", &url];
    let mut curl = Process::spawn(
        client,
        "curl",
        &[&["curl", "-s"], &peer[..]].concat(),
        pair.logs.path(),
    )?;
    watching.until("a probe is told of", |out, _| {
        out.contains("keepalive_answer")
    })?;
    assert!(curl.ended()?.is_none(), "told while it happens");
    assert_eq!(curl.wait(Duration::from_secs(20))?.code(), Some(0));
    watching.until("the FINs are told of", |out, _| {
        out.matches("\"fin\"").count() == 4
    })?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let lines = objects(&told.out)?;
    let server = pair.net.at("pod", APP)?.to_string();
    for vantage in [named(client, "eth0"), named(pod, "eth0")] {
        let events = events(&lines, &vantage);
        let names: Vec<&str> = events
            .iter()
            .filter_map(|event| event["event"].as_str())
            .collect();
        assert_eq!(names[..2], ["syn", "syn_ack"], "{events:#?}");
        assert!(
            events
                .iter()
                .all(|event| event["server"] == server.as_str())
        );
        let find = |name: &'static str| events.iter().filter(move |event| event["event"] == name);
        let probe = find("keepalive_probe").next().ok_or("no probe")?;
        assert_eq!(probe["by"], "client");
        let after = probe["after_s"].as_f64().unwrap_or_default();
        assert!((1.0..1.5).contains(&after), "{probe}");
        assert_eq!(
            find("keepalive_answer").count(),
            find("keepalive_probe").count()
        );
        assert!(find("keepalive_answer").all(|answer| answer["by"] == "server"));
        let fins: Vec<(&Value, &Value)> =
            find("fin").map(|fin| (&fin["by"], &fin["first"])).collect();
        assert_eq!(
            fins,
            [
                (&Value::from("client"), &true.into()),
                (&"server".into(), &false.into())
            ]
        );
        let flow = lines
            .iter()
            .find(|line| line["type"] == "flow" && line["vantage"] == vantage.as_str());
        let flow = flow.ok_or("no flow in the report")?;
        assert_eq!(flow["ended_by"], "client");
        assert_eq!(
            flow["id"], events[0]["flow"],
            "numbers are those of the report"
        );
        let probes = flow["keepalive"]["client"]["probes"]
            .as_array()
            .map(Vec::len);
        assert_eq!(probes, Some(find("keepalive_probe").count()));
    }
    Ok(())
}

#[test]
fn events_for_people_are_lines() -> Outcome {
    let Some(pair) = Pair::new("watch-lines")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let mut watching = Watching::start(&["--backend=pcap", "--netns", ns])?;
    pair.curl(&[&pair.url("/ok")?])?;
    watching.until("both FINs are told of", |out, _| {
        out.matches("closes (FIN)").count() == 2
    })?;
    let told = watching.interrupt()?;
    let (lines, report) = told
        .out
        .split_once("\n\n")
        .ok_or("no report after the events")?;
    let server = pair.net.at("pod", APP)?;
    let expected = [
        "client asks for a connection (SYN)",
        "server accepts it (SYN-ACK)",
        "client closes (FIN): the first to end it",
        "server closes (FIN)",
    ];
    for (line, expected) in lines.lines().zip(expected) {
        assert!(line.ends_with(expected), "{line}");
        assert!(line.contains(&format!("{ns}:eth0  ")), "{line}");
        assert!(line.contains(&format!(" -> {server}  ")), "{line}");
        let time: Result<jiff::Timestamp, _> = line.split(' ').next().unwrap_or_default().parse();
        assert!(time.is_ok(), "{line}");
    }
    assert_eq!(lines.lines().count(), expected.len(), "{lines}");
    assert!(
        report.starts_with("nothing is wrong: 1 normal close\n"),
        "{report}"
    );
    assert!(report.contains("\nFLOWS  1 of 1"), "{report}");
    assert!(
        told.err
            .starts_with(&format!("watching {ns} with libpcap (as asked)")),
        "{}",
        told.err
    );
    Ok(())
}

/// SIGHUP comes where the terminal goes away, as when an ssh session breaks.
#[test]
fn sigterm_and_sighup_give_the_report_as_well() -> Outcome {
    ends("watch-sigterm", Signal::TERM)?;
    ends("watch-sighup", Signal::HUP)
}

fn ends(name: &str, signal: Signal) -> Outcome {
    let Some(pair) = Pair::new(name)? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let port = format!("--port=81,{APP}");
    let arguments = ["--backend=pcap", "--format=json", &port, "--netns", ns];
    let watching = Watching::start(&arguments)?;
    pair.curl(&[&pair.url("/ok")?])?;
    watching.signal(signal);
    let told = watching.end()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let report: Value = serde_json::from_str(&told.out)?;
    assert_eq!(flows(&report, &named(ns, "eth0")).len(), 1);
    Ok(())
}

/// json is one document: events are not mixed into it.
#[test]
fn a_duration_ends_it() -> Outcome {
    let Some(pair) = Pair::new("watch-duration")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let arguments = [
        "--backend=pcap",
        "--format=json",
        "--duration=1500ms",
        "--netns",
        ns,
    ];
    let watching = Watching::start(&arguments)?;
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.end()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let report: Value = serde_json::from_str(&told.out)?;
    assert_eq!(report["schema"], "hopscope.report.v1");
    let vantages: Vec<&str> = report["vantages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|vantage| vantage["name"].as_str())
        .collect();
    assert_eq!(vantages, [named(ns, "lo"), named(ns, "eth0")]);
    assert_eq!(report["vantages"][1]["dropped"], 0);
    Ok(())
}
