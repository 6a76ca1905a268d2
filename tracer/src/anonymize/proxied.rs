//! PROXY protocol headers, which say whose bytes a connection carries: under other addresses, in as
//! many bytes, as sequence numbers count them.
//!
//! A header of version 1 is text, in which another address may be longer. One of version 2 says the
//! same in bytes of fixed length, and what is left over is filled as its own specification provides
//! (PP2_TYPE_NOOP, <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>, section 2.2.5). So
//! every header becomes one of version 2 where it has room for that: those of IPv4 always have. What
//! version 2 carries beside addresses (names of hosts and certificates, ids) goes.

use std::net::{IpAddr, SocketAddr};

use super::Mapping;
use crate::http::{ProxiedHeader, proxied_header};
use crate::segment::Endpoint;

/// Signature, version, family and length of version 2.
const FIXED: usize = 16;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, and that somebody is spoken for.
const PROXY: u8 = 0x21;

/// Fills what is left of a header.
const NOOP: u8 = 0x04;

/// What stands before anything in a header of version 1 that names nobody.
const UNKNOWN: &[u8] = b"PROXY UNKNOWN";

/// What became of the header at the beginning of a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Its length; zero where there is none.
    pub(super) length: usize,
    /// The other addresses found no room in it: now it names nobody.
    pub(super) crowded: bool,
}

/// Rewrites the header at the beginning of a payload, where one is there whole.
pub(super) fn keep(mapping: &mut Mapping, payload: &mut [u8]) -> Kept {
    let Some(ProxiedHeader { of, length }) = proxied_header(payload) else {
        return Kept::default();
    };
    let header = &mut payload[..length];
    let binary = header.starts_with(SIGNATURE);
    let Some((source, destination)) = of else {
        if binary {
            header[FIXED..].fill(0);
        } else {
            name_nobody(header);
        }
        return kept(header, None);
    };
    let protocol = if binary { header[13] & 0x0f } else { 1 };
    let ends = [source, destination].map(|end| other(mapping, end));
    if put_binary(header, ends, protocol) || put_text(header, ends) {
        return kept(header, Some(ends));
    }
    name_nobody(header);
    Kept {
        crowded: true,
        ..kept(header, None)
    }
}

/// Only what says exactly what it should say stays.
fn kept(header: &[u8], ends: Option<[SocketAddr; 2]>) -> Kept {
    let said = proxied_header(header);
    let is_so = said.is_some_and(|said| {
        said.length == header.len() && said.of.map(|(from, to)| [from, to]) == ends
    });
    Kept {
        length: if is_so { header.len() } else { 0 },
        crowded: false,
    }
}

fn other(mapping: &mut Mapping, end: SocketAddr) -> SocketAddr {
    let address = mapping.endpoint(Endpoint::new(end.ip(), end.port()));
    SocketAddr::new(address.address(), address.port())
}

/// As version 2; false where it has no room.
fn put_binary(header: &mut [u8], ends: [SocketAddr; 2], protocol: u8) -> bool {
    let (family, mut addresses) = match ends.map(|end| end.ip()) {
        [IpAddr::V4(from), IpAddr::V4(to)] => (0x10, [from.octets(), to.octets()].concat()),
        [IpAddr::V6(from), IpAddr::V6(to)] => (0x20, [from.octets(), to.octets()].concat()),
        _ => return false,
    };
    addresses.extend(ends.iter().flat_map(|end| end.port().to_be_bytes()));
    let Some(left) = header.len().checked_sub(FIXED + addresses.len()) else {
        return false;
    };
    let Ok(length) = u16::try_from(header.len() - FIXED) else {
        return false;
    };
    // What fills has a kind and a length of its own.
    let filler = match left.checked_sub(3).map(u16::try_from) {
        Some(Ok(zeros)) => {
            let [high, low] = zeros.to_be_bytes();
            vec![NOOP, high, low]
        }
        _ if left == 0 => Vec::new(),
        _ => return false,
    };
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend([PROXY, family | protocol]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(addresses);
    bytes.extend(filler);
    bytes.resize(header.len(), 0);
    header.copy_from_slice(&bytes);
    true
}

/// As version 1, where the addresses happen to be as long.
fn put_text(header: &mut [u8], [from, to]: [SocketAddr; 2]) -> bool {
    let family = if from.is_ipv4() { 4 } else { 6 };
    let (ips, ports) = ([from.ip(), to.ip()], [from.port(), to.port()]);
    let text = format!(
        "PROXY TCP{family} {} {} {} {}\r\n",
        ips[0], ips[1], ports[0], ports[1]
    );
    let fits = text.len() == header.len();
    if fits {
        header.copy_from_slice(text.as_bytes());
    }
    fits
}

/// Version 1, of somebody unknown: whatever follows the word is not read.
fn name_nobody(header: &mut [u8]) {
    let mut text = UNKNOWN.to_vec();
    if header.len() > UNKNOWN.len() + 2 {
        text.push(b' ');
        text.resize(header.len() - 2, b'x');
    }
    text.extend(b"\r\n");
    // Shorter ones than this there are none.
    if text.len() == header.len() {
        header.copy_from_slice(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymize::Key;

    fn mapping() -> Mapping {
        Mapping::new(Key::of(b"k"))
    }

    /// The header rewritten, with what follows it.
    fn rewritten(header: &[u8]) -> (Kept, Vec<u8>) {
        let mut payload = [header, b"GET /secret"].concat();
        let kept = keep(&mut mapping(), &mut payload);
        assert_eq!(payload.len(), header.len() + 11);
        payload.truncate(kept.length);
        (kept, payload)
    }

    fn named(of: &str) -> SocketAddr {
        other(&mut mapping(), of.parse().expect("an endpoint"))
    }

    #[test]
    fn both_versions_name_the_other_addresses_in_as_many_bytes() {
        let text = b"PROXY TCP4 10.0.0.1 10.0.0.2 54321 80\r\n".to_vec();
        let shortest = b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n".to_vec();
        let six = b"PROXY TCP6 2001:db8:aaaa:bbbb::1 2001:db8:aaaa::2 54321 80\r\n".to_vec();
        let mut binary = [&SIGNATURE[..], &[0x21, 0x11, 0, 12]].concat();
        binary.extend([10, 0, 0, 1, 10, 0, 0, 2, 0xd4, 0x31, 0, 80]);
        let mut with_name = binary.clone();
        with_name[15] = 12 + 9;
        with_name.extend(b"\x02\x00\x06secret");
        for (header, from, to) in [
            (&text, "10.0.0.1:54321", "10.0.0.2:80"),
            (&shortest, "1.1.1.1:1", "2.2.2.2:2"),
            (
                &six,
                "[2001:db8:aaaa:bbbb::1]:54321",
                "[2001:db8:aaaa::2]:80",
            ),
            (&binary, "10.0.0.1:54321", "10.0.0.2:80"),
            (&with_name, "10.0.0.1:54321", "10.0.0.2:80"),
        ] {
            let (kept, after) = rewritten(header);
            assert_eq!((kept.length, kept.crowded), (header.len(), false));
            let said = proxied_header(&after).expect("it is still one");
            assert_eq!(said.length, header.len());
            assert_eq!(said.of, Some((named(from), named(to))));
            assert!(!after.windows(6).any(|part| part == b"secret"));
            assert_ne!(&after, header);
        }
    }

    #[test]
    fn what_has_no_room_names_nobody_and_says_so() {
        let (kept, after) = rewritten(b"PROXY TCP6 fd00::1 fd00::2 54321 80\r\n");
        assert_eq!((kept.length, kept.crowded), (37, true));
        let said = proxied_header(&after).expect("it is still one");
        assert_eq!((said.length, said.of), (37, None));
        assert!(!after.windows(4).any(|part| part == b"fd00"));
    }

    #[test]
    fn what_names_nobody_is_emptied() {
        let local = [&SIGNATURE[..], &[0x20, 0x11, 0, 12], b"secretsecret"].concat();
        let unix = [&SIGNATURE[..], &[0x21, 0x31, 0, 216], &[b's'; 216]].concat();
        for header in [local, unix, b"PROXY UNKNOWN secret\r\n".to_vec()] {
            let (kept, after) = rewritten(&header);
            assert_eq!(kept.length, header.len(), "{}", header.escape_ascii());
            assert!(
                !after
                    .windows(3)
                    .any(|part| part == b"sec" || part == b"sss")
            );
            assert_eq!(proxied_header(&after).map(|said| said.of), Some(None));
        }
        assert_eq!(rewritten(b"PROXY UNKNOWN\r\n").0.length, 15);
    }

    #[test]
    fn what_is_no_header_or_only_a_part_does_not_stay() {
        for other in [
            &b"PROXY TCP4 10.0.0.1 10"[..],
            b"PROXY TCP4 secret\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\xff",
            b"",
            b"GET / HTTP/1.1\r\n",
        ] {
            assert_eq!(
                rewritten(other).0,
                Kept::default(),
                "{}",
                other.escape_ascii()
            );
        }
    }
}
