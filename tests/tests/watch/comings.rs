//! Interfaces and namespaces come and go.

use std::error::Error;
use std::time::Duration;

use hopscope_tests::lab::process::run;
use hopscope_tests::lab::{self, wait};
use hopscope_tests::watching::{Watching, objects};
use serde_json::Value;

use super::{BACKENDS, Outcome, Pair, named};

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
    let said = lines.iter().find(|line| line["name"] == vantage.as_str());
    let said = said.and_then(|line| line["remarks"][0].as_str());
    assert!(
        said.is_some_and(|said| said.contains("the interface is gone")),
        "{said:?}"
    );
    assert_eq!(of(&named(ns, "eth0")), 1, "the others are watched on");
    Ok(())
}

/// A namespace with nothing in it; removed when dropped, where it is still there.
struct Ns(String);

impl Ns {
    fn new(name: &str) -> Result<Self, Box<dyn Error>> {
        let name = format!("hsw{}-{name}", std::process::id());
        run("ip", &["netns", "add", &name])?;
        Ok(Self(name))
    }

    fn bring_up(&self) -> Outcome {
        run("ip", &["-n", &self.0, "link", "set", "lo", "up"])?;
        Ok(())
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
    one.bring_up()?;
    other.bring_up()?;
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

/// A namespace without anything that is up is watched all the same: something may come.
#[test]
fn nothing_is_up_yet() -> Outcome {
    if let Some(missing) = lab::missing() {
        println!("skipped: watching a namespace where nothing is up needs {missing}");
        return Ok(());
    }
    let ns = Ns::new("down")?;
    let arguments = ["--backend=pcap", "--format=ndjson", "--netns", &ns.0];
    let mut watching = Watching::start(&arguments)?;
    watching.until("it says so", |_, err| {
        err.contains(&format!("hopscope: {}: no interface is up yet", ns.0))
    })?;
    ns.bring_up()?;
    wait::until("a connection is seen", Duration::from_secs(20), || {
        ns.connect();
        Ok(watching.soon(|out| out.contains("\"rst\""))?.then_some(()))
    })?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0));
    assert_eq!(told.err.lines().count(), 2, "{}", told.err);
    Ok(())
}
