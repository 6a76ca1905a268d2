//! `hopscope doctor`: what it says is what can really be done.

use std::error::Error;
use std::process::{Command, Stdio};

use hopscope_tests::binary::{self, Told, hopscope};
use rustix::process::geteuid;

type Outcome = Result<(), Box<dyn Error>>;

/// Verdict, name and words of each line.
fn lines(told: &Told) -> Vec<(&str, &str, &str)> {
    let (checks, _) = told.out.split_once("\n\n").unwrap_or_default();
    checks
        .lines()
        .filter_map(|line| {
            let (verdict, rest) = line.split_once("  ")?;
            let (name, words) = rest.trim_start().split_once("  ")?;
            Some((verdict.trim(), name.trim(), words.trim()))
        })
        .collect()
}

fn verdict<'a>(lines: &[(&'a str, &str, &str)], name: &str) -> &'a str {
    let found = lines.iter().find(|(_, known, _)| *known == name);
    found.map_or("not said", |(verdict, _, _)| verdict)
}

/// Runs a command as an ordinary user.
fn as_nobody() -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(binary::path());
    command
}

#[test]
fn every_line_says_how_it_is() -> Outcome {
    let told = Told::from(hopscope(["doctor"]).output()?);
    let lines = lines(&told);
    for name in [
        "kernel",
        "CAP_BPF",
        "CAP_PERFMON",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_SYS_ADMIN",
        "CAP_SYS_PTRACE",
        "lockdown",
        "BTF",
        "BPF memory",
        "eBPF probe",
        "TC egress of lo",
        "TC ingress of lo",
        "tp_btf inet_sock_set_state",
        "tp_btf tcp_receive_reset",
        "tp_btf tcp_retransmit_skb",
        "tp_btf inet_sk_error_report",
        "tp_btf tcp_send_reset",
        "libpcap",
        "namespaces",
        "iter/tcp",
        "sock_diag",
        "pidfd_getfd",
    ] {
        let verdict = verdict(&lines, name);
        let known = ["ok", "partly", "missing", "unknown"];
        assert!(known.contains(&verdict), "{name}: {verdict}: {}", told.out);
    }
    for (verdict, name, words) in &lines {
        let advises = words.contains(';');
        assert_eq!(advises, *verdict != "ok", "{name}: {words}");
    }
    let last = told.out.lines().last().unwrap_or_default();
    assert!(last.starts_with("hopscope watch  "), "{last}");
    assert_eq!(told.err, "");
    Ok(())
}

/// What it says of a backend is what `watch` does with it, with privilege and without.
#[test]
fn watching_works_where_it_says_so() -> Outcome {
    if !geteuid().is_root() {
        println!("skipped: trying with and without privilege needs root");
        return Ok(());
    }
    type Run = fn() -> Command;
    let with: Run = || hopscope([""; 0]);
    for run in [with, as_nobody] {
        let doctor: Told = run().arg("doctor").output()?.into();
        let lines = lines(&doctor);
        let mut any = false;
        for (backend, name) in [("pcap", "libpcap"), ("ebpf", "eBPF probe")] {
            let watch = ["watch", "--duration=1ms", "--backend", backend];
            let watched = run().args(watch).stdout(Stdio::null()).output()?;
            let said = verdict(&lines, name);
            assert_eq!(watched.status.success(), said == "ok", "{name}: {said}");
            any |= watched.status.success();
        }
        assert_eq!(doctor.code, Some(if any { 0 } else { 2 }), "{}", doctor.out);
        let auto = run()
            .args(["watch", "--duration=1ms"])
            .stdout(Stdio::null())
            .output()?;
        assert_eq!(auto.status.success(), any);
    }
    Ok(())
}

#[test]
fn without_privilege_it_says_what_to_do() -> Outcome {
    if !geteuid().is_root() {
        println!("skipped: giving up privilege needs root");
        return Ok(());
    }
    let told: Told = as_nobody().arg("doctor").output()?.into();
    assert_eq!(told.code, Some(2), "{}", told.out);
    let lines = lines(&told);
    for name in ["CAP_BPF", "CAP_NET_RAW", "eBPF probe", "libpcap"] {
        assert_eq!(verdict(&lines, name), "missing", "{}", told.out);
    }
    // Its own are nobody else's.
    assert_eq!(verdict(&lines, "pidfd_getfd"), "partly", "{}", told.out);
    let advised = lines.iter().filter(|(verdict, ..)| *verdict == "missing");
    assert!(advised.clone().count() >= 4);
    assert!(
        advised
            .clone()
            .all(|(.., words)| words.contains("run as root")),
        "{}",
        told.out
    );
    Ok(())
}

/// A terminal has so many columns; a file takes each thing in one line.
#[test]
fn lines_fit_the_terminal() -> Outcome {
    let wide = Told::from(hopscope(["doctor"]).output()?);
    let things = lines(&wide).len();
    for columns in [60, 80, 120] {
        let told = hopscope(["doctor"])
            .env("COLUMNS", columns.to_string())
            .output()?;
        let told = Told::from(told);
        let (checks, _) = told.out.split_once("\n\n").unwrap_or_default();
        let longest = checks.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(columns), "{columns}: {}", told.out);
        let begun = checks.lines().filter(|line| !line.starts_with(' '));
        assert_eq!(begun.count(), things, "{columns}: {}", told.out);
        assert!(checks.lines().count() > things || columns > 80);
    }
    Ok(())
}
