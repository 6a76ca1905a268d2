//! `hopscope watch` on real traffic in namespaces of its own: what it names, what it reports in the
//! end, and what becomes of it when interfaces, namespaces, disks and readers go away.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use etherparse::{PacketBuilder, VlanId};
use hopscope_tests::binary::{self, Told, hopscope};
use hopscope_tests::craft::Scratch;
use hopscope_tests::lab;
use hopscope_tests::lab::netns::{Family, Net};
use hopscope_tests::lab::process::{Process, run};
use hopscope_tests::lab::wait;
use hopscope_tests::watching::{Watching, objects};
use pcap::Capture;
use rustix::process::Signal;
use serde_json::Value;
use tracer::netns::Namespace;

type Outcome = Result<(), Box<dyn Error>>;

const APP: u16 = 8087;

/// What must be alike with libpcap and with whatever is best here.
const BACKENDS: [&str; 2] = ["pcap", "auto"];

/// Two namespaces with a server in the second one.
struct Pair {
    app: Process,
    net: Net,
    logs: Scratch,
}

impl Pair {
    /// `None` where this machine cannot have it; it was said why.
    fn new(test: &str) -> Result<Option<Self>, Box<dyn Error>> {
        if let Some(missing) = lab::missing() {
            println!("skipped: {test} needs {missing}");
            return Ok(None);
        }
        let logs = Scratch::new(test)?;
        let net = Net::build(&["client", "pod"], Family::V4, logs.path())?;
        let peer = lab::rig::peer()?;
        let listen = net.at("pod", APP)?.to_string();
        let command = [&*peer.to_string_lossy(), "app", &listen];
        let app = Process::spawn(&net.node("pod")?.ns, "app", &command, logs.path())?;
        let mut pair = Self { app, net, logs };
        pair.until_listening()?;
        Ok(Some(pair))
    }

    fn until_listening(&mut self) -> Outcome {
        let port = format!(":{APP:04X} ");
        let Self { app, net, .. } = self;
        Ok(wait::until(
            "the app to listen",
            Duration::from_secs(10),
            || {
                app.alive()?;
                let table = net.node("pod")?.proc_net("tcp")?;
                Ok(table.contains(&port).then_some(()))
            },
        )?)
    }

    fn ns(&self, node: &str) -> Result<&str, Box<dyn Error>> {
        Ok(&self.net.node(node)?.ns)
    }

    fn url(&self, path: &str) -> Result<String, Box<dyn Error>> {
        Ok(format!("http://{}{path}", self.net.at("pod", APP)?))
    }

    /// A request of the client, to its end.
    fn curl(&self, arguments: &[&str]) -> Outcome {
        let command = [&["curl", "-sS", "-o", "/dev/null"], arguments].concat();
        self.net.exec("client", &command)?;
        Ok(())
    }
}

/// Vantages as reports call them.
fn named(ns: &str, interface: &str) -> String {
    format!("{ns}:{interface}")
}

fn flows<'a>(report: &'a Value, vantage: &str) -> Vec<&'a Value> {
    let flows = report["flows"].as_array().map(Vec::as_slice);
    flows
        .unwrap_or_default()
        .iter()
        .filter(|flow| flow["vantage"] == vantage)
        .collect()
}

fn events<'a>(lines: &'a [Value], vantage: &str) -> Vec<&'a Value> {
    lines
        .iter()
        .filter(|line| line["type"] == "event" && line["vantage"] == vantage)
        .collect()
}

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
    assert!(report.starts_with("FLOWS  1 of 1"), "{report}");
    assert!(
        told.err
            .starts_with(&format!("watching {ns} with libpcap (as asked)")),
        "{}",
        told.err
    );
    Ok(())
}

#[test]
fn sigterm_gives_the_report_as_well() -> Outcome {
    let Some(pair) = Pair::new("watch-sigterm")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let watching = Watching::start(&["--backend=pcap", "--format=json", "--netns", ns])?;
    pair.curl(&[&pair.url("/ok")?])?;
    watching.signal(Signal::TERM);
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

#[test]
fn ports_and_filters_leave_out_the_rest() -> Outcome {
    for backend in BACKENDS {
        ports_and_filters_leave_out_the_rest_by(backend)?;
    }
    Ok(())
}

fn ports_and_filters_leave_out_the_rest_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-ports-{backend}"))? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let app = APP.to_string();
    let cases: [(&[&str], usize); 5] = [
        (&["--port", &app], 1),
        (&["--port", "1", "--port", &app], 1),
        (&["--port", "1"], 0),
        (&["-f", "dst port 8087"], 1),
        (&["-f", "ip6 or vlan 7"], 0),
    ];
    for (filter, expected) in cases {
        let arguments = ["--backend", backend, "--format=json", "--netns", ns];
        let watching = Watching::start(&[&arguments, filter].concat())?;
        pair.curl(&[&pair.url("/ok")?])?;
        let told = watching.interrupt()?;
        let report: Value = serde_json::from_str(&told.out)?;
        let flows = flows(&report, &named(ns, "eth0"));
        assert_eq!(flows.len(), expected, "{filter:?}: {flows:#?}");
        if let ["-f", "dst port 8087"] = filter {
            assert_eq!(flows[0]["segments"]["server"], 0, "one direction only");
        }
    }
    Ok(())
}

/// Frames behind one VLAN tag or two are seen, by their port, too. The kernel keeps a tag beside the
/// frame, where a filter that only looks at bytes does not see it.
#[test]
fn vlan_tags_are_seen_through() -> Outcome {
    for backend in BACKENDS {
        vlan_tags_are_seen_through_by(backend)?;
    }
    Ok(())
}

fn vlan_tags_are_seen_through_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-vlan-{backend}"))? else {
        return Ok(());
    };
    let (ns, pod) = (pair.ns("client")?, pair.ns("pod")?);
    for filter in [&[][..], &["--port=80"], &["-f", "ether src 2:0:0:0:0:1"]] {
        let arguments = ["--backend", backend, "--format=json", "--netns", pod];
        let watching = Watching::start(&[&arguments, filter].concat())?;
        let namespace = Namespace::open(&Path::new("/run/netns").join(ns), ns)?;
        namespace.within(send_tagged)??;
        let told = watching.interrupt()?;
        let report: Value = serde_json::from_str(&told.out)?;
        let flows = flows(&report, &named(pod, "eth0"));
        let clients: Vec<&Value> = flows.iter().map(|flow| &flow["client"]).collect();
        assert_eq!(
            clients,
            ["192.0.2.0:1000", "192.0.2.1:1000", "192.0.2.2:1000"],
            "{filter:?}"
        );
    }
    Ok(())
}

/// SYNs with no tag, one and two.
fn send_tagged() -> Result<(), String> {
    let mut eth0 = Capture::from_device("eth0")
        .and_then(Capture::open)
        .map_err(|error| error.to_string())?;
    let tag = |id: u16| VlanId::try_new(id).unwrap_or_default();
    for tags in 0..3 {
        let frame = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        let frame = match tags {
            0 => frame.ipv4([192, 0, 2, 0], [192, 0, 2, 9], 64),
            1 => frame
                .single_vlan(tag(7))
                .ipv4([192, 0, 2, 1], [192, 0, 2, 9], 64),
            _ => frame
                .double_vlan(tag(7), tag(8))
                .ipv4([192, 0, 2, 2], [192, 0, 2, 9], 64),
        };
        let mut bytes = Vec::new();
        let syn = frame.tcp(1000, 80, 1, 1024).syn();
        syn.write(&mut bytes, &[])
            .map_err(|error| error.to_string())?;
        eth0.sendpacket(bytes).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// An interface that comes later is watched, goes down and up, and is let go when it is removed.
#[test]
fn interfaces_come_and_go() -> Outcome {
    for backend in BACKENDS {
        interfaces_come_and_go_by(backend)?;
    }
    Ok(())
}

fn interfaces_come_and_go_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-interfaces-{backend}"))? else {
        return Ok(());
    };
    let (ns, pod) = (pair.ns("client")?, pair.ns("pod")?);
    let mut watching = Watching::start(&["--backend", backend, "--format=ndjson", "--netns", ns])?;
    let peer = ["peer", "name", "late", "netns", pod];
    run(
        "ip",
        &[
            &["-n", ns, "link", "add", "late", "type", "veth"][..],
            &peer,
        ]
        .concat(),
    )?;
    for (ns, address) in [(ns, "198.51.100.1/24"), (pod, "198.51.100.2/24")] {
        run("ip", &["-n", ns, "addr", "add", address, "dev", "late"])?;
        run("ip", &["-n", ns, "link", "set", "late", "up"])?;
    }
    let vantage = named(ns, "late");
    let resets = |out: &str| {
        let of = |line: &&str| line.contains("\"rst\"") && line.contains(&vantage);
        out.lines().filter(of).count()
    };
    // Nothing tells from outside when the interface is watched: ask until that is seen.
    let ask = |watching: &mut Watching| -> Outcome {
        let before = resets(&watching.out());
        Ok(wait::until(
            "a connection on it is seen",
            Duration::from_secs(20),
            || {
                let curl = [
                    "netns",
                    "exec",
                    ns,
                    "curl",
                    "-s",
                    "-m",
                    "5",
                    "http://198.51.100.2:9/",
                ];
                run("ip", &curl).expect_err("refused");
                Ok(watching.soon(|out| resets(out) > before)?.then_some(()))
            },
        )?)
    };
    ask(&mut watching)?;
    run("ip", &["-n", ns, "link", "set", "late", "down"])?;
    run("ip", &["-n", ns, "link", "set", "late", "up"])?;
    ask(&mut watching)?;
    let seen = resets(&watching.out());
    run("ip", &["-n", ns, "link", "del", "late"])?;
    watching.until("it says that it is gone", |_, err| {
        err.contains(&format!("hopscope: {vantage}: the interface is gone"))
    })?;
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0));
    assert_eq!(
        told.err.lines().count(),
        2,
        "one line for each thing: {}",
        told.err
    );
    let lines = objects(&told.out)?;
    let vantages: Vec<&str> = lines
        .iter()
        .filter(|line| line["type"] == "vantage")
        .filter_map(|line| line["name"].as_str())
        .collect();
    assert_eq!(vantages, [&named(ns, "lo"), &named(ns, "eth0"), &vantage]);
    let of = |vantage: &str| {
        lines
            .iter()
            .filter(|line| line["type"] == "flow" && line["vantage"] == vantage)
            .count()
    };
    assert_eq!(of(&vantage), seen);
    assert_eq!(of(&named(ns, "eth0")), 1, "the others are watched on");
    Ok(())
}

/// A namespace with nothing in it; removed when dropped, where it is still there.
struct Ns(String);

impl Ns {
    fn new(name: &str) -> Result<Self, Box<dyn Error>> {
        let name = format!("hsw{}-{name}", std::process::id());
        run("ip", &["netns", "add", &name])?;
        let ns = Self(name);
        run("ip", &["-n", &ns.0, "link", "set", "lo", "up"])?;
        Ok(ns)
    }

    /// A connection that is refused, on the loopback.
    fn connect(&self) {
        let curl = [
            "netns",
            "exec",
            &self.0,
            "curl",
            "-s",
            "http://127.0.0.1:9/",
        ];
        run("ip", &curl).expect_err("refused");
    }

    fn remove(&self) -> Outcome {
        run("ip", &["netns", "del", &self.0])?;
        Ok(())
    }
}

impl Drop for Ns {
    fn drop(&mut self) {
        // It may have been removed before.
        let _ = self.remove();
    }
}

/// What was seen in a namespace that is removed is kept; the others are watched on, and where none
/// is left the report follows.
#[test]
fn namespaces_are_removed() -> Outcome {
    for backend in BACKENDS {
        namespaces_are_removed_by(backend)?;
    }
    Ok(())
}

fn namespaces_are_removed_by(backend: &str) -> Outcome {
    if let Some(missing) = lab::missing() {
        println!("skipped: watching namespaces that are removed needs {missing}");
        return Ok(());
    }
    let (one, other) = (Ns::new("one")?, Ns::new("other")?);
    let arguments = [
        "--backend",
        backend,
        "--format=ndjson",
        "--netns",
        &one.0,
        "--netns",
        &other.0,
    ];
    let mut watching = Watching::start(&arguments)?;
    one.connect();
    let gone = |ns: &Ns| format!("hopscope: {}: the network namespace is gone", ns.0);
    one.remove()?;
    watching.until("it says that one is gone", |_, err| {
        err.contains(&gone(&one))
    })?;
    other.connect();
    watching.until("the other is watched on", |out, _| {
        out.contains(&format!("{}:lo", other.0))
    })?;
    other.remove()?;
    let told = watching.end()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.err.contains(&gone(&other)), "{}", told.err);
    assert_eq!(told.err.lines().count(), 3, "{}", told.err);
    let lines = objects(&told.out)?;
    for ns in [&one, &other] {
        let vantage = named(&ns.0, "lo");
        let of = |line: &&Value| line["type"] == "flow" && line["vantage"] == vantage.as_str();
        assert_eq!(lines.iter().filter(of).count(), 1, "{vantage}");
    }
    Ok(())
}

/// The recording says the same as the watch that wrote it.
#[test]
fn a_recording_gives_the_same_report() -> Outcome {
    for backend in BACKENDS {
        a_recording_gives_the_same_report_by(backend)?;
    }
    Ok(())
}

fn a_recording_gives_the_same_report_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-recording-{backend}"))? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let file = pair.logs.path().join("watch.pcapng");
    let file = file.to_string_lossy();
    let arguments = [
        "--backend",
        backend,
        "--format=json",
        "--netns",
        ns,
        "-w",
        &file,
    ];
    let watching = Watching::start(&arguments)?;
    pair.curl(&[
        &pair.url("/big/300000")?,
        "-o",
        "/dev/null",
        &pair.url("/ok")?,
    ])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let watched: Value = serde_json::from_str(&told.out)?;
    let read = Told::from(hopscope(["read", "--format=json", &file]).output()?);
    let read: Value = serde_json::from_str(&read.out)?;
    assert_eq!(flows(&read, &named(ns, "eth0")).len(), 1);
    assert_eq!(read["flows"], watched["flows"]);
    Ok(())
}

/// A disk that fills up ends the recording, not the watching.
#[test]
fn a_full_disk_is_said_once() -> Outcome {
    let Some(pair) = Pair::new("watch-full-disk")? else {
        return Ok(());
    };
    let disk = pair.logs.path().join("disk");
    fs::create_dir(&disk)?;
    let disk = Mounted::new(&disk)?;
    let file = disk.0.join("watch.pcapng");
    let ns = pair.ns("client")?;
    let path = file.to_string_lossy();
    let arguments = [
        "--backend=pcap",
        "--format=ndjson",
        "--netns",
        ns,
        "-w",
        &path,
    ];
    let mut watching = Watching::start(&arguments)?;
    let urls = vec![pair.url("/ok")?; 600];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    pair.curl(&[&["-H", "Connection: close"], &urls[..]].concat())?;
    watching.until("it says that the disk is full", |_, err| {
        err.contains("No space left")
    })?;
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(2));
    assert_eq!(told.err.lines().count(), 2, "{}", told.err);
    assert!(
        told.err.contains(&format!("recording to {path} ends here")),
        "{}",
        told.err
    );
    assert!(told.err.contains("watching goes on"), "{}", told.err);
    let lines = objects(&told.out)?;
    let flows = lines.iter().filter(|line| line["type"] == "flow").count();
    assert_eq!(flows, 601, "all in the report");
    let read = Told::from(hopscope(["read", "--format=json", &path]).output()?);
    let read: Value = serde_json::from_str(&read.out)?;
    let recorded = read["flows"].as_array().map_or(0, Vec::len);
    assert!((10..601).contains(&recorded), "{recorded}");
    Ok(())
}

/// A disk of 256 KiB; taken away when dropped.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn new(at: &'a Path) -> Result<Self, Box<dyn Error>> {
        run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                "size=256k",
                "hopscope-test",
                &at.to_string_lossy(),
            ],
        )?;
        Ok(Self(at))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // Nothing more can be done where it fails.
        let _ = run("umount", &[&self.0.to_string_lossy()]);
    }
}

/// More events than anybody can read are counted, not printed; the report has every flow.
#[test]
fn a_flood_of_events_is_cut_down() -> Outcome {
    for backend in BACKENDS {
        a_flood_of_events_is_cut_down_by(backend)?;
    }
    Ok(())
}

fn a_flood_of_events_is_cut_down_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-flood-{backend}"))? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let arguments = ["--backend", backend, "--format=ndjson", "--netns", ns];
    let mut watching = Watching::start(&arguments)?;
    let flood = format!("{}[1-1500]", pair.url("/ok?")?);
    pair.curl(&[
        "-H",
        "Connection: close",
        "-Z",
        "--parallel-max",
        "40",
        &flood,
    ])?;
    watching.until("it says that there was more", |out, _| {
        out.contains("\"omitted\"")
    })?;
    let told = watching.interrupt()?;
    let lines = objects(&told.out)?;
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count() as u64;
    let omitted = lines
        .iter()
        .filter_map(|line| line["events"].as_u64())
        .sum::<u64>();
    assert_eq!(count("flow"), 1500);
    let list = |flow: &Value, field: &str| flow[field].as_array().map_or(0, Vec::len) as u64;
    let flows = lines.iter().filter(|line| line["type"] == "flow");
    let happened: u64 = flows
        .map(|flow| {
            // One more for the SYN-ACK.
            let syns = flow["syns"].as_u64().unwrap_or_default() + 1;
            syns + list(flow, "fins") + list(flow, "rsts")
        })
        .sum();
    assert!(happened > 5000, "{happened}");
    assert!(
        count("event") + omitted >= happened,
        "{} and {omitted}",
        count("event")
    );
    assert!(count("event") < happened);
    Ok(())
}

/// A reader that pauses does not stop the watching; a second Ctrl-C ends it at once.
#[test]
fn a_reader_that_pauses_holds_nothing_up() -> Outcome {
    let Some(pair) = Pair::new("watch-pause")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let file = pair.logs.path().join("watch.pcapng");
    let path = file.to_string_lossy();
    let arguments = [
        "--backend=pcap",
        "--format=ndjson",
        "--netns",
        ns,
        "-w",
        &path,
    ];
    let mut watching = Watching::spawn(&arguments, |_| Ok(Stdio::piped()))?;
    watching.until("it watches", |_, err| err.contains("watching "))?;
    let flood = format!("{}[1-1500]", pair.url("/ok?")?);
    // More than a pipe holds: whoever waits for its reader waits forever.
    pair.curl(&[
        "-H",
        "Connection: close",
        "-Z",
        "--parallel-max",
        "40",
        &flood,
    ])?;
    let recorded = || -> Result<usize, Box<dyn Error>> {
        let read = Told::from(hopscope(["read", "--format=json", &path]).output()?);
        let read: Value = serde_json::from_str(&read.out)?;
        Ok(read["flows"].as_array().map_or(0, Vec::len))
    };
    wait::until("everything is recorded", Duration::from_secs(20), || {
        let count = recorded().map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok((count == 1500).then_some(()))
    })?;
    watching.signal(Signal::INT);
    assert!(
        watching.ends_within(Duration::from_millis(300))?.is_none(),
        "the report waits for its reader"
    );
    watching.signal(Signal::INT);
    assert_eq!(watching.status()?.signal(), Some(Signal::INT.as_raw()));
    Ok(())
}

/// `| head` ends it, and that is no error.
#[test]
fn a_reader_that_leaves_ends_it() -> Outcome {
    let Some(pair) = Pair::new("watch-head")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let mut watching = Watching::spawn(&["--backend=pcap", "--netns", ns], |_| Ok(Stdio::piped()))?;
    watching.until("it watches", |_, err| err.contains("watching "))?;
    let reader = watching.child().stdout.take().ok_or("no pipe")?;
    let mut reader = BufReader::new(reader);
    pair.curl(&[&pair.url("/ok")?])?;
    let mut line = String::new();
    reader.read_line(&mut line)?;
    assert!(line.contains("asks for a connection"), "{line}");
    drop(reader);
    let told = watching.end()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    Ok(())
}

fn refused(arguments: &[&str], says: &[&str]) -> Outcome {
    let told = Told::from(hopscope([&["watch"], arguments].concat()).output()?);
    assert_eq!(told.code, Some(2), "{arguments:?}: {}", told.err);
    assert_eq!(told.out, "", "{arguments:?}");
    for part in says {
        assert!(told.err.contains(part), "{part:?} is not in: {}", told.err);
    }
    Ok(())
}

#[test]
fn what_cannot_be_meant_is_refused() -> Outcome {
    refused(
        &["--duration", "0s"],
        &["'0s'", "--duration", "nothing happens in no time"],
    )?;
    refused(&["--duration", "30"], &["'30'", "has no unit", "30s"])?;
    refused(&["--duration", "5 parsecs"], &["'5 parsecs'", "500ms"])?;
    refused(&["--duration=-5s"], &["'-5s'", "negative"])?;
    refused(&["--port", "0"], &["'0'", "--port"])?;
    refused(&["--port", "http"], &["'http'", "--port"])?;
    refused(
        &["-f", "tcp prt 8080"],
        &["cannot compile the filter 'tcp prt 8080'", "pcap-filter"],
    )?;
    refused(&["--backend", "xdp"], &["'xdp'", "ebpf", "pcap"])?;
    refused(
        &["--netns", "hsw-no-such"],
        &["--netns hsw-no-such", "no network namespace"],
    )?;
    refused(&["--pid", "4194304"], &["--pid 4194304", "no such process"])
}

/// Without privilege one line says what is missing and what to do.
#[test]
fn without_privilege_nothing_is_watched() -> Outcome {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: giving up privilege needs root");
        return Ok(());
    }
    for (backend, says) in [
        ("pcap", &["CAP_NET_RAW", "run as root"][..]),
        ("ebpf", &["CAP_BPF", "run as root"]),
        ("auto", &["run as root"]),
    ] {
        let told: Told = Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(binary::path())
            .args(["watch", "--backend", backend])
            .output()?
            .into();
        assert_eq!(told.code, Some(2), "{backend}: {}", told.err);
        assert_eq!(told.err.lines().count(), 1, "{backend}: {}", told.err);
        for part in says {
            assert!(told.err.contains(part), "{part:?} is not in: {}", told.err);
        }
    }
    Ok(())
}
