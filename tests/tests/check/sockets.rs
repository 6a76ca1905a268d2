//! Options in effect, of sockets as a watch tells them.

use std::collections::BTreeSet;
use std::time::Duration;

use tracer::check::{Case, Files, Kind, judge, known_keys, outline};
use tracer::report::{ClosedByReport, Report, SocketReport};
use tracer::segment::Endpoint;
use tracer::socket::{Options, Origin, Process, Reading, Socket, State};
use tracer::survey::Survey;
use tracer::time::Time;

use super::Outcome;

fn set<T>(value: T) -> Reading<T> {
    Reading::Read {
        value,
        origin: Origin::Socket,
    }
}

/// A socket of the gateway with every option set.
fn socket() -> Socket {
    Socket {
        local: Endpoint::v4([10, 0, 1, 2], 8080),
        peer: Some(Endpoint::v4([10, 0, 1, 1], 45_358)),
        state: State::Established,
        cookie: Some(7),
        inode: Some(4711),
        owner: Some(Process {
            pid: 19_495,
            comm: "envoy".to_owned(),
        }),
        accepted: None,
        also_held_by: Vec::new(),
        queues: None,
        timer: None,
        options: Options {
            keepalive: set(true),
            keepidle: set(Duration::from_secs(7)),
            keepintvl: set(Duration::from_secs(5)),
            keepcnt: set(2),
            user_timeout: set(Duration::ZERO),
            linger: set(Some(Duration::ZERO)),
            nodelay: set(true),
            defer_accept: set(Duration::ZERO),
            congestion: set("cubic".to_owned()),
        }
        .into(),
    }
}

/// The report on it after a change.
fn report(change: fn(&mut SocketReport)) -> Report {
    let mut report = Report::of_sockets(&[Survey {
        namespace: "gw".to_owned(),
        sockets: vec![socket()],
        inode: 1,
        remarks: Vec::new(),
        unseen: "",
    }]);
    report.sockets[0].closed_by = Some(ClosedByReport {
        at: Time::from_nanos(0),
        pid: 19_495,
        comm: "envoy".to_owned(),
    });
    change(&mut report.sockets[0]);
    report
}

/// Why an expectation of this socket is not met.
fn failure(expected: &str, report: &Report) -> Option<String> {
    let toml =
        format!("recording = \"x\"\n[[expect]]\nname = \"x\"\nsockets = \"all\"\n{expected}\n");
    let case = Case::parse(&toml).unwrap_or_else(|faults| unreachable!("{toml}: {faults:?}"));
    let outcome = &judge(&case, report, &[])[0];
    outcome
        .failure
        .as_ref()
        .map(|failure| failure.found.concat())
}

type Row = (
    &'static str,
    &'static str,
    fn(&mut SocketReport),
    &'static str,
);

const ROWS: &[Row] = &[
    (
        "vantage",
        "\"g*\"",
        |socket| socket.vantage = "lb".to_owned(),
        "vantage is lb",
    ),
    (
        "local",
        "\"10.0.1.2:8080\"",
        |socket| socket.local = "10.0.1.3:8080".to_owned(),
        "local is 10.0.1.3:8080",
    ),
    (
        "local_port",
        "8080",
        |socket| socket.local = "10.0.1.2:8081".to_owned(),
        "local_port is 8081",
    ),
    (
        "peer",
        "\"10.0.1.1\"",
        |socket| socket.peer = None,
        "peer is none (it is a listener)",
    ),
    (
        "peer_port",
        "45358",
        |socket| socket.peer = Some("10.0.1.1:1".to_owned()),
        "peer_port is 1",
    ),
    (
        "state",
        "\"ESTABLISHED\"",
        |socket| socket.state = State::CloseWait,
        "state is CLOSE-WAIT",
    ),
    (
        "owner",
        "\"envoy\"",
        |socket| socket.comm = Some("curl".to_owned()),
        "owner is curl",
    ),
    (
        "closed_by",
        "\"envoy\"",
        |socket| socket.closed_by = None,
        "closed_by is none",
    ),
    (
        "so_linger",
        "\"0s\"",
        |socket| socket.options.so_linger_s = None,
        "so_linger is none (it is off)",
    ),
    (
        "so_keepalive",
        "true",
        |socket| socket.options.so_keepalive = Some(false),
        "so_keepalive is false",
    ),
    (
        "tcp_nodelay",
        "true",
        |socket| socket.options.tcp_nodelay = None,
        "tcp_nodelay is not known (it was not read)",
    ),
    (
        "tcp_keepidle",
        "\"7s\"",
        |socket| socket.options.tcp_keepidle_s = Some(7200.0),
        "tcp_keepidle is 7200 s",
    ),
    (
        "tcp_keepintvl",
        "\"< 75s\"",
        |socket| socket.options.tcp_keepintvl_s = Some(75.0),
        "tcp_keepintvl is 75.00 s",
    ),
    (
        "tcp_keepcnt",
        "2",
        |socket| socket.options.tcp_keepcnt = Some(9),
        "tcp_keepcnt is 9",
    ),
    (
        "tcp_user_timeout",
        "\"0s\"",
        |socket| socket.options.tcp_user_timeout_s = Some(3.0),
        "tcp_user_timeout is 3.00 s",
    ),
    (
        "tcp_defer_accept",
        "\"0s\"",
        |socket| socket.options.tcp_defer_accept_s = Some(1.0),
        "tcp_defer_accept is 1.00 s",
    ),
    (
        "tcp_congestion",
        "\"cubic\"",
        |socket| socket.options.tcp_congestion = Some("bbr".to_owned()),
        "tcp_congestion is bbr",
    ),
];

#[test]
fn every_key_of_sockets_fails_where_its_fact_is_another() -> Outcome {
    for (key, value, change, found) in ROWS {
        let expected = format!("{key} = {value}");
        assert_eq!(failure(&expected, &report(|_| {})), None, "{expected}");
        let missed = failure(&expected, &report(*change)).unwrap_or_default();
        assert!(missed.contains(found), "{expected}: {missed}");
    }
    let covered: BTreeSet<&str> = ROWS.iter().map(|(key, ..)| *key).collect();
    assert_eq!(
        known_keys(Kind::Sockets)
            .into_iter()
            .collect::<BTreeSet<_>>(),
        covered
    );
    Ok(())
}

/// A first draft tells sockets by their owner and by the port of the service, and what it says of
/// options does not hold once one of them is another.
#[test]
fn a_first_draft_says_what_is_set() -> Outcome {
    let accepted = (50_001..50_020).map(|port| Socket {
        peer: Some(Endpoint::v4([10, 0, 1, 1], port)),
        ..socket()
    });
    let used = (50_101..50_120).map(|port| Socket {
        local: Endpoint::v4([10, 0, 2, 1], port),
        peer: Some(Endpoint::v4([10, 0, 2, 2], 8087)),
        ..socket()
    });
    let listener = Socket {
        peer: None,
        state: State::Listen,
        ..socket()
    };
    let sockets = accepted.chain(used).chain([listener]);
    let mut report = Report::of_sockets(&[Survey {
        namespace: "gw".to_owned(),
        sockets: sockets.collect(),
        inode: 1,
        remarks: Vec::new(),
        unseen: "",
    }]);
    let draft = outline(&Files::default(), &report);
    for expected in [
        "owner = \"envoy\", local_port = 8080",
        "owner = \"envoy\", peer_port = 8087",
        "so_keepalive = true ",
        "tcp_keepidle = \"7s\" ",
        "tcp_keepintvl = \"5s\" ",
        "tcp_keepcnt = 2 ",
    ] {
        assert!(draft.contains(expected), "{expected}: {draft}");
    }
    assert_eq!(draft.matches("sockets = ").count(), 2, "{draft}");
    let case = Case::parse(&format!("recording = \"x\"\n{draft}"));
    let case = case.map_err(|faults| format!("{faults:?}"))?;
    let failed = |report: &Report| -> Vec<String> {
        let outcomes = judge(&case, report, &[]).into_iter();
        let failures = outcomes.filter_map(|outcome| outcome.failure);
        failures.map(|failure| failure.found.concat()).collect()
    };
    assert_eq!(failed(&report), [""; 0]);
    report.sockets[3].options.tcp_keepidle_s = Some(8.0);
    let found = failed(&report);
    assert!(
        found.len() == 1 && found[0].contains("tcp_keepidle is 8.00 s"),
        "{found:?}"
    );
    Ok(())
}
