//! TCP headers, and what follows them.

use tracer::decode::Skip;
use tracer::segment::Options;
use tracer::seq::Seq;

use super::frames::{
    PAYLOAD, TIMESTAMPS, ethernet_with, ipv4, ipv4_with, ipv6, outer, tcp, tcp_with, vxlan,
};
use super::{ETHERNET, RAW, decode, is_skipped, is_v6};

#[track_caller]
fn options_of(options: &[u8]) -> Options {
    let packet = ipv4_with(6, 0, &[], &tcp_with(options, PAYLOAD));
    let segment = decode(RAW, &packet).expect("a segment");
    assert_eq!(segment.payload, PAYLOAD, "options move nothing else");
    segment.options
}

#[test]
fn tcp_options_in_any_order() {
    let parts: [&[u8]; 5] = [
        &[2, 4, 5, 180],
        &[3, 3, 7],
        &[4, 2],
        &[8, 10, 0, 0, 0, 7, 0, 0, 0, 9],
        &[5, 10, 0, 0, 0, 1, 0, 0, 0, 3],
    ];
    let expected = Options {
        timestamps: Some((7, 9)),
        sack: Some((Seq(1), Seq(3))),
        window_scale: Some(7),
        mss: Some(1460),
    };
    for rotation in 0..parts.len() {
        for padding in 0..3 {
            let mut order = parts;
            order.rotate_left(rotation);
            for order in [order.to_vec(), order.iter().rev().copied().collect()] {
                let mut options = vec![1; padding];
                options.extend(order.concat());
                assert_eq!(options_of(&options), expected);
            }
        }
    }
}

#[test]
fn tcp_options_that_make_no_sense() {
    let timestamps = Options {
        timestamps: Some((7, 9)),
        ..Options::default()
    };
    assert_eq!(options_of(&TIMESTAMPS), timestamps);
    // After the end of the list there is nothing.
    let ended: Vec<u8> = [&[0, 1, 1, 1][..], &TIMESTAMPS].concat();
    assert_eq!(options_of(&ended), Options::default());
    // Lengths of 0, 1 and beyond the header: what came before counts, nothing after.
    for length in [0, 1, 200] {
        let cut: Vec<u8> = [&TIMESTAMPS[..], &[99, length, 0, 0]].concat();
        assert_eq!(options_of(&cut), timestamps);
        let cut: Vec<u8> = [&[99, length, 0, 0], &TIMESTAMPS[..]].concat();
        assert_eq!(options_of(&cut), Options::default());
    }
    // Known kinds of unknown length; unknown kinds.
    assert_eq!(options_of(&[2, 3, 5, 8, 3, 9, 3, 2]), Options::default());
    let unknown: Vec<u8> = [&[253, 4, 1, 2], &TIMESTAMPS[..]].concat();
    assert_eq!(options_of(&unknown), timestamps);
    // Four selective acknowledgments: the first is kept.
    let mut sack = vec![5, 34];
    (0..8_u32).for_each(|edge| sack.extend(edge.to_be_bytes()));
    assert_eq!(options_of(&sack).sack, Some((Seq(0), Seq(1))));
    // One without a block.
    assert_eq!(options_of(&[5, 2, 1, 1]), Options::default());
}

#[test]
fn impossible_tcp_headers() {
    for words in 0..5 {
        let mut packet = ipv4();
        packet[20 + 12] = words << 4;
        is_skipped(RAW, &packet, Skip::BadTcpHeader);
    }
    // A header beyond the end of the packet.
    let mut packet = ipv4_with(6, 0, &[], &tcp_with(&[], b""));
    packet[20 + 12] = 0xf0;
    is_skipped(RAW, &packet, Skip::BadTcpHeader);
    is_skipped(RAW, &ipv4_with(6, 0, &[], &tcp()[..19]), Skip::ShortFrame);
    is_skipped(RAW, &ipv4_with(6, 0, &[], &[]), Skip::ShortFrame);
}

/// Short frames are padded to sixty bytes, and some captures keep the check sequence.
#[test]
fn what_follows_the_packet_is_no_payload() {
    let bare = ipv4_with(6, 0, &[], &tcp_with(&[], b""));
    let mut padded = ethernet_with(&[], 0x0800, &bare);
    padded.resize(60, 0);
    padded.extend([0xde, 0xad, 0xbe, 0xef]);
    let segment = decode(ETHERNET, &padded).expect("a segment");
    assert_eq!((segment.len, segment.payload), (0, &[][..]));
    let mut padded = ethernet_with(&[], 0x86dd, &ipv6());
    padded.extend([0; 9]);
    is_v6(ETHERNET, &padded);
    // Likewise within a tunnel.
    let mut inner = ethernet_with(&[], 0x0800, &bare);
    inner.resize(60, 0);
    let frame = outer(17, &vxlan(4789, &inner));
    let segment = decode(RAW, &frame).expect("a segment");
    assert_eq!((segment.len, segment.payload), (0, &[][..]));
}
