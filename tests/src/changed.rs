//! Recordings of which one fact is another: a frame is gone, an address, a flag or a word is changed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::craft::{Fraction, Order, Packet, Trace, link};

/// FIN and RST in a TCP header's flags (RFC 9293 section 3.1).
pub mod flag {
    /// Nothing more will be sent.
    pub const FIN: u8 = 0x01;
    /// The connection is given up.
    pub const RST: u8 = 0x04;
}

/// The captures of a recording.
pub struct Recording {
    /// Each by its vantage.
    pub captures: BTreeMap<String, Trace>,
}

/// A packet with a TCP segment over IPv4 in it.
pub struct Sent<'a> {
    data: &'a mut Vec<u8>,
    /// Nanoseconds since the epoch.
    pub at: &'a mut u64,
    /// Where its IP header begins.
    ip: usize,
    /// Where its TCP header begins.
    tcp: usize,
    /// Where its payload begins.
    payload: usize,
    /// Where that ends: a short frame is padded.
    end: usize,
}

impl Recording {
    /// Reads a recording of this repository by its name.
    ///
    /// # Errors
    ///
    /// Where there is none, or a capture cannot be read.
    pub fn read(name: &str) -> Result<Self, Box<dyn Error>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../pcaps")
            .join(name);
        let mut captures = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "pcap") {
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                captures.insert(name.into_owned(), Trace::read(&path)?);
            }
        }
        Ok(Self { captures })
    }

    /// Writes its captures into a folder.
    ///
    /// # Errors
    ///
    /// Where they cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        for (name, trace) in &self.captures {
            let bytes = trace.pcap(Order::Little, Fraction::Micros);
            fs::write(folder.join(format!("{name}.pcap")), bytes)?;
        }
        Ok(())
    }

    /// What `hopscope.toml` says of them.
    #[must_use]
    pub fn names(&self) -> String {
        let lines = self
            .captures
            .keys()
            .map(|name| format!("{name} = \"{name}.pcap\"\n"));
        format!("[captures]\n{}", lines.collect::<String>())
    }

    /// A capture.
    ///
    /// # Panics
    ///
    /// Where the recording has none of that name.
    pub fn capture(&mut self, name: &str) -> &mut Trace {
        self.captures.get_mut(name).expect("a capture of that name")
    }

    /// Keeps the packets of which this is true, in every capture.
    pub fn keep(&mut self, mut what: impl FnMut(&mut Sent<'_>) -> bool) {
        for trace in self.captures.values_mut() {
            trace.keep(&mut what);
        }
    }

    /// Changes every packet, in every capture.
    pub fn each(&mut self, mut change: impl FnMut(&mut Sent<'_>)) {
        self.keep(|sent| {
            change(sent);
            true
        });
    }

    /// Writes other words wherever payload has these.
    ///
    /// # Panics
    ///
    /// Where they are not as long, or nobody says them: then no fact would be another.
    pub fn say(&mut self, from: &str, to: &str) {
        let mut said = 0;
        self.each(|sent| said += sent.say(from, to));
        assert!(said > 0, "nobody says '{from}'");
    }

    /// Makes everything from so many seconds after the first packet on so many seconds later.
    pub fn delay(&mut self, from_s: u64, by_s: u64) {
        let from = self.after(from_s);
        self.each(|sent| {
            if *sent.at >= from {
                *sent.at += by_s * 1_000_000_000;
            }
        });
    }

    /// Ends all captures so many seconds after the first packet.
    pub fn end(&mut self, after_s: u64) {
        let end = self.after(after_s);
        self.keep(|sent| *sent.at < end);
    }

    /// So many seconds after the first packet, in nanoseconds since the epoch.
    #[must_use]
    pub fn after(&self, seconds: u64) -> u64 {
        let packets = self.captures.values().flat_map(|trace| &trace.packets);
        let begin = packets.map(|packet| packet.at).min().unwrap_or_default();
        begin + seconds * 1_000_000_000
    }
}

impl Trace {
    /// Keeps the packets of which this is true, and those that are no TCP over IPv4.
    pub fn keep(&mut self, mut what: impl FnMut(&mut Sent<'_>) -> bool) {
        let kind = self.link;
        self.packets
            .retain_mut(|packet| Sent::of(kind, packet).is_none_or(|mut sent| what(&mut sent)));
    }
}

impl<'a> Sent<'a> {
    fn of(kind: u32, packet: &'a mut Packet) -> Option<Self> {
        let ip = match kind {
            link::ETHERNET => 14,
            link::SLL2 => 20,
            _ => 0,
        };
        let data = &mut packet.data;
        let first = *data.get(ip)?;
        if first >> 4 != 4 || *data.get(ip + 9)? != 6 {
            return None;
        }
        let tcp = ip + usize::from(first & 15) * 4;
        let payload = tcp + usize::from(*data.get(tcp + 12)? >> 4) * 4;
        let total = usize::from(u16::from_be_bytes([data[ip + 2], data[ip + 3]]));
        let end = (ip + total).min(data.len()).max(payload);
        Some(Self {
            data,
            at: &mut packet.at,
            ip,
            tcp,
            payload,
            end,
        })
    }

    fn u16(&self, place: usize) -> u16 {
        u16::from_be_bytes([self.data[place], self.data[place + 1]])
    }

    /// The port that it came from.
    #[must_use]
    pub fn from_port(&self) -> u16 {
        self.u16(self.tcp)
    }

    /// The port that it went to.
    #[must_use]
    pub fn to_port(&self) -> u16 {
        self.u16(self.tcp + 2)
    }

    /// Whether either of its ports is this one.
    #[must_use]
    pub fn is_of(&self, port: u16) -> bool {
        self.from_port() == port || self.to_port() == port
    }

    /// Whether it came from this address or went to it.
    #[must_use]
    pub fn is_with(&self, address: Ipv4Addr) -> bool {
        let places = [self.ip + 12, self.ip + 16];
        places
            .iter()
            .any(|place| self.data[*place..*place + 4] == address.octets())
    }

    /// Whether it has any of these flags.
    #[must_use]
    pub fn has(&self, flags: u8) -> bool {
        self.data[self.tcp + 13] & flags != 0
    }

    /// Takes these flags away, and sets those.
    pub fn turn_flags(&mut self, from: u8, to: u8) {
        let flags = &mut self.data[self.tcp + 13];
        *flags = *flags & !from | to;
    }

    /// Its payload, as far as it was captured.
    pub fn payload_mut(&mut self) -> &mut [u8] {
        let end = self.end;
        let start = self.payload.min(end);
        &mut self.data[start..end]
    }

    /// Writes other words wherever its payload has these, and says how often.
    ///
    /// # Panics
    ///
    /// Where they are not as long: sequence numbers count bytes.
    pub fn say(&mut self, from: &str, to: &str) -> usize {
        assert_eq!(from.len(), to.len(), "sequence numbers count bytes");
        let payload = self.payload_mut();
        let last = payload.len().saturating_sub(from.len() - 1);
        let places: Vec<usize> = (0..last)
            .filter(|place| payload[*place..].starts_with(from.as_bytes()))
            .collect();
        for place in &places {
            payload[*place..*place + to.len()].copy_from_slice(to.as_bytes());
        }
        places.len()
    }

    /// Gives a port another number.
    pub fn turn_port(&mut self, from: u16, to: u16) {
        for place in [self.tcp, self.tcp + 2] {
            if self.u16(place) == from {
                self.data[place..place + 2].copy_from_slice(&to.to_be_bytes());
            }
        }
    }

    /// Gives an address another number.
    pub fn turn_address(&mut self, from: Ipv4Addr, to: Ipv4Addr) {
        for place in [self.ip + 12, self.ip + 16] {
            if self.data[place..place + 4] == from.octets() {
                self.data[place..place + 4].copy_from_slice(&to.octets());
            }
        }
    }
}
