//! Real traffic through the kernel's probe: what is watched, recorded and read again.

use std::time::Duration;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::Scratch;
use hopscope_tests::lab::netns::{Family, Net};
use hopscope_tests::lab::process::{Process, run};
use hopscope_tests::lab::{self, wait};
use hopscope_tests::watching::Watching;
use serde_json::Value;

use super::{Outcome, sourceless};

const APP: u16 = 8087;

/// Ports that the client's own namespace puts in place of the sockets' own.
const TRANSLATED: std::ops::Range<u16> = 20_000..21_000;

const REQUESTS: usize = 5;

/// A client whose ports are translated before its segments are seen, and a server.
struct Stage {
    /// Ends with the stage.
    _app: Process,
    net: Net,
    logs: Scratch,
}

impl Stage {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let logs = Scratch::new("recording-live")?;
        let net = Net::build(&["client", "pod"], Family::V4, logs.path())?;
        let ports = format!("{}-{}", TRANSLATED.start, TRANSLATED.end - 1);
        let rules = format!(
            "add table ip nat; add chain ip nat out {{ type nat hook postrouting priority 100; }}; \
             add rule ip nat out tcp dport {APP} masquerade to :{ports}"
        );
        net.exec("client", &["nft", &rules])?;
        let peer = lab::rig::peer()?;
        let listen = net.at("pod", APP)?.to_string();
        let command = [&*peer.to_string_lossy(), "app", &listen];
        let mut app = Process::spawn(&net.node("pod")?.ns, "app", &command, logs.path())?;
        let port = format!(":{APP:04X} ");
        wait::until("the app to listen", Duration::from_secs(60), || {
            app.alive()?;
            let table = net.node("pod")?.proc_net("tcp")?;
            Ok(table.contains(&port).then_some(()))
        })?;
        Ok(Self {
            _app: app,
            net,
            logs,
        })
    }

    /// One connection each, closed by curl.
    fn requests(&self) -> Outcome {
        let url = format!("http://{}/ok", self.net.at("pod", APP)?);
        for _ in 0..REQUESTS {
            self.net
                .exec("client", &["curl", "-sS", "-o", "/dev/null", &url])?;
        }
        Ok(())
    }
}

fn at<'a>(report: &'a Value, vantage: &str) -> Vec<&'a Value> {
    let flows = report["flows"].as_array().into_iter().flatten();
    flows.filter(|flow| flow["vantage"] == vantage).collect()
}

fn closed_by<'a>(flow: &'a Value, side: &str) -> Vec<&'a str> {
    let facts = flow["kernel"].as_array().into_iter().flatten();
    facts
        .filter(|fact| fact["by"] == side && fact["what"] == "closed_by_process")
        .filter_map(|fact| fact["comm"].as_str())
        .collect()
}

#[test]
fn the_probe_s_recording_says_what_was_watched() -> Outcome {
    if let Some(missing) = lab::missing() {
        println!("skipped: recording what the probe tells needs {missing}");
        return Ok(());
    }
    let stage = Stage::new()?;
    let (client, pod) = (&stage.net.node("client")?.ns, &stage.net.node("pod")?.ns);
    let file = stage.logs.path().join("watch.pcapng");
    let file = file.to_string_lossy();
    let targets = ["--netns", client, "--netns", pod, "-w", &file];
    let watching =
        match Watching::start(&[&["--backend=ebpf", "--format=json"], &targets[..]].concat()) {
            Ok(watching) => watching,
            Err(why) => {
                println!("skipped: the probe needs what this machine lacks: {why}");
                return Ok(());
            }
        };
    stage.requests()?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let watched: Value = serde_json::from_str(&told.out)?;
    joined(&watched, &format!("{client}:eth0"), &format!("{pod}:eth0"))?;
    let read: Told = hopscope(["read", "--format=json", &file]).output()?.into();
    assert_eq!((read.code, read.err.as_str()), (Some(0), ""));
    let read: Value = serde_json::from_str(&read.out)?;
    assert_eq!(sourceless(read), sourceless(watched));
    Ok(())
}

/// What the kernel told stands at the right flow, on both sides of the translation.
fn joined(report: &Value, client: &str, pod: &str) -> Outcome {
    assert_eq!(at(report, client).len(), REQUESTS);
    assert_eq!(at(report, pod).len(), REQUESTS);
    for (vantage, side, comm) in [(client, "client", "curl"), (pod, "server", "lab_peer")] {
        for flow in at(report, vantage) {
            let port = flow["client"].as_str().and_then(|end| end.rsplit_once(':'));
            let port: u16 = port.ok_or("an endpoint")?.1.parse()?;
            assert!(TRANSLATED.contains(&port), "{flow}");
            let cookie = &flow["sockets"][side];
            assert!(cookie.is_u64(), "{flow}");
            assert_eq!(closed_by(flow, side), [comm], "{flow}");
            let sockets = report["sockets"].as_array().into_iter().flatten();
            let sockets: Vec<&Value> = sockets.filter(|s| s["cookie"] == *cookie).collect();
            let [socket] = sockets[..] else {
                return Err(format!("{} sockets of cookie {cookie}", sockets.len()).into());
            };
            assert_eq!(socket["closed_by"]["comm"], comm);
            assert!(
                socket["options_established"]["tcp_keepidle_s"].is_f64(),
                "{socket}"
            );
            let seen_as = if side == "client" { "local" } else { "peer" };
            let same = socket[seen_as] == flow["client"];
            assert_eq!(
                same,
                side == "server",
                "only behind the translation: {socket}"
            );
        }
    }
    // What has no socket has no cookie that would join it behind the translation.
    let unjoined = report["unjoined"].as_array().into_iter().flatten();
    let of_sockets: Vec<&Value> = unjoined.filter(|told| !told["cookie"].is_null()).collect();
    assert_eq!(of_sockets, [&Value::Null; 0]);
    Ok(())
}

/// A limit on the size of files ends the recording, not the watching.
#[test]
fn a_recording_that_may_not_grow_ends_alone() -> Outcome {
    if let Some(missing) = lab::missing() {
        println!("skipped: recording real traffic needs {missing}");
        return Ok(());
    }
    let stage = Stage::new()?;
    let client = &stage.net.node("client")?.ns;
    let file = stage.logs.path().join("watch.pcapng");
    let file = file.to_string_lossy();
    let arguments = [
        "--backend=pcap",
        "--format=json",
        "--netns",
        client,
        "-w",
        &file,
    ];
    let mut watching = Watching::start(&arguments)?;
    let process = watching.child().id().to_string();
    let limit = |bytes: &str| {
        let limit = format!("--fsize={bytes}:unlimited");
        run("prlimit", &["--pid", &process, &limit])
    };
    limit("4001")?;
    let mut asked = Ok(());
    watching.until("it says that the file may not grow", |_, err| {
        asked = stage.requests();
        asked.is_err() || err.contains("File too large")
    })?;
    asked?;
    // For the report, which goes to a file, too.
    limit("unlimited")?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(2), "{}", told.err);
    assert_eq!(told.err.lines().count(), 2, "{}", told.err);
    assert!(told.err.contains("watching goes on"), "{}", told.err);
    let watched: Value = serde_json::from_str(&told.out)?;
    let read: Told = hopscope(["read", "--format=json", &file]).output()?.into();
    assert_eq!(read.code, Some(2));
    assert!(read.err.contains("without its end"), "{}", read.err);
    let read: Value = serde_json::from_str(&read.out)?;
    let vantage = format!("{client}:eth0");
    let (read, watched) = (at(&read, &vantage).len(), at(&watched, &vantage).len());
    assert!(0 < read && read < watched, "{read} of {watched}");
    Ok(())
}
