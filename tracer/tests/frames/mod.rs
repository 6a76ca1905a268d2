//! Frames made by hand, from the inside out.

/// Addresses of the inner packet, and of tunnels around it.
pub(crate) const CLIENT: [u8; 4] = [10, 0, 0, 1];
pub(crate) const SERVER: [u8; 4] = [10, 0, 0, 2];
const OUTER: [[u8; 4]; 2] = [[192, 0, 2, 1], [192, 0, 2, 2]];

pub(crate) const CLIENT6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(crate) const SERVER6: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

pub(crate) const PAYLOAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

pub(crate) const TIMESTAMPS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 9];

fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap_or(0).to_be_bytes()
}

/// A TCP segment from port 40000 to 8080: seq 1000, ack 2000, PSH and ACK, window 500.
pub(crate) fn tcp_with(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len().div_ceil(4)).unwrap_or(15);
    let mut bytes = Vec::new();
    bytes.extend(40_000_u16.to_be_bytes());
    bytes.extend(8_080_u16.to_be_bytes());
    bytes.extend(1_000_u32.to_be_bytes());
    bytes.extend(2_000_u32.to_be_bytes());
    bytes.extend([words << 4, 0x18, 1, 244, 0, 0, 0, 0]);
    bytes.extend(options);
    bytes.resize(usize::from(words) * 4, 0);
    bytes.extend(payload);
    bytes
}

pub(crate) fn tcp() -> Vec<u8> {
    tcp_with(&TIMESTAMPS, PAYLOAD)
}

fn ipv4_of(
    addresses: [[u8; 4]; 2],
    protocol: u8,
    fragment: u16,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    assert!(options.len().is_multiple_of(4));
    let header = 20 + options.len();
    let mut bytes = vec![0x40 | u8::try_from(header / 4).unwrap_or(15), 0];
    bytes.extend(short(header + payload.len()));
    bytes.extend([0x12, 0x34]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([63, protocol, 0, 0]);
    bytes.extend(addresses[0]);
    bytes.extend(addresses[1]);
    bytes.extend(options);
    bytes.extend(payload);
    bytes
}

pub(crate) fn ipv4_with(protocol: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    ipv4_of([CLIENT, SERVER], protocol, fragment, options, payload)
}

pub(crate) fn ipv4() -> Vec<u8> {
    ipv4_with(6, 0x4000, &[], &tcp())
}

/// The packet around a tunnel's.
pub(crate) fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_of(OUTER, protocol, 0x4000, &[], payload)
}

pub(crate) fn ipv6_with(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend(short(payload.len()));
    bytes.extend([next, 62]);
    bytes.extend(CLIENT6);
    bytes.extend(SERVER6);
    bytes.extend(payload);
    bytes
}

pub(crate) fn ipv6() -> Vec<u8> {
    ipv6_with(6, &tcp())
}

/// An extension header of `words` times eight bytes before `payload`.
pub(crate) fn extension(next: u8, words: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![next, words - 1];
    // One Pad-N option.
    bytes.extend([1, words * 8 - 4]);
    bytes.resize(usize::from(words) * 8, 0);
    bytes.extend(payload);
    bytes
}

pub(crate) fn fragment6(next: u8, offset_and_more: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![next, 0];
    bytes.extend(offset_and_more.to_be_bytes());
    bytes.extend([0, 0, 0, 5]);
    bytes.extend(payload);
    bytes
}

/// An authentication header with 96 bits of check value.
pub(crate) fn authentication(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![next, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
    bytes.extend([0xaa; 12]);
    bytes.extend(payload);
    bytes
}

pub(crate) fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = 55_555_u16.to_be_bytes().to_vec();
    bytes.extend(port.to_be_bytes());
    bytes.extend(short(8 + payload.len()));
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

pub(crate) fn vxlan(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x08, 0, 0, 0, 0, 0, 42, 0];
    bytes.extend(payload);
    udp(port, &bytes)
}

/// Geneve with this many words of options.
pub(crate) fn geneve(protocol: u16, words: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![words, 0];
    bytes.extend(protocol.to_be_bytes());
    bytes.extend([0, 0, 42, 0]);
    bytes.extend(vec![0x55; usize::from(words) * 4]);
    bytes.extend(payload);
    udp(6081, &bytes)
}

/// GRE with these flags and the fields that belong to them.
pub(crate) fn gre(flags: u16, protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = flags.to_be_bytes().to_vec();
    bytes.extend(protocol.to_be_bytes());
    let fields = [0x8000, 0x2000, 0x1000]
        .iter()
        .filter(|&&bit| flags & bit != 0)
        .count();
    bytes.extend(vec![0x77; fields * 4]);
    bytes.extend(payload);
    bytes
}

/// Ethernet with these VLAN tags.
pub(crate) fn ethernet_with(tags: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    for tag in tags {
        bytes.extend(tag.to_be_bytes());
        bytes.extend([0, 100]);
    }
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn ethernet() -> Vec<u8> {
    ethernet_with(&[], 0x0800, &ipv4())
}

/// Linux cooked v1.
pub(crate) fn sll(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    bytes.extend(protocol.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Linux cooked v2.
pub(crate) fn sll2(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = protocol.to_be_bytes().to_vec();
    bytes.extend([0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
    bytes.extend(payload);
    bytes
}
