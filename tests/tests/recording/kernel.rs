//! What the kernel told stands at the right flow, or apart.

use hopscope_tests::watched::{
    Segment, Shown, Thing, id, interface, ms, note, process, seen, watched,
};
use serde_json::{Value, json};
use tracer::kernel::{GONE, Kernel};
use tracer::note::{Moment, Note, SocketId, What};
use tracer::segment::{Endpoint, Flags};
use tracer::socket::State;

use super::story::{CLIENT, OF_CLIENT, OF_SERVER, SERVER, back, forth, story};
use super::{Outcome, json as report};

const ACK: Flags = Flags::ACK;
const SYN: Flags = Flags::SYN;
const RST: Flags = Flags::RST;

fn frame(shown: Shown, sender: Option<u64>) -> Thing {
    Thing::Frame(Shown { sender, ..shown })
}

/// A handshake of the connection between client and server, from that time on.
fn opened(at: i64, isn: u32) -> [Thing; 3] {
    [
        frame(forth(at, SYN, isn, 0, 0), None),
        frame(back(at + 1, SYN.with(ACK), 9000, isn + 1, 0), None),
        frame(forth(at + 2, ACK, isn + 1, 9001, 0), None),
    ]
}

fn established(at: i64, id: SocketId) -> Thing {
    note(
        ms(at),
        "gw",
        seen(Moment::Established, id, State::Established, 7),
    )
}

/// Closing is noticed, and a process did it.
fn closed(at: i64, id: SocketId, pid: u32) -> [Thing; 2] {
    let by = process(pid, "envoy");
    [
        note(ms(at), "gw", seen(Moment::Closing, id, State::FinWait1, 7)),
        note(ms(at), "gw", What::Closed { socket: id, by }),
    ]
}

/// What of a fact is looked at: who, what, how often, pid.
fn told(flow: &Value) -> Vec<Value> {
    let facts = flow["kernel"].as_array().into_iter().flatten();
    facts
        .map(|fact| json!([fact["by"], fact["what"], fact["times"], fact["pid"]]))
        .collect()
}

#[test]
fn the_story_is_joined_behind_address_translation() -> Outcome {
    let report = report(watched(&story()))?;
    let flow = &report["flows"][0];
    assert_eq!(
        flow["sockets"],
        json!({"client": OF_CLIENT, "server": OF_SERVER})
    );
    assert_eq!(
        told(flow),
        [
            json!(["client", "retransmitted", 2, null]),
            json!(["server", "closed_by_process", 1, 19_495]),
            json!(["client", "reset_sent", 1, null]),
            json!(["server", "reset_received", 1, null]),
            json!(["server", "error", 1, null]),
        ]
    );
    let facts = &flow["kernel"];
    assert_eq!(facts[0]["until"], ms(7).to_string());
    assert_eq!(facts[1]["comm"], "envoy");
    assert_eq!(facts[2]["reason"], "TCP_ABORT_ON_CLOSE");
    assert_eq!(facts[4]["errno"], 104);
    let stray = &report["unjoined"];
    assert_eq!(stray.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (
            &stray[0]["vantage"],
            &stray[0]["local"],
            &stray[0]["reason"]
        ),
        (&json!("gw"), &json!("10.0.0.2:81"), &json!("NO_SOCKET"))
    );
    assert_eq!(stray[0]["cookie"], Value::Null);
    Ok(())
}

#[test]
fn a_socket_is_one_entry_with_its_options_over_time() -> Outcome {
    let report = report(watched(&story()))?;
    let sockets = report["sockets"].as_array().cloned().unwrap_or_default();
    let server = sockets
        .iter()
        .find(|socket| socket["cookie"] == OF_SERVER)
        .ok_or("the server's socket")?;
    assert_eq!(server["state"], "FIN-WAIT-1");
    assert_eq!(server["options"]["tcp_keepidle_s"], 4.0);
    assert_eq!(server["options_established"]["tcp_keepidle_s"], 3.0);
    assert_eq!(server["options_closing"]["tcp_keepidle_s"], 4.0);
    assert_eq!(
        server["options_not_read"]["tcp_keepcnt"],
        "this kernel does not tell it"
    );
    assert_eq!(
        server["closed_by"],
        json!({"at": ms(8000).to_string(), "pid": 19_495, "comm": "envoy"})
    );
    let moments = |socket: &Value| -> Vec<Value> {
        let seen = socket["seen"].as_array().into_iter().flatten();
        seen.map(|seen| seen["moment"].clone()).collect()
    };
    assert_eq!(moments(server), ["established", "closing"]);
    let quiet = sockets.iter().find(|socket| socket["cookie"] == 5);
    let quiet = quiet.ok_or("the quiet socket")?;
    assert_eq!(moments(quiet), ["found", "left"]);
    assert_eq!(quiet["closed_by"], Value::Null);
    Ok(())
}

/// A port that is used again: each close is that of its own connection.
#[test]
fn a_port_used_again_is_another_socket() -> Outcome {
    let (one, two) = (id(1, CLIENT, SERVER), id(2, CLIENT, SERVER));
    let mut things = vec![interface("gw", "eth0", false)];
    things.extend(opened(0, 100));
    things.push(established(1, one));
    things.push(frame(forth(50, Flags::FIN.with(ACK), 101, 9001, 0), None));
    things.extend(closed(50, one, 11));
    things.push(frame(back(51, Flags::FIN.with(ACK), 9001, 102, 0), None));
    // Sooner after it than clocks are trusted.
    things.extend(opened(400, 70_000_000));
    things.push(established(401, two));
    things.extend(closed(900, two, 22));
    things.push(frame(
        forth(900, Flags::FIN.with(ACK), 70_000_001, 9001, 0),
        None,
    ));
    let report = report(watched(&things))?;
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(2));
    for (flow, cookie, pid) in [(0, 1, 11), (1, 2, 22)] {
        let flow = &report["flows"][flow];
        assert_eq!(flow["sockets"], json!({"client": cookie, "server": null}));
        assert_eq!(
            told(flow),
            [json!(["client", "closed_by_process", 1, pid])],
            "of cookie {cookie}"
        );
    }
    assert_eq!(report["unjoined"], json!([]));
    Ok(())
}

/// A socket that was refused and asks again has two flows, and what befell it stands at its own.
#[test]
fn a_socket_that_asks_again_is_the_same() -> Outcome {
    let socket = id(1, CLIENT, SERVER);
    let error = |at, errno| note(ms(at), "gw", What::Error { socket, errno });
    let mut things = vec![
        interface("gw", "eth0", false),
        note(ms(0), "gw", seen(Moment::Found, socket, State::SynSent, 7)),
        frame(forth(0, SYN, 100, 0, 0), None),
        frame(back(1, RST.with(ACK), 0, 101, 0), None),
        error(1, 111),
    ];
    things.extend(opened(5000, 80_000_000));
    things.push(frame(forth(9000, RST, 80_000_001, 0, 0), None));
    things.push(error(9000, 110));
    let report = report(watched(&things))?;
    let errors: Vec<&Value> = (0..2)
        .map(|flow| &report["flows"][flow]["kernel"][0]["errno"])
        .collect();
    assert_eq!(errors, [&json!(111), &json!(110)]);
    for flow in 0..2 {
        assert_eq!(told(&report["flows"][flow]).len(), 1);
        assert_eq!(report["flows"][flow]["sockets"]["client"], 1);
    }
    Ok(())
}

/// Both ends in one namespace, seen at one interface: each fact is its own side's.
#[test]
fn both_ends_at_one_vantage() -> Outcome {
    let (client, server) = (id(1, CLIENT, SERVER), id(2, SERVER, CLIENT));
    let mut things = vec![interface("gw", "lo", false)];
    things.extend(opened(0, 100));
    things.extend([established(1, client), established(2, server)]);
    things.extend(closed(50, server, 22));
    things.push(note(ms(60), "gw", What::Retransmitted { socket: client }));
    let report = report(watched(&things))?;
    let flow = &report["flows"][0];
    assert_eq!(flow["sockets"], json!({"client": 1, "server": 2}));
    assert_eq!(
        told(flow),
        [
            json!(["server", "closed_by_process", 1, 22]),
            json!(["client", "retransmitted", 1, null]),
        ]
    );
    Ok(())
}

/// Every interface that saw a connection has what befell its sockets.
#[test]
fn a_connection_at_two_interfaces_is_told_of_at_both() -> Outcome {
    let client = id(1, CLIENT, SERVER);
    let mut things = vec![
        interface("gw", "eth0", false),
        interface("gw", "br0", false),
        interface("lb", "eth0", false),
    ];
    for interface in 0..3 {
        for thing in opened(0, 100) {
            if let Thing::Frame(shown) = thing {
                things.push(Thing::Frame(Shown { interface, ..shown }));
            }
        }
    }
    things.push(established(1, client));
    things.push(note(ms(2), "gw", What::ResetReceived { socket: client }));
    let report = report(watched(&things))?;
    let cookies: Vec<&Value> = (0..3)
        .map(|flow| &report["flows"][flow]["sockets"]["client"])
        .collect();
    assert_eq!(cookies, [&json!(1), &json!(1), &Value::Null], "not at lb");
    let facts: Vec<usize> = (0..3)
        .map(|flow| told(&report["flows"][flow]).len())
        .collect();
    assert_eq!(facts, [1, 1, 0]);
    Ok(())
}

/// The kernel refuses for no socket: that has endpoints and a time only.
#[test]
fn a_reset_for_no_socket_stands_at_the_refused_flow() -> Outcome {
    let reset = |at| {
        let what = What::ResetSent {
            socket: id(0, SERVER, CLIENT),
            reason: Some("NO_SOCKET".to_owned()),
        };
        note(ms(at), "gw", what)
    };
    let things = [
        interface("gw", "eth0", false),
        frame(forth(0, SYN, 100, 0, 0), None),
        frame(back(1, RST.with(ACK), 0, 101, 0), Some(3)),
        reset(1),
        // Long after: another connection's, which was not seen.
        reset(60_000),
    ];
    let report = report(watched(&things))?;
    let flow = &report["flows"][0];
    assert_eq!(flow["end"], "refused");
    assert_eq!(told(flow), [json!(["server", "reset_sent", 1, null])]);
    assert_eq!(flow["sockets"], json!({"client": null, "server": null}));
    assert_eq!(report["unjoined"].as_array().map(Vec::len), Some(1));
    assert_eq!(report["unjoined"][0]["at"], ms(60_000).to_string());
    Ok(())
}

/// Acknowledgments for sockets in TIME-WAIT come from a socket of the kernel's own, of which no
/// note tells: its cookie is nobody's.
#[test]
fn a_cookie_of_which_nothing_was_told_names_no_socket() -> Outcome {
    let mut things = vec![interface("gw", "eth0", false)];
    for thing in opened(0, 100) {
        if let Thing::Frame(shown) = thing {
            things.push(frame(shown, Some(4)));
        }
    }
    let report = report(watched(&things))?;
    assert_eq!(
        report["flows"][0]["sockets"],
        json!({"client": null, "server": null})
    );
    Ok(())
}

/// IPv6, and a listener, which has no peer.
#[test]
fn a_listener_is_a_socket_and_no_flow() -> Outcome {
    let listener = Endpoint::v6([0; 16], 8080);
    let mut what = seen(Moment::Found, id(9, listener, listener), State::Listen, 7);
    if let What::Socket { socket, .. } = &mut what {
        std::sync::Arc::make_mut(socket).peer = None;
    }
    let report = report(watched(&[
        interface("gw", "eth0", false),
        note(ms(0), "gw", what),
    ]))?;
    assert_eq!(report["sockets"][0]["local"], "[::]:8080");
    assert_eq!(report["sockets"][0]["peer"], Value::Null);
    assert_eq!(report["unjoined"], json!([]));
    Ok(())
}

/// Days of short connections take bounded memory, and what is left out is counted.
#[test]
fn sockets_that_are_gone_are_left_out_the_oldest_first() {
    let mut kernel = Kernel::default();
    let mut take = |at, what| {
        kernel.take(&Note {
            at: ms(at),
            namespace: "gw".into(),
            what,
        });
    };
    let lasting = id(u64::MAX, CLIENT, SERVER);
    take(0, seen(Moment::Found, lasting, State::Established, 7));
    let more = 10;
    for cookie in 1..=GONE as u64 + more {
        let socket = id(cookie, CLIENT, SERVER);
        let by = process(1, "x");
        take(1, seen(Moment::Closing, socket, State::FinWait1, 7));
        take(2, What::Closed { socket, by });
    }
    assert_eq!(kernel.forgotten(), more);
    let cookies: Vec<Option<u64>> = kernel.accounts().iter().map(|a| a.cookie).collect();
    assert_eq!(cookies.len(), GONE + 1);
    assert_eq!(cookies[..2], [Some(u64::MAX), Some(more + 1)]);
}

/// The segments of another connection at the same vantage say nothing of this one.
#[test]
fn senders_are_told_apart_by_their_way() -> Outcome {
    let other = Segment {
        from: Endpoint::v4([10, 0, 0, 1], 40_001),
        to: SERVER,
        flags: SYN,
        seq: 5,
        ack: 0,
        len: 0,
    };
    let socket = id(1, Endpoint::v4([192, 168, 0, 1], 1), SERVER);
    let mut things = vec![interface("gw", "eth0", false)];
    things.extend(opened(0, 100));
    things.push(frame(other.frame(ms(3)), Some(1)));
    things.push(established(3, socket));
    let report = report(watched(&things))?;
    assert_eq!(report["flows"][0]["sockets"]["client"], Value::Null);
    assert_eq!(report["flows"][1]["sockets"]["client"], 1);
    Ok(())
}
