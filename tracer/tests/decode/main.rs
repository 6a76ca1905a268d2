//! From frames to segments: every encapsulation, every way to be cut, and etherparse as judge.

mod cut;
#[path = "../frames/mod.rs"]
mod frames;
mod gallery;
mod judge;
mod tcp_headers;
mod tunnels;

use frames::{
    CLIENT, CLIENT6, PAYLOAD, SERVER, SERVER6, authentication, ethernet, ethernet_with, extension,
    fragment6, ipv4, ipv4_with, ipv6, ipv6_with, sll, sll2, tcp, udp,
};
use tracer::decode::{LinkType, Skip, segment};
use tracer::segment::{Endpoint, Flags, Segment};
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
