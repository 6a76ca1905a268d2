//! Connections made by hand: what joins flows, what keeps them apart, and what is told of the way.

use super::wire::{ACK, MS, Talk, View, WAY, capture, end, join, sights};
use tracer::flow::Side;
use tracer::hop::{Hops, Likeness};
use tracer::segment::Passage;

pub(super) const HOUR: i64 = 3_600_000 * MS;

/// A whole conversation.
pub(super) fn talk(isns: [u32; 2], stamps: Option<u32>) -> Talk {
    let mut talk = Talk::open(isns, stamps);
    talk.exchange(100, 2_000).wait(50 * MS);
    talk.exchange(80, 1_000).wait(50 * MS);
    talk.close();
    talk
}

pub(super) fn right(at: i64) -> i64 {
    at
}

pub(super) fn by(hops: &Hops) -> Vec<Option<Likeness>> {
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
pub(super) fn beside(one: &Talk, other: &Talk) -> Hops {
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
