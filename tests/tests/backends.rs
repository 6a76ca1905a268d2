//! The whole lab with everything watching at once: both backends agree with what really happened, and
//! libpcap's report is that of tcpdump's captures.

use std::error::Error;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::judge::disagreements_of;
use hopscope_tests::lab::capture::{Interface, Vantage};
use hopscope_tests::lab::netns::Net;
use hopscope_tests::lab::{self, Lab, Scenario};
use hopscope_tests::watching::Watching;
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

#[test]
fn a_load_balancer_that_closes_despite_probes() -> Outcome {
    watched("lb-closes-despite-probes", Tail::Quiet)
}

#[test]
fn a_path_that_is_dead() -> Outcome {
    watched("dead-path", Tail::GoesOn)
}

#[test]
fn an_app_that_resets() -> Outcome {
    watched("app-resets", Tail::Quiet)
}

#[test]
fn a_window_of_zero() -> Outcome {
    watched("zero-window", Tail::Quiet)
}

/// What is sent once a scenario is over.
#[derive(Clone, Copy, PartialEq)]
enum Tail {
    /// Nothing: whoever looks longer sees no more.
    Quiet,
    /// Retransmissions into a path that is dead.
    GoesOn,
}

/// Runs a scenario with tcpdump on every interface, and both backends beside it.
fn watched(name: &str, tail: Tail) -> Outcome {
    if let Some(missing) = lab::missing() {
        println!("skipped: watching {name} needs {missing}");
        return Ok(());
    }
    let scenario = lab::named(name).ok_or("no such scenario")?;
    let vantages = every_interface(scenario.nodes);
    let scenario = Scenario {
        vantages,
        ..*scenario
    };
    let mut lab = Lab::build(&scenario)?;
    let (pcap, ebpf) = (watch(&lab.net, "pcap")?, watch(&lab.net, "ebpf"));
    (scenario.drive)(&mut lab)?;
    lab.settle()?;
    let pcap = report(pcap, &lab.net)?;
    let ebpf = match ebpf {
        Ok(ebpf) => Some(report(ebpf, &lab.net)?),
        Err(why) => {
            println!("skipped: the probe on {name} needs what this machine lacks: {why}");
            None
        }
    };
    let captures = lab.results();
    let truth = lab.finish(&scenario)?;
    assert_eq!(disagreements_of(&pcap, &truth), [""; 0], "libpcap");
    if let Some(ebpf) = ebpf {
        assert_eq!(disagreements_of(&ebpf, &truth), [""; 0], "eBPF");
    }
    if tail == Tail::Quiet {
        assert_eq!(essence(&pcap), essence(&read(&captures, vantages)?));
    }
    Ok(())
}

/// Every interface on which a connection of the lab passes. Scenarios are constants otherwise: what is
/// made here stays until the process ends.
fn every_interface(nodes: &[&'static str]) -> &'static [Vantage] {
    let mut vantages = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        // Neither sockets nor logs tell what a router saw before it dropped it.
        if *node == "router" {
            continue;
        }
        let between = place > 0 && place + 1 < nodes.len();
        let last = place + 1 == nodes.len();
        let interfaces = [
            (Interface::Eth0, true),
            (Interface::Eth1, between),
            (Interface::Lo, last),
        ];
        for (interface, _) in interfaces.into_iter().filter(|(_, there)| *there) {
            let name = format!("{node}-{}", interface.name());
            vantages.push(Vantage {
                name: Box::leak(name.into_boxed_str()),
                node,
                interface,
            });
        }
    }
    vantages.leak()
}

fn watch(net: &Net, backend: &str) -> anyhow::Result<Watching> {
    let mut arguments = vec!["--backend", backend, "--format", "json"];
    for node in net.nodes.iter().filter(|node| node.name != "router") {
        arguments.extend(["--netns", &node.ns]);
    }
    Watching::start(&arguments)
}

/// Ends a watch: its report, with vantages called as the lab calls them.
fn report(watching: Watching, net: &Net) -> Result<Value, Box<dyn Error>> {
    let told = watching.interrupt()?;
    if told.code != Some(0) || told.err.lines().count() != 1 {
        return Err(format!("exit code {:?}: {}", told.code, told.err).into());
    }
    let mut text = told.out;
    for node in &net.nodes {
        text = text.replace(&format!("\"{}:", node.ns), &format!("\"{}-", node.name));
    }
    Ok(serde_json::from_str(&text)?)
}

/// The report on what tcpdump captured.
fn read(captures: &Path, vantages: &[Vantage]) -> Result<Value, Box<dyn Error>> {
    let files = vantages
        .iter()
        .map(|vantage| captures.join(format!("{}.pcap", vantage.name)));
    let arguments = [PathBuf::from("read"), "--format=json".into()];
    let told = Told::from(hopscope(arguments.into_iter().chain(files)).output()?);
    Ok(serde_json::from_str(&told.out)?)
}

/// What two that look at the same interface at the same time must tell alike: all but the moment at
/// which each was handed a frame, and the frames' numbers.
fn essence(report: &Value) -> Vec<String> {
    let flows = report["flows"].as_array().map(Vec::as_slice);
    let mut told: Vec<String> = flows.unwrap_or_default().iter().map(of_flow).collect();
    told.sort();
    told
}

fn of_flow(flow: &Value) -> String {
    let fields = [
        "vantage",
        "client",
        "server",
        "roles",
        "end",
        "ended_by",
        "syns",
        "zero_window_probes",
        "zero_windows",
        "retransmissions",
        "bytes",
        "unseen_bytes",
        "segments",
        "duplicates",
        "exchanges",
        "answer_pending",
    ];
    let mut told: Vec<String> = fields
        .into_iter()
        .map(|field| format!("{field} {}", flow[field]))
        .collect();
    for side in ["client", "server"] {
        let probes = flow["keepalive"][side]["probes"].as_array();
        let answered = probes.map(|probes| {
            let answered = |probe: &&Value| !probe["answered"].is_null();
            (probes.len(), probes.iter().filter(answered).count())
        });
        told.push(format!("probes of {side} {answered:?}"));
    }
    told.join(", ")
}
