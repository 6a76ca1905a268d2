//! What access logs say of chains, and what they may leave out or say otherwise.

use std::time::Duration;

use hopscope_tests::script::Script;
use tracer::chain::Strength;
use tracer::log::AccessLog;

use super::closing::passed_on;
use super::stage::{Recorded, recording, recordings};

/// Ethernet, IPv4 and TCP with timestamps.
const HEADERS: u32 = 66;

/// What the proxies' own logs say is what time and size say.
#[test]
fn chains_are_those_of_the_logs() {
    let mut joined = 0;
    for recorded in recordings() {
        joined += by_log(&recorded);
        let chains = recorded.chains();
        assert_eq!(
            recorded.clone().without_logs().chains(),
            chains,
            "{}",
            recorded.name
        );
    }
    assert!(joined > 30, "{joined}");
}

/// Envoy's default format names no connection of a TCP proxy's: when it began, how long it took, its bytes
/// and its upstream tell which one it was, where one fits and no other entry says the same.
#[test]
fn an_entry_that_names_no_connection_is_of_the_only_one_that_fits() {
    let session = passed_on(
        "3.000   C FIN+ACK
+0.0001 S ACK
+0.0001 C2 FIN+ACK
+0.0005 S2 FIN+ACK
+0.0001 C2 ACK
+0.0001 S FIN+ACK
+0.0001 C ACK
",
    );
    let matched = |lines: &str| {
        let report = logged(&session, lines).report();
        assert_eq!(report.access_logs[0].unread, 0, "{lines}");
        report.access_logs[0].matched
    };
    let line = |after: &str, bytes: &str, took: u32, host: &str| {
        format!(
            "[1970-01-01T00:00:00.{after}Z] \"- - -\" 0 - {bytes} {took} - \"-\" \"-\" \"-\" \"-\" \"{host}\"\n"
        )
    };
    let right = line("001", "32 38", 3000, "10.0.1.2:80");
    assert_eq!(matched(&right), 1);
    assert_eq!(matched(&line("100", "32 38", 3000, "10.0.1.2:80")), 0);
    assert_eq!(matched(&line("001", "32 37", 3000, "10.0.1.2:80")), 0);
    assert_eq!(matched(&line("001", "32 38", 2900, "10.0.1.2:80")), 0);
    assert_eq!(matched(&line("001", "32 38", 3100, "10.0.1.2:80")), 0);
    assert_eq!(matched(&line("001", "32 38", 3000, "10.0.1.3:80")), 0);
    assert_eq!(matched(&right.repeat(2)), 0, "one of them is of another");
}

/// Envoy opens connections before it needs them where its cluster says so (`preconnect_policy`): the
/// upstream connection is older than the one that it serves.
#[test]
fn an_entry_joins_a_connection_to_one_opened_before_it() {
    let script = "# A proxy at layer 4 that opens connections ahead.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.000   C2 SYN
+0.0001 S2 SYN+ACK
+0.0001 C2 ACK
5.000   C SYN
+0.0001 S SYN+ACK
+0.0001 C ACK
5.001   C ACK 100
+0.0001 C2 ACK 100
---
flows = 2
";
    let script = Script::parse(script).expect("a script");
    let recorded = Recorded::made([("lb", script.trace())]);
    let entry = "[1970-01-01T00:00:05.000Z] \"- - -\" 0 - - - \"-\" 100 0 9 - \"-\" \"-\" \"-\" \"-\" \
        \"10.0.1.2:80\" app 10.0.1.1:50000 10.0.0.1:80 10.0.0.9:40000 - -\n";
    let chains = logged(&recorded, entry).report().chains;
    assert_eq!(chains.len(), 1, "{chains:?}");
    assert_eq!(chains[0].joined_by, [Strength::AccessLog]);
}

/// A recording with a log, whose times are counted from its first packet on.
fn logged(recorded: &Recorded, lines: &str) -> Recorded {
    let began = Duration::from_nanos(recorded.captures[0].1.packets[0].at);
    let mut log = AccessLog::read("lb", "lb", lines.as_bytes()).expect("a log");
    for entry in &mut log.entries {
        entry.began = entry.began.map(|offset| offset + began);
    }
    let mut logged = recorded.clone();
    logged.logs = vec![log];
    logged
}

/// By how many joins of which the logs are the evidence.
fn by_log(recorded: &Recorded) -> usize {
    let report = recorded.report();
    let joins = report.chains.iter().flat_map(|chain| &chain.joined_by);
    joins.filter(|by| **by == Strength::AccessLog).count()
}

/// The recording with the time of every entry of its logs moved, by what is given for its place.
fn moved(recorded: &Recorded, seconds: impl Fn(usize) -> i64) -> Recorded {
    let mut moved = recorded.clone();
    let entries = moved.logs.iter_mut().flat_map(|log| &mut log.entries);
    for (place, entry) in entries.enumerate() {
        let began = entry.began.map_or(0, tracer::time::Time::as_nanos);
        let began = began + seconds(place) * 1_000_000_000;
        entry.began = Some(tracer::time::Time::from_nanos(began));
    }
    moved
}

#[test]
fn logs_may_be_of_another_clock_or_zone() {
    let recorded = recording("normal");
    assert_eq!(by_log(&recorded), 12);
    for seconds in [7_200, -19_800, 77] {
        assert_eq!(by_log(&moved(&recorded, |_| seconds)), 12, "{seconds}");
    }
}

/// Ports are used again: a log of other days may name them all.
#[test]
fn a_log_of_another_time_matches_nothing() {
    let recorded = recording("normal");
    let scattered = |place| i64::try_from(place).expect("few") * 5_017 + 4_003;
    assert_eq!(by_log(&moved(&recorded, scattered)), 0);
    assert_eq!(moved(&recorded, scattered).chains(), recorded.chains());
}

/// The gateway logs the client that the balancer's PROXY protocol header names, who never had a
/// connection with it; without payload nobody can read that header.
#[test]
fn a_log_behind_a_proxy_protocol_header_names_another_proxys_client() {
    let recorded = recording("proxy-protocol");
    let chains = recorded.chains();
    assert_eq!(chains.len(), 3, "{chains:?}");
    let mut headers = recorded.each(|_, trace| trace.cut(HEADERS));
    for _ in 0..2 {
        assert_eq!(headers.chains(), chains);
        for chain in headers.report().chains {
            let by_log = [Strength::AccessLog; 2];
            assert_eq!(chain.joined_by[..2], by_log, "{chain:?}");
        }
        headers.logs.reverse();
    }
    // Without the balancer's log nobody says which connection it is: time and size have to.
    headers.logs.retain(|log| log.name == "gw");
    assert_eq!(headers.chains(), chains);
}
