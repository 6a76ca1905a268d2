//! Addresses, mapped so that as many leading bits stay common as were common (prefix-preserving), and
//! no two become one.
//!
//! The construction is Crypto-PAn's (Xu, Fan, Ammar, Moon: "Prefix-preserving IP address
//! anonymization", 2002): each bit is turned or not, as a keyed hash of the bits before it says. Own
//! code, because the crates that do it (ipcrypt-rs) turn every bit, and a report must still tell
//! loopback from the rest and private addresses from public ones. So no bit that leads to a special
//! range is turned. The price is inherent in the property: an address that shares its first bits with
//! such a range keeps those and the one that sets it apart.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::key::Key;

const V4: u8 = 4;
const V6: u8 = 6;

/// Addresses remembered at most: beyond, they are computed again.
const REMEMBERED: usize = 1 << 20;

/// A range that addresses do not leave and others do not enter.
struct Range {
    /// Its first address, left-aligned.
    first: u128,
    /// Bits of its prefix.
    length: u32,
    /// Its addresses mean the same everywhere and stay what they are.
    stays: bool,
}

const fn v4(a: u8, b: u8, length: u32, stays: bool) -> Range {
    Range {
        first: (Ipv4Addr::new(a, b, 0, 0).to_bits() as u128) << 96,
        length,
        stays,
    }
}

const fn v6(first: [u16; 8], length: u32, stays: bool) -> Range {
    let [a, b, c, d, e, f, g, h] = first;
    Range {
        first: Ipv6Addr::new(a, b, c, d, e, f, g, h).to_bits(),
        length,
        stays,
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>: what a report should still show.
const SPECIAL_V4: [Range; 9] = [
    v4(0, 0, 8, true),
    v4(10, 0, 8, false),
    v4(100, 64, 10, false),
    v4(127, 0, 8, true),
    v4(169, 254, 16, false),
    v4(172, 16, 12, false),
    v4(192, 168, 16, false),
    // Multicast, and all ones.
    v4(224, 0, 4, true),
    Range {
        first: (u32::MAX as u128) << 96,
        length: 32,
        stays: true,
    },
];

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>.
const SPECIAL_V6: [Range; 6] = [
    // Unspecified, loopback, and `::6`, from which Istio's sidecars call their applications.
    v6([0; 8], 112, true),
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, false),
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, false),
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, false),
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 64, false),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, true),
];

/// Maps addresses, each as before.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: HashMap<IpAddr, IpAddr>,
}

impl Addresses {
    /// What an address becomes: of its own family, special where it was.
    pub(super) fn map(&mut self, key: &Key, address: IpAddr) -> IpAddr {
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        let mapped = match address {
            IpAddr::V4(address) => IpAddr::V4(map_v4(key, address)),
            IpAddr::V6(address) => IpAddr::V6(map_v6(key, address)),
        };
        self.known.insert(address, mapped);
        mapped
    }
}

fn map_v4(key: &Key, address: Ipv4Addr) -> Ipv4Addr {
    let aligned = u128::from(address.to_bits()) << 96;
    let mapped = turn(key, V4, aligned, 32, &SPECIAL_V4) >> 96;
    Ipv4Addr::from_bits(u32::try_from(mapped).unwrap_or_default())
}

/// IPv4 addresses within IPv6 ones (RFC 4291 section 2.5.5.2, RFC 6052) are mapped as IPv4 ones are.
fn map_v6(key: &Key, address: Ipv6Addr) -> Ipv6Addr {
    let octets = address.octets();
    let [head @ .., a, b, c, d] = octets;
    if head == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        || head == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0]
    {
        let mut mapped = octets;
        mapped[12..].copy_from_slice(&map_v4(key, Ipv4Addr::new(a, b, c, d)).octets());
        return Ipv6Addr::from(mapped);
    }
    Ipv6Addr::from_bits(turn(key, V6, address.to_bits(), 128, &SPECIAL_V6))
}

/// Turns the first `bits` bits of a left-aligned address, each by those before it.
fn turn(key: &Key, family: u8, address: u128, bits: u32, special: &[Range]) -> u128 {
    let mut mapped = address;
    for place in 0..bits {
        let prefix = address & mask(place);
        if special.iter().any(|range| range.keeps(prefix, place)) {
            continue;
        }
        let mut input = [0; 17];
        input[0] = u8::try_from(place).unwrap_or(u8::MAX);
        input[1..].copy_from_slice(&prefix.to_be_bytes());
        if key.number(family, &input) & 1 == 1 {
            mapped ^= 1 << (127 - place);
        }
    }
    mapped
}

impl Range {
    /// Whether the bit after the first `length` ones, which are `prefix`, leads into the range, or is
    /// in it and stays.
    fn keeps(&self, prefix: u128, length: u32) -> bool {
        let leads = length < self.length && prefix == self.first & mask(length);
        let within = length >= self.length && prefix & mask(self.length) == self.first;
        leads || (within && self.stays)
    }
}

/// The first `length` bits.
const fn mask(length: u32) -> u128 {
    match length {
        0 => 0,
        1..=127 => u128::MAX << (128 - length),
        _ => u128::MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn mapped(key: &[u8], address: impl Into<IpAddr>) -> IpAddr {
        Addresses::default().map(&Key::of(key), address.into())
    }

    fn bits(address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
            IpAddr::V6(address) => address.to_bits(),
        }
    }

    fn common(one: IpAddr, other: IpAddr) -> u32 {
        (bits(one) ^ bits(other)).leading_zeros()
    }

    /// Half of all pairs share their first half, so that long common prefixes are tried, too.
    fn pair() -> impl Strategy<Value = (u128, u128)> {
        (
            any::<u128>(),
            any::<u128>(),
            0..128_u32,
            0..SPECIAL_V6.len(),
        )
            .prop_map(|(one, other, shared, range)| {
                let near = &SPECIAL_V6[range];
                let start = near.first & mask(near.length) | one & !mask(near.length);
                let one = if one & 1 == 0 { start } else { one };
                (one, one & mask(shared) | other & !mask(shared))
            })
    }

    proptest! {
        #[test]
        fn v4_prefixes_stay_common(one: u32, other: u32, shared in 0..32_u32, key: [u8; 4]) {
            let keep = mask(shared) >> 96;
            let keep = u32::try_from(keep).expect("32 bits");
            let one = Ipv4Addr::from_bits(one);
            let other = Ipv4Addr::from_bits(one.to_bits() & keep | other & !keep);
            prop_assert_eq!(
                common(mapped(&key, one), mapped(&key, other)).min(32),
                common(one.into(), other.into()).min(32)
            );
        }

        #[test]
        fn v6_prefixes_stay_common((one, other) in pair(), key: [u8; 4]) {
            let (one, other) = (Ipv6Addr::from_bits(one), Ipv6Addr::from_bits(other));
            prop_assert_eq!(
                common(mapped(&key, one), mapped(&key, other)),
                common(one.into(), other.into())
            );
        }
    }

    /// The property says that no two become one; this counts it where all addresses can be tried.
    #[test]
    fn no_two_addresses_become_one() {
        let mut addresses = Addresses::default();
        let key = Key::of(b"a key");
        let mut seen = std::collections::HashSet::new();
        for low in 0..=u16::MAX {
            let address = Ipv4Addr::from_bits(0xc0a8_0000 | u32::from(low));
            let mapped = addresses.map(&key, address.into());
            assert!(mapped.to_string().starts_with("192.168."), "{mapped}");
            assert!(seen.insert(mapped), "{mapped} twice");
        }
    }

    #[test]
    fn special_ranges_stay_special() {
        let same = [
            "0.0.0.0",
            "127.0.0.1",
            "127.0.0.6",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "::1",
            "::6",
            "ff02::1",
            "::ffff:127.0.0.1",
        ];
        for address in same {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(mapped(b"1", address), address);
        }
        let kept = [
            ("10.1.2.3", 8),
            ("172.20.1.2", 12),
            ("192.168.7.9", 16),
            ("100.64.3.4", 10),
            ("169.254.169.254", 16),
            ("fd12:3456::1", 7),
            ("fe80::1234:56ff:fe78:9abc", 64),
            ("64:ff9b::10.1.2.3", 104),
        ];
        for (address, length) in kept {
            let address: IpAddr = address.parse().expect("an address");
            let keys = [b"1", b"2", b"3", b"4"];
            let others = keys.map(|key| mapped(key, address));
            assert!(others.iter().all(|other| common(*other, address) >= length));
            assert!(others.iter().any(|other| *other != address), "{address}");
            assert!(others.iter().any(|other| *other != others[0]), "{address}");
        }
    }

    #[test]
    fn public_addresses_become_others_and_stay_public() {
        let key = Key::of(b"a key");
        let mut addresses = Addresses::default();
        let mut same = 0;
        for low in 0..10_000_u32 {
            let address = Ipv4Addr::from_bits(0x0808_0808 ^ low.wrapping_mul(0x9e37_79b9));
            let IpAddr::V4(mapped) = addresses.map(&key, address.into()) else {
                unreachable!("of its own family");
            };
            let special = |address: Ipv4Addr| {
                let bits = u128::from(address.to_bits()) << 96;
                let range = |range: &Range| bits & mask(range.length) == range.first;
                SPECIAL_V4.iter().position(range)
            };
            assert_eq!(special(mapped), special(address), "{address} -> {mapped}");
            same += u32::from(special(address).is_none() && mapped == address);
        }
        assert!(same < 10, "{same} of 10,000 addresses stay");
    }

    #[test]
    fn an_ipv4_address_in_an_ipv6_one_is_mapped_alike() {
        let key = b"k";
        let inner = mapped(key, Ipv4Addr::new(203, 0, 113, 9));
        for prefix in ["::ffff:", "64:ff9b::"] {
            let outer: IpAddr = format!("{prefix}203.0.113.9").parse().expect("an address");
            let expected: IpAddr = format!("{prefix}{inner}").parse().expect("an address");
            assert_eq!(mapped(key, outer), expected);
        }
    }
}
