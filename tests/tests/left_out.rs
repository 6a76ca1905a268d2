//! Watching for long: connections that are over are let go, the least telling first, and counted.
//! What is kept is what it would have been, and nothing is lost in the sums.

use std::collections::BTreeMap;

use hopscope_tests::watched::{Segment, Thing, id, interface, ms, note, seen, yield_all};
use serde_json::Value;
use tracer::note::{Moment, What};
use tracer::report::{FlowReport, Given, Report};
use tracer::segment::{Endpoint, Flags};
use tracer::socket::State;
use tracer::vantage::{Collector, Naming};

const SERVER: Endpoint = Endpoint::v4([10, 0, 0, 2], 80);

/// One connection a second.
const CONNECTIONS: i64 = 2000;

/// How a connection goes.
#[derive(Clone, Copy, PartialEq)]
enum Course {
    Closed,
    Reset,
    Open,
    Unanswered,
}

fn course(number: i64) -> Course {
    match number {
        n if n % 10 == 3 => Course::Reset,
        n if n % 10 == 7 => Course::Unanswered,
        n if n % 100 == 50 => Course::Open,
        _ => Course::Closed,
    }
}

/// All things that a watch would see of a connection, and those that come 20 s later.
fn connection(number: i64) -> (Vec<Thing>, Vec<Thing>) {
    // Ports are used again: every 500 s.
    let port = u16::try_from(20_000 + number % 500).unwrap_or_default();
    let client = Endpoint::v4([10, 0, 0, 1], port);
    let isn = u32::try_from(number * 7919 + 1).unwrap_or_default();
    let start = number * 1000;
    let cookie = u64::try_from(number).unwrap_or_default() + 1;
    let frame = |at: i64, from_client: bool, flags: Flags, seq: u32, ack: u32, len: usize| {
        let (from, to) = if from_client {
            (client, SERVER)
        } else {
            (SERVER, client)
        };
        let segment = Segment {
            from,
            to,
            flags,
            seq,
            ack,
            len,
        };
        let mut shown = segment.frame(ms(start + at));
        shown.sender = from_client.then_some(cookie);
        Thing::Frame(shown)
    };
    let (syn, ack) = (Flags::SYN, Flags::ACK);
    let mut things = vec![frame(0, true, syn, isn, 0, 0)];
    if course(number) == Course::Unanswered {
        things.push(frame(1000, true, syn, isn, 0, 0));
        return (things, Vec::new());
    }
    let socket = id(cookie, client, SERVER);
    things.extend([
        frame(1, false, syn.with(ack), 9000, isn + 1, 0),
        frame(2, true, ack, isn + 1, 9001, 0),
        frame(3, true, ack, isn + 1, 9001, 100),
        frame(4, false, ack, 9001, isn + 101, 200),
    ]);
    match course(number) {
        Course::Reset => things.push(frame(10, false, Flags::RST.with(ack), 9201, isn + 101, 0)),
        Course::Closed => {
            let looked = seen(Moment::Closing, socket, State::Established, 60);
            things.push(note(ms(start + 9), "gw", looked));
            things.push(note(ms(start + 9), "gw", What::Retransmitted { socket }));
            things.push(frame(10, true, Flags::FIN.with(ack), isn + 101, 9201, 0));
            things.push(frame(11, false, Flags::FIN.with(ack), 9201, isn + 102, 0));
            // Its last acknowledgment was lost on the way.
            return (
                things,
                vec![frame(
                    20_000,
                    false,
                    Flags::FIN.with(ack),
                    9201,
                    isn + 102,
                    0,
                )],
            );
        }
        Course::Open | Course::Unanswered => {}
    }
    (things, Vec::new())
}

/// What a second after the other brings.
fn seconds() -> Vec<Vec<Thing>> {
    let mut seconds: Vec<Vec<Thing>> = (0..CONNECTIONS + 20).map(|_| Vec::new()).collect();
    seconds[0].push(interface("gw", "eth0", false));
    for (number, second) in (0..CONNECTIONS).zip(0..) {
        let (now, later) = connection(number);
        seconds[second].extend(now);
        seconds[second + 20].extend(later);
    }
    seconds
}

/// The report on all of it, and how many flows there were at once at most.
fn report(keep: Option<usize>) -> (Report, usize) {
    let mut collector = Collector::new(0, (), None);
    let mut most = 0;
    let things: Vec<Thing> = seconds().into_iter().flatten().collect();
    yield_all(&things, |item| {
        collector.take(item).expect("there is no filter");
        if let Some(keep) = keep {
            collector.retire(keep);
        }
        most = most.max(collector.table_mut().len());
    });
    let naming = Naming {
        name: "",
        source: "live",
        prefixed: false,
    };
    (
        Report::new(&[collector.finish(&naming).0], &Given::default()),
        most,
    )
}

/// How many flows ended in which way, and their bytes and segments.
type Sums = BTreeMap<String, [u64; 5]>;

fn add(sums: &mut Sums, end: &Value, by: &Value, counts: [u64; 5]) {
    let sum = sums.entry(format!("{end} by {by}")).or_default();
    sum.iter_mut()
        .zip(counts)
        .for_each(|(sum, count)| *sum += count);
}

fn sums(report: &Report) -> Sums {
    let mut sums = Sums::new();
    for flow in &report.flows {
        let flow = json(flow);
        let both = |field: &str| {
            ["client", "server"].map(|side| flow[field][side].as_u64().unwrap_or_default())
        };
        let ([a, b], [c, d]) = (both("bytes"), both("segments"));
        add(&mut sums, &flow["end"], &flow["ended_by"], [1, a, b, c, d]);
    }
    for gone in &report.flows_left_out {
        let gone = serde_json::to_value(gone).expect("it can be written");
        assert_eq!(gone["vantage"], "gw:eth0");
        let both = |field: &str| {
            ["client", "server"].map(|side| gone[field][side].as_u64().unwrap_or_default())
        };
        let ([a, b], [c, d]) = (both("bytes"), both("segments"));
        let flows = gone["flows"].as_u64().unwrap_or_default();
        add(
            &mut sums,
            &gone["end"],
            &gone["ended_by"],
            [flows, a, b, c, d],
        );
    }
    sums
}

fn json(flow: &FlowReport) -> Value {
    serde_json::to_value(flow).expect("it can be written")
}

#[test]
fn what_is_kept_is_what_it_would_have_been() {
    let (all, most_of_all) = report(None);
    assert_eq!(i64::try_from(all.flows.len()), Ok(CONNECTIONS));
    assert!(all.flows_left_out.is_empty());
    assert_eq!(most_of_all, all.flows.len());

    let (kept, most) = report(Some(300));
    // 300, half as many between two looks, 50 s of those that are closed (30 s after their last FIN),
    // 300 s of those that are unanswered, and 20 that stay open.
    assert!(most <= 300 + 150 + 50 + 30 + 20 + 2, "{most}");
    assert!(kept.flows.len() <= most);
    assert!(kept.flows.windows(2).all(|pair| pair[0].id < pair[1].id));
    for flow in &kept.flows {
        let id = usize::try_from(flow.id.0).expect("it is small");
        assert_eq!(json(flow), json(&all.flows[id]));
    }
    assert_eq!(sums(&kept), sums(&all));
    assert_eq!(
        serde_json::to_value(&kept.vantages).ok(),
        serde_json::to_value(&all.vantages).ok()
    );
}

#[test]
fn the_most_telling_are_kept() {
    let (kept, _) = report(Some(300));
    let count = |wanted: Course| {
        let of = |flow: &&FlowReport| i64::try_from(flow.id.0).is_ok_and(|id| course(id) == wanted);
        kept.flows.iter().filter(of).count()
    };
    assert_eq!(count(Course::Open), 20, "what is not over is never let go");
    // Most telling, and there are 200 of them; 200 that were reset come next, not all find room.
    assert_eq!(count(Course::Unanswered), 200);
    assert!(
        (100..200).contains(&count(Course::Reset)),
        "{}",
        count(Course::Reset)
    );
    // Only those that nobody had time to let go.
    let closed = kept
        .flows
        .iter()
        .filter(|flow| i64::try_from(flow.id.0).is_ok_and(|id| course(id) == Course::Closed));
    let closed: Vec<u64> = closed.map(|flow| flow.id.0).collect();
    assert!(closed.iter().all(|id| *id > 1700), "{closed:?}");
}

#[test]
fn sockets_go_with_their_flows() {
    let (all, _) = report(None);
    let (kept, _) = report(Some(300));
    assert_eq!(all.sockets_left_out, 0);
    let sockets = all.sockets.len() as u64;
    assert_eq!(kept.sockets.len() as u64 + kept.sockets_left_out, sockets);
    assert!(kept.sockets_left_out > 1000);
    assert!(kept.unjoined.is_empty(), "{:#?}", kept.unjoined);
    assert!(all.unjoined.is_empty());
}
