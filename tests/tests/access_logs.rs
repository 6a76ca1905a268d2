//! Access logs on the command line: what they are called, what came of them, and those that are
//! of no use.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::Scratch;
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

fn recorded(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pcaps")
        .join(file)
}

/// Reads captures of the recording `normal` with these access logs.
fn read(captures: &[&str], logs: &[&str]) -> Result<Told, Box<dyn Error>> {
    let mut arguments: Vec<OsString> = vec!["read".into(), "--format".into(), "json".into()];
    for capture in captures {
        arguments.push(recorded(&format!("normal/{capture}.pcap")).into());
    }
    for log in logs {
        arguments.push("--access-log".into());
        arguments.push(log.into());
    }
    Ok(hopscope(arguments).output()?.into())
}

fn logs_of(told: &Told) -> Result<Vec<Value>, Box<dyn Error>> {
    let report: Value = serde_json::from_str(&told.out)?;
    let logs = report["access_logs"].as_array();
    Ok(logs.ok_or("there is no list of access logs")?.clone())
}

fn path(file: &str) -> String {
    recorded(file).to_string_lossy().into_owned()
}

const CHAIN: [&str; 5] = ["client", "lb", "gw-down", "gw-up", "pod-eth0"];

#[test]
fn logs_are_named_and_join_what_they_name() -> Outcome {
    let sidecar = format!("pod={}", path("normal/sidecar.log"));
    let logs = [
        &path("normal/lb.log"),
        &path("normal/gw.log"),
        sidecar.as_str(),
    ];
    let told = read(&CHAIN, &logs)?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let logs = logs_of(&told)?;
    let names: Vec<&Value> = logs.iter().map(|log| &log["name"]).collect();
    assert_eq!(names, ["lb", "gw", "pod"]);
    // As many as README.md of the recordings says.
    for (log, entries) in logs.iter().zip([2, 4, 4]) {
        assert_eq!(log["entries"], entries, "{log}");
        assert_eq!(log["seen"], entries, "{log}");
        assert_eq!(log["unread"], 0, "{log}");
        assert_eq!(log["first_unread"], Value::Null, "{log}");
    }
    assert_eq!(logs[0]["matched"], 2);
    assert_eq!(logs[1]["matched"], 4);
    let first = fs::read_to_string(recorded("normal/gw.log"))?;
    assert!(
        first.contains(logs[1]["first"].as_str().ok_or("no time")?),
        "{}",
        logs[1]
    );
    let report: Value = serde_json::from_str(&told.out)?;
    let chains = report["chains"].as_array().ok_or("there are no chains")?;
    assert_eq!(chains.len(), 4);
    for chain in chains {
        assert_eq!(chain["joined_by"][0], "access_log", "{chain}");
        assert_eq!(chain["joined_by"][1], "access_log", "{chain}");
    }
    Ok(())
}

#[test]
fn without_logs_nothing_is_said_of_them() -> Outcome {
    let told = read(&["gw-up"], &[])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    assert_eq!(logs_of(&told)?, Vec::<Value>::new());
    // Nor of one in which nothing was logged.
    let told = read(&["gw-up"], &[&path("dead-path/lb.log")])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    assert_eq!(logs_of(&told)?[0]["entries"], 0);
    Ok(())
}

#[test]
fn a_log_that_cannot_be_read_is_said_and_the_rest_goes_on() -> Outcome {
    for (log, complaint) in [
        (
            "/nowhere/gw.log",
            "/nowhere/gw.log: cannot open the access log: No such file",
        ),
        ("-", "access logs cannot come from standard input"),
        ("/", "/: cannot read the access log: Is a directory"),
    ] {
        let told = read(&CHAIN, &[log, &path("normal/gw.log")])?;
        assert_eq!(told.code, Some(2), "{log}");
        assert!(told.err.contains(complaint), "{}", told.err);
        assert_eq!(told.err.lines().count(), 1, "{}", told.err);
        let logs = logs_of(&told)?;
        assert_eq!(logs.len(), 1);
        assert_eq!(logs[0]["matched"], 4);
    }
    Ok(())
}

#[test]
fn a_log_in_which_nothing_is_an_entry_is_said() -> Outcome {
    let told = read(&CHAIN, &[&path("normal/client.log")])?;
    assert_eq!(told.code, Some(2));
    assert_eq!(told.err.lines().count(), 1, "{}", told.err);
    assert!(
        told.err
            .contains("client.log: no line of it is an entry of an access log")
            && told.err.contains("Line 1: *   Trying 10.0.0.2:80"),
        "{}",
        told.err
    );
    let lines = fs::read_to_string(recorded("normal/client.log"))?;
    let lines = lines.lines().filter(|line| !line.trim().is_empty());
    assert_eq!(logs_of(&told)?[0]["unread"], lines.count());
    let scratch = Scratch::new("access-logs-compressed")?;
    let file = scratch.file("gw.log.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03")?;
    let told = read(&CHAIN, &[&file.to_string_lossy()])?;
    assert_eq!(told.code, Some(2));
    assert!(
        told.err.contains("is compressed: decompress it first"),
        "{}",
        told.err
    );
    Ok(())
}

#[test]
fn lines_that_are_no_entries_are_counted_and_the_first_is_shown() -> Outcome {
    let scratch = Scratch::new("access-logs-mixed")?;
    let log = fs::read_to_string(recorded("normal/gw.log"))?;
    let steering = "\u{1b}[2Jstarting up";
    let mixed = format!("\n{steering}\n{log}shutting down\n");
    let file = scratch.file("gateway=1.log", mixed.as_bytes())?;
    let told = read(&CHAIN, &[&file.to_string_lossy()])?;
    assert_eq!(told.code, Some(0));
    let expected = "2 of its 6 lines are no entries of an access log and say nothing; the first is \
        line 2: \u{fffd}[2Jstarting up\n";
    assert!(told.err.ends_with(expected), "{}", told.err);
    let logs = logs_of(&told)?;
    assert_eq!(logs[0]["name"], "gateway=1");
    assert_eq!(logs[0]["matched"], 4);
    assert_eq!(logs[0]["first_unread"]["line"], 2);
    assert_eq!(logs[0]["first_unread"]["text"], steering);
    Ok(())
}

#[test]
fn a_log_that_is_of_no_use_is_said_with_the_reason() -> Outcome {
    let told = read(&CHAIN, &[&path("nat/gw.log")])?;
    assert_eq!(told.code, Some(0));
    let logs = logs_of(&told)?;
    let of = |key: &str| logs[0][key].as_str().unwrap_or_default().to_owned();
    let complaint = format!(
        "nat/gw.log: none of its 2 entries names a connection that was captured; they are from {} to {}, \
        what was captured is from 20",
        of("first"),
        of("last"),
    );
    assert!(told.err.contains(&complaint), "{}", told.err);
    assert_eq!(
        (&logs[0]["seen"], &logs[0]["matched"]),
        (&0.into(), &0.into())
    );
    Ok(())
}

/// Envoy's default text format has no address of a client.
#[test]
fn a_format_without_addresses_is_said_to_be_the_reason() -> Outcome {
    let scratch = Scratch::new("access-logs-bare")?;
    let line = "[2026-11-21T07:25:27.510Z] \"GET /report HTTP/1.1\" 200 - 0 3 12 11 \"-\" \"curl\" \"-\" \"app\" \
        \"10.0.2.2:8087\"\n";
    let file = scratch.file("gw.log", line.as_bytes())?;
    let told = read(&CHAIN, &[&file.to_string_lossy()])?;
    assert_eq!(told.code, Some(0));
    assert!(
        told.err
            .contains("gw.log: its format tells no client's address and port"),
        "{}",
        told.err
    );
    assert!(
        !told.err.contains("what was captured is from"),
        "{}",
        told.err
    );
    Ok(())
}

#[test]
fn a_name_that_no_vantage_has_is_said_where_nothing_matched() -> Outcome {
    let named = format!("nobody={}", path("nat/gw.log"));
    let told = read(&CHAIN, &[&named])?;
    assert!(
        told.err.contains("no vantage is called 'nobody'"),
        "{}",
        told.err
    );
    // What names connections needs no name.
    let named = format!("nobody={}", path("normal/gw.log"));
    let told = read(&CHAIN, &[&named])?;
    assert!(!told.err.contains("no vantage is called"), "{}", told.err);
    Ok(())
}

/// HAProxy's configuration manual, section 8.5: s, the server-side timeout struck; Q, in the queue.
#[test]
fn a_timeout_in_the_queue_is_haproxys_own_refusal() -> Outcome {
    let scratch = Scratch::new("access-logs-queue")?;
    let refused = |state: &str| -> Result<String, Box<dyn Error>> {
        let line = format!(
            "10.0.1.1:48334 [21/Nov/2026:07:26:46.068] f b/<NOSRV> 0/0/-1/-1/0 503 81 - - {state} \
            3/3/2/0/0 0/1 \"GET /sleep/2000 HTTP/1.1\"\n"
        );
        let log = scratch.file("gw.log", line.as_bytes())?;
        let mut arguments: Vec<OsString> = vec!["read".into(), "--access-log".into(), log.into()];
        for capture in ["client", "gw"] {
            arguments.push(recorded(&format!("overload/{capture}.pcap")).into());
        }
        Ok(Told::from(hopscope(arguments).output()?).out)
    };
    let told = "gw line 1: sQ, it waited in the queue";
    let queued = refused("sQ--")?;
    assert!(queued.contains(told), "{queued}");
    assert!(!refused("----")?.contains("in the queue"));
    Ok(())
}

/// Whoever watches for hours must learn of it before.
#[test]
fn watching_does_not_begin_where_a_log_cannot_be_opened() -> Outcome {
    let told: Told = hopscope([
        "watch",
        "--access-log",
        "/nowhere/gw.log",
        "--duration",
        "60s",
    ])
    .output()?
    .into();
    assert_eq!(told.code, Some(2));
    assert!(
        told.err
            .starts_with("hopscope: /nowhere/gw.log: cannot open the access log"),
        "{}",
        told.err
    );
    Ok(())
}

/// Envoy's default text format names no connection of its own: `x-request-id` and the upstream's host
/// tell which request a line is about; another id, or another host, tells nothing.
#[test]
fn a_log_without_addresses_is_joined_by_request_ids() -> Outcome {
    let written = fs::read_to_string(recorded("normal/gw.log"))?;
    let lines: Vec<Value> = written
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let text = |change: fn(&mut String, &mut String)| -> String {
        let lines = lines.iter().map(|line| {
            let field = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            let (mut id, mut host) = (field("request_id"), field("upstream_host"));
            change(&mut id, &mut host);
            format!(
                "[{}] \"{} {} HTTP/1.1\" {} - {} {} {} - \"-\" \"-\" \"{id}\" \"x\" \"{host}\"\n",
                field("start_time"),
                field("method"),
                field("path"),
                line["response_code"],
                line["bytes_received"],
                line["bytes_sent"],
                line["duration_ms"],
            )
        });
        lines.collect()
    };
    let scratch = Scratch::new("default-text-format")?;
    let matched = |name: &str, text: &str| -> Result<Value, Box<dyn Error>> {
        let file = scratch.file(name, text.as_bytes())?;
        let told = read(&CHAIN, &[&format!("gw={}", file.display())])?;
        assert_eq!(told.code, Some(0), "{}", told.err);
        let log = logs_of(&told)?.remove(0);
        assert_eq!(log["entries"], lines.len(), "{log}: {text}");
        Ok(log["matched"].clone())
    };
    assert!(!lines.is_empty(), "{written}");
    assert_eq!(matched("same.log", &text(|_, _| ()))?, lines.len());
    assert_eq!(matched("id.log", &text(|id, _| id.push('0')))?, 0);
    let elsewhere = text(|_, host| *host = "192.0.2.1:80".to_owned());
    assert_eq!(matched("host.log", &elsewhere)?, 0);
    Ok(())
}
