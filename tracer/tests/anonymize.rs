//! A frame made anonymous is the same frame to the decoder, under other addresses and without payload.

mod frames;

use frames::{
    authentication, ethernet, ethernet_with, extension, fragment6, geneve, gre, ipv4, ipv4_with,
    ipv6, ipv6_with, outer, sll, sll2, tcp, tcp_with, udp, vxlan,
};
use proptest::prelude::*;
use tracer::anonymize::{Key, Mapping, Settings, rewrite};
use tracer::decode::{LinkType, Skip, segment};
use tracer::segment::Segment;
use tracer::source::{Capture, Frame};
use tracer::time::Time;

/// What private bytes look like here: nothing else holds this.
const SECRET: &[u8] = b"SECRETSECRETSECRET";

fn number(bytes: &mut Vec<u8>, number: usize) {
    bytes.extend(u32::try_from(number).expect("small").to_le_bytes());
}

/// A pcap with these frames: what was captured of each, and its length on the wire.
fn pcap(link: LinkType, frames: &[(&[u8], usize)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 0, link.number() as usize] {
        number(&mut file, word);
    }
    for (data, wire_len) in frames {
        for word in [7, 11, data.len(), *wire_len] {
            number(&mut file, word);
        }
        file.extend(*data);
    }
    file
}

/// The frames, made anonymous.
fn anonymous(link: LinkType, frames: &[(&[u8], usize)], settings: Settings) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut capture = Capture::new(std::io::Cursor::new(pcap(link, frames))).expect("a capture");
    let mut mapping = Mapping::new(Key::of(b"a key"));
    let done = rewrite(&mut capture, &mut mapping, settings, &mut out).expect("memory");
    let mut capture = Capture::new(std::io::Cursor::new(out)).expect("a capture");
    let mut after = Vec::new();
    while capture.advance() {
        for frame in capture.frames() {
            let (data, wire_len) = frames[after.len()];
            assert_eq!(frame.wire_len as usize, wire_len);
            assert_eq!(frame.at, Time::from_nanos(7_000_000_011));
            assert!(frame.data.len() <= data.len());
            after.push(frame.data.to_vec());
        }
    }
    assert_eq!((capture.damage(), after.len()), (None, frames.len()));
    let cut = |(before, after): (&(&[u8], usize), &Vec<u8>)| before.0.len() - after.len();
    let cut: usize = frames.iter().zip(&after).map(cut).sum();
    // Bytes that became zeros are removed, too.
    assert!(done.bytes_removed >= cut as u64 && done.frames == after.len() as u64);
    after
}

fn one(link: LinkType, data: &[u8]) -> Vec<u8> {
    anonymous(link, &[(data, data.len())], Settings::default()).remove(0)
}

fn decoded(link: LinkType, data: &[u8], wire_len: usize) -> Result<Segment<'_>, Skip> {
    segment(&Frame {
        interface: 0,
        link,
        number: 1,
        at: Time::from_nanos(7_000_000_011),
        data,
        wire_len: u32::try_from(wire_len).expect("short"),
    })
}

/// All that must be the same, as text.
fn told(segment: &Result<Segment<'_>, Skip>, endpoints: impl Fn(&Segment<'_>) -> String) -> String {
    match segment {
        Err(why) => format!("{why:?}"),
        Ok(s) => format!(
            "{} {:?} {:?} {:?} {} {} {:?} {:?} {}",
            endpoints(s),
            s.seq,
            s.ack,
            s.flags,
            s.window,
            s.len,
            s.options,
            s.ip_id,
            s.ttl
        ),
    }
}

fn are_the_same(link: LinkType, frames: &[(&[u8], usize)]) {
    let after = anonymous(link, frames, Settings::default());
    for ((data, wire_len), after) in frames.iter().zip(&after) {
        is_the_same(link, data, *wire_len, after);
    }
}

fn is_the_same(link: LinkType, data: &[u8], wire_len: usize, after: &[u8]) {
    let one = decoded(link, data, wire_len);
    let other = decoded(link, after, wire_len);
    let mapped = |s: &Segment<'_>| {
        let mut mapping = Mapping::new(Key::of(b"a key"));
        let ends = [mapping.endpoint(s.source), mapping.endpoint(s.destination)];
        format!("{ends:?}")
    };
    let same = |s: &Segment<'_>| format!("{:?}", [s.source, s.destination]);
    assert_eq!(
        told(&other, same),
        told(&one, mapped),
        "{link:?} {data:02x?} -> {after:02x?}"
    );
    if let Ok(segment) = &other {
        assert!(segment.payload.is_empty() || segment.source.port() < segment.destination.port());
    }
}

/// Every encapsulation that is decoded, and some that are not.
fn all() -> Vec<(LinkType, Vec<u8>)> {
    use LinkType::{Ethernet, LinuxSll, LinuxSll2, Loop, Null, Raw};
    let packets = [
        ipv4(),
        ipv6(),
        ipv4_with(6, 0x4000, &[7, 7, 4, 192, 0, 2, 33, 0], &tcp()),
        ipv4_with(6, 0x2000, &[], &tcp()),
        ipv4_with(1, 0, &[], SECRET),
        ipv4_with(50, 0, &[], SECRET),
        ipv6_with(0, &extension(43, 2, &extension(60, 1, &fragment_of(6)))),
        ipv6_with(44, &fragment6(6, 0x0011, &tcp())),
        ipv6_with(51, &authentication(6, &tcp())),
        outer(51, &authentication(6, &tcp())),
        outer(4, &ipv4()),
        outer(41, &ipv6()),
        outer(17, &vxlan(4789, &ethernet())),
        outer(17, &vxlan(8472, &ethernet_with(&[0x8100], 0x86dd, &ipv6()))),
        outer(17, &udp(4789, SECRET)),
        outer(17, &udp(53, SECRET)),
        outer(17, &geneve(0x6558, 3, &ethernet())),
        outer(17, &geneve(0x0800, 0, &ipv4())),
        outer(17, &geneve(0x1234, 0, SECRET)),
        outer(47, &gre(0, 0x0800, &ipv4())),
        outer(47, &gre(0xb000, 0x6558, &ethernet())),
        outer(47, &gre(0x0001, 0x880b, SECRET)),
        ipv4_with(6, 0, &[], &tcp_with(&mptcp(), SECRET)),
        ipv4_with(
            6,
            0,
            &[],
            &tcp_with(&[2, 4, 5, 180, 4, 2, 3, 3, 7, 0, 9, 9], b""),
        ),
    ];
    let mut frames = Vec::new();
    for packet in packets {
        let (ethertype, family) = match packet[0] >> 4 {
            4 => (0x0800, 2),
            _ => (0x86dd, 10),
        };
        frames.push((Ethernet, ethernet_with(&[], ethertype, &packet)));
        frames.push((
            Ethernet,
            ethernet_with(&[0x88a8, 0x8100], ethertype, &packet),
        ));
        frames.push((LinuxSll, sll(ethertype, &packet)));
        frames.push((LinuxSll2, sll2(ethertype, &packet)));
        frames.push((Null, [&[family, 0, 0, 0], packet.as_slice()].concat()));
        frames.push((Loop, [&[0, 0, 0, family], packet.as_slice()].concat()));
        frames.push((Raw, packet));
    }
    frames.push((Ethernet, ethernet_with(&[], 0x0806, SECRET)));
    frames.push((Null, [&[9, 9, 9, 9], SECRET].concat()));
    frames
}

fn fragment_of(next: u8) -> Vec<u8> {
    fragment6(next, 0, &tcp())
}

/// ADD_ADDR of 203.0.113.77, and a signature.
fn mptcp() -> Vec<u8> {
    let mut options = vec![
        30, 8, 0x30, 1, 203, 0, 113, 77, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1,
    ];
    options.extend([19, 18]);
    options.extend(&SECRET[..16]);
    options.resize(40, 0);
    options
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn every_frame_however_it_is_cut() {
    for (link, data) in all() {
        // Cut by the snap length, or never sent.
        let cut = (0..=data.len()).map(|length| (&data[..length], data.len()));
        let short = (0..=data.len()).map(|length| (&data[..length], length));
        are_the_same(link, &cut.chain(short).collect::<Vec<_>>());
    }
}

#[test]
fn nothing_private_stays() {
    for (link, data) in all() {
        let after = one(link, &data);
        let private: [&[u8]; 9] = [
            &frames::CLIENT,
            &frames::SERVER,
            &frames::CLIENT6,
            &frames::SERVER6,
            &[192, 0, 2, 1],
            &[192, 0, 2, 33],
            &[203, 0, 113, 77],
            &[2, 0, 0, 0, 0, 1],
            &SECRET[..6],
        ];
        for part in private.into_iter().chain([frames::PAYLOAD]) {
            assert!(!holds(&after, part), "{part:02x?} in {link:?} {after:02x?}");
        }
    }
}

/// Wireshark computes it, and would colour every packet otherwise.
#[test]
fn header_checksums_are_right() {
    for options in [&[][..], &[7, 7, 4, 192, 0, 2, 33, 0]] {
        let data = ipv4_with(6, 0x4000, options, &tcp());
        let after = one(LinkType::Raw, &data);
        let header = etherparse::Ipv4Header::from_slice(&after)
            .expect("a header")
            .0;
        assert_eq!(header.header_checksum, header.calc_header_checksum());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    /// Whatever stands in the headers.
    #[test]
    fn every_frame_however_it_is_damaged(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        captured in any::<prop::sample::Index>(),
        whole: bool,
    ) {
        let frames = all();
        let (link, mut data) = frames[which.index(frames.len())].clone();
        for (place, byte) in damage {
            let place = place.index(data.len());
            data[place] = byte;
        }
        let captured = if whole { data.len() } else { captured.index(data.len()) };
        are_the_same(link, &[(&data[..captured], data.len())]);
    }
}
