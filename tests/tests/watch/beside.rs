//! Programs of others on the same interface let segments pass without asking those behind them: nothing
//! is missed for that.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hopscope_tests::lab::process::{Process, run};
use hopscope_tests::lab::wait;
use hopscope_tests::watching::Watching;
use serde_json::Value;

use super::{Outcome, Pair, flows, named};

/// A whole connection is seen at the pod, both ways.
fn sees_all(pair: &Pair, more: &[&str]) -> Outcome {
    let pod = pair.ns("pod")?;
    let arguments = [&["--backend=ebpf", "--format=json", "--netns", pod], more].concat();
    let watching = match Watching::start(&arguments) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(());
        }
    };
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    let report: Value = serde_json::from_str(&told.out)?;
    let flows = flows(&report, &named(pod, "eth0"));
    assert_eq!(flows.len(), 1, "{report:#}");
    assert_eq!(flows[0]["end"], "fin", "{:#}", flows[0]);
    for side in ["client", "server"] {
        let segments = flows[0]["segments"][side].as_u64();
        assert!(segments >= Some(4), "{side}: {:#}", flows[0]);
    }
    Ok(())
}

#[test]
fn a_program_that_was_there_before_hides_nothing() -> Outcome {
    let Some(pair) = Pair::new("watch-beside-tcx")? else {
        return Ok(());
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/tcx.py");
    let command = ["python3", &*script.to_string_lossy(), "eth0"];
    let mut theirs = Process::spawn(pair.ns("pod")?, "tcx", &command, pair.logs.path())?;
    let attached = wait::until(
        "their program to be attached",
        Duration::from_secs(60),
        || {
            if theirs.ended()?.is_some() {
                return Ok(Some(false));
            }
            let said = fs::read_to_string(&theirs.stdout)?;
            Ok(said.contains("attached").then_some(true))
        },
    )?;
    if !attached {
        println!("skipped: TCX needs Linux 6.6");
        return Ok(());
    }
    sees_all(&pair, &[])
}

#[test]
fn a_filter_that_was_there_before_hides_nothing() -> Outcome {
    for place in ["1", "10"] {
        let Some(pair) = Pair::new(&format!("watch-beside-filter-{place}"))? else {
            return Ok(());
        };
        let pod = pair.ns("pod")?;
        run("tc", &["-n", pod, "qdisc", "add", "dev", "eth0", "clsact"])?;
        for way in ["ingress", "egress"] {
            let filter = [
                "-n", pod, "filter", "add", "dev", "eth0", way, "pref", place,
            ];
            // Returns TC_ACT_OK.
            let does = ["bpf", "da", "bytecode", "1,6 0 0 0"];
            run("tc", &[&filter[..], &does].concat())?;
        }
        sees_all(&pair, &["--no-tcx"])?;
        for way in ["ingress", "egress"] {
            let left = run("tc", &["-n", pod, "filter", "show", "dev", "eth0", way])?;
            assert_eq!(left.matches("direct-action").count(), 1, "{left}");
            assert!(left.contains("bytecode"), "{left}");
        }
    }
    Ok(())
}
