//! Nothing stays in the kernel when watching ends, however it ends: the kernel's own lists say so.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use hopscope_tests::craft::Scratch;
use hopscope_tests::lab::envoy::on_path;
use hopscope_tests::lab::netns::{Family, Net};
use hopscope_tests::lab::process::run;
use hopscope_tests::lab::{self, wait};
use hopscope_tests::watching::Watching;
use rustix::process::Signal;
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

/// The kernel frees programs and maps after a grace period of RCU, on a busy machine late.
const FREED: Duration = Duration::from_secs(30);

/// What the probe brings: as bpftool calls its kinds, and as /proc/PID/fdinfo calls their numbers.
const KINDS: [(&str, &str); 3] = [("prog", "prog_id"), ("link", "link_id"), ("map", "map_id")];

/// How a watch is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Kill,
    Term,
    Interrupt,
    Duration,
}

#[test]
fn a_killed_probe_leaves_nothing() -> Outcome {
    ends("ebpf", End::Kill)
}

#[test]
fn a_terminated_probe_leaves_nothing() -> Outcome {
    ends("ebpf", End::Term)
}

#[test]
fn an_interrupted_probe_leaves_nothing() -> Outcome {
    ends("ebpf", End::Interrupt)
}

#[test]
fn a_probe_whose_time_is_over_leaves_nothing() -> Outcome {
    ends("ebpf", End::Duration)
}

/// Below Linux 6.6 filters hang on interfaces, and stay there until somebody takes them away.
#[test]
fn terminated_filters_leave_nothing() -> Outcome {
    ends("clsact", End::Term)
}

#[test]
fn filters_whose_time_is_over_leave_nothing() -> Outcome {
    ends("clsact", End::Duration)
}

/// What hangs on the same hook stays, and so does the hook.
#[test]
fn filters_of_others_stay() -> Outcome {
    if let Some(missing) = lab::missing() {
        println!("skipped: filters of others need {missing}");
        return Ok(());
    }
    let logs = Scratch::new("left-to-others")?;
    let net = Net::build(&["client", "pod"], Family::V4, logs.path())?;
    let pod = &net.node("pod")?.ns;
    let command = [
        "--no-tcx",
        "--backend=ebpf",
        "--format=json",
        "--netns",
        pod,
    ];
    let watching = match Watching::start(&command) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: filters of others need what this machine lacks: {why}");
            return Ok(());
        }
    };
    let theirs = ["filter", "add", "dev", "eth0", "egress", "bpf", "bytecode"];
    run("tc", &[&["-n", pod][..], &theirs, &["1,6 0 0 0"]].concat())?;
    end(watching, End::Term)?;
    let after = Traces::of(&net)?;
    let with = |lists: &[String], what| lists.iter().filter(|list| list.contains(what)).count();
    assert_eq!(with(&after.filters, "bytecode"), 1, "{after:?}");
    assert_eq!(with(&after.filters, "ethernet"), 0, "{after:?}");
    assert_eq!(with(&after.qdiscs, "clsact"), 1, "{after:?}");
    Ok(())
}

#[test]
fn killed_captures_leave_nothing() -> Outcome {
    ends("pcap", End::Kill)
}

#[test]
fn terminated_captures_leave_nothing() -> Outcome {
    ends("pcap", End::Term)
}

#[test]
fn captures_whose_time_is_over_leave_nothing() -> Outcome {
    ends("pcap", End::Duration)
}

fn ends(backend: &str, how: End) -> Outcome {
    let what = format!("what {backend} leaves behind ({how:?})");
    if let Some(missing) = lab::missing() {
        println!("skipped: {what} needs {missing}");
        return Ok(());
    }
    if let Some(missing) = ["bpftool", "tc"].into_iter().find(|p| on_path(p).is_none()) {
        println!("skipped: {what} needs {missing} (apt-get install bpftool iproute2)");
        return Ok(());
    }
    let logs = Scratch::new("left-behind")?;
    let net = Net::build(&["client", "pod"], Family::V4, logs.path())?;
    let before = Traces::of(&net)?;
    let kind = if backend == "pcap" { "pcap" } else { "ebpf" };
    let mut arguments = vec!["--backend", kind, "--format", "json"];
    if backend == "clsact" {
        arguments.push("--no-tcx");
    }
    if let End::Duration = how {
        arguments.extend(["--duration", "6s"]);
    }
    for node in &net.nodes {
        arguments.extend(["--netns", &node.ns]);
    }
    let mut watching = match Watching::start(&arguments) {
        Ok(watching) => watching,
        Err(why) if kind == "ebpf" => {
            println!("skipped: {what} needs what this machine lacks: {why}");
            return Ok(());
        }
        Err(why) => return Err(why.into()),
    };
    let held = Held::by(watching.child().id())?;
    if backend == "ebpf" {
        held.are_a_probe(&net)?;
    } else if backend == "clsact" {
        let here = Traces::of(&net)?;
        let with = |name| {
            here.filters
                .iter()
                .filter(|list| list.contains(name))
                .count()
        };
        assert_eq!(
            [with("ethernet_in"), with("ethernet_out")],
            [2, 4],
            "{here:?}"
        );
    } else {
        assert!(held.ids.values().all(BTreeSet::is_empty), "{held:?}");
        // One socket for each interface that is up: lo and eth0 of both.
        let open = Traces::of(&net)?.packet_sockets - before.packet_sockets;
        assert_eq!(open, 4, "packet sockets while it watches");
    }
    end(watching, how)?;
    wait::until("the kernel to free what it held", FREED, || {
        Ok(held.left()?.is_empty().then_some(()))
    })
    .map_err(|error| format!("{error}; left: {:?}", held.left()))?;
    assert_eq!(Traces::of(&net)?, before);
    Ok(())
}

fn end(mut watching: Watching, how: End) -> Outcome {
    match how {
        End::Kill => watching.signal(Signal::KILL),
        End::Term => watching.signal(Signal::TERM),
        End::Interrupt => watching.signal(Signal::INT),
        End::Duration => {}
    }
    let status = watching.status()?;
    if let End::Kill = how {
        assert_eq!(status.signal(), Some(9), "it did not end before");
    } else {
        assert_eq!(status.code(), Some(0));
    }
    Ok(())
}

/// Numbers of what a process holds in the kernel. Other tests watch at the same time: these are its
/// own. bpftool finds processes with a program of its own, which locked-down kernels refuse.
#[derive(Debug)]
struct Held {
    ids: BTreeMap<&'static str, BTreeSet<u64>>,
}

impl Held {
    fn by(pid: u32) -> Result<Self, Box<dyn Error>> {
        let mut ids: BTreeMap<_, BTreeSet<u64>> =
            KINDS.map(|(kind, _)| (kind, BTreeSet::new())).into();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            // A descriptor may be closed meanwhile.
            let Ok(text) = fs::read_to_string(entry?.path()) else {
                continue;
            };
            for (kind, field) in KINDS {
                let value = |line: &str| {
                    line.strip_prefix(field)?
                        .strip_prefix(':')?
                        .trim()
                        .parse::<u64>()
                        .ok()
                };
                let found = text.lines().filter_map(value);
                ids.entry(kind).or_default().extend(found);
            }
        }
        // Of what the loader filled for a program it keeps no descriptor.
        for program in listed("prog")? {
            if program["id"]
                .as_u64()
                .is_some_and(|id| ids["prog"].contains(&id))
            {
                let maps = program["map_ids"].as_array().into_iter().flatten();
                ids.entry("map")
                    .or_default()
                    .extend(maps.filter_map(Value::as_u64));
            }
        }
        Ok(Self { ids })
    }

    /// bpftool sees programs on sockets and on every interface of both namespaces, linked, with maps.
    fn are_a_probe(&self, net: &Net) -> Outcome {
        let mine = |kind| -> Result<Vec<Value>, Box<dyn Error>> {
            let mut all = listed(kind)?;
            all.retain(|one| {
                one["id"]
                    .as_u64()
                    .is_some_and(|id| self.ids[kind].contains(&id))
            });
            assert_eq!(all.len(), self.ids[kind].len(), "bpftool lists each {kind}");
            Ok(all)
        };
        let (programs, links, maps) = (mine("prog")?, mine("link")?, mine("map")?);
        let linked = |name: &str| {
            let ids = programs
                .iter()
                .filter(|program| program["name"] == name)
                .map(|p| &p["id"]);
            let ids: Vec<&Value> = ids.collect();
            links
                .iter()
                .filter(|link| ids.contains(&&link["prog_id"]))
                .count()
        };
        let nodes = net.nodes.len();
        assert_eq!(linked("ethernet_in"), nodes, "each eth0: {programs:#?}");
        assert_eq!(
            linked("ethernet_out"),
            2 * nodes,
            "each eth0 and lo: {links:#?}"
        );
        assert_eq!(linked("reset_received"), 1, "{links:#?}");
        assert_eq!(linked("retransmitted"), 1, "{links:#?}");
        assert!(maps.len() > nodes, "{maps:#?}");
        Ok(())
    }

    /// What bpftool still lists of it.
    fn left(&self) -> anyhow::Result<Vec<(&'static str, Value)>> {
        let mut left = Vec::new();
        for (kind, ids) in &self.ids {
            let ours = |one: &Value| one["id"].as_u64().is_some_and(|id| ids.contains(&id));
            left.extend(
                listed(kind)?
                    .into_iter()
                    .filter(ours)
                    .map(|one| (*kind, one)),
            );
        }
        Ok(left)
    }
}

/// All programs, links or maps of the machine. bpftool fails where one goes away between two of its
/// looks, as those of other tests do.
fn listed(kind: &str) -> anyhow::Result<Vec<Value>> {
    let list = || run("bpftool", &["-j", kind, "show"]);
    let listed = wait::until("bpftool to list", FREED, || Ok(list().ok()));
    // The last words of one that never succeeds say why.
    Ok(serde_json::from_str(&listed.or_else(|_| list())?)?)
}

/// What a watch could leave in namespaces.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    qdiscs: Vec<String>,
    filters: Vec<String>,
    packet_sockets: usize,
}

impl Traces {
    fn of(net: &Net) -> anyhow::Result<Self> {
        let mut traces = Self {
            qdiscs: Vec::new(),
            filters: Vec::new(),
            packet_sockets: 0,
        };
        for node in &net.nodes {
            traces
                .qdiscs
                .push(run("tc", &["-n", &node.ns, "qdisc", "show"])?);
            for (device, direction) in [
                ("eth0", "ingress"),
                ("eth0", "egress"),
                ("lo", "ingress"),
                ("lo", "egress"),
            ] {
                let show = ["-n", &node.ns, "filter", "show", "dev", device, direction];
                traces.filters.push(run("tc", &show)?);
            }
            // A line of headings first.
            traces.packet_sockets += node.proc_net("packet")?.lines().count() - 1;
        }
        Ok(traces)
    }
}
