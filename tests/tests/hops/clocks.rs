//! How far two clocks are apart, and how well that is known.

use tracer::flow::Side;

use super::crafted::{HOUR, right, talk};
use super::wire::{MS, Talk, View, WAY, capture, end, join, sights};

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
