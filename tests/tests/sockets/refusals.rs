//! What cannot be done: one line says what, why, and what to do; exit code 2.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use hopscope_tests::binary::Told;
use serde_json::Value;

use super::output::cells;
use super::stage::{Stage, for_everybody, open_folder, report, run, skipped, sockets};

fn refused(told: &Told, says: &[&str]) {
    assert_eq!(told.code, Some(2), "{}", told.err);
    assert_eq!(told.out, "");
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    assert!(told.err.starts_with("hopscope: "), "{}", told.err);
    for part in says {
        assert!(told.err.contains(part), "{part:?} is not in: {}", told.err);
    }
}

#[test]
fn what_does_not_exist() -> Result<()> {
    let mut ended = Command::new("true").spawn()?;
    let pid = ended.id().to_string();
    ended.wait()?;
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["--pid", &pid],
            &["--pid", &pid, "no such process", "ps -e"],
        ),
        (
            &["--netns", "no-such-namespace"],
            &[
                "--netns no-such-namespace",
                "no network namespace of that name",
            ],
        ),
        (
            &["--netns", "/no/such/file"],
            &["/no/such/file", "No such file"],
        ),
        (
            &["--netns", "/dev/null"],
            &["/dev/null is no network namespace", "ip netns list"],
        ),
        (
            &["--netns", "/proc/self/ns/uts"],
            &["cannot enter", "another kind"],
        ),
        (
            &["--comm", "no-such-name"],
            &[
                "--comm no-such-name",
                "no process that /proc shows is called that",
                "ps -eo",
            ],
        ),
        (
            &["--container", "/../"],
            &["--container /../", "no id of a container", "crictl ps"],
        ),
        (
            &["--container", "web-1"],
            &["--container web-1", "a name is none"],
        ),
        (
            &["--container", "0badc0ffee0badc0ffee"],
            &["--container 0badc0ffee0badc0ffee", "crictl ps"],
        ),
    ];
    for (arguments, says) in cases {
        refused(&run(arguments)?, says);
    }
    Ok(())
}

#[test]
fn names_that_exist_are_listed() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let stage = Stage::new("listed", &["z"])?;
    let told = run(&["--netns", "no-such-namespace"])?;
    refused(&told, &["there are: "]);
    let names = fs::read_dir("/run/netns")?.count();
    if names <= 10 {
        refused(&told, &[stage.ns("z")?]);
    }
    Ok(())
}

#[test]
fn usage() -> Result<()> {
    for (arguments, says) in [
        (["--port", "0"], "0 is not in 1..=65535"),
        (["--port", "65536"], "65536 is not in 1..=65535"),
        (["--pid", "0"], "0 is not in 1..=4294967295"),
        (["--pid", "envoy"], "invalid digit"),
        (["--comm", ""], "a value is required"),
        (["--container", ""], "a value is required"),
        (["--netns", ""], "a value is required"),
        (["--method", "magic"], "getsockopt"),
    ] {
        let told = run(&arguments)?;
        assert_eq!(
            (told.code, told.out.as_str()),
            (Some(2), ""),
            "{arguments:?}"
        );
        assert!(told.err.contains(says), "{arguments:?}: {}", told.err);
    }
    Ok(())
}

/// Runs a command as a user who owns nothing, in a namespace of the stage.
fn unprivileged(ns: &str, program: &Path, arguments: &[&str]) -> Result<Told> {
    let output = Command::new("ip")
        .args(["netns", "exec", ns, "setpriv"])
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(program)
        .arg("sockets")
        .args(arguments)
        .output()?;
    Ok(output.into())
}

#[test]
fn without_privilege() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("unprivileged", &["z", "y"])?;
    let told = stage.every_kind("z")?;
    let pid = stage.last_pid().context("the peer runs")?.to_string();
    let (z, y) = (stage.ns("z")?, stage.ns("y")?);
    let folder = open_folder("sockets-everybody")?;
    let program = for_everybody(&folder)?;
    let run = |arguments: &[&str]| unprivileged(z, &program, arguments);
    refused(
        &run(&["--netns", y])?,
        &["cannot enter", y, "CAP_SYS_ADMIN", "root"],
    );
    refused(
        &run(&["--pid", &pid])?,
        &["Permission denied", "CAP_SYS_PTRACE", "root"],
    );
    refused(
        &run(&["--method=kernel"])?,
        &["iter/tcp", "CAP_BPF", "root"],
    );
    // Its own namespace may be looked at; what that leaves unknown is said.
    let here = run(&["--format=json"])?;
    ensure!(here.code == Some(0) && here.err.is_empty(), "{}", here.err);
    let here: Value = serde_json::from_str(&here.out)?;
    let complete = report(&["--netns", z])?;
    assert_eq!(sockets(&here).len(), sockets(&complete).len());
    let remark = here["vantages"][0]["remarks"][0]
        .as_str()
        .context("a remark")?;
    assert!(remark.starts_with("options were read by getsockopt: ") && remark.contains("CAP_BPF"));
    let held = told.iter().filter(|told| told["held"] == true).count();
    let reason = |socket: &&Value| {
        let reason = socket["options_not_read"]["so_keepalive"].as_str();
        reason.is_some_and(|reason| reason.contains("CAP_SYS_PTRACE"))
    };
    assert_eq!(sockets(&here).iter().filter(reason).count(), held);
    let table = run(&[])?;
    for note in [
        "note  ? ",
        "CAP_SYS_PTRACE",
        "note  options were read by getsockopt: ",
        "note  who holds ",
    ] {
        assert!(table.out.contains(note), "{note}: {}", table.out);
    }
    // Only of those that are asked for.
    let few = run(&["--port=7102"])?;
    let unknown = cells(&few).filter(|cells| cells.get(3) == Some(&"?"));
    let counted = format!("who holds {} of the sockets", unknown.count());
    ensure!(
        few.out.contains(&counted) && !table.out.contains(&counted),
        "{counted}: {}",
        few.out
    );
    // Not known is not nobody.
    let owners: Vec<&str> = cells(&table)
        .filter_map(|cells| cells.get(3).copied())
        .collect();
    assert_eq!(
        owners.iter().filter(|owner| **owner == "?").count(),
        held,
        "{}",
        table.out
    );
    Ok(())
}

/// Root may list what a process has open, and without one more capability not look at it.
#[test]
fn root_without_a_capability_is_told_which() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("no-ptrace", &["z"])?;
    stage.every_kind("z")?;
    let z = stage.ns("z")?;
    let output = Command::new("setpriv")
        .arg("--bounding-set=-sys_ptrace")
        .arg(hopscope_tests::binary::path())
        .args(["sockets", "--netns", z])
        .output()?;
    let told = Told::from(output);
    let note = told.out.lines().find(|line| line.contains("who holds "));
    let note = note.unwrap_or_default();
    ensure!(note.contains("needs CAP_SYS_PTRACE"), "{}", told.out);
    Ok(())
}

#[test]
fn where_no_thread_can_be_started() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let folder = open_folder("sockets-no-threads")?;
    let program = for_everybody(&folder)?;
    let user = ["--reuid=65533", "--regid=65533", "--clear-groups"];
    let output = Command::new("setpriv")
        .args(user)
        .args(["prlimit", "--nproc=1:1"])
        .arg(program)
        .arg("sockets")
        .output()?;
    let told = Told::from(output);
    refused(&told, &["cannot start a thread", "ulimit -u", "pids.max"]);
    Ok(())
}

/// A process may be there and not be shown.
#[test]
fn a_process_that_is_hidden_has_not_ended() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let folder = open_folder("sockets-hidden")?;
    let program = for_everybody(&folder)?;
    let script = "mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 --regid=65534 \
                  --clear-groups \"$@\"";
    let hidden = |pid: u32| -> Result<Told> {
        let output = Command::new("unshare")
            .args(["-m", "--propagation=private", "sh", "-c", script, "sh"])
            .arg(&program)
            .args(["sockets", "--pid", &pid.to_string()])
            .output()?;
        Ok(output.into())
    };
    refused(
        &hidden(std::process::id())?,
        &["/proc does not show", "hidepid", "root"],
    );
    // No number is as high (PID_MAX_LIMIT, include/linux/threads.h).
    refused(&hidden(1 << 23)?, &["there is no such process"]);
    Ok(())
}
