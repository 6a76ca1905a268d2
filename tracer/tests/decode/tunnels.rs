//! IP packets within others.

use tracer::decode::Skip;

use super::frames::{
    authentication, ethernet, ethernet_with, extension, geneve, gre, ipv4, ipv4_with, ipv6,
    ipv6_with, outer, tcp, vxlan,
};
use super::{ETHERNET, RAW, decode, is_skipped, is_v4, is_v6};

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
