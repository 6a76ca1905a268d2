//! IPv4 and IPv6 headers: other addresses, and nothing else that may hold some.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::Mapping;
use super::{Frame, Stop, Walk};

impl Frame<'_> {
    pub(super) fn v4(&mut self, depth: u8) -> Walk<()> {
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

    pub(super) fn v6(&mut self, depth: u8) -> Walk<()> {
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
    pub(super) fn extension(&mut self, unit: usize) -> Walk<u8> {
        let [next, length] = self.head()?;
        self.pass(2)?;
        self.blank(usize::from(length) * unit + 6)?;
        Ok(next)
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
