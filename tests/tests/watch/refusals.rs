//! What cannot be done is refused, with the reason.

use std::process::Command;

use hopscope_tests::binary::{self, Told, hopscope};
use hopscope_tests::watching::Watching;
use serde_json::Value;

use super::{BACKENDS, Outcome, Pair, flows, named};

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
        (
            "auto",
            &[
                "CAP_NET_RAW",
                "the eBPF probe cannot either",
                "CAP_BPF",
                "run as root",
            ],
        ),
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

/// Where the probe cannot be loaded libpcap stands in, and both the person and the report are told
/// why.
#[test]
fn libpcap_stands_in() -> Outcome {
    let Some(pair) = Pair::new("watch-stands-in")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    // Everything that libpcap needs, inside the namespace already.
    let without_bpf = ["--bounding-set", "-bpf,-sys_admin,-perfmon"];
    let by = [&["ip", "netns", "exec", ns, "setpriv"][..], &without_bpf].concat();
    let watching = Watching::start_by(&by, &["--format=json"])?;
    pair.curl(&[&pair.url("/ok")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    let begins = "watching this network namespace with libpcap (cannot load the probe's ";
    assert!(told.err.starts_with(begins), "{}", told.err);
    let report: Value = serde_json::from_str(&told.out)?;
    // The current namespace has no name.
    assert_eq!(flows(&report, "eth0").len(), 1);
    for vantage in report["vantages"].as_array().ok_or("no vantages")? {
        assert_eq!(vantage["source"], "live (libpcap)");
        let why = vantage["remarks"][0].as_str().unwrap_or_default();
        assert!(why.starts_with("cannot load the probe's "), "{vantage}");
    }
    Ok(())
}

/// Nothing is refused for a limit that may be raised.
#[test]
fn the_usual_limit_on_open_files_is_no_limit() -> Outcome {
    let by = ["sh", "-c", "ulimit -Sn 12; exec \"$0\" \"$@\""];
    a_request_is_seen("watch-limit", &by, &[])
}

/// A variable that is empty filters nothing, with either backend.
#[test]
fn a_filter_of_blanks_lets_everything_pass() -> Outcome {
    a_request_is_seen("watch-blank", &[], &["-f", " "])
}

/// By each backend, with these arguments and started by this program.
fn a_request_is_seen(test: &str, by: &[&str], arguments: &[&str]) -> Outcome {
    let Some(pair) = Pair::new(test)? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    for backend in BACKENDS {
        let usual = ["--backend", backend, "--format=json", "--netns", ns];
        let watching = Watching::start_by(by, &[&usual, arguments].concat())?;
        pair.curl(&[&pair.url("/ok")?])?;
        let told = watching.interrupt()?;
        assert!(!told.err.contains("open files"), "{}", told.err);
        let report: Value = serde_json::from_str(&told.out)?;
        assert_eq!(flows(&report, &named(ns, "eth0")).len(), 1, "{}", told.err);
    }
    Ok(())
}

/// What could not be watched is said in the report too, with what would help.
#[test]
fn interfaces_that_are_not_watched_are_in_the_report() -> Outcome {
    let Some(pair) = Pair::new("watch-unwatched")? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    for number in 1..=14 {
        let name = format!("more{number}");
        pair.net
            .exec("client", &["ip", "link", "add", &name, "type", "bridge"])?;
        pair.net
            .exec("client", &["ip", "link", "set", &name, "up"])?;
    }
    let by = ["sh", "-c", "ulimit -n 48; exec \"$0\" \"$@\""];
    let arguments = ["--backend=ebpf", "--format=json", "--netns", ns];
    let watching = match Watching::start_by(&by, &arguments) {
        Ok(watching) => watching,
        Err(why) => {
            println!("skipped: the probe needs what this machine lacks: {why}");
            return Ok(());
        }
    };
    let told = watching.interrupt()?;
    let report: Value = serde_json::from_str(&told.out)?;
    let first = &report["vantages"][0];
    assert_eq!(first["name"], named(ns, "lo"));
    let remarks = first["remarks"].as_array().into_iter().flatten();
    let remarks: Vec<&str> = remarks.filter_map(Value::as_str).collect();
    let last = format!("{} is not watched: ", named(ns, "more14"));
    let about = remarks.iter().find(|remark| remark.starts_with(&last));
    let about = about.ok_or(format!("{remarks:#?}"))?;
    assert!(
        about.contains("Too many open files") && about.contains("ulimit -n"),
        "{about}"
    );
    assert!(told.err.contains(about), "{}", told.err);
    Ok(())
}
