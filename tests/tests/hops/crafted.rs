//! Connections made by hand: what joins flows, what keeps them apart, and what is told of the way.

use tracer::flow::Side;
use tracer::hop::{Hops, Likeness};
use tracer::segment::Passage;

use super::wire::{ACK, FIN_ACK, MS, RST, SYN, Talk, View, WAY, capture, end, join, sights};

const HOUR: i64 = 3_600_000 * MS;

/// A whole conversation.
fn talk(isns: [u32; 2], stamps: Option<u32>) -> Talk {
    let mut talk = Talk::open(isns, stamps);
    talk.exchange(100, 2_000).wait(50 * MS);
    talk.exchange(80, 1_000).wait(50 * MS);
    talk.close();
    talk
}

fn right(at: i64) -> i64 {
    at
}

fn by(hops: &Hops) -> Vec<Option<Likeness>> {
    let sights = hops.hops.iter().flat_map(|hop| &hop.sights);
    sights.map(|sight| sight.by).collect()
}

/// DNAT and masquerade: other ends on either side of the box that does it.
#[test]
fn a_connection_through_address_translation_is_one_hop() {
    let talk = talk([7_000, 9_000], Some(5));
    let (client, translated) = ([end(1, 40_000), end(2, 80)], [end(2, 61_000), end(3, 8080)]);
    let sources = [
        capture(
            "gw",
            |at| at - 5 * HOUR,
            &[View::new(&talk, translated, WAY)],
        ),
        capture(
            "nat",
            |at| at + HOUR,
            &[
                View::new(&talk, translated, WAY / 2).passing(Passage::Out, Passage::In),
                View::new(&talk, client, WAY / 2).passing(Passage::In, Passage::Out),
            ],
        ),
        capture("client", right, &[View::new(&talk, client, 0)]),
    ];
    let hops = join(&sources);
    let one = vec!["client 40000", "nat 40000", "nat 61000", "gw 61000"];
    assert_eq!(sights(&sources, &hops), [one]);
    let hop = &hops.hops[0];
    assert_eq!((hop.client, hop.server), (client[0], translated[1]));
    assert_eq!((hop.at.client, hop.at.server), (Some(2), Some(0)));
    // Nobody stands at the box, though segments leave it.
    assert_eq!((hop.proved.client, hop.proved.server), (false, false));
}

#[test]
fn ten_thousand_connections_find_each_other() {
    let talks: Vec<Talk> = (1..=10_000_u32)
        .map(|number| {
            talk(
                [
                    number.wrapping_mul(0x9e37_79b9),
                    number.wrapping_mul(0x85eb_ca6b),
                ],
                None,
            )
        })
        .collect();
    let view = |host: u8, place: i64| {
        move |(port, talk)| View::new(talk, [end(host, port), end(9, 80)], place)
    };
    let near: Vec<View<'_>> = (1..).zip(&talks).map(view(1, 0)).collect();
    let far: Vec<View<'_>> = (20_000..).zip(&talks).map(view(2, WAY)).collect();
    let sources = [
        capture("near", right, &near),
        capture("far", |at| at + HOUR, &far),
    ];
    let hops = join(&sources);
    assert_eq!(hops.hops.len(), talks.len());
    for hop in sights(&sources, &hops) {
        let port = |sight: &str| {
            sight
                .split(' ')
                .nth(1)
                .and_then(|port| port.parse::<u16>().ok())
        };
        assert_eq!(
            port(&hop[1]),
            port(&hop[0]).map(|port| port + 19_999),
            "{hop:?}"
        );
    }
}

/// Two flows of one connection through masquerading, the second with this talk.
fn beside(one: &Talk, other: &Talk) -> Hops {
    join(&[
        capture(
            "one",
            right,
            &[View::new(one, [end(1, 40_000), end(3, 80)], 0)],
        ),
        capture(
            "other",
            right,
            &[View::new(other, [end(2, 61_000), end(3, 80)], WAY)],
        ),
    ])
}

#[test]
fn what_contradicts_is_not_joined() {
    let isns = [7_000, 9_000];
    let plain = talk(isns, None);
    assert_eq!(beside(&plain, &plain).hops.len(), 1);
    let stamped = talk(isns, Some(5));
    assert_eq!(beside(&stamped, &stamped).hops.len(), 1);
    // The same numbers sent by another clock.
    assert_eq!(beside(&stamped, &talk(isns, Some(70))).hops.len(), 2);
    let other_server = talk([7_000, 9_001], None);
    assert_eq!(beside(&plain, &other_server).hops.len(), 2);
    let mut longer = Talk::open(isns, None);
    longer.exchange(100, 2_000).exchange(80, 1_001).close();
    assert_eq!(beside(&plain, &longer).hops.len(), 2);
    // No FIN, but more than the FIN of the other leaves room for.
    let mut open = Talk::open(isns, None);
    open.exchange(100, 2_000).exchange(80, 1_002);
    assert_eq!(beside(&plain, &open).hops.len(), 2);
}

/// Programs that take the numbers out of captures put zeros in their place.
#[test]
fn numbers_that_are_not_random_join_only_what_has_the_same_ends() {
    let talks = [talk([0, 0], None), talk([0, 0], None)];
    let view = |port: u16, place: i64, number: usize| {
        View::new(&talks[number], [end(1, port), end(3, 80)], place)
    };
    let sources = [
        capture("one", right, &[view(1, 0, 0), view(2, 0, 1)]),
        capture("other", right, &[view(1, WAY, 0), view(3, WAY, 1)]),
    ];
    let mut found = sights(&sources, &join(&sources));
    found.sort();
    assert_eq!(
        found,
        [vec!["one 1", "other 1"], vec!["one 2"], vec!["other 3"]]
    );
    let many: Vec<View<'_>> = (1..1_000).map(|port| view(port, 0, 0)).collect();
    let again: Vec<View<'_>> = (1..1_000).map(|port| view(port, WAY, 0)).collect();
    let sources = [
        capture("one", right, &many),
        capture("other", right, &again),
    ];
    let hops = join(&sources);
    assert_eq!(hops.hops.len(), 999);
    for hop in sights(&sources, &hops) {
        assert_eq!(hop[0].replace("one", "other"), hop[1]);
    }
}

/// A capture that is played twice shows each connection twice.
#[test]
fn what_was_played_twice_is_two_connections() {
    let later = |talk: Talk, seconds: i64| {
        let mut later = talk;
        let sent = later.sent.iter_mut();
        sent.for_each(|sent| sent.at += seconds * 1_000 * MS);
        later
    };
    let first = talk([7_000, 9_000], Some(5));
    // In between, the port was used again.
    let other = later(talk([70_000, 90_000], Some(5)), 60);
    let second = later(first.clone(), 120);
    let ends = [end(1, 40_000), end(3, 80)];
    let view = |talk, place| View::new(talk, ends, place);
    let twice = |name, place| {
        capture(
            name,
            right,
            &[
                view(&first, place),
                view(&other, place),
                view(&second, place),
            ],
        )
    };
    let sources = [twice("one", 0), twice("other", WAY)];
    let hops = join(&sources);
    let places: Vec<Vec<usize>> = hops
        .hops
        .iter()
        .map(|hop| hop.sights.iter().map(|sight| sight.flow).collect())
        .collect();
    assert_eq!(places, [[0, 3], [1, 4], [2, 5]]);
    // Which of the two it is cannot be told.
    let sources = [
        twice("one", 0),
        capture("other", right, &[view(&second, WAY)]),
    ];
    assert_eq!(join(&sources).hops.len(), 4);
}

#[test]
fn a_capture_that_begins_in_the_middle_is_joined_by_numbers() {
    for (stamps, likeness) in [
        (None, Likeness::SequenceRanges),
        (Some(9), Likeness::Timestamps),
    ] {
        let talk = talk([u32::MAX - 50, 9_000], stamps);
        // The higher port is the server's there: whoever sees no SYN takes it for the client.
        let translated = [end(2, 1_024), end(3, 8080)];
        for begin in 3..=6 {
            let sources = [
                capture(
                    "late",
                    |at| at - HOUR,
                    &[View::new(&talk, translated, WAY).without(0..begin)],
                ),
                capture(
                    "whole",
                    right,
                    &[View::new(&talk, [end(1, 40_000), end(3, 80)], 0)],
                ),
            ];
            let hops = join(&sources);
            assert_eq!(
                sights(&sources, &hops),
                [["whole 40000", "late 1024"]],
                "from {begin}"
            );
            assert!(
                by(&hops).contains(&Some(likeness)),
                "from {begin}: {:?}",
                by(&hops)
            );
            assert_eq!(hops.hops[0].client, end(1, 40_000));
            assert_eq!(hops.hops[0].server, translated[1]);
        }
    }
}

/// Both captures show a part of one long answer, and nothing else of the connection.
#[test]
fn parts_of_one_stream_are_joined() {
    let mut talk = Talk::open([7_000, 9_000], Some(5));
    talk.send(Side::Client, ACK, 100);
    for _ in 0..100 {
        talk.wait(MS)
            .send(Side::Server, ACK, 10_000)
            .wait(MS)
            .send(Side::Client, ACK, 0);
    }
    let sources = [
        capture(
            "one",
            right,
            &[View::new(&talk, [end(1, 40_000), end(3, 80)], 0).without((0..60).chain(180..300))],
        ),
        capture(
            "other",
            |at| at + HOUR,
            &[View::new(&talk, [end(2, 50_000), end(4, 8080)], WAY).without(0..120)],
        ),
    ];
    assert_eq!(join(&sources).hops.len(), 1);
}

#[test]
fn a_clock_is_known_as_well_as_it_can_be() {
    let talk = talk([7_000, 9_000], Some(5));
    let ends = [end(1, 40_000), end(3, 80)];
    let far = |without: Vec<usize>| {
        let view = View::new(&talk, ends, WAY).without(without);
        let near = capture("near", right, &[View::new(&talk, ends, 0)]);
        let hops = join(&[near, capture("far", |at| at + HOUR, &[view])]);
        hops.clocks.offsets[1].expect("a joined clock")
    };
    let offset = far(vec![]);
    // The way takes as long in both directions.
    assert_eq!(offset.add, -HOUR);
    assert_eq!(offset.error, WAY.unsigned_abs());
    // Only the client's segments: somewhere within the round trip.
    let servers = (0..talk.sent.len()).filter(|number| talk.sent[*number].by == Side::Server);
    let offset = far(servers.collect());
    assert!(
        (offset.add + HOUR).unsigned_abs() <= offset.error,
        "{offset:?}"
    );
    assert!(
        offset.error >= WAY.unsigned_abs() && offset.error <= 2 * WAY.unsigned_abs(),
        "{offset:?}"
    );
}

/// One offset stands for the whole time: its error is what it may be wrong at any moment of it.
#[test]
fn the_error_of_a_drifting_clock_covers_its_drift() {
    let mut talk = Talk::open([7_000, 9_000], Some(5));
    for _ in 0..60 {
        talk.wait(60_000 * MS).exchange(100, 2_000);
    }
    let ends = [end(1, 40_000), end(3, 80)];
    let drifting = |at: i64| at + HOUR + at / 10_000;
    let sources = [
        capture("near", right, &[View::new(&talk, ends, 0)]),
        capture("far", drifting, &[View::new(&talk, ends, WAY)]),
    ];
    let hops = join(&sources);
    assert_eq!(sights(&sources, &hops), [["near 40000", "far 40000"]]);
    let offset = hops.clocks.offsets[1].expect("a joined clock");
    for at in [0, HOUR] {
        let right = at - drifting(at);
        let wrong = (offset.add - right).unsigned_abs();
        assert!(
            wrong <= offset.error + 1_000,
            "{offset:?}, right is {right}"
        );
    }
    assert!(offset.error < 200_000_000, "{offset:?}");
}

#[test]
fn losses_are_told_apart_from_repetitions() {
    let ends = [end(1, 40_000), end(3, 80)];
    let mut talk = Talk::open([7_000, 9_000], Some(5));
    talk.exchange(100, 2_000).wait(300 * MS);
    // The answer again, though it had arrived.
    let answer = talk.sent.len() - 2;
    talk.again(answer).wait(WAY);
    talk.send(Side::Client, ACK, 0).wait(100 * MS);
    let lost = talk.sent.len();
    talk.send(Side::Client, ACK, 50).wait(300 * MS);
    talk.again(lost).wait(WAY);
    talk.send(Side::Server, ACK, 0).wait(WAY);
    let fin = talk.sent.len();
    talk.send(Side::Client, FIN_ACK, 0).wait(300 * MS);
    talk.again(fin).wait(WAY);
    talk.send(Side::Server, FIN_ACK, 0)
        .wait(WAY)
        .send(Side::Client, ACK, 0);
    let lost_of = |without: Vec<usize>| {
        let hops = join(&[
            capture("near", right, &[View::new(&talk, ends, 0)]),
            capture(
                "far",
                |at| at - HOUR,
                &[View::new(&talk, ends, WAY).without(without)],
            ),
        ]);
        let lost = hops.hops[0].ways[0].lost;
        (lost.client, lost.server)
    };
    assert_eq!(lost_of(vec![]), (Some(0), Some(0)));
    assert_eq!(lost_of(vec![lost]), (Some(1), Some(0)));
    assert_eq!(lost_of(vec![lost, fin]), (Some(2), Some(0)));
}

/// What the far vantage lacks was acknowledged: it was not lost, but not captured.
#[test]
fn what_a_capture_missed_is_no_loss() {
    let ends = [end(1, 40_000), end(3, 80)];
    let talk = talk([7_000, 9_000], Some(5));
    let hops = join(&[
        capture("near", right, &[View::new(&talk, ends, 0)]),
        capture("far", right, &[View::new(&talk, ends, WAY).without([3])]),
    ]);
    assert_eq!(hops.hops[0].ways[0].lost.client, None);
}

/// A RST in the server's name, from a router: the vantage at the server did not send it.
#[test]
fn a_reset_from_between_was_made() {
    let ends = [end(1, 40_000), end(3, 80)];
    let mut talk = Talk::open([7_000, 9_000], Some(5));
    talk.exchange(100, 2_000).wait(100 * MS);
    let forged = talk.sent.len();
    talk.send(Side::Server, RST, 0).wait(100 * MS);
    // The server knows nothing of it, and goes on.
    let data = talk.sent.len();
    talk.send(Side::Server, ACK, 500);
    talk.sent[forged].ttl = 60;
    let near = || capture("near", right, &[View::new(&talk, ends, 0)]);
    let far = capture(
        "far",
        |at| at + HOUR,
        &[View::new(&talk, ends, WAY).without([forged])],
    );
    let hops = join(&[near(), far]);
    let [made] = hops.hops[0].ways[0].made[..] else {
        unreachable!("one RST: {:?}", hops.hops[0].ways);
    };
    assert_eq!((made.by, made.rst, made.proved), (Side::Server, true, true));
    assert_eq!(made.ttl, (58, Some(62)));
    // A capture that had ended proves nothing; the TTL still tells.
    let ended = capture(
        "far",
        right,
        &[View::new(&talk, ends, WAY).without([forged, data])],
    );
    let hops = join(&[near(), ended]);
    let made = &hops.hops[0].ways[0].made;
    assert_eq!(
        made.iter().map(|made| made.proved).collect::<Vec<_>>(),
        [false]
    );
    // So does it alone.
    let hops = join(&[near()]);
    let unlike = &hops.hops[0].unlike;
    assert_eq!(
        unlike
            .iter()
            .map(|made| (made.by, made.ttl))
            .collect::<Vec<_>>(),
        [(Side::Server, (58, Some(62)))]
    );
    // One that was sent and lost on its way was not made.
    let lost = capture(
        "near",
        right,
        &[View::new(&talk, ends, 0).without([forged])],
    );
    let sent = capture("far", right, &[View::new(&talk, ends, WAY)]);
    let hops = join(&[lost, sent]);
    assert_eq!(hops.hops[0].ways[0].made, []);
    assert_eq!(hops.hops[0].ways[0].lost.server, Some(1));
}

/// Captures lose frames, and few say so: what looks as all else of its sender is the sender's, though the
/// vantage next to it does not show it. Unless the sender went on.
#[test]
fn what_a_capture_lost_was_not_made() {
    let ends = [end(1, 40_000), end(3, 80)];
    for (flags, goes_on) in [(RST, false), (FIN_ACK, false), (RST, true), (FIN_ACK, true)] {
        let mut talk = Talk::open([7_000, 9_000], Some(5));
        talk.exchange(100, 2_000).wait(100 * MS);
        let ended = talk.sent.len();
        talk.send(Side::Server, flags, 0).wait(100 * MS);
        if goes_on {
            talk.send(Side::Server, ACK, 500).wait(100 * MS);
        }
        // Another connection shows that both captures ran on.
        let mut other = Talk::open([70_000, 90_000], Some(5));
        other.exchange(100, 2_000).wait(1_000 * MS);
        other.close();
        let beside = [end(1, 40_001), end(3, 80)];
        let near = capture(
            "near",
            right,
            &[View::new(&talk, ends, 0), View::new(&other, beside, 0)],
        );
        let far = capture(
            "far",
            |at| at + HOUR,
            &[
                View::new(&talk, ends, WAY).without([ended]),
                View::new(&other, beside, WAY),
            ],
        );
        let hops = join(&[near, far]);
        let made = hops.hops.iter().flat_map(|hop| &hop.ways[0].made);
        let made: Vec<_> = made.map(|made| (made.proved, made.went_on)).collect();
        let expected: &[(bool, bool)] = if goes_on { &[(true, true)] } else { &[] };
        assert_eq!(made, expected, "{flags:?}");
    }
}

/// What leaves a host that has it come in on another side is not its own.
#[test]
fn a_host_that_forwards_stands_at_neither_side() {
    let ends = [end(1, 40_000), end(3, 80)];
    let talk = talk([7_000, 9_000], Some(5));
    let at = |client, server, place| {
        let view = View::new(&talk, ends, place).passing(client, server);
        let hops = join(&[capture("one", right, &[view])]);
        (hops.hops[0].at.client, hops.hops[0].at.server)
    };
    assert_eq!(at(Passage::Out, Passage::In, 0), (Some(0), None));
    assert_eq!(at(Passage::In, Passage::Out, WAY), (None, Some(0)));
    assert_eq!(at(Passage::In, Passage::In, WAY / 2), (None, None));
    // Out, but through a router before.
    assert_eq!(at(Passage::Out, Passage::In, WAY / 2), (None, None));
    assert_eq!(
        at(Passage::Loopback, Passage::Loopback, 0),
        (Some(0), Some(0))
    );
    let unsaid = join(&[capture("one", right, &[View::new(&talk, ends, 0)])]);
    assert_eq!(
        (unsaid.hops[0].at.client, unsaid.hops[0].at.server),
        (None, None)
    );
}

/// SYNs that nobody answers, as two vantages on one link see them: they pass in one direction.
fn unanswered() -> Talk {
    let mut talk = Talk::new([4_000, 0], Some(9));
    talk.wait(60 * MS).send(Side::Client, SYN, 0);
    talk.wait(1_000 * MS).again(0);
    talk
}

/// The sights of the hop that nobody answered, and who is at its client's end, by the names of its
/// vantages; with the clock of the second vantage off by so much.
fn asked(
    names: [&str; 2],
    off: i64,
    before: &[View<'_>],
    passage: [Option<Passage>; 2],
) -> (Vec<String>, Option<String>) {
    let syns = unanswered();
    let ends = [end(5, 50_000), end(99, 8080)];
    let view = |place, passage| {
        let mut view = View::new(&syns, ends, place);
        view.passage[0] = passage;
        view
    };
    let mut at_gateway = vec![view(0, passage[0])];
    at_gateway.extend(before.iter().map(|view| View {
        talk: view.talk,
        place: WAY,
        without: Vec::new(),
        ..*view
    }));
    let mut sources = vec![
        capture(names[0], |at| at + off, &at_gateway),
        capture(names[1], right, &[view(WAY / 4, passage[1])]),
    ];
    if !before.is_empty() {
        sources.push(capture("client", right, before));
    }
    let hops = join(&sources);
    let number = hops.hops.iter().position(|hop| hop.server == ends[1]);
    let number = number.expect("the hop that nobody answered");
    let name = |vantage: usize| sources[vantage].vantages[0].name.clone();
    (
        sights(&sources, &hops)[number].clone(),
        hops.hops[number].at.client.map(name),
    )
}

const OFF: [i64; 5] = [0, 2_300 * MS, -2_300 * MS, HOUR, -HOUR];
const NAMES: [[&str; 2]; 2] = [["gateway", "switch"], ["switch", "gateway"]];

#[test]
fn who_sends_into_the_void_is_known_without_clocks() {
    let mut request = Talk::open([7_000, 9_000], Some(5));
    request.wait(40 * MS).send(Side::Client, ACK, 100);
    let before = |ends| [View::new(&request, ends, 0)];
    let elsewhere = before([end(1, 40_000), end(2, 80)]);
    for (names, off) in NAMES.iter().flat_map(|names| OFF.map(|off| (*names, off))) {
        let expected = (
            names.map(|name| format!("{name} 50000")).to_vec(),
            Some(names[0].to_owned()),
        );
        // Segments leave the one host, and come in at the other or pass it by.
        for other in [None, Some(Passage::In)] {
            let told = asked(names, off, &[], [Some(Passage::Out), other]);
            assert_eq!(told, expected, "{off} {other:?}");
        }
        // A request came in right before.
        assert_eq!(asked(names, off, &elsewhere, [None; 2]), expected, "{off}");
    }
}

/// One that was asked long before, or whose own address is what nobody answers at, is not the one that
/// connects.
#[test]
fn who_sends_into_the_void_is_not_guessed() {
    let mut early = Talk::open([7_000, 9_000], Some(5));
    early.send(Side::Client, ACK, 100);
    early.sent.iter_mut().for_each(|sent| sent.at -= 2_000 * MS);
    let long_before = [View::new(&early, [end(1, 40_000), end(2, 80)], 0)];
    let request = talk([7_000, 9_000], Some(5));
    let its_own = [View::new(&request, [end(1, 40_000), end(99, 80)], 0)];
    for (names, off) in NAMES.iter().flat_map(|names| OFF.map(|off| (*names, off))) {
        let (told, client) = asked(names, off, &long_before, [None; 2]);
        assert_eq!(told, ["gateway 50000", "switch 50000"], "{off}");
        assert_eq!(client, None, "{off}");
        let (told, _) = asked(names, off, &its_own, [None; 2]);
        assert_eq!(
            told,
            names
                .map(|name| format!("{name} 50000"))
                .into_iter()
                .rev()
                .collect::<Vec<_>>(),
            "{off}"
        );
    }
}
