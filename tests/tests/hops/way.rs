//! What was lost, missed or made on the way between two vantages.

use tracer::flow::Side;
use tracer::segment::Passage;

use super::crafted::{HOUR, right, talk};
use super::wire::{ACK, FIN_ACK, MS, RST, Talk, View, WAY, capture, end, join};

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
