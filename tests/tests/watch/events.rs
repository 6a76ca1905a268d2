//! What happens is named as it happens, and the report follows.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use hopscope_tests::binary;
use hopscope_tests::lab::process::Process;
use hopscope_tests::lab::{self, wait};
use hopscope_tests::watching::{Watching, objects};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_getres};
use serde_json::Value;

use super::{APP, BACKENDS, Outcome, Pair, events, flows, named};

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
        // The kernel counts in ticks, the first of which has begun.
        assert!((1.0 - tick()..1.5).contains(&after), "{probe}");
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

/// Who waits for a window of zero says so at once, and not only when it opens: it may never do.
#[test]
fn probes_of_a_window_are_told_while_it_is_zero() -> Outcome {
    for backend in BACKENDS {
        let Some(pair) = Pair::new(&format!("watch-stall-{backend}"))? else {
            return Ok(());
        };
        let body = pair.logs.path().join("body");
        std::fs::write(&body, vec![b'x'; 16 << 20])?;
        let data = format!("@{}", body.display());
        let url = pair.url("/stall/60000")?;
        let client = pair.ns("client")?;
        let mut watching = start_lines(backend, client)?;
        let upload = ["curl", "-s", "--data-binary", &data, &url];
        let mut curl = Process::spawn(client, "curl", &upload, pair.logs.path())?;
        watching.until("three probes are told of", |out, _| {
            out.matches("\"zero_window_probe\"").count() >= 3
        })?;
        assert!(curl.ended()?.is_none(), "told while it waits");
        drop(curl);
        let told = watching.interrupt()?;
        let (events, flow) = told_of(&told.out, client)?;
        assert!(named_so(&events, "probe").is_empty(), "{events:#?}");
        let probes = named_so(&events, "zero_window_probe");
        assert_eq!(flow["zero_window_probes"]["client"], probes.len());
        assert!(probes.iter().all(|probe| probe["by"] == "client"));
        assert_in_order(&events);
    }
    Ok(())
}

/// Looks like it: the client has nothing to send, and what it sends are keepalive probes against a
/// window of zero. Nobody can tell then, and nobody is told something wrong.
#[test]
fn keepalive_probes_against_a_window_of_zero_are_called_probes() -> Outcome {
    for backend in BACKENDS {
        let Some(pair) = Pair::new(&format!("watch-fill-{backend}"))? else {
            return Ok(());
        };
        let peer = lab::rig::peer()?.to_string_lossy().into_owned();
        let (client, pod) = (pair.ns("client")?, pair.ns("pod")?);
        let server = pair.net.at("pod", APP + 1)?.to_string();
        let app = [&*peer, "app", &server, "--rcvbuf", "4096"];
        let _app = Process::spawn(pod, "small", &app, pair.logs.path())?;
        let port = format!(":{:04X} ", APP + 1);
        wait::until("it to listen", Duration::from_secs(60), || {
            let table = pair.net.node("pod")?.proc_net("tcp")?;
            Ok(table.contains(&port).then_some(()))
        })?;
        let mut watching = start_lines(backend, client)?;
        let fill = ["fill", &server, "/stall/60000", "--hold", "60000"];
        let fill = [&[&*peer], &fill[..], &["--keepalive", "1/1/9"]].concat();
        let mut fill = Process::spawn(client, "fill", &fill, pair.logs.path())?;
        watching.until("three probes are told of", |out, _| {
            out.matches("\"probe\"").count() >= 3
        })?;
        assert!(fill.ended()?.is_none(), "told while it waits");
        drop(fill);
        let told = watching.interrupt()?;
        let (events, flow) = told_of(&told.out, client)?;
        let keepalive = flow["keepalive"]["client"]["probes"].as_array();
        let keepalive = keepalive.map_or(0, Vec::len);
        assert!(keepalive >= 3, "{flow:#}");
        let frames = |list: &[&Value]| -> Vec<Value> {
            list.iter().map(|event| event["frame"].clone()).collect()
        };
        let probes = frames(&named_so(&events, "probe"));
        for probe in flow["keepalive"]["client"]["probes"]
            .as_array()
            .into_iter()
            .flatten()
        {
            assert!(probes.contains(&probe["frame"]), "{probe} {probes:?}");
        }
        assert_in_order(&events);
    }
    Ok(())
}

fn start_lines(backend: &str, ns: &str) -> anyhow::Result<Watching> {
    Watching::start(&["--backend", backend, "--format=ndjson", "--netns", ns])
}

/// The events at a namespace's eth0, and its only flow in the report.
fn told_of(out: &str, ns: &str) -> Result<(Vec<Value>, Value), Box<dyn std::error::Error>> {
    let lines = objects(out)?;
    let vantage = named(ns, "eth0");
    let flows: Vec<&Value> = lines
        .iter()
        .filter(|line| line["type"] == "flow" && line["vantage"] == vantage.as_str())
        .collect();
    let [flow] = flows[..] else {
        return Err(format!("not one flow: {flows:?}").into());
    };
    let told = events(&lines, &vantage).into_iter().cloned().collect();
    Ok((told, flow.clone()))
}

fn named_so<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    let named = |event: &&Value| event["event"] == name;
    events.iter().filter(named).collect()
}

fn assert_in_order(events: &[Value]) {
    let at: Vec<&str> = events
        .iter()
        .filter_map(|event| event["at"].as_str())
        .collect();
    assert_eq!(at.len(), events.len());
    assert!(at.is_sorted(), "{at:?}");
}

/// A tick of the kernel, in seconds: its coarse clocks advance once in it.
fn tick() -> f64 {
    Duration::try_from(clock_getres(ClockId::MonotonicCoarse))
        .unwrap_or_default()
        .as_secs_f64()
}

/// Watches in a pid namespace of its own and says so in the file `$2`; once it does, asks for `$1` there.
/// Ends with what it reads.
const INSIDE: &str = "
\"$0\" watch --backend=ebpf --format=json 2>>\"$2\" & watch=$!
until grep -qs '^watching' \"$2\"; do kill -0 $watch || exit; sleep 0.05; done
curl -s -o /dev/null \"$1\" & echo \"curl is $!\" >> \"$2\"
wait $!; echo asked >> \"$2\"
read end; kill -TERM $watch; wait $watch
";

/// In a container a process has the number that `ps` there shows, and one outside of it that of the
/// machine.
#[test]
fn processes_have_the_numbers_of_their_pid_namespace() -> Outcome {
    let Some(pair) = Pair::new("watch-pids")? else {
        return Ok(());
    };
    let (ns, url, said) = (
        pair.ns("client")?,
        pair.url("/ok")?,
        pair.logs.path().join("said"),
    );
    let own = ["unshare", "--pid", "--fork", "--mount-proc"];
    let mut watching = Command::new("ip")
        .args([&["netns", "exec", ns], &own[..], &["sh", "-c", INSIDE]].concat())
        .arg(binary::path())
        .arg(&url)
        .arg(&said)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let err = || fs::read_to_string(&said).unwrap_or_default();
    wait::until("the one inside to ask", Duration::from_secs(60), || {
        let over = watching.try_wait()?.is_some();
        Ok((over || err().contains("asked\n")).then_some(()))
    })?;
    if watching.try_wait()?.is_some() {
        println!(
            "skipped: the probe needs what this machine lacks: {}",
            err()
        );
        return Ok(());
    }
    let command = ["curl", "-s", "-o", "/dev/null", &url];
    let mut outside = Process::spawn(ns, "outside", &command, pair.logs.path())?;
    let told = err();
    let inside = told.lines().find_map(|line| line.strip_prefix("curl is "));
    let mut numbers = [inside.ok_or("nobody asked")?.parse()?, outside.pid()];
    outside.wait(Duration::from_secs(60))?;
    drop(watching.stdin.take());
    let report: Value = serde_json::from_slice(&watching.wait_with_output()?.stdout)?;
    let sockets = report["sockets"].as_array().into_iter().flatten();
    let closed = sockets.filter(|socket| socket["closed_by"]["comm"] == "curl");
    let mut closed: Vec<u32> = closed
        .filter_map(|socket| u32::try_from(socket["closed_by"]["pid"].as_u64()?).ok())
        .collect();
    numbers.sort_unstable();
    closed.sort_unstable();
    assert_eq!(closed, numbers, "{report:#}");
    assert!(err().contains("this pid namespace"), "{}", err());
    Ok(())
}
