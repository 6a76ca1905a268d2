//! Chains: hops joined through proxies, by access logs, by what requests say, by time and size.

mod busy;
mod stage;

use std::collections::BTreeSet;
use std::time::Duration;

use hopscope_tests::script::Script;
use tracer::chain::Strength;
use tracer::log::AccessLog;

use self::busy::Load;
use self::stage::{Recorded, recording, recordings};

/// Ethernet, IPv4 and TCP with timestamps.
const HEADERS: u32 = 66;

/// What the proxies' own logs say is what time and size say.
#[test]
fn chains_are_those_of_the_logs() {
    let mut by_log = 0;
    for recorded in recordings() {
        let with = recorded.report();
        let joins = with.chains.iter().flat_map(|chain| &chain.joined_by);
        by_log += joins
            .filter(|by| **by == tracer::chain::Strength::AccessLog)
            .count();
        let chains = recorded.chains();
        assert_eq!(
            recorded.clone().without_logs().chains(),
            chains,
            "{}",
            recorded.name
        );
    }
    assert!(by_log > 30, "{by_log}");
}

/// How long the request of a client that closed its direction behind it waits, and when the proxy goes
/// on with it.
fn half_closed(closed: &str, goes_on: &str) -> Vec<String> {
    let script = format!(
        "# A request, and the FIN behind it.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.000   C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.010   C ACK \"GET /slow HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 C FIN+ACK
{closed}{goes_on}  C2 SYN
+0.001  S2 SYN+ACK
+0.0001 C2 ACK
+0.0001 C2 ACK \"GET /slow HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 C2 FIN+ACK
+0.001  S2 ACK
3.010   C2 RST+ACK
---
flows = 2
"
    );
    let script = hopscope_tests::script::Script::parse(&script).expect("a script");
    Recorded::made([("lb", script.trace())]).chains()
}

/// A FIN of whoever asked closes its direction alone (RFC 9293 section 3.6): it waits on.
#[test]
fn a_request_goes_on_after_its_client_closed_its_direction() {
    assert_eq!(
        half_closed("+0.0001 S ACK\n", "0.012").len(),
        1,
        "one chain of both hops"
    );
}

/// Who reset waits no more.
#[test]
fn nothing_goes_on_after_a_reset() {
    assert_eq!(half_closed("+0.0001 C RST+ACK\n", "0.014").len(), 2);
}

/// A proxy at layer 4 that passes on bytes, and what its captures show after both connections were open and
/// had served a request.
fn passed_on(after: &str) -> Recorded {
    let script = format!(
        "# A proxy at layer 4.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.000   C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.002   C2 SYN
+0.001  S2 SYN+ACK
+0.0001 C2 ACK
0.010   C ACK \"GET /one HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 C2 ACK \"GET /one HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.001  S2 ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.0001 S ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.001  C ACK
+0.0001 C2 ACK
{after}---
flows = 2
"
    );
    let script = hopscope_tests::script::Script::parse(&script).expect("a script");
    Recorded::made([("lb", script.trace())])
}

/// The server closes the idle connection, which is passed on; so is what the client says after it, although
/// it has closed its own direction at once behind that.
#[test]
fn a_request_after_the_close_goes_on_where_the_close_was_passed_on() {
    let request = "\"GET /two HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let late = format!(
        "5.000   C ACK {request}
+0.0002 C FIN+ACK
+0.0001 S ACK
+0.0003 C2 ACK {request}
+0.001  S2 RST
"
    );
    let closed = "4.000   S2 FIN+ACK
+0.0001 S FIN+ACK
+0.0001 C2 ACK
+0.0001 C ACK
";
    assert_eq!(passed_on(&format!("{closed}{late}")).chains().len(), 2);
    // It closes the one and keeps the other: what goes on there is somebody else's.
    let own = "4.000   S FIN+ACK
+0.0002 C ACK
";
    assert_eq!(passed_on(&format!("{own}{late}")).chains().len(), 3);
    // What it has reset holds nothing any more.
    let reset = late.replace("+0.0001 S ACK", "+0.0001 S RST");
    assert_eq!(passed_on(&format!("{closed}{reset}")).chains().len(), 3);
}

/// The way to the proxy is dead behind the server's answer: it is not the proxy that keeps it to itself.
#[test]
fn an_answer_that_is_not_acknowledged_may_not_have_come() {
    let request = "\"GET /two HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let answer = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"";
    let lost = format!(
        "1.000   C ACK {request}
+0.0001 S ACK
+0.0001 C2 ACK {request}
+0.0010 S2 ACK
2.000   S2 ACK {answer}
"
    );
    let closed = "5.000   C FIN+ACK
+0.0001 S ACK
";
    assert_eq!(passed_on(&format!("{lost}{closed}")).chains().len(), 2);
    // Who has an answer and does not pass it on for seconds had asked for somebody else.
    let came = format!("{lost}+0.0010 C2 ACK\n{closed}");
    assert_eq!(passed_on(&came).chains().len(), 3);
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
    let began = Duration::from_nanos(session.captures[0].1.packets[0].at);
    let matched = |lines: &str| {
        let mut recorded = session.clone();
        let mut log = AccessLog::read("lb", "lb", lines.as_bytes()).expect("a log");
        for entry in &mut log.entries {
            entry.began = entry.began.map(|offset| offset + began);
        }
        recorded.logs = vec![log];
        let report = recorded.report();
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
    let script = hopscope_tests::script::Script::parse(script).expect("a script");
    let mut recorded = Recorded::made([("lb", script.trace())]);
    let began = Duration::from_nanos(recorded.captures[0].1.packets[0].at);
    let entry = "[1970-01-01T00:00:05.000Z] \"- - -\" 0 - - - \"-\" 100 0 9 - \"-\" \"-\" \"-\" \"-\" \
        \"10.0.1.2:80\" app 10.0.1.1:50000 10.0.0.1:80 10.0.0.9:40000 - -\n";
    let mut log = AccessLog::read("lb", "lb", entry.as_bytes()).expect("a log");
    for entry in &mut log.entries {
        entry.began = entry.began.map(|offset| offset + began);
    }
    recorded.logs = vec![log];
    let chains = recorded.report().chains;
    assert_eq!(chains.len(), 1, "{chains:?}");
    assert_eq!(chains[0].joined_by, [tracer::chain::Strength::AccessLog]);
}

/// Without the payload there is nothing to read.
#[test]
fn chains_need_no_payload() {
    for recorded in recordings() {
        let recorded = recorded.without_logs();
        let cut = recorded.clone().each(|_, trace| trace.cut(96));
        assert_eq!(cut.chains(), recorded.chains(), "{}", recorded.name);
    }
}

#[test]
fn chains_do_not_depend_on_the_order_of_captures() {
    for recorded in recordings() {
        let mut reversed = recorded.clone();
        reversed.captures.reverse();
        assert_eq!(reversed.chains(), recorded.chains(), "{}", recorded.name);
        let mut turned = recorded.clone().without_logs();
        turned.captures.rotate_left(1);
        assert_eq!(turned.chains(), recorded.chains(), "{}", recorded.name);
    }
}

#[test]
fn chains_do_not_depend_on_duplicated_frames() {
    for recorded in recordings() {
        let doubled = recorded.clone().each(|_, trace| {
            let mut doubled = trace.clone();
            doubled.packets.clear();
            for packet in &trace.packets {
                doubled.packets.push(packet.clone());
                let mut again = packet.clone();
                again.at += 3_000;
                doubled.packets.push(again);
            }
            doubled.packets.sort_by_key(|packet| packet.at);
            doubled
        });
        assert_eq!(doubled.chains(), recorded.chains(), "{}", recorded.name);
    }
}

/// Machines whose clocks are seconds and hours apart; the logs keep the time of another.
#[test]
fn chains_do_not_depend_on_clocks() {
    for recorded in recordings() {
        for recorded in [recorded.clone(), recorded.without_logs()] {
            let shifted = shifted(&recorded);
            assert_eq!(shifted.chains(), recorded.chains(), "{}", recorded.name);
        }
    }
}

/// Captures that share no connection with the first have their clock by what the proxy between them
/// passes on.
#[test]
fn a_proxy_ties_the_clocks_on_both_sides_of_it() {
    let recorded = recording("normal");
    for recorded in [recorded.clone(), recorded.without_logs()] {
        let report = shifted(&recorded).report();
        let ahead = |name: &str| ahead(&recorded, recorded.node(name));
        for vantage in &report.vantages {
            let clock = vantage.clock_offset_s.zip(vantage.clock_error_s);
            let (offset, error) = clock.expect("every vantage has a clock");
            let truth = ahead("client") - ahead(&vantage.name);
            assert!((offset - truth).abs() <= error + 2e-6, "{vantage:?}");
            assert!(error < 0.002, "{vantage:?}");
        }
        for chain in &report.chains {
            assert_eq!(chain.hops.len(), 4, "{chain:?}");
        }
    }
}

/// By how many seconds a namespace's clock is ahead.
fn ahead(recorded: &Recorded, node: &str) -> f64 {
    let place = recorded.nodes().iter().position(|known| *known == node);
    [0.0, 2.5, 3_600.0, 0.7, 0.04][place.expect("a node") % 5]
}

/// Each namespace's clock is ahead by another time.
fn shifted(recorded: &Recorded) -> Recorded {
    let nodes = recorded.clone();
    recorded.clone().each(|name, trace| {
        let mut shifted = trace.clone();
        for packet in &mut shifted.packets {
            let ahead = Duration::from_secs_f64(ahead(&nodes, nodes.node(name)));
            packet.at += u64::try_from(ahead.as_nanos()).expect("hours");
        }
        shifted
    })
}

/// By how many joins of which the logs are the evidence.
fn by_log(recorded: &Recorded) -> usize {
    let report = recorded.report();
    let joins = report.chains.iter().flat_map(|chain| &chain.joined_by);
    joins
        .filter(|by| **by == tracer::chain::Strength::AccessLog)
        .count()
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

#[test]
fn a_request_through_four_hops_is_one_chain() {
    for recorded in [recording("lb-idle-timeout"), recording("client-gives-up")] {
        let chains = stage::renamed(&recorded.chains());
        assert_eq!(chains, ["client:a>lb#0 lb:b>gw#0 gw:c>pod#0 pod:d>pod#0"]);
    }
}

#[test]
fn pooled_connections_serve_several_chains() {
    let chains = stage::renamed(&recording("normal").without_logs().chains());
    let expected = [
        "client:a>lb#0 lb:b>gw#0 gw:c>pod#0 pod:d>pod#0",
        "client:a>lb#1 lb:b>gw#1 gw:c>pod#1 pod:d>pod#1",
        "client:e>lb#0 lb:f>gw#0 gw:c>pod#2 pod:d>pod#2",
        "client:e>lb#1 lb:f>gw#1 gw:c>pod#3 pod:d>pod#3",
    ];
    assert_eq!(chains, expected);
}

/// Two requests that look alike wait in the gateway for a moment: the times between them say nothing of
/// which is which, and what comes first goes on first. It could be otherwise, and that is said.
#[test]
fn what_comes_first_goes_on_first() -> Result<(), Box<dyn std::error::Error>> {
    let request = r#""GET /same HTTP/1.1\r\nhost: app\r\n\r\n""#;
    let answer = r#""HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n""#;
    let open = |number: u32| {
        format!("0.00{number}   C{number} SYN\n+0.0001 S{number} SYN+ACK\n+0.0001 C{number} ACK\n")
    };
    let opened: String = (1..=4).map(open).collect();
    let script = format!(
        "# Behind a gateway at 10.0.0.2.
connection 1 10.0.0.1:40001 10.0.0.2:80 isn 1000 51000
connection 2 10.0.0.1:40002 10.0.0.2:80 isn 2000 52000
connection 3 10.0.0.2:50003 10.0.0.3:80 isn 3000 53000
connection 4 10.0.0.2:50004 10.0.0.3:80 isn 4000 54000
{opened}1.0000  C1 ACK {request}
1.0010  C2 ACK {request}
1.0015  C3 ACK {request}
1.0016  C4 ACK {request}
1.1515  S3 ACK {answer}
1.1516  S4 ACK {answer}
1.1517  S1 ACK {answer}
1.1520  S2 ACK {answer}
---
flows = 4
"
    );
    let recorded = stage::Recorded::made([("gw", Script::parse(&script)?.trace())]);
    let report = recorded.report();
    let client = |hop: &u64| {
        report.hops[usize::try_from(*hop).unwrap_or_default()]
            .client
            .clone()
    };
    let ports = report.chains.iter().map(|chain| {
        let clients = chain.hops.iter().map(client);
        let ports = clients.filter_map(|client| Some(client.rsplit_once(':')?.1.to_owned()));
        assert!(
            chain.others.iter().any(|others| !others.is_empty()),
            "{chain:?}"
        );
        ports.collect::<Vec<_>>().join(" ")
    });
    let mut ports: Vec<String> = ports.collect();
    ports.sort();
    assert_eq!(ports, ["40001 50003", "40002 50004"]);
    Ok(())
}

/// A gateway was busy: one request waited in it for 40 ms, and its answer as long. That tells nothing
/// between two places that are not known to be one; but others went on at once from here to there.
#[test]
fn what_waits_goes_on_where_others_did() -> Result<(), Box<dyn std::error::Error>> {
    let slow = |others: u32| -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let captures = [
            ("gw-down", "10.0.0.1:4", "10.0.0.2:80", 0),
            ("gw-up", "10.0.1.1:5", "10.0.1.2:81", 1),
        ];
        let traces = captures.map(|(name, client, server, behind)| {
            let mut script = "# In a gateway.\n".to_owned();
            let mut lines = Vec::new();
            for number in 1..=others + 1 {
                let isn = format!("{number}{behind}00 {number}{behind}0000");
                let named = format!("{client}000{number} {server} isn {isn}");
                script += &format!("connection {number} {named}\n");
                let opening = ["C{} SYN", "+0.0001 S{} SYN+ACK", "+0.0001 C{} ACK"].join("\n");
                let opening = opening.replace("{}", &number.to_string());
                lines.push(format!("0.0{number} {opening}"));
                let waits = if number > others { 40_000 } else { 300 };
                let (asked, answered) = (waits * behind, 200_000 - waits * behind);
                for (side, at, text) in [
                    ("C", asked, r"GET /same HTTP/1.1\r\nhost: app\r\n\r\n"),
                    (
                        "S",
                        answered,
                        r"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                    ),
                ] {
                    lines.push(format!(r#"{number}.{at:06} {side}{number} ACK "{text}""#));
                }
            }
            lines.sort();
            script += &format!("{}\n---\nflows = {}\n", lines.join("\n"), others + 1);
            Script::parse(&script).map(|script| (name, script.trace()))
        });
        let [down, up] = traces;
        let chains = stage::Recorded::made([down?, up?]).chains();
        let last = format!("000{}", others + 1);
        Ok(chains
            .into_iter()
            .filter(|chain| chain.contains(&last))
            .collect())
    };
    assert_eq!(slow(1)?, ["?:40002>?#0", "?:50002>?#0"]);
    assert_eq!(slow(6)?, ["?:40007>?#0 ?:50007>?#0"]);
    Ok(())
}

/// Two requests of which nothing says otherwise belong together with fewer captures only where they do
/// with all of them.
#[test]
fn fewer_captures_join_no_strangers() {
    type Row = (Vec<(String, u64)>, Vec<bool>);
    let recorded = recording("concurrent").without_logs();
    let rows = |recorded: &Recorded| -> Vec<Row> {
        let report = recorded.report();
        let client = |id: &u64| {
            let hop = report.hops.iter().find(|hop| hop.id == *id);
            hop.expect("a hop").client.clone()
        };
        let row = |chain: &tracer::report::ChainReport| {
            let links = chain.hops.iter().zip(&chain.exchanges);
            let links = links.filter_map(|(hop, exchange)| Some((client(hop), (*exchange)?)));
            let sure = chain.others.iter().map(Vec::is_empty);
            (links.collect(), sure.collect())
        };
        report.chains.iter().map(row).collect()
    };
    let all = rows(&recorded);
    let names: Vec<&str> = recorded.captures.iter().map(|(name, _)| &**name).collect();
    let mut joined = 0;
    for some in 1_u32..1 << names.len() {
        let chosen = names.iter().enumerate();
        let chosen = chosen.filter_map(|(bit, name)| (some >> bit & 1 == 1).then_some(*name));
        let chosen: Vec<&str> = chosen.collect();
        for (row, sure) in rows(&recorded.clone().only(&chosen)) {
            for (pair, _) in row.windows(2).zip(sure).filter(|(_, sure)| *sure) {
                let together = all
                    .iter()
                    .any(|(row, _)| pair.iter().all(|link| row.contains(link)));
                assert!(together, "{chosen:?}: {pair:?}");
                joined += 1;
            }
        }
    }
    assert!(joined > 1000, "{joined}");
}

/// The third request was answered by the gateway itself.
#[test]
fn a_chain_ends_where_nothing_goes_on() {
    let chains = stage::renamed(&recording("overload").without_logs().chains());
    let expected = [
        "client:a>lb#0 lb:b>gw#0 gw:c>pod#0 pod:d>pod#0",
        "client:e>lb#0 lb:f>gw#0 gw:c>pod#1 pod:d>pod#1",
        "client:g>lb#0 lb:h>gw#0",
    ];
    assert_eq!(chains, expected);
}

#[test]
fn what_was_tried_before_is_told() {
    let chains = stage::renamed(&recording("dead-upstream-retry").chains());
    assert_eq!(chains, ["client:a>gw#0 (gw:b>?) gw:c>pod#0 pod:d>pod#0"]);
    let refused = recording("refused").without_logs();
    let chains = stage::renamed(&refused.chains());
    assert_eq!(chains, ["client:a>lb#0 lb:b>gw#0 gw:c>?#-"]);
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

/// Whenever a capture ends: requests that others send meanwhile are no part of those on their way.
#[test]
fn what_is_sure_when_a_capture_ends_is_so_later() {
    for name in ["overload", "concurrent"] {
        let recorded = recording(name).without_logs();
        let later: BTreeSet<[String; 2]> = sure(&recorded).into_iter().collect();
        let times = recorded.captures.iter().flat_map(|(_, trace)| {
            let times = trace.packets.iter();
            times.map(|packet| packet.at)
        });
        let mut times: Vec<u64> = times.collect();
        times.sort_unstable();
        for end in times.into_iter().step_by(7) {
            let cut = recorded.clone().each(|_, trace| {
                let mut cut = trace.clone();
                cut.packets.retain(|packet| packet.at < end);
                cut
            });
            for pair in sure(&cut) {
                assert!(later.contains(&pair), "{name} until {end}: {pair:?}");
            }
        }
    }
}

/// Hops that are joined without an alternative, two by two, by their clients: of one that only just
/// began nobody knows more.
fn sure(recorded: &Recorded) -> Vec<[String; 2]> {
    let report = recorded.report();
    let mut pairs = Vec::new();
    for chain in &report.chains {
        let told = recorded.told(&report, chain);
        let client = |link: &str| link.split('>').next().map(str::to_owned);
        let links: Vec<String> = told.split(' ').filter_map(client).collect();
        let joins = links.windows(2).zip(&chain.others);
        let sure = joins.filter(|(_, others)| others.is_empty());
        pairs.extend(sure.map(|(pair, _)| [pair[0].clone(), pair[1].clone()]));
    }
    pairs
}

/// One capture at the proxy is enough, whichever it is.
#[test]
fn one_vantage_shows_both_sides_of_its_proxy() {
    let gateway = recording("nat").without_logs().only(&["gw"]);
    let chains: Vec<usize> = hops_of_chains(&gateway);
    assert_eq!(chains, [2, 2]);
    let balancer = recording("normal").without_logs().only(&["lb"]);
    assert_eq!(hops_of_chains(&balancer), [2, 2, 2, 2]);
    let overload = recording("overload").without_logs().only(&["gw"]);
    assert_eq!(hops_of_chains(&overload), [2, 2, 1]);
}

/// Of two captures of which neither was taken at a proxy it is not known how many are between them.
#[test]
fn a_proxy_that_nobody_watched_may_be_several() {
    let ends = recording("normal").without_logs();
    let ends = ends.only(&["client", "pod-lo"]).report();
    for chain in &ends.chains {
        assert_eq!(chain.adjacent, [false], "{chain:?}");
        assert_eq!(chain.proxies, [["pod-lo"]], "{chain:?}");
    }
    assert_eq!(ends.chains.len(), 4);
    let whole = recording("normal").report();
    let mut adjacent = whole.chains.iter().map(|chain| &chain.adjacent);
    assert!(adjacent.all(|adjacent| *adjacent == [true; 3]));
}

fn hops_of_chains(recorded: &Recorded) -> Vec<usize> {
    let report = recorded.report();
    let chains = report.chains.iter();
    chains.map(|chain| chain.hops.len()).collect()
}

/// Every hop is in a chain, or was tried in one.
#[test]
fn no_hop_is_left_out() {
    for recorded in recordings() {
        let report = recorded.report();
        for hop in &report.hops {
            let told = report.chains.iter().any(|chain| {
                let mut tried = chain.tried.iter().flatten();
                chain.hops.contains(&hop.id) || tried.any(|tried| *tried == hop.id)
            });
            assert!(told, "{}: {hop:?}", recorded.name);
        }
    }
}

/// What became of the exchanges of a load.
#[derive(Debug, Default)]
struct Tally {
    right: usize,
    /// Said to be ambiguous.
    ambiguous: usize,
    wrong: usize,
    /// Not joined.
    alone: usize,
}

fn judged(load: Load) -> Tally {
    let busy = load.run();
    let recorded = Recorded::made([("gw", busy.trace)]);
    let report = recorded.report();
    let port = |hop: u64| -> u16 {
        let hop = &report.hops[usize::try_from(hop).expect("a place")];
        let port = hop.client.rsplit(':').next().expect("a port");
        port.parse().expect("a port")
    };
    let mut tally = Tally::default();
    for chain in &report.chains {
        let exchange = chain.exchanges[0].expect("an exchange");
        let Some(truth) = busy.truth.get(&(port(chain.hops[0]), exchange)) else {
            tally.alone += 1;
            continue;
        };
        let joined = chain
            .hops
            .get(1)
            .map(|hop| (port(*hop), chain.exchanges[1]));
        let others = chain.others.iter().flatten().count();
        match joined {
            None => tally.alone += 1,
            Some(_) if others > 0 => tally.ambiguous += 1,
            Some((port, number)) if (port, number) == (truth.0, Some(truth.1)) => tally.right += 1,
            Some(_) => tally.wrong += 1,
        }
    }
    tally
}

/// The busier a proxy, the fewer exchanges can be told apart; those that cannot are said to be
/// ambiguous.
#[test]
fn a_busy_proxy_is_not_guessed_at() {
    let loads = [
        (200_000, 20, 200, 1_950),
        (200_000, 20, 2_000, 1_600),
        (20_000, 20, 2_000, 1_000),
        (1_000, 50, 200, 1_600),
        (100, 200, 200, 0),
        (100, 200, 2_000, 0),
    ];
    for (pause, clients, holds, told) in loads {
        for seed in [7, 8] {
            let load = Load {
                seed,
                clients,
                requests: 2_000,
                pause,
                holds,
            };
            let tally = judged(load);
            assert!(tally.right >= told, "{pause} {clients} {holds}: {tally:?}");
            assert!(tally.wrong <= 3, "{pause} {clients} {holds}: {tally:?}");
        }
    }
}
