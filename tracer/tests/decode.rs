//! From frames to segments: every encapsulation, every way to be cut, and etherparse as judge.

mod frames;

use std::cell::Cell;
use std::fs;
use std::path::Path;

use etherparse::{EtherType, LaxSlicedPacket, SlicedPacket, TransportSlice};
use frames::{
    CLIENT, CLIENT6, PAYLOAD, SERVER, SERVER6, TIMESTAMPS, authentication, ethernet, ethernet_with,
    extension, fragment6, geneve, gre, ipv4, ipv4_with, ipv6, ipv6_with, outer, sll, sll2, tcp,
    tcp_with, udp, vxlan,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tracer::decode::{LinkType, Skip, segment};
use tracer::segment::{Endpoint, Flags, Options, Segment};
use tracer::seq::Seq;
use tracer::source::Frame;
use tracer::time::Time;

fn frame(link: LinkType, data: &[u8]) -> Frame<'_> {
    Frame {
        interface: 3,
        link,
        number: 7,
        at: Time::from_nanos(11),
        data,
        wire_len: u32::try_from(data.len()).expect("frames are short"),
    }
}

fn decode(link: LinkType, data: &[u8]) -> Result<Segment<'_>, Skip> {
    segment(&frame(link, data))
}

/// What every frame here holds.
fn assert_inner(segment: &Segment<'_>) {
    assert_eq!((segment.vantage, segment.frame), (3, 7));
    assert_eq!(segment.at, Time::from_nanos(11));
    assert_eq!((segment.seq, segment.ack), (Seq(1_000), Seq(2_000)));
    assert_eq!(segment.flags, Flags::PSH.with(Flags::ACK));
    assert_eq!(segment.window, 500);
    assert_eq!(segment.len as usize, PAYLOAD.len());
    assert_eq!(segment.payload, PAYLOAD);
    assert_eq!(segment.options.timestamps, Some((7, 9)));
}

#[track_caller]
fn is_v4(link: LinkType, data: &[u8]) {
    let segment = decode(link, data).expect("a segment");
    assert_inner(&segment);
    assert_eq!(segment.source, Endpoint::v4(CLIENT, 40_000));
    assert_eq!(segment.destination, Endpoint::v4(SERVER, 8_080));
    assert_eq!((segment.ttl, segment.ip_id), (63, Some(0x1234)));
}

#[track_caller]
fn is_v6(link: LinkType, data: &[u8]) {
    let segment = decode(link, data).expect("a segment");
    assert_inner(&segment);
    assert_eq!(segment.source, Endpoint::v6(CLIENT6, 40_000));
    assert_eq!(segment.destination, Endpoint::v6(SERVER6, 8_080));
    assert_eq!((segment.ttl, segment.ip_id), (62, None));
}

#[track_caller]
fn is_skipped(link: LinkType, data: &[u8], reason: Skip) {
    assert_eq!(decode(link, data).err(), Some(reason));
}

const ETHERNET: LinkType = LinkType::Ethernet;
const RAW: LinkType = LinkType::Raw;

#[test]
fn every_link_type() {
    let (v4, v6) = (ipv4(), ipv6());
    is_v4(ETHERNET, &ethernet());
    is_v6(ETHERNET, &ethernet_with(&[], 0x86dd, &v6));
    is_v4(RAW, &v4);
    is_v6(RAW, &v6);
    is_v4(LinkType::LinuxSll, &sll(0x0800, &v4));
    is_v6(LinkType::LinuxSll, &sll(0x86dd, &v6));
    is_v4(LinkType::LinuxSll2, &sll2(0x0800, &v4));
    is_v6(LinkType::LinuxSll2, &sll2(0x86dd, &v6));
    is_skipped(LinkType::Unsupported(147), &v4, Skip::LinkType);
}

#[test]
fn vlan_tags_of_every_kind() {
    for tag in [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300] {
        is_v4(ETHERNET, &ethernet_with(&[tag], 0x0800, &ipv4()));
        is_v6(ETHERNET, &ethernet_with(&[tag, 0x8100], 0x86dd, &ipv6()));
    }
    let many = ethernet_with(&[0x8100; 12], 0x0800, &ipv4());
    assert!(
        decode(ETHERNET, &many).is_ok_and(|segment| segment.payload == PAYLOAD)
            || decode(ETHERNET, &many).err() == Some(Skip::TooDeep)
    );
    // In cooked captures the tag follows the header.
    let mut tagged = vec![0, 100, 8, 0];
    tagged.extend(ipv4());
    is_v4(LinkType::LinuxSll, &sll(0x8100, &tagged));
    is_v4(LinkType::LinuxSll2, &sll2(0x8100, &tagged));
}

#[test]
fn loopback_families_in_either_byte_order() {
    let with = |family: [u8; 4], packet: &[u8]| [family.as_slice(), packet].concat();
    for link in [LinkType::Null, LinkType::Loop] {
        is_v4(link, &with([2, 0, 0, 0], &ipv4()));
        is_v4(link, &with([0, 0, 0, 2], &ipv4()));
        for v6 in [10, 24, 28, 30] {
            is_v6(link, &with([v6, 0, 0, 0], &ipv6()));
            is_v6(link, &with([0, 0, 0, v6], &ipv6()));
        }
        is_skipped(link, &with([7, 0, 0, 0], &ipv4()), Skip::NotIp);
    }
}

#[test]
fn what_is_no_ip() {
    for ethertype in [0x0806, 0x88cc, 0x8847, 0x0026] {
        let frame = ethernet_with(&[], ethertype, &[0; 46]);
        is_skipped(ETHERNET, &frame, Skip::NotIp);
        is_skipped(LinkType::LinuxSll, &sll(ethertype, &[0; 46]), Skip::NotIp);
        is_skipped(LinkType::LinuxSll2, &sll2(ethertype, &[0; 46]), Skip::NotIp);
    }
    is_skipped(RAW, &[0x50; 40], Skip::BadIpHeader);
}

#[test]
fn what_is_no_tcp() {
    for protocol in [1, 2, 58, 89, 132] {
        is_skipped(RAW, &ipv4_with(protocol, 0, &[], &[0; 40]), Skip::NotTcp);
        is_skipped(RAW, &ipv6_with(protocol, &[0; 40]), Skip::NotTcp);
    }
    let quic = udp(443, &[0xc0; 40]);
    is_skipped(RAW, &ipv4_with(17, 0, &[], &quic), Skip::NotTcp);
    is_skipped(RAW, &ipv6_with(59, &tcp()), Skip::NotTcp);
}

#[test]
fn ipv4_options() {
    for words in 1..=10 {
        let options = vec![1; words * 4];
        is_v4(RAW, &ipv4_with(6, 0x4000, &options, &tcp()));
    }
}

#[test]
fn impossible_ip_headers() {
    let altered = |at: usize, value: u8| {
        let mut packet = ipv4();
        packet[at] = value;
        packet
    };
    is_skipped(RAW, &altered(0, 0x44), Skip::BadIpHeader);
    // Ethernet says IPv4, the header says 6, and the other way round.
    is_skipped(
        ETHERNET,
        &ethernet_with(&[], 0x0800, &ipv6()),
        Skip::BadIpHeader,
    );
    is_skipped(
        ETHERNET,
        &ethernet_with(&[], 0x86dd, &[ipv4(), vec![0; 40]].concat()),
        Skip::BadIpHeader,
    );
    // A total length that does not cover the header.
    is_skipped(RAW, &altered(3, 19), Skip::BadIpHeader);
    // A header that is longer than the packet.
    let mut packet = ipv4_with(6, 0, &[], &[]);
    packet[0] = 0x4f;
    assert!(decode(RAW, &packet).is_err_and(Skip::is_malformed));
}

#[test]
fn ipv6_extension_headers_alone_and_all_together() {
    for kind in [0, 43, 60, 135] {
        for words in [1, 2, 5] {
            is_v6(RAW, &ipv6_with(kind, &extension(6, words, &tcp())));
        }
    }
    is_v6(RAW, &ipv6_with(51, &authentication(6, &tcp())));
    let all = authentication(60, &extension(6, 2, &tcp()));
    let all = fragment6(51, 0, &all);
    let all = extension(60, 1, &extension(43, 3, &extension(44, 1, &all)));
    is_v6(RAW, &ipv6_with(0, &all));
}

#[test]
fn fragments() {
    let v4 = |field| ipv4_with(6, field, &[], &tcp());
    is_v4(RAW, &v4(0));
    is_v4(RAW, &v4(0x4000));
    is_skipped(RAW, &v4(0x2000), Skip::Fragment);
    is_skipped(RAW, &v4(0x00b9), Skip::Fragment);
    is_skipped(RAW, &v4(0x2001), Skip::Fragment);
    let v6 = |field| ipv6_with(44, &fragment6(6, field, &tcp()));
    // RFC 6946: a fragment that is the whole packet; the two bits between are reserved.
    is_v6(RAW, &v6(0));
    is_v6(RAW, &v6(6));
    is_skipped(RAW, &v6(1), Skip::Fragment);
    is_skipped(RAW, &v6(0x05a8), Skip::Fragment);
    is_skipped(RAW, &v6(0x05a9), Skip::Fragment);
}

/// BIG TCP and segmentation offloads leave the length at zero: the frame's length counts.
#[test]
fn lengths_of_zero() {
    let mut v4 = ipv4();
    v4[2..4].copy_from_slice(&[0, 0]);
    is_v4(RAW, &v4);
    is_v4(ETHERNET, &ethernet_with(&[0x8100], 0x0800, &v4));
    let mut v6 = ipv6();
    v6[4..6].copy_from_slice(&[0, 0]);
    is_v6(RAW, &v6);
    // A jumbogram says so in a hop-by-hop option (RFC 2675).
    let mut hop = extension(6, 1, &tcp());
    hop[2..8].copy_from_slice(&[0xc2, 4, 0, 2, 0, 0]);
    let mut jumbo = ipv6_with(0, &hop);
    jumbo[4..6].copy_from_slice(&[0, 0]);
    is_v6(RAW, &jumbo);
    // Cut by the snap length, far beyond 64 KiB on the wire.
    let whole = ethernet_with(&[], 0x0800, &v4);
    let cut = Frame {
        wire_len: 14 + 20 + 32 + 180_000,
        ..frame(ETHERNET, &whole[..66])
    };
    let segment = segment(&cut).expect("a segment");
    assert_eq!((segment.len, segment.payload.len()), (180_000, 0));
}

#[test]
fn vxlan_on_both_ports() {
    for port in [4789, 8472] {
        let tunnel = vxlan(port, &ethernet());
        is_v4(ETHERNET, &ethernet_with(&[], 0x0800, &outer(17, &tunnel)));
        let inside = ethernet_with(&[0x8100], 0x86dd, &ipv6());
        let tunnel = vxlan(port, &inside);
        is_v6(RAW, &ipv6_with(17, &tunnel));
    }
    let mut other = vxlan(4789, &ethernet());
    other[8] = 0;
    is_skipped(RAW, &outer(17, &other), Skip::NotTcp);
    is_skipped(RAW, &outer(17, &vxlan(4790, &ethernet())), Skip::NotTcp);
}

#[test]
fn geneve_with_options_and_either_payload() {
    for words in [0, 1, 3, 63] {
        is_v4(RAW, &outer(17, &geneve(0x6558, words, &ethernet())));
        is_v4(RAW, &outer(17, &geneve(0x0800, words, &ipv4())));
        is_v6(RAW, &outer(17, &geneve(0x86dd, words, &ipv6())));
    }
    is_skipped(RAW, &outer(17, &geneve(0x8847, 0, &ipv4())), Skip::NotIp);
    let mut version = geneve(0x0800, 0, &ipv4());
    version[8] |= 0x40;
    is_skipped(RAW, &outer(17, &version), Skip::NotTcp);
}

#[test]
fn gre_with_every_combination_of_fields() {
    for bits in 0..8_u16 {
        let flags = (bits & 1) << 15 | (bits >> 1 & 1) << 13 | (bits >> 2) << 12;
        is_v4(RAW, &outer(47, &gre(flags, 0x0800, &ipv4())));
        is_v6(RAW, &outer(47, &gre(flags, 0x86dd, &ipv6())));
        is_v4(RAW, &outer(47, &gre(flags, 0x6558, &ethernet())));
    }
    // PPTP's version, source routing, and keepalives of the tunnel itself.
    is_skipped(RAW, &outer(47, &gre(1, 0x880b, &ipv4())), Skip::NotTcp);
    is_skipped(RAW, &outer(47, &gre(0x4000, 0x0800, &ipv4())), Skip::NotTcp);
    assert!(decode(RAW, &outer(47, &gre(0, 0, &[]))).is_err());
}

#[test]
fn ip_in_ip() {
    is_v4(RAW, &outer(4, &ipv4()));
    is_v6(RAW, &outer(41, &ipv6()));
    is_v4(RAW, &ipv6_with(4, &ipv4()));
    is_v6(RAW, &ipv6_with(41, &ipv6()));
    is_v4(
        RAW,
        &ipv6_with(60, &extension(4, 1, &outer(47, &gre(0, 0x0800, &ipv4())))),
    );
}

#[test]
fn authenticated_and_encrypted() {
    is_v4(RAW, &ipv4_with(51, 0, &[], &authentication(6, &tcp())));
    is_v4(RAW, &outer(51, &authentication(4, &ipv4())));
    is_skipped(RAW, &ipv4_with(50, 0, &[], &[0x55; 60]), Skip::Encrypted);
    is_skipped(RAW, &ipv6_with(50, &[0x55; 60]), Skip::Encrypted);
}

/// Real overlays nest two or three deep; work on a hostile frame is bounded.
#[test]
fn encapsulations_within_each_other() {
    let nested = |depth: usize| (0..depth).fold(ipv4(), |inner, _| outer(4, &inner));
    for depth in 0..=8 {
        is_v4(RAW, &nested(depth));
    }
    for depth in [9, 10, 100] {
        is_skipped(RAW, &nested(depth), Skip::TooDeep);
    }
    let headers = |depth: usize| {
        let inner = (0..depth).fold((6, tcp()), |(next, inner), _| {
            (51, authentication(next, &inner))
        });
        ipv4_with(inner.0, 0, &[], &inner.1)
    };
    is_v4(RAW, &headers(2));
    is_skipped(RAW, &headers(100), Skip::TooDeep);
}

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

/// Every kind of frame there is here.
fn gallery() -> Vec<(LinkType, Vec<u8>)> {
    let syn = tcp_with(&[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0], b"");
    vec![
        (ETHERNET, ethernet()),
        (ETHERNET, ethernet_with(&[], 0x86dd, &ipv6())),
        (ETHERNET, ethernet_with(&[0x88a8, 0x8100], 0x0800, &ipv4())),
        (RAW, ipv4_with(6, 0, &[1; 12], &tcp())),
        (RAW, ipv4_with(6, 0, &[], &syn)),
        (LinkType::LinuxSll, sll(0x0800, &ipv4())),
        (LinkType::LinuxSll2, sll2(0x86dd, &ipv6())),
        (LinkType::Null, [&[2, 0, 0, 0], &ipv4()[..]].concat()),
        (
            RAW,
            ipv6_with(
                0,
                &extension(43, 2, &extension(60, 1, &extension(6, 1, &tcp()))),
            ),
        ),
        (RAW, ipv6_with(44, &fragment6(6, 0, &tcp()))),
        (RAW, ipv6_with(51, &authentication(6, &tcp()))),
        (RAW, ipv4_with(51, 0, &[], &authentication(6, &tcp()))),
        (RAW, outer(17, &vxlan(4789, &ethernet()))),
        (RAW, outer(17, &geneve(0x6558, 2, &ethernet()))),
        (RAW, outer(47, &gre(0xb000, 0x0800, &ipv4()))),
        (RAW, outer(47, &gre(0x2000, 0x6558, &ethernet()))),
        (RAW, outer(4, &ipv4())),
        (RAW, ipv6_with(41, &ipv6())),
    ]
}

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

/// What both decoders tell of a segment.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    len: usize,
}

impl Told {
    fn ours(segment: &Segment<'_>) -> Self {
        Self {
            ports: (segment.source.port(), segment.destination.port()),
            seq: segment.seq.0,
            ack: segment.ack.0,
            flags: segment.flags.0,
            window: segment.window,
            len: segment.payload.len(),
        }
    }

    fn theirs(transport: Option<&TransportSlice<'_>>) -> Option<Self> {
        let Some(TransportSlice::Tcp(tcp)) = transport else {
            return None;
        };
        Some(Self {
            ports: (tcp.source_port(), tcp.destination_port()),
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            flags: tcp.slice()[13],
            window: tcp.window_size(),
            len: tcp.payload().len(),
        })
    }
}

fn strict(link: LinkType, data: &[u8]) -> Option<Told> {
    let sliced = match link {
        LinkType::Ethernet => SlicedPacket::from_ethernet(data),
        LinkType::Raw => SlicedPacket::from_ip(data),
        LinkType::LinuxSll => SlicedPacket::from_linux_sll(data),
        _ => return None,
    };
    let sliced = sliced.ok()?;
    Told::theirs(sliced.transport.as_ref())
}

fn lax(link: LinkType, data: &[u8]) -> Option<Told> {
    let sliced = match link {
        LinkType::Ethernet => LaxSlicedPacket::from_ethernet(data).ok()?,
        LinkType::Raw => LaxSlicedPacket::from_ip(data).ok()?,
        LinkType::LinuxSll2 => {
            let protocol = u16::from_be_bytes([*data.first()?, *data.get(1)?]);
            LaxSlicedPacket::from_ether_type(EtherType(protocol), data.get(20..)?)
        }
        _ => return None,
    };
    if sliced.stop_err.is_some() {
        return None;
    }
    Told::theirs(sliced.transport.as_ref())
}

/// Valid frames with a few bytes changed, the same ones in every run.
#[test]
fn agrees_with_etherparse() {
    let gallery = gallery();
    // Tunnels are not etherparse's business.
    let plain: Vec<_> = gallery
        .into_iter()
        .filter(|(link, whole)| strict(*link, whole).is_some() || lax(*link, whole).is_some())
        .collect();
    assert!(plain.len() >= 10, "{}", plain.len());
    let seed = [7; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config {
        cases: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mutations = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let cases = (
        0..plain.len(),
        mutations,
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    let compared = Cell::new(0);
    TestRunner::new_with_rng(config, rng)
        .run(&cases, |(which, mutations, end, cut)| {
            let (link, mut data) = plain[which].clone();
            for (at, value) in mutations {
                let at = at.index(data.len());
                data[at] = value;
            }
            if cut {
                data.truncate(end.index(data.len()));
            }
            let ours = decode(link, &data).map(|segment| Told::ours(&segment));
            for theirs in [strict(link, &data), lax(link, &data)] {
                let (Ok(ours), Some(theirs)) = (&ours, theirs) else {
                    continue;
                };
                prop_assert_eq!(ours, &theirs, "{:?} {:02x?}", link, data);
                compared.set(compared.get() + 1);
            }
            // What is strictly valid for them is valid for us.
            if let Some(theirs) = strict(link, &data) {
                prop_assert_eq!(
                    ours.as_ref().ok(),
                    Some(&theirs),
                    "{:?} {:02x?}",
                    link,
                    data
                );
            }
            Ok(())
        })
        .expect("both find the same");
    assert!(compared.get() > 10_000, "{} comparisons", compared.get());
}

/// A capture of every frame here for each link type, as seeds of the fuzz target over captures.
/// `RENEW=1 cargo test -p hopscope-tracer --test decode seeds` writes them.
#[test]
fn seeds_of_the_fuzz_target_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/capture");
    let kinds = [
        (ETHERNET, 1_u32, "ethernet"),
        (RAW, 101, "raw"),
        (LinkType::LinuxSll, 113, "sll"),
        (LinkType::LinuxSll2, 276, "sll2"),
        (LinkType::Null, 0, "null"),
    ];
    for (link, number, name) in kinds {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 600, number] {
            file.extend(word.to_le_bytes());
        }
        let frames = gallery().into_iter().filter(|(of, _)| *of == link);
        for ((_, data), second) in frames.zip(1_790_000_000_u32..) {
            let length = u32::try_from(data.len()).expect("frames are short");
            for word in [second, 0, length, length] {
                file.extend(word.to_le_bytes());
            }
            file.extend(data);
        }
        let path = folder.join(format!("frames-{name}.pcap"));
        if std::env::var_os("RENEW").is_some() {
            fs::write(&path, &file).expect("the folder of seeds");
        }
        let committed = fs::read(&path).unwrap_or_default();
        assert!(
            committed == file,
            "{} is stale: RENEW=1 cargo test -p hopscope-tracer --test decode seeds",
            path.display()
        );
    }
}
