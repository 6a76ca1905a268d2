//! Where user space is too slow, frames are lost, and counted: they are not missing in sums.

use std::time::Duration;

use anyhow::Context as _;
use hopscope_tests::lab::netns::{Family, Net, Node};
use hopscope_tests::lab::wait;
use hopscope_tests::watching::Watching;
use rustix::process::Signal;
use serde_json::Value;

use super::{APP, Outcome, Pair, named};

/// Room is shared by the namespaces watched: with these, each has little.
const OTHERS: [&str; 14] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n",
];

/// So many connections do not fit into it.
const MANY: &str = "
import socket, sys
for _ in range(3000):
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))):
        pass
";

/// Segments that came in and went out, as the kernel has counted them.
fn passed(node: &Node) -> anyhow::Result<u64> {
    let snmp = node.proc_net("snmp")?;
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let names = lines.next().context("names of counters")?;
    let counts = lines.next().context("counters")?;
    let all = names.split(' ').zip(counts.split(' '));
    let wanted = ["InSegs", "OutSegs", "RetransSegs"];
    let wanted = all.filter(|(name, _)| wanted.contains(name));
    Ok(wanted
        .filter_map(|(_, count)| count.parse::<u64>().ok())
        .sum())
}

#[test]
fn what_found_no_room_is_counted_all_the_same() -> Outcome {
    let Some(pair) = Pair::new("watch-losses")? else {
        return Ok(());
    };
    let others = Net::build(&OTHERS, Family::V4, pair.logs.path())?;
    let pod = pair.ns("pod")?;
    let mut arguments = vec!["--backend=ebpf", "--format=json", "--netns", pod];
    for other in &others.nodes {
        arguments.extend(["--netns", &other.ns]);
    }
    let before = passed(pair.net.node("pod")?)?;
    let watching = match Watching::start(&arguments) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(());
        }
    };
    watching.signal(Signal::STOP);
    let (host, port) = (pair.net.at("pod", APP)?.ip().to_string(), APP.to_string());
    pair.net
        .exec("client", &["python3", "-c", MANY, &host, &port])?;
    let node = pair.net.node("pod")?;
    let mut last = 0;
    wait::until("the last segments to pass", Duration::from_secs(60), || {
        let now = passed(node)?;
        Ok((std::mem::replace(&mut last, now) == now).then_some(()))
    })?;
    watching.signal(Signal::CONT);
    let told = watching.interrupt()?;
    let report: Value = serde_json::from_str(&told.out)?;
    let vantages = report["vantages"].as_array().ok_or("vantages")?;
    let vantage = vantages.iter().find(|v| v["name"] == *named(pod, "eth0"));
    let vantage = vantage.ok_or("the pod's vantage")?;
    assert!(vantage["dropped"].as_u64() > Some(0), "{vantage:#}");
    let (segments, all) = (vantage["segments"].as_u64(), passed(node)? - before);
    // Where two processors count for one flow at once, one of them may be a segment short.
    let some = Some(all - all / 100)..=Some(all);
    assert!(some.contains(&segments), "{all}: {vantage:#}");
    Ok(())
}
