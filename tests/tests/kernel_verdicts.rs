//! What the kernel tells of sockets changes what is made of the same segments, and what it does not tell
//! changes nothing.

use std::error::Error;

use hopscope_tests::watched::{Segment, Thing, id, interface, ms, note, process, seen, watched};
use serde_json::Value;
use tracer::note::{Moment, What};
use tracer::report::{Given, Report};
use tracer::segment::{Endpoint, Flags};
use tracer::socket::State;

const CLIENT: Endpoint = Endpoint::v4([10, 0, 0, 1], 40_000);
const SERVER: Endpoint = Endpoint::v4([10, 0, 0, 2], 8080);
const ACK: Flags = Flags::ACK;

type Outcome = Result<(), Box<dyn Error>>;

fn sent(
    [from, to]: [Endpoint; 2],
    at: i64,
    flags: Flags,
    [seq, ack]: [u32; 2],
    len: usize,
) -> Thing {
    let segment = Segment {
        from,
        to,
        flags,
        seq,
        ack,
        len,
    };
    Thing::Frame(segment.frame(ms(at)))
}

fn forth(at: i64, flags: Flags, numbers: [u32; 2], len: usize) -> Thing {
    sent([CLIENT, SERVER], at, flags, numbers, len)
}

fn back(at: i64, flags: Flags, numbers: [u32; 2], len: usize) -> Thing {
    sent([SERVER, CLIENT], at, flags, numbers, len)
}

/// The server's socket, as it was at that time.
fn server(at: i64, moment: Moment, state: State) -> Thing {
    note(ms(at), "b", seen(moment, id(78, SERVER, CLIENT), state, 7))
}

/// The only verdict on what was watched in the namespace `b`.
fn verdict(things: &[Thing]) -> Result<Value, Box<dyn Error>> {
    let mut all = vec![interface("b", "eth0", false)];
    all.extend_from_slice(things);
    let mut report = serde_json::to_value(Report::new(&[watched(&all)], &Given::default()))?;
    Ok(report["verdicts"][0].take())
}

fn is(verdict: &Value, cause: &str, confidence: &str) {
    assert_eq!(verdict["cause"], cause, "{verdict:#}");
    assert_eq!(verdict["confidence"], confidence, "{verdict:#}");
}

/// Asked at 300 ms, and a RST in the server's name at once.
fn reset(more: &[Thing]) -> Result<Value, Box<dyn Error>> {
    let mut things = vec![
        forth(0, Flags::SYN, [1000, 0], 0),
        back(1, Flags::SYN.with(ACK), [5000, 1001], 0),
        forth(2, ACK, [1001, 5001], 0),
        forth(300, ACK, [1001, 5001], 10),
        back(301, Flags::RST, [5001, 1011], 0),
    ];
    things.extend_from_slice(more);
    verdict(&things)
}

#[test]
fn a_reset_that_its_socket_outlived_was_injected() -> Outcome {
    let opened = server(2, Moment::Established, State::Established);
    let found = server(-500, Moment::Found, State::Established);
    let left = server(3000, Moment::Left, State::Established);
    let closed = server(3000, Moment::Closing, State::FinWait1);
    for (before, after) in [(&opened, &left), (&found, &left), (&opened, &closed)] {
        let told = reset(&[before.clone(), after.clone()])?;
        is(&told, "injected_reset", "certain");
        let summary = told["summary"].as_str().unwrap_or_default();
        assert!(
            summary.contains("firewall in the network namespace"),
            "{summary}"
        );
    }
    Ok(())
}

#[test]
fn a_reset_whose_socket_ended_with_it_is_the_servers() -> Outcome {
    let opened = || server(2, Moment::Established, State::Established);
    let left = || server(3000, Moment::Left, State::Established);
    let ended = server(302, Moment::Closing, State::Closed);
    let reset_sent = |cookie| {
        let socket = id(cookie, SERVER, CLIENT);
        note(
            ms(301),
            "b",
            What::ResetSent {
                socket,
                reason: None,
            },
        )
    };
    for more in [
        // Nothing is told, as with libpcap.
        vec![],
        // Its end was not told, or just as the RST was seen.
        vec![opened()],
        vec![opened(), ended],
        // What was there afterwards need not have been there before.
        vec![left()],
        vec![
            server(2000, Moment::Established, State::Established),
            left(),
        ],
        // Of another connection from the same machine.
        vec![note(
            ms(2),
            "b",
            seen(
                Moment::Established,
                id(78, SERVER, Endpoint::v4([10, 0, 0, 1], 40_001)),
                State::Established,
                7,
            ),
        )],
        // The kernel says that it sent it, for the socket or for none.
        vec![opened(), reset_sent(78), left()],
        vec![opened(), reset_sent(0), left()],
    ] {
        let told = reset(&more)?;
        assert_eq!(told["cause"], "closed_mid_exchange", "{more:?}\n{told:#}");
    }
    Ok(())
}

/// SYNs at these times in milliseconds, no answer, and what the kernel told of the client's socket.
fn unanswered(syns: &[i64], more: &[What]) -> Result<Value, Box<dyn Error>> {
    let syns = syns.iter().map(|&at| forth(at, Flags::SYN, [1000, 0], 0));
    let mut things: Vec<Thing> = syns.collect();
    let told = more.iter().cloned();
    things.extend(told.map(|what| note(ms(END), "b", what)));
    // Somebody else's, so that watching goes on for long enough.
    let [from, to] = [[10, 0, 0, 8], [10, 0, 0, 9]].map(|host| Endpoint::v4(host, 9));
    things.push(sent([from, to], 9000, ACK, [1, 1], 1));
    verdict(&things)
}

/// When the kernel tells how connecting ended.
const END: i64 = 300;

fn error(errno: i32) -> What {
    let socket = id(77, CLIENT, SERVER);
    What::Error { socket, errno }
}

fn closed() -> What {
    What::Closed {
        socket: id(77, CLIENT, SERVER),
        by: process(770, "python3"),
    }
}

fn received() -> What {
    What::ResetReceived {
        socket: id(77, CLIENT, SERVER),
    }
}

fn says(verdict: &Value, words: &str) -> bool {
    verdict.to_string().contains(words)
}

#[test]
fn a_client_that_gives_up_before_a_retry_cannot_know() -> Outcome {
    let hasty = unanswered(&[0], &[closed()])?;
    is(&hasty, "unreachable", "possible");
    assert!(says(&hasty, "too early to know"), "{hasty:#}");
    // With its SYN sent again nothing came back, either.
    let patient = unanswered(&[0, 200], &[closed()])?;
    is(&patient, "unreachable", "certain");
    assert!(!says(&patient, "too early to know"), "{patient:#}");
    // Nobody said that it gave up so soon.
    is(&unanswered(&[0], &[])?, "unreachable", "likely");
    Ok(())
}

#[test]
fn the_kernels_own_timeout_proves_that_it_gave_up() -> Outcome {
    let told = unanswered(&[-2700, -1700, -700], &[error(110)])?;
    is(&told, "unreachable", "certain");
    assert!(says(&told, "gave up after 3.00 s"), "{told:#}");
    assert!(!says(&told, "may not have given up"), "{told:#}");
    Ok(())
}

/// Frames that a capture lacks may be acknowledgments, but not where the kernel says that none came.
#[test]
fn what_the_kernel_says_needs_no_frames() -> Outcome {
    let asked = forth(300, ACK, [1001, 5001], 10);
    let again = [500, 900, 1700].map(|at| forth(at, ACK, [1001, 5001], 10));
    let opened = [
        forth(0, Flags::SYN, [1000, 0], 0),
        back(1, Flags::SYN.with(ACK), [5000, 1001], 0),
        forth(2, ACK, [1001, 5001], 0),
    ];
    // Bytes of the server that the client acknowledges are not there.
    let lacking = forth(301, ACK, [1011, 5301], 0);
    let [from, to] = [[10, 0, 0, 8], [10, 0, 0, 9]].map(|host| Endpoint::v4(host, 9));
    let later = sent([from, to], 9000, ACK, [1, 1], 1);
    let told = |between: &[Thing], after: &[Thing]| {
        let things = [
            &opened[..],
            std::slice::from_ref(&asked),
            between,
            &again[..],
            after,
        ];
        let mut things = things.concat();
        things.push(later.clone());
        verdict(&things)
    };
    let (lacking, kernel) = ([lacking], [note(ms(4000), "b", error(110))]);
    is(&told(&[], &[])?, "retransmission_death", "likely");
    is(&told(&lacking, &[])?, "retransmission_death", "possible");
    let certain = told(&lacking, &kernel)?;
    is(&certain, "retransmission_death", "certain");
    // What the kernel gave up after four seconds has a limit of its own: a sysctl that allows for 100
    // is no remedy.
    let advises = |verdict: &Value, what: &str| verdict.to_string().contains(what);
    assert!(advises(&certain, "TCP_USER_TIMEOUT"), "{certain:#}");
    assert!(!advises(&certain, "tcp_retries2=8"), "{certain:#}");
    assert!(advises(&told(&[], &[])?, "tcp_retries2=8"));
    Ok(())
}

/// A SYN that was sent again and again had no answer, whatever a capture lacks of other connections.
#[test]
fn frames_of_other_connections_answer_no_syn() -> Outcome {
    let [from, to] = [[10, 0, 0, 6], [10, 0, 0, 7]].map(|host| Endpoint::v4(host, 9));
    let mut things: Vec<Thing> = [-2700, -1700, -700]
        .map(|at| forth(at, Flags::SYN, [1000, 0], 0))
        .into();
    things.push(sent([from, to], -100, ACK, [1000, 1], 1));
    things.push(sent([to, from], 0, ACK, [1, 1501], 1));
    things.push(sent([from, to], 9000, ACK, [1501, 2], 1));
    is(&verdict(&things)?, "unreachable", "certain");
    Ok(())
}

#[test]
fn an_error_without_a_reset_came_by_icmp() -> Outcome {
    for (errno, name) in [
        (111, "ECONNREFUSED"),
        (113, "EHOSTUNREACH"),
        (101, "ENETUNREACH"),
    ] {
        let told = unanswered(&[0], &[error(errno)])?;
        is(&told, "unreachable", "certain");
        assert!(
            says(&told, &format!("ICMP error answered b:eth0 ({name})")),
            "{told:#}"
        );
        assert!(!says(&told, "nothing came back"), "{told:#}");
    }
    // A RST that no vantage shows has the same errno.
    let refused = unanswered(&[0], &[received(), error(111)])?;
    is(&refused, "unreachable", "possible");
    assert!(!says(&refused, "ICMP"), "{refused:#}");
    Ok(())
}

/// A connection on which something was asked and answered, and nothing more was seen of it.
fn silent(told: &[(i64, What)]) -> Result<Value, Box<dyn Error>> {
    let mut things = vec![
        forth(0, Flags::SYN, [1000, 0], 0),
        back(1, Flags::SYN.with(ACK), [5000, 1001], 0),
        forth(2, ACK, [1001, 5001], 10),
        back(3, ACK, [5001, 1011], 10),
        forth(4, ACK, [1011, 5011], 0),
    ];
    let told = told.iter().cloned();
    things.extend(told.map(|(at, what)| note(ms(at), "b", what)));
    let [from, to] = [[10, 0, 0, 8], [10, 0, 0, 9]].map(|host| Endpoint::v4(host, 9));
    things.push(sent([from, to], 9000, ACK, [1, 1], 1));
    verdict(&things)
}

/// What drops segments in their own namespace does so before a vantage there sees them.
#[test]
fn what_the_kernel_gave_up_is_not_open() -> Outcome {
    is(&silent(&[])?, "open", "likely");
    let reset = What::ResetSent {
        socket: id(77, CLIENT, SERVER),
        reason: Some("TCP_KEEPALIVE_TIMEOUT".to_owned()),
    };
    let probed = silent(&[(4000, reset), (4001, error(110))])?;
    is(&probed, "keepalive_death", "certain");
    assert_eq!(probed["ended_by"], "b:eth0", "{probed:#}");
    is(
        &silent(&[(4000, error(110))])?,
        "retransmission_death",
        "likely",
    );
    is(&silent(&[(4000, closed())])?, "unknown", "possible");
    Ok(())
}

/// A server whose interface goes with it, as where a pod is deleted; its client waits on.
#[test]
fn a_close_that_no_vantage_shows_is_told_by_the_kernel() -> Outcome {
    let gone = What::Closed {
        socket: id(78, SERVER, CLIENT),
        by: process(4711, "python"),
    };
    let asked = |told: &[(i64, What)]| {
        let mut things = vec![
            forth(0, Flags::SYN, [1000, 0], 0),
            back(1, Flags::SYN.with(ACK), [5000, 1001], 0),
            forth(2, ACK, [1001, 5001], 10),
            back(3, ACK, [5001, 1011], 0),
        ];
        let told = told.iter().cloned();
        things.extend(told.map(|(at, what)| note(ms(at), "b", what)));
        things.push(forth(4000, Flags::FIN.with(ACK), [1011, 5001], 0));
        verdict(&things)
    };
    let unseen = asked(&[(1000, gone.clone())])?;
    is(&unseen, "closed_mid_exchange", "certain");
    assert!(says(&unseen, "python"), "{unseen:#}");
    // Who closes afterwards ended nothing.
    assert_eq!(asked(&[(4500, gone)])?["cause"], "client_gave_up");
    Ok(())
}

#[test]
fn the_kernel_says_that_nobody_listens() -> Outcome {
    let refused = |reason: Option<&str>| {
        let told = reason.map(|reason| {
            let what = What::ResetSent {
                socket: id(0, SERVER, CLIENT),
                reason: Some(reason.to_owned()),
            };
            note(ms(1), "b", what)
        });
        let mut things = vec![
            forth(0, Flags::SYN, [1000, 0], 0),
            back(1, Flags::RST.with(ACK), [0, 1001], 0),
        ];
        things.extend(told);
        verdict(&things)
    };
    for (reason, firewall) in [(None, true), (Some("NO_SOCKET"), false)] {
        let told = refused(reason)?;
        is(&told, "refused", "certain");
        assert_eq!(says(&told, "firewall"), firewall, "{reason:?}: {told:#}");
    }
    Ok(())
}

/// A NAT that has forgotten the connection answers the client's FIN in the server's name.
#[test]
fn a_reset_made_after_the_close_ended_nothing() -> Outcome {
    let opened = server(2, Moment::Established, State::Established);
    let left = server(3000, Moment::Left, State::Established);
    let fin = forth(300, Flags::FIN.with(ACK), [1011, 5001], 0);
    let things = |closed: bool| {
        let mut things = vec![
            forth(0, Flags::SYN, [1000, 0], 0),
            back(1, Flags::SYN.with(ACK), [5000, 1001], 0),
            forth(2, ACK, [1001, 5001], 10),
        ];
        things.extend(closed.then(|| fin.clone()));
        things.push(back(301, Flags::RST, [5001, 0], 0));
        things.extend([opened.clone(), left.clone()]);
        verdict(&things)
    };
    assert_eq!(things(false)?["cause"], "injected_reset");
    let told = things(true)?;
    assert_eq!(told["cause"], "client_gave_up", "{told:#}");
    Ok(())
}

/// The same segment with a window of zero.
fn full(thing: Thing) -> Thing {
    // Behind the headers of Ethernet and IPv4.
    const WINDOW: usize = 14 + 20 + 14;
    match thing {
        Thing::Frame(mut shown) => {
            shown.data[WINDOW..WINDOW + 2].fill(0);
            Thing::Frame(shown)
        }
        other => other,
    }
}

/// Behind a window of zero a FIN waits like all else: who sent the first one need not have closed first.
#[test]
fn the_kernel_says_who_gave_up_before_a_reader_that_stalled() -> Outcome {
    let stalled = |what: Option<What>| {
        let mut things = vec![
            forth(0, Flags::SYN, [1000, 0], 0),
            back(1, Flags::SYN.with(ACK), [5000, 1001], 0),
            forth(2, ACK, [1001, 5001], 100),
            full(back(3, ACK, [5001, 1101], 0)),
        ];
        things.extend(what.map(|what| note(ms(2000), "b", what)));
        for at in [220, 640, 1500, 3200, 6600] {
            things.push(forth(at, ACK, [1100, 5001], 0));
            things.push(full(back(at + 1, ACK, [5001, 1101], 0)));
        }
        things.push(back(7000, Flags::RST.with(ACK), [5001, 1101], 0));
        verdict(&things)
    };
    for (what, says_so) in [
        (None, "sent the first RST"),
        (Some(closed()), "its FIN had to wait"),
        (Some(error(110)), "gave up at"),
    ] {
        let told = stalled(what)?;
        assert_eq!(told["cause"], "receiver_stalled", "{told:#}");
        assert!(says(&told["story"], says_so), "{says_so}: {told:#}");
    }
    Ok(())
}
