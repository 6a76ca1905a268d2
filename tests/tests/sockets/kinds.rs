//! Every kind of socket, both ways of reading its options, against the process that holds it.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::stage::{KEEPALIVE_TIME, Stage, between, methods, report, skipped, sockets};

/// A number of a report, whichever way it is written.
fn equal(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => one == other,
    }
}

/// Values of options as reported, against those that the process was told.
fn same_options(name: &str, reported: &Value, told: &Value) -> Result<()> {
    let told = told["options"]
        .as_object()
        .context("the peer tells options")?;
    for (option, value) in told {
        let found = &reported["options"][option];
        ensure!(
            equal(found, value),
            "{name}: {option} is {value}, reported {found} ({})",
            reported["options_not_read"][option]
        );
        let unread = reported["options_not_read"].get(option);
        ensure!(unread.is_none(), "{name}: {option} was read and {unread:?}");
    }
    let named = reported["options"].as_object().map(serde_json::Map::len);
    ensure!(
        named == Some(told.len()),
        "{name}: the peer tells all options"
    );
    Ok(())
}

/// Nothing was read, and the reason says so.
fn not_read(name: &str, socket: &Value, why: &str) -> Result<()> {
    let options = socket["options"].as_object().context("options")?;
    for (option, value) in options {
        let reason = socket["options_not_read"][option]
            .as_str()
            .unwrap_or_default();
        ensure!(
            value.is_null() && reason.contains(why),
            "{name}: {option} {value}: {reason}"
        );
    }
    ensure!(
        socket["options_origin"]
            .as_object()
            .is_some_and(serde_json::Map::is_empty)
    );
    Ok(())
}

fn check(told: &Value, report: &Value, by_kernel: bool, pid: u32) -> Result<()> {
    let name = told["name"].as_str().context("a name")?;
    let socket = between(report, &told["local"], &told["peer"])?;
    ensure!(
        socket["state"] == told["state"],
        "{name}: {}",
        socket["state"]
    );
    if name.starts_with("record") {
        not_read(name, socket, "only a record")?;
        ensure!(
            socket["queues"].is_null() && socket["timer"]["kind"] == "time_wait",
            "{name}"
        );
        return Ok(());
    }
    ensure!(
        socket["cookie"] == told["cookie"],
        "{name}: {}",
        socket["cookie"]
    );
    ensure!(socket["queues"].is_object(), "{name}: queues");
    if told["held"] == true {
        ensure!(
            socket["pid"] == pid && socket["inode"] == told["inode"],
            "{name}: {socket}"
        );
        ensure!(
            socket["comm"]
                .as_str()
                .is_some_and(|comm| comm.starts_with("python"))
        );
        return same_options(name, socket, told);
    }
    ensure!(socket["pid"].is_null() && socket["comm"].is_null() && socket["inode"].is_null());
    if by_kernel {
        same_options(name, socket, told)
    } else {
        not_read(name, socket, "no process holds it any more")
    }
}

#[test]
fn options_are_those_that_the_process_is_told() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("kinds", &["z"])?;
    let told = stage.every_kind("z")?;
    ensure!(told.len() > 20, "{} sockets", told.len());
    let pid = stage.last_pid().context("the peer runs")?;
    for method in methods() {
        let report = report(&["--netns", stage.ns("z")?, "--method", method])?;
        for told in &told {
            check(told, &report, *method == "kernel", pid).context(*method)?;
        }
        // Those that the peer cannot tell of: the connection that nobody accepted, the other ends of
        // orphan and records are told.
        let others = sockets(&report).len() - told.len();
        ensure!(
            others == 1,
            "{others} sockets more than the peer has, by {method}"
        );
    }
    Ok(())
}

/// Neither way leaves a socket out, and what both have read is the same.
#[test]
fn both_ways_give_the_same() -> Result<()> {
    if skipped() || methods().len() < 2 {
        return Ok(());
    }
    let mut stage = Stage::new("same", &["z"])?;
    stage.every_kind("z")?;
    let ns = stage.ns("z")?;
    let [kernel, asked] =
        ["kernel", "getsockopt"].map(|method| report(&["--netns", ns, "--method", method]));
    let (kernel, asked) = (kernel?, asked?);
    let named = |report: &Value| -> BTreeSet<String> {
        let name = |socket: &Value| {
            let fields = ["local", "peer", "state", "cookie", "inode", "pid", "queues"];
            fields.map(|field| socket[field].to_string()).join(" ")
        };
        sockets(report).iter().map(name).collect()
    };
    assert_eq!(named(&kernel), named(&asked));
    let mut compared = 0;
    for socket in sockets(&kernel) {
        let other = between(&asked, &socket["local"], &socket["peer"])?;
        for (option, origin) in other["options_origin"].as_object().context("origins")? {
            let (one, two) = (&socket["options"][option], &other["options"][option]);
            assert_eq!(one, two, "{option} of {socket}");
            let exact = socket["options_origin"][option].as_str();
            let agree = matches!(
                (exact, origin.as_str()),
                (
                    Some("socket"),
                    Some("socket" | "equals_default" | "unknown")
                ) | (Some("default"), Some("default" | "equals_default"))
            );
            assert!(agree, "{option}: {exact:?} and {origin} of {socket}");
            compared += 1;
        }
    }
    assert!(compared >= 9 * 20, "{compared}");
    Ok(())
}

/// Whose a value is, for sockets that set some of them.
#[test]
fn origins() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("origins", &["z"])?;
    let told = stage.every_kind("z")?;
    for method in methods() {
        let report = report(&["--netns", stage.ns("z")?, "--method", method])?;
        let by_kernel = *method == "kernel";
        let default = if by_kernel {
            "default"
        } else {
            "equals_default"
        };
        let own_but_equal = if by_kernel {
            "socket"
        } else {
            "equals_default"
        };
        let origin = |name: &str, option: &str| -> Result<String> {
            let told = told.iter().find(|told| told["name"] == name);
            let told = told.context("a socket of that name")?;
            let socket = between(&report, &told["local"], &told["peer"])?;
            let origin = socket["options_origin"][option].as_str();
            Ok(origin.context("an origin")?.to_owned())
        };
        for option in [
            "tcp_keepidle_s",
            "tcp_keepintvl_s",
            "tcp_keepcnt",
            "tcp_congestion",
        ] {
            assert_eq!(
                origin("plain client", option)?,
                default,
                "{method} {option}"
            );
        }
        for option in [
            "so_keepalive",
            "so_linger_s",
            "tcp_nodelay",
            "tcp_user_timeout_s",
        ] {
            assert_eq!(
                origin("plain client", option)?,
                "default",
                "{method} {option}"
            );
            assert_eq!(origin("odd client", option)?, "socket", "{method} {option}");
        }
        for option in ["tcp_keepidle_s", "tcp_keepintvl_s", "tcp_keepcnt"] {
            for name in ["odd client", "odd listener", "inherits"] {
                assert_eq!(origin(name, option)?, "socket", "{method} {name} {option}");
            }
        }
        assert_eq!(
            origin("as by default", "tcp_keepidle_s")?,
            own_but_equal,
            "{method}"
        );
        assert_eq!(
            origin("as by default", "tcp_keepintvl_s")?,
            default,
            "{method}"
        );
        assert_eq!(
            origin("odd listener", "tcp_defer_accept_s")?,
            "socket",
            "{method}"
        );
        if by_kernel {
            assert_eq!(origin("odd client", "tcp_congestion")?, "socket");
        }
    }
    Ok(())
}

/// Timers and queues, where what they must be is known.
#[test]
fn timers_and_queues() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("timers", &["z"])?;
    let told = stage.every_kind("z")?;
    let report = report(&["--netns", stage.ns("z")?])?;
    let socket = |name: &str| {
        let told = told.iter().find(|told| told["name"] == name);
        let told = told.context("a socket of that name")?;
        between(&report, &told["local"], &told["peer"])
    };
    for (name, idle) in [
        ("odd client", 11),
        ("inherits", 13),
        ("as by default", KEEPALIVE_TIME),
    ] {
        let timer = &socket(name)?["timer"];
        assert_eq!(timer["kind"], "keepalive", "{name}");
        assert_eq!(timer["out"], 0, "{name}");
        // The peer opened it seconds ago; timers run up to 6 % late.
        let left = timer["left_s"].as_f64().context("time left")?;
        let idle = f64::from(u32::try_from(idle)?);
        assert!(
            left >= idle - 11.0 && left <= idle * 1.06,
            "{name}: {left} s"
        );
    }
    assert!(socket("plain client")?["timer"].is_null());
    let record = socket("record in TIME-WAIT")?["timer"]["left_s"].as_f64();
    assert!(
        record.is_some_and(|left| left > 1.0 && left < 64.0),
        "{record:?}"
    );
    let orphan = socket("orphan")?;
    let kind = orphan["timer"]["kind"].as_str();
    assert!(
        matches!(kind, Some("zero_window_probe" | "retransmit")),
        "{kind:?}"
    );
    let queued = |name: &str, queue: &str| -> Result<u64> {
        socket(name)?["queues"][queue].as_u64().context("a queue")
    };
    assert!(queued("orphan", "send")? > 65536);
    assert!(queued("its server that does not read", "receive")? > 65536);
    assert_eq!(queued("listener that does not accept", "receive")?, 1);
    assert_eq!(queued("listener that does not accept", "send")?, 16);
    assert_eq!(queued("plain client", "send")?, 0);
    Ok(())
}

/// A connection that nobody has accepted is no process's: only the kernel's own way reads it.
#[test]
fn a_connection_that_waits_to_be_accepted() -> Result<()> {
    if skipped() {
        return Ok(());
    }
    let mut stage = Stage::new("waiting", &["z"])?;
    let told = stage.every_kind("z")?;
    let by = told.iter().find(|told| told["name"] == "not accepted by");
    let by = by.context("the peer connects there")?;
    for method in methods() {
        let report = report(&["--netns", stage.ns("z")?, "--method", method])?;
        let waiting = between(&report, &by["peer"], &by["local"])?;
        ensure!(
            waiting["pid"].is_null() && waiting["inode"].is_null(),
            "{waiting}"
        );
        if *method == "kernel" {
            ensure!(waiting["options"]["tcp_keepidle_s"] == 17.0, "{waiting}");
            ensure!(
                waiting["options_origin"]["tcp_keepidle_s"] == "socket",
                "{waiting}"
            );
        } else {
            not_read("waiting", waiting, "no process has accepted it yet")?;
        }
    }
    Ok(())
}
