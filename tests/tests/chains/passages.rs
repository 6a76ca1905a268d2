//! Requests that seem to go on from one watched place to another, where nobody saw them pass.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use hopscope_tests::craft::{Trace, link};
use hopscope_tests::script::Script;
use hopscope_tests::watched::{Shown, Thing, watched};
use tracer::decode::LinkType;
use tracer::report::{Given, Report};
use tracer::source::Interface;
use tracer::time::Time;
use tracer::vantage::Gathered;

use super::stage::Recorded;

/// How long a segment takes from one node to another, in microseconds.
const WAY: u64 = 100;

/// A request and its answer on a connection of their own.
struct Asked {
    /// Nodes and addresses.
    from: (&'static str, &'static str),
    to: (&'static str, &'static str),
    /// When it left and when its answer did, in microseconds.
    asked: u64,
    answered: u64,
}

/// What one node captures of these.
fn captured(node: &str, all: &[Asked]) -> Result<Trace> {
    let mut script = format!("# What {node} captures.\n");
    let mut lines = Vec::new();
    let own = all.iter().enumerate();
    let own = own.filter(|(_, asked)| [asked.from.0, asked.to.0].contains(&node));
    let mut count = 0;
    for (number, (place, asked)) in own.enumerate() {
        let (number, isn) = (number + 1, 1_000 * (place + 1));
        count = number;
        let (client, server) = (asked.from.1, asked.to.1);
        writeln!(
            script,
            "connection {number} {client} {server} isn {isn} {isn}00"
        )?;
        let request = r#""GET /rnd HTTP/1.1\r\nhost: app\r\n\r\n""#;
        let answer = r#""HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n""#;
        let steps = [
            (asked.asked - 3 * WAY, true, "SYN"),
            (asked.asked - 2 * WAY, false, "SYN+ACK"),
            (asked.asked - WAY + 1, true, "ACK"),
            (asked.asked, true, &format!("ACK {request}")),
            (asked.answered, false, &format!("ACK {answer}")),
            (asked.answered + 2 * WAY, true, "FIN+ACK"),
            (asked.answered + 4 * WAY, false, "FIN+ACK"),
            (asked.answered + 5 * WAY, true, "ACK"),
        ];
        for (at, by_client, what) in steps {
            let sender = if by_client { asked.from.0 } else { asked.to.0 };
            let at = if sender == node { at } else { at + WAY };
            let who = if by_client { 'C' } else { 'S' };
            lines.push(format!("0.{at:06} {who}{number} {what}"));
        }
    }
    lines.sort();
    let script = format!("{script}{}\n---\nflows = {count}\n", lines.join("\n"));
    Ok(Script::parse(&script)
        .with_context(|| script.clone())?
        .trace())
}

fn recorded<const N: usize>(nodes: [&str; N], all: &[Asked]) -> Result<Recorded> {
    let mut captures = Vec::new();
    for node in nodes {
        captures.push((node, captured(node, all)?));
    }
    let captures = captures.try_into().ok().context("as many")?;
    Ok(Recorded::made::<N>(captures))
}

/// A request through a proxy that holds it, and the answer, for 0.3 ms.
fn through(nodes: [(&'static str, &'static str); 4], asked: u64, answered: u64) -> [Asked; 2] {
    let [from, to, on, server] = nodes;
    let down = Asked {
        from,
        to,
        asked,
        answered: answered + WAY + 300,
    };
    let up = Asked {
        from: on,
        to: server,
        asked: asked + 3 * WAY + 600,
        answered,
    };
    [down, up]
}

/// Two equal requests 2 ms apart, the second answered before the first: through two ports of one proxy,
/// or two proxies, from one client or two to as many servers.
fn twins(nodes: [[&'static str; 3]; 2]) -> Vec<Asked> {
    let one = [
        (nodes[0][0], "10.0.1.1:40001"),
        (nodes[0][1], "10.0.1.2:8082"),
        (nodes[0][1], "10.0.2.1:50001"),
        (nodes[0][2], "10.0.2.2:9082"),
    ];
    let same = nodes[0][0] == nodes[1][0];
    let other = [
        (
            nodes[1][0],
            if same {
                "10.0.1.1:40002"
            } else {
                "10.0.3.1:40002"
            },
        ),
        (
            nodes[1][1],
            if nodes[0][1] == nodes[1][1] {
                "10.0.1.2:8081"
            } else {
                "10.0.3.2:8081"
            },
        ),
        (
            nodes[1][1],
            if nodes[0][1] == nodes[1][1] {
                "10.0.2.1:50002"
            } else {
                "10.0.4.1:50002"
            },
        ),
        (
            nodes[1][2],
            if nodes[0][2] == nodes[1][2] {
                "10.0.2.2:9081"
            } else {
                "10.0.4.2:9081"
            },
        ),
    ];
    let one = through(one, 1_000, 15_000);
    one.into_iter()
        .chain(through(other, 3_000, 7_000))
        .collect()
}

/// What was seen to go from the client through the proxy to the server did not go back to the client.
#[test]
fn equal_requests_at_one_time_are_two() -> Result<()> {
    let whole = twins([["c", "p", "a"], ["c", "p", "a"]]);
    let chains = recorded(["c", "p", "a"], &whole)?.chains();
    assert_eq!(
        chains,
        ["c:40001>p#0 p:50001>a#0", "c:40002>p#0 p:50002>a#0"]
    );
    let proxies = twins([["c", "p", "a"], ["c", "q", "b"]]);
    let chains = recorded(["c", "p", "q", "a", "b"], &proxies)?.chains();
    assert_eq!(
        chains,
        ["c:40001>p#0 p:50001>a#0", "c:40002>q#0 q:50002>b#0"]
    );
    let clients = twins([["c", "p", "a"], ["d", "p", "b"]]);
    let chains = recorded(["c", "d", "p", "a", "b"], &clients)?.chains();
    assert_eq!(
        chains,
        ["c:40001>p#0 p:50001>a#0", "d:40002>p#0 p:50002>b#0"]
    );
    Ok(())
}

/// A gateway of which each interface was captured by itself, or two hosts, of which it is not known
/// that there is a hop between.
fn two_captures() -> Vec<Asked> {
    let nodes = [
        ("c", "10.0.1.1:40001"),
        ("outside", "10.0.1.2:8080"),
        ("inside", "10.0.2.1:50001"),
        ("a", "10.0.2.2:9080"),
    ];
    through(nodes, 1_000, 15_000).into()
}

#[test]
fn a_gateway_may_be_captured_twice() -> Result<()> {
    let chains = recorded(["c", "outside", "inside", "a"], &two_captures())?.chains();
    assert_eq!(chains, ["c:40001>outside#0 inside:50001>a#0"]);
    Ok(())
}

/// The same as one watch sees it, which knows its namespaces.
fn in_namespaces<const N: usize>(nodes: [&str; N], all: &[Asked]) -> Result<Gathered> {
    let interface = |node: &str| {
        Thing::Interface(Interface {
            namespace: Some(node.to_owned()),
            ..Interface::new(LinkType::Raw)
        })
    };
    let mut things: Vec<Thing> = nodes.map(interface).into();
    let mut frames = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        let packets = captured(node, all)?.packets.into_iter();
        let place = u32::try_from(place)?;
        frames.extend(packets.map(|packet| Shown {
            interface: place,
            at: Time::from_nanos(i64::try_from(packet.at).unwrap_or_default()),
            data: packet.data,
            wire_len: packet.wire_len,
            tally: None,
            sender: None,
        }));
    }
    frames.sort_by_key(|shown| shown.at);
    things.extend(frames.into_iter().map(Thing::Frame));
    Ok(watched(&things))
}

/// A hop from one watched namespace into another would have been seen.
#[test]
fn nothing_passes_between_namespaces_unseen() -> Result<()> {
    let nodes = ["c", "outside", "inside", "a"];
    let gateway = in_namespaces(nodes, &two_captures())?;
    let report = Report::new(&[gateway], &Given::default());
    assert_eq!(report.chains.len(), 2, "{:?}", report.chains);
    let strangers = twins([["c", "p", "a"], ["d", "q", "b"]]);
    let whole = in_namespaces(["c", "p", "a", "d", "q", "b"], &strangers)?;
    let report = Report::new(&[whole], &Given::default());
    let hops: Vec<usize> = report.chains.iter().map(|chain| chain.hops.len()).collect();
    assert_eq!(hops, [2, 2], "{:?}", report.chains);
    Ok(())
}

/// The same captured on all interfaces of the node (Linux cooked v2), where segments go out that come from
/// one of these addresses.
fn cooked(trace: &Trace, own: [u8; 4]) -> Trace {
    const IN: u8 = 0;
    const OUT: u8 = 4;
    let mut cooked = trace.clone();
    cooked.link = link::SLL2;
    for packet in &mut cooked.packets {
        let passage = if packet.data.get(12..16) == Some(&own[..]) {
            OUT
        } else {
            IN
        };
        // Protocol, reserved, interface, hardware type, passage, address.
        let mut header = vec![8, 0, 0, 0, 0, 0, 0, 2, 0, 1, passage, 6];
        header.resize(20, 0);
        packet.wire_len += 20;
        packet.data.splice(..0, header);
    }
    cooked
}

/// Of two hosts, of each of which all interfaces were captured, and nothing between them.
#[test]
fn nothing_passes_unseen_where_all_interfaces_are_captured() -> Result<()> {
    let whole = twins([["c", "p", "a"], ["c", "p", "a"]]);
    let captures = [("c", [10, 0, 1, 1]), ("a", [10, 0, 2, 2])];
    let captures = captures
        .map(|(node, own)| -> Result<_> { Ok((node, cooked(&captured(node, &whole)?, own))) });
    let [c, a] = captures;
    let recorded = Recorded::made([c?, a?]);
    assert_eq!(recorded.chains().len(), 4, "{:?}", recorded.chains());
    Ok(())
}
