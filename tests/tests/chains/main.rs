//! Chains: hops joined through proxies, by access logs, by what requests say, by time and size.

mod busy;
mod closing;
mod logs;
mod passages;
mod same;
mod stage;

use hopscope_tests::script::Script;

use self::busy::Load;
use self::stage::{Recorded, recording, recordings};

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
