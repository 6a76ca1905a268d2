//! A frame without what it carries and under other addresses.
//!
//! The way goes through the same headers as [`decode`](crate::decode)'s, and a frame that yields a
//! segment yields the same one afterwards, with other endpoints and no payload. What is not known to
//! be harmless is left out: bytes stay because a header field is named here, never by default. A
//! frame without a segment keeps the headers up to where that shows, so that frames keep their
//! numbers and reasons.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Mapping, Settings};
use super::{head, proxied};
use crate::decode::LinkType;

/// Encapsulations followed at most, as when decoding.
const DEEPEST: u8 = 8;

/// Why the way through the headers ends before a TCP segment.
enum Stop {
    /// What follows is none of our business, or was not captured: it is cut off.
    Cut,
    /// What follows contradicts itself: zeros do as well.
    Blank,
}

type Walk<T> = Result<T, Stop>;

/// What follows a header.
#[derive(Clone, Copy)]
enum Protocol {
    Ipv4,
    Ipv6,
    Ip,
    Ethernet,
}

/// A frame on its way.
pub(super) struct Frame<'a> {
    mapping: &'a mut Mapping,
    settings: Settings,
    /// The captured bytes; those before `at` are done.
    data: &'a mut Vec<u8>,
    at: usize,
    /// Where the captured part of the packet ends, without what pads it.
    end: usize,
    /// How much of the packet follows `at` on the wire.
    wire: usize,
    /// A PROXY protocol header had no room for other addresses.
    crowded: bool,
}

/// What is no longer in a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Removed {
    /// Bytes of payload, and of headers that are not known.
    pub(super) bytes: u64,
    /// A PROXY protocol header had no room for other addresses.
    pub(super) crowded: bool,
}

/// Rewrites what was captured of a frame; what is gone of it.
pub(super) fn rewrite(
    mapping: &mut Mapping,
    settings: Settings,
    link: LinkType,
    wire_len: u32,
    data: &mut Vec<u8>,
) -> Removed {
    let before = data.len();
    let mut frame = Frame {
        mapping,
        settings,
        at: 0,
        end: before,
        wire: wire_len as usize,
        crowded: false,
        data,
    };
    let walked = frame
        .link(link)
        .and_then(|protocol| frame.packet(protocol, 0));
    let (done, crowded) = (frame.at, frame.crowded);
    match walked {
        Ok(()) | Err(Stop::Cut) => data.truncate(done),
        Err(Stop::Blank) => data[done..].fill(0),
    }
    Removed {
        bytes: (before - done.min(before)) as u64,
        crowded,
    }
}

impl Frame<'_> {
    /// The next bytes, which are there, or why not.
    fn head<const N: usize>(&self) -> Walk<[u8; N]> {
        let bytes = self.data[self.at..self.end].first_chunk().copied();
        bytes.ok_or_else(|| self.short())
    }

    /// Why a header is not there whole: cut by the snap length, or never sent.
    fn short(&self) -> Stop {
        if self.wire > self.end - self.at {
            Stop::Cut
        } else {
            Stop::Blank
        }
    }

    /// Replaces the next bytes.
    fn put(&mut self, bytes: &[u8]) {
        self.data[self.at..self.at + bytes.len()].copy_from_slice(bytes);
    }

    /// The next `count` bytes are done, or as many as are there.
    fn pass(&mut self, count: usize) -> Walk<()> {
        let there = count.min(self.end - self.at);
        let short = (there < count).then(|| self.short());
        self.at += there;
        self.wire = self.wire.saturating_sub(there);
        short.map_or(Ok(()), Err)
    }

    /// Replaces the next `count` bytes by zeros, or as many as are there.
    fn blank(&mut self, count: usize) -> Walk<()> {
        let end = self.end.min(self.at + count);
        self.data[self.at..end].fill(0);
        self.pass(count)
    }

    /// The packet ends `count` bytes on; padding and a frame check sequence may follow.
    fn limit(&mut self, count: usize) {
        self.end = self.end.min(self.at + count);
        self.wire = count;
    }

    fn link(&mut self, link: LinkType) -> Walk<Protocol> {
        match link {
            LinkType::Ethernet => self.ethernet(),
            LinkType::LinuxSll => {
                let mut head = self.head::<16>()?;
                let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
                self.hardware(&mut head[6..14], length);
                self.put(&head);
                self.pass(16)?;
                self.tagged([head[14], head[15]])
            }
            LinkType::LinuxSll2 => {
                let mut head = self.head::<20>()?;
                let length = usize::from(head[11]);
                self.hardware(&mut head[12..20], length);
                self.put(&head);
                self.pass(20)?;
                self.tagged([head[0], head[1]])
            }
            LinkType::Raw => Ok(Protocol::Ip),
            LinkType::Null | LinkType::Loop => {
                let family = self.head::<4>()?;
                match family {
                    [0, 0, 0, 2 | 10 | 24 | 28 | 30] | [2 | 10 | 24 | 28 | 30, 0, 0, 0] => {
                        self.pass(4)?;
                        Ok(Protocol::Ip)
                    }
                    _ => {
                        self.blank(4)?;
                        Err(Stop::Cut)
                    }
                }
            }
            LinkType::Unsupported(_) => Err(Stop::Cut),
        }
    }

    /// A hardware address in the eight bytes that cooked captures have for it.
    fn hardware(&self, field: &mut [u8], length: usize) {
        let known = field.first_chunk::<6>().copied();
        field.fill(0);
        if let (6, Some(address)) = (length, known) {
            field[..6].copy_from_slice(&self.mapping.hardware(address));
        }
    }

    fn ethernet(&mut self) -> Walk<Protocol> {
        let mut head = self.head::<14>()?;
        for place in [0, 6] {
            let field = &mut head[place..place + 6];
            if let Some(address) = field.first_chunk().copied() {
                field.copy_from_slice(&self.mapping.hardware(address));
            }
        }
        self.put(&head);
        self.pass(14)?;
        self.tagged([head[12], head[13]])
    }

    /// VLAN tags stay.
    fn tagged(&mut self, mut ethertype: [u8; 2]) -> Walk<Protocol> {
        loop {
            match u16::from_be_bytes(ethertype) {
                0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                    let tag = self.head::<4>()?;
                    ethertype = [tag[2], tag[3]];
                    self.pass(4)?;
                }
                0x0800 => return Ok(Protocol::Ipv4),
                0x86dd => return Ok(Protocol::Ipv6),
                _ => return Err(Stop::Cut),
            }
        }
    }

    fn packet(&mut self, protocol: Protocol, depth: u8) -> Walk<()> {
        match protocol {
            Protocol::Ipv4 => self.v4(depth),
            Protocol::Ipv6 => self.v6(depth),
            Protocol::Ip => {
                let version = self.head::<1>()?[0] >> 4;
                let header = if version == 4 { 20 } else { 40 };
                if matches!(version, 4 | 6) && self.end - self.at < header {
                    // The version alone says that there is less than it promises.
                    self.put(&[version << 4]);
                    self.pass(1)?;
                    return Err(self.short());
                }
                match version {
                    4 => self.v4(depth),
                    6 => self.v6(depth),
                    _ => Err(Stop::Blank),
                }
            }
            Protocol::Ethernet => {
                let inner = self.ethernet()?;
                self.packet(inner, depth)
            }
        }
    }

    fn v4(&mut self, depth: u8) -> Walk<()> {
        let mut head = self.head::<20>()?;
        let header = usize::from(head[0] & 0x0f) * 4;
        if head[0] >> 4 != 4 || header < 20 {
            return Err(Stop::Blank);
        }
        let total = match u16::from_be_bytes([head[2], head[3]]) {
            0 => self.wire,
            total => usize::from(total),
        };
        let Some(rest) = total.checked_sub(header) else {
            return Err(Stop::Blank);
        };
        for place in [12, 16] {
            let field = &mut head[place..place + 4];
            if let Some(octets) = field.first_chunk::<4>().copied() {
                field.copy_from_slice(&self.mapping.v4(Ipv4Addr::from(octets)).octets());
            }
        }
        // Options may hold addresses (record route): no-operations stand in for them. RFC 1071 sums
        // up words of sixteen bits.
        head[10..12].fill(0);
        let options = (header - 20) / 2;
        let sum = words_sum(&head) + 0x0101 * u32::try_from(options).unwrap_or_default();
        head[10..12].copy_from_slice(&checksum(sum));
        self.put(&head);
        self.pass(20)?;
        let there = self.end.min(self.at + header - 20);
        self.data[self.at..there].fill(1);
        if u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0 {
            return Err(Stop::Cut);
        }
        self.pass(header - 20)?;
        self.limit(rest);
        self.payload(head[9], depth)
    }

    fn v6(&mut self, depth: u8) -> Walk<()> {
        let mut head = self.head::<40>()?;
        if head[0] >> 4 != 6 {
            return Err(Stop::Blank);
        }
        for place in [8, 24] {
            let field = &mut head[place..place + 16];
            if let Some(octets) = field.first_chunk::<16>().copied() {
                field.copy_from_slice(&self.mapping.v6(Ipv6Addr::from(octets)).octets());
            }
        }
        self.put(&head);
        self.pass(40)?;
        if let length @ 1.. = usize::from(u16::from_be_bytes([head[4], head[5]])) {
            self.limit(length);
        }
        let mut next = head[6];
        loop {
            match next {
                // Hop-by-hop, routing, destination options, mobility.
                0 | 43 | 60 | 135 => next = self.extension(8)?,
                51 => next = self.extension(4)?,
                44 => {
                    let fragment = self.head::<8>()?;
                    self.pass(8)?;
                    if u16::from_be_bytes([fragment[2], fragment[3]]) & 0xfff9 != 0 {
                        return Err(Stop::Cut);
                    }
                    next = fragment[0];
                }
                _ => return self.payload(next, depth),
            }
        }
    }

    /// An extension header whose length counts units of that many bytes: what it holds (routes, home
    /// addresses, check values) becomes zeros, which are padding (RFC 8200 section 4.2, `Pad1`).
    fn extension(&mut self, unit: usize) -> Walk<u8> {
        let [next, length] = self.head()?;
        self.pass(2)?;
        self.blank(usize::from(length) * unit + 6)?;
        Ok(next)
    }

    fn payload(&mut self, protocol: u8, depth: u8) -> Walk<()> {
        let inner = match protocol {
            6 => return self.tcp(),
            4 => Protocol::Ipv4,
            41 => Protocol::Ipv6,
            17 => self.udp()?,
            47 => self.gre()?,
            51 => {
                let next = self.extension(4)?;
                if depth == DEEPEST {
                    return Err(Stop::Cut);
                }
                return self.payload(next, depth + 1);
            }
            // ICMP quotes packets, and everything else is unknown.
            _ => return Err(Stop::Cut),
        };
        if depth == DEEPEST {
            return Err(Stop::Cut);
        }
        self.packet(inner, depth + 1)
    }

    /// Ports and length stay; checksums would tell of the payload. VXLAN and Geneve are followed.
    fn udp(&mut self) -> Walk<Protocol> {
        let mut head = self.head::<8>()?;
        let port = u16::from_be_bytes([head[2], head[3]]);
        head[6..].fill(0);
        self.put(&head);
        self.pass(8)?;
        match port {
            4789 | 8472 => {
                let mut head = self.head::<8>()?;
                head[1..4].fill(0);
                head[7] = 0;
                if head[0] & 0x08 == 0 {
                    head = [0; 8];
                }
                self.put(&head);
                self.pass(8)?;
                match head[0] & 0x08 {
                    0 => Err(Stop::Cut),
                    _ => Ok(Protocol::Ethernet),
                }
            }
            6081 => self.geneve(),
            _ => Err(Stop::Cut),
        }
    }

    fn geneve(&mut self) -> Walk<Protocol> {
        let head = self.head::<8>()?;
        if head[0] >> 6 != 0 {
            // Of no known version: the first byte says so.
            self.pass(1)?;
            self.blank(7)?;
            return Err(Stop::Cut);
        }
        self.pass(8)?;
        let inner = inner([head[2], head[3]])?;
        self.blank(usize::from(head[0] & 0x3f) * 4)?;
        Ok(inner)
    }

    /// The key and the sequence number stay, the checksum does not.
    fn gre(&mut self) -> Walk<Protocol> {
        let head = self.head::<4>()?;
        let flags = u16::from_be_bytes([head[0], head[1]]);
        self.pass(4)?;
        if flags & 0x4007 != 0 {
            return Err(Stop::Cut);
        }
        let inner = inner([head[2], head[3]])?;
        if flags & 0x8000 != 0 {
            self.blank(4)?;
        }
        for bit in [0x2000, 0x1000] {
            if flags & bit != 0 {
                self.pass(4)?;
            }
        }
        Ok(inner)
    }

    fn tcp(&mut self) -> Walk<()> {
        let mut head = self.head::<20>()?;
        let header = usize::from(head[12] >> 4) * 4;
        if header < 20 || self.wire < header {
            return Err(Stop::Blank);
        }
        let ports = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_be_bytes);
        // A sum over the payload tells of it.
        head[16..18].fill(0);
        self.put(&head);
        let _ = self.pass(20);
        let options = self.end.min(self.at + header - 20);
        clear_options(&mut self.data[self.at..options]);
        let _ = self.pass(options - self.at);
        let proxied = proxied::keep(self.mapping, &mut self.data[self.at..self.end]);
        self.crowded |= proxied.crowded;
        let _ = self.pass(proxied.length);
        let kept = if self.settings.keep_headers {
            head::keep(self.mapping, &mut self.data[self.at..self.end])
        } else {
            0
        };
        let kept = kept.max(head::telling(&self.data[self.at..self.end], ports));
        let _ = self.pass(kept);
        Ok(())
    }
}

/// What GRE and Geneve carry.
fn inner(ethertype: [u8; 2]) -> Walk<Protocol> {
    match u16::from_be_bytes(ethertype) {
        0x0800 => Ok(Protocol::Ipv4),
        0x86dd => Ok(Protocol::Ipv6),
        0x6558 => Ok(Protocol::Ethernet),
        _ => Err(Stop::Cut),
    }
}

/// Keeps the options that are numbers of TCP: the maximum segment size, window scale, selective
/// acknowledgments and timestamps. Others may hold addresses (MPTCP, RFC 8684 section 3.4.1), cookies
/// and signatures: no-operations stand in for them.
fn clear_options(mut options: &mut [u8]) {
    loop {
        match *options {
            [1, ref mut rest @ ..] => options = rest,
            [kind, length, ..]
                if kind > 1 && length > 1 && usize::from(length) <= options.len() =>
            {
                let (option, rest) = options.split_at_mut(usize::from(length));
                let known = matches!((kind, length), (2, 4) | (3, 3) | (4, 2) | (5, _) | (8, 10));
                if !known {
                    option.fill(1);
                }
                options = rest;
            }
            // The end, or what makes no sense: nothing after it is read.
            _ => return options.fill(0),
        }
    }
}

/// The sum of words of sixteen bits.
fn words_sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks_exact(2);
    words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum()
}

/// The internet checksum (RFC 1071) of words that have this sum.
fn checksum(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = u16::try_from(sum).unwrap_or_default();
    (!sum).to_be_bytes()
}

impl Mapping {
    fn v4(&mut self, address: Ipv4Addr) -> Ipv4Addr {
        match self.address(address.into()) {
            IpAddr::V4(address) => address,
            IpAddr::V6(_) => unreachable!("addresses stay of their family"),
        }
    }

    fn v6(&mut self, address: Ipv6Addr) -> Ipv6Addr {
        match self.address(address.into()) {
            IpAddr::V6(address) => address,
            IpAddr::V4(_) => unreachable!("addresses stay of their family"),
        }
    }
}
