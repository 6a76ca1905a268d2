//! Frames that are not there whole.

use tracer::decode::{Skip, segment};
use tracer::segment::{Options, Segment};
use tracer::seq::Seq;
use tracer::source::Frame;

use super::gallery::gallery;
use super::{decode, frame};

/// Wherever the snap length cuts: the same segment, or that it was cut; never another one.
#[test]
fn cut_at_every_length() {
    for (link, whole) in gallery() {
        let frame = frame(link, &whole);
        let expected = segment(&frame).expect("a segment");
        let tcp = (0..whole.len())
            .rev()
            .find(|&start| whole[start..].starts_with(&40_000_u16.to_be_bytes()));
        let fixed = tcp.expect("a TCP header") + 20;
        for length in 0..whole.len() {
            let cut = Frame {
                data: &whole[..length],
                ..frame
            };
            if length < fixed {
                assert_eq!(
                    segment(&cut).err(),
                    Some(Skip::CutShort),
                    "{link:?} {length}"
                );
                continue;
            }
            let found = segment(&cut).expect("enough for a segment");
            assert_eq!(found.source, expected.source);
            assert_eq!(found.destination, expected.destination);
            assert_eq!((found.seq, found.ack), (expected.seq, expected.ack));
            assert_eq!(found.flags, expected.flags);
            assert_eq!((found.window, found.len), (expected.window, expected.len));
            assert_eq!((found.ttl, found.ip_id), (expected.ttl, expected.ip_id));
            assert!(expected.payload.starts_with(found.payload));
            let Options {
                timestamps,
                window_scale,
                mss,
                sack,
            } = found.options;
            assert!(timestamps.is_none() || timestamps == expected.options.timestamps);
            assert!(window_scale.is_none() || window_scale == expected.options.window_scale);
            assert!(mss.is_none() || mss == expected.options.mss);
            assert!(sack.is_none() || sack == expected.options.sack);
        }
    }
}

/// The same frames when nothing was cut, and they simply end: broken, not cut.
#[test]
fn frames_that_end_too_early() {
    for (link, whole) in gallery() {
        for length in 0..whole.len() {
            match decode(link, &whole[..length]) {
                Ok(segment) => {
                    let missing = whole.len() - length;
                    let there = segment.payload.len() + missing;
                    assert!(there >= segment.len as usize, "{link:?} {length}");
                }
                Err(reason) => assert!(
                    reason.is_malformed() || reason == Skip::CutShort,
                    "{link:?} {length}: {reason:?}"
                ),
            }
        }
    }
}

/// Some programs write a length on the wire that is smaller than what they captured.
#[test]
fn a_length_on_the_wire_that_is_too_small() {
    for (link, whole) in gallery() {
        for wire_len in [0, 1, 20, 40] {
            let frame = Frame {
                wire_len,
                ..frame(link, &whole)
            };
            if let Ok(segment) = segment(&frame) {
                assert!(
                    segment.payload.len() <= segment.len as usize,
                    "{link:?} {wire_len}"
                );
                assert_inner_or_syn(&segment);
            }
        }
    }
}

fn assert_inner_or_syn(segment: &Segment<'_>) {
    assert_eq!((segment.seq, segment.ack), (Seq(1_000), Seq(2_000)));
}
