//! What is printed: the table for people, and the reports for programs.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::lab::wait;
use serde_json::Value;

use super::stage::{FOREVER, Stage, methods, report, run, skipped, sockets};

#[test]
fn reports_are_as_the_schema_says() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("schema", &["z"])?;
    stage.every_kind("z")?;
    for method in methods() {
        let report = report(&["--netns", stage.ns("z")?, "--method", method])?;
        let problems = hopscope_tests::schema::problems(&report)
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        assert!(problems.is_empty(), "{problems:#?}");
    }
    Ok(())
}

#[test]
fn ndjson_tells_the_same_sockets() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("ndjson", &["z"])?;
    stage.every_kind("z")?;
    let ns = stage.ns("z")?;
    let report = report(&["--netns", ns])?;
    let told = run(&["--netns", ns, "--format=ndjson"])?;
    let mut lines = Vec::new();
    for line in told.out.lines() {
        lines.push(serde_json::from_str::<Value>(line)?);
    }
    assert_eq!(lines[0]["type"], "report");
    assert_eq!(
        (&lines[1]["type"], &lines[1]["name"]),
        (&"vantage".into(), &ns.into())
    );
    let cookies = |sockets: &[Value]| -> Vec<Value> {
        sockets
            .iter()
            .map(|socket| socket["cookie"].clone())
            .collect()
    };
    assert!(lines[2..].iter().all(|line| line["type"] == "socket"));
    assert_eq!(cookies(&lines[2..]), cookies(sockets(&report)));
    Ok(())
}

#[test]
fn ports_leave_out_the_rest() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("ports", &["z"])?;
    let told = stage.every_kind("z")?;
    let ns = stage.ns("z")?;
    let of = |ports: &[&str]| {
        let ends = |socket: &Value| {
            let ends = [&socket["local"], &socket["peer"]].map(|end| end.as_str().unwrap_or(""));
            ports
                .iter()
                .any(|port| ends.iter().any(|end| end.ends_with(&format!(":{port}"))))
        };
        told.iter().filter(|socket| ends(socket)).count()
    };
    assert!(of(&["7102"]) == 3 && of(&["7102", "7103"]) > 3);
    let one = report(&["--netns", ns, "--port", "7102"])?;
    assert_eq!(sockets(&one).len(), of(&["7102"]));
    let two = report(&["--netns", ns, "--port", "7102", "--port", "7103"])?;
    assert_eq!(sockets(&two).len(), of(&["7102", "7103"]));
    Ok(())
}

/// The cells of the table's line that begins with these.
fn line<'a>(told: &'a Told, begins: &[&str]) -> Result<Vec<&'a str>> {
    let line = cells(told).find(|cells| cells.starts_with(begins));
    line.with_context(|| format!("{begins:?} in:\n{}", told.out))
}

/// The cells of each line: columns are two blanks apart, words of a value one.
pub(super) fn cells(told: &Told) -> impl Iterator<Item = Vec<&str>> {
    told.out.lines().map(|line| {
        let cells = line.split("  ").map(str::trim);
        cells.filter(|cell| !cell.is_empty()).collect()
    })
}

fn table(arguments: &[&str], columns: &str) -> Result<Told> {
    let arguments = [&["sockets"], arguments].concat();
    let told: Told = hopscope(arguments).env("COLUMNS", columns).output()?.into();
    ensure!(told.code == Some(0) && told.err.is_empty(), "{}", told.err);
    Ok(told)
}

#[test]
fn the_table() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("table", &["z"])?;
    stage.every_kind("z")?;
    let pid = stage.last_pid().context("the peer runs")?;
    let ns = stage.ns("z")?;
    for method in methods() {
        let told = table(&["--netns", ns, "--method", method], "250")?;
        let mark = if *method == "kernel" { '*' } else { '~' };
        let odd = line(&told, &["127.0.0.1:7102", "-"])?;
        assert_eq!(odd[..3], ["127.0.0.1:7102", "-", "LISTEN"]);
        assert!(
            odd[3].starts_with("python") && odd[3].ends_with(&format!("/{pid}")),
            "{odd:?}"
        );
        assert_eq!(odd[4..9], ["on", "13 s", "4 s", "6", "off"]);
        assert_eq!(
            odd[9..],
            ["-", "off", "off", "7 s", &format!("reno{mark}"), "0 / 16"]
        );
        let default = line(&told, &["127.0.0.1:7104", "-"])?;
        assert_eq!(
            default[4..8],
            ["on", "17 s", &format!("75 s{mark}"), &format!("9{mark}")]
        );
        let plain = line(&told, &["127.0.0.1:7101", "-"])?;
        assert_eq!(plain[4..8], ["off", "-", "-", "-"]);
        let legend = told.out.lines().find(|line| line.starts_with(mark));
        let legend = legend.context("the mark is explained")?;
        assert!(legend.contains("the namespace's default"), "{legend}");
        assert!(
            told.out.contains("1 in TIME-WAIT: --all shows them"),
            "{}",
            told.out
        );
        assert!(!told.out.contains(" TIME-WAIT  "), "{}", told.out);
        let notes: Vec<&str> = told
            .out
            .lines()
            .filter(|line| line.starts_with("note"))
            .collect();
        let unread = if *method == "kernel" { 1 } else { 3 };
        assert_eq!(notes.len(), unread, "{notes:#?}");
        assert!(
            notes
                .iter()
                .all(|note| note.contains("? 1 socket with options that were not read: "))
        );
        let all = table(&["--netns", ns, "--method", method, "--all"], "250")?;
        assert!(all.out.contains(" TIME-WAIT  "), "{}", all.out);
    }
    let narrow = table(&["--netns", ns], "100")?;
    assert!(narrow.out.contains("no room for: "), "{}", narrow.out);
    assert!(narrow.out.contains("keepalive"), "{}", narrow.out);
    Ok(())
}

/// Listens twice: one socket is held by its process under two numbers, the other by two children as well,
/// of which it prints the ids. These end with it: then nobody holds the other end of their pipe.
const FORKS: &str = "
import os, signal, socket
reader, writer = os.pipe()
alone = socket.create_server(('127.0.0.1', 7201)); again = alone.dup()
shared = socket.create_server(('127.0.0.1', 7202))
def child():
    if os.fork() == 0:
        alone.close(); again.close(); os.close(writer)
        os.write(1, b'%d is there\\n' % os.getpid())
        os.read(reader, 1)
        os._exit(0)
child(); child()
signal.pause()
";

#[test]
fn all_who_hold_a_socket_are_told() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("holders", &["z"])?;
    let out = stage.start("z", "forks", &["python3", "-c", FORKS])?;
    let children = wait::until("two children", FOREVER, || {
        let lines = fs::read_to_string(&out)?;
        let whole = lines.lines().filter(|line| line.ends_with("is there"));
        let pids = whole.filter_map(|line| line.split(' ').next()?.parse().ok());
        let mut pids: Vec<u64> = pids.collect();
        pids.sort_unstable();
        Ok((pids.len() == 2).then_some(pids))
    })?;
    let ns = stage.ns("z")?;
    let report = report(&["--netns", ns])?;
    let others = |local: &str| -> Vec<u64> {
        let socket = sockets(&report)
            .iter()
            .find(|socket| socket["local"] == local);
        let others = socket.and_then(|socket| socket["also_held_by"].as_array());
        let others = others.into_iter().flatten();
        others.filter_map(|other| other["pid"].as_u64()).collect()
    };
    assert_eq!(others("127.0.0.1:7201"), [0; 0], "{report:#}");
    assert_eq!(others("127.0.0.1:7202"), children, "{report:#}");
    let told = table(&["--netns", ns], "250")?;
    let alone = line(&told, &["127.0.0.1:7201"])?;
    assert!(!alone[3].contains("more"), "{alone:?}");
    let shared = line(&told, &["127.0.0.1:7202"])?;
    assert_eq!(shared[3], format!("{} and 2 more", alone[3]));
    Ok(())
}

#[test]
fn several_namespaces_have_a_column() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("column", &["z", "y"])?;
    stage.every_kind("z")?;
    let (z, y) = (stage.ns("z")?, stage.ns("y")?);
    let told = table(&["--netns", z, "--netns", y], "250")?;
    line(&told, &["vantage", "local"])?;
    line(&told, &[z, "127.0.0.1:7102", "-"])?;
    let empty = table(&["--netns", y], "250")?;
    assert_eq!(empty.out, "SOCKETS  none\n");
    Ok(())
}
