//! Captures made by hand: the same packets in every format that exists.

mod compressed;
mod pcapng;
mod scratch;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use self::compressed::{gzip, zstd};
pub use self::pcapng::{Fraction, Pcapng};
pub use self::scratch::Scratch;

/// All recordings of the repository: every `pcaps/SCENARIO/VANTAGE.pcap`, sorted.
///
/// # Panics
///
/// Where the folder cannot be read: there is nothing to test then.
#[must_use]
pub fn recordings() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder)
            .expect("a folder of recordings")
            .map(|entry| entry.expect("an entry of that folder").path())
            .collect()
    };
    let mut found: Vec<PathBuf> = entries(&root)
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|scenario| entries(scenario))
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        .collect();
    found.sort();
    found
}

/// Link types that captures name by number.
pub mod link {
    /// Ethernet.
    pub const ETHERNET: u32 = 1;
    /// Raw IP.
    pub const RAW: u32 = 101;
    /// Linux cooked v2.
    pub const SLL2: u32 = 276;
}

/// A byte order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Lowest byte first.
    Little,
    /// Highest byte first.
    Big,
}

impl Order {
    fn u16(self, number: u16) -> [u8; 2] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn u32(self, number: u32) -> [u8; 4] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn u64(self, number: u64) -> [u8; 8] {
        match self {
            Self::Little => number.to_le_bytes(),
            Self::Big => number.to_be_bytes(),
        }
    }

    fn read_u32(self, bytes: &[u8], at: usize) -> u32 {
        let bytes = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }
}

/// One captured packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Nanoseconds since the epoch.
    pub at: u64,
    /// Length on the wire.
    pub wire_len: u32,
    /// What was captured of it.
    pub data: Vec<u8>,
}

/// The packets of one interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    /// Link type.
    pub link: u32,
    /// Most bytes kept of a packet.
    pub snaplen: u32,
    /// The packets.
    pub packets: Vec<Packet>,
}

impl Trace {
    /// Reads a pcap file of this machine's tcpdump: little-endian, microseconds.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        Self::parse(&bytes).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "{}: no little-endian pcap with microseconds",
                    path.display()
                ),
            )
        })
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let order = Order::Little;
        let (header, mut rest) = bytes.split_at_checked(24)?;
        if order.read_u32(header, 0) != 0xa1b2_c3d4 {
            return None;
        }
        let mut packets = Vec::new();
        while !rest.is_empty() {
            let (header, more) = rest.split_at_checked(16)?;
            let captured = order.read_u32(header, 8) as usize;
            let (data, more) = more.split_at_checked(captured)?;
            let seconds = u64::from(order.read_u32(header, 0));
            let micros = u64::from(order.read_u32(header, 4));
            packets.push(Packet {
                at: seconds * 1_000_000_000 + micros * 1_000,
                wire_len: order.read_u32(header, 12),
                data: data.to_vec(),
            });
            rest = more;
        }
        Some(Self {
            link: order.read_u32(header, 20),
            snaplen: order.read_u32(header, 16),
            packets,
        })
    }

    /// The same, captured with this snap length.
    #[must_use]
    pub fn cut(&self, snaplen: u32) -> Self {
        let mut cut = self.clone();
        cut.snaplen = snaplen;
        for packet in &mut cut.packets {
            packet.data.truncate(snaplen as usize);
        }
        cut
    }

    /// As a pcap file.
    #[must_use]
    pub fn pcap(&self, order: Order, fraction: Fraction) -> Vec<u8> {
        let magic = match fraction {
            Fraction::Micros => 0xa1b2_c3d4,
            Fraction::Nanos => 0xa1b2_3c4d,
            Fraction::Modified => 0xa1b2_cd34,
        };
        let mut file = Vec::new();
        file.extend(order.u32(magic));
        file.extend(order.u16(2));
        file.extend(order.u16(4));
        for number in [0, 0, self.snaplen, self.link] {
            file.extend(order.u32(number));
        }
        for packet in &self.packets {
            file.extend(packet.record(order, fraction));
        }
        file
    }
}

impl Packet {
    /// As a record of a pcap file.
    #[must_use]
    pub fn record(&self, order: Order, fraction: Fraction) -> Vec<u8> {
        let seconds = low32(self.at / 1_000_000_000);
        let nanos = low32(self.at % 1_000_000_000);
        let fraction_field = match fraction {
            Fraction::Nanos => nanos,
            Fraction::Micros | Fraction::Modified => nanos / 1_000,
        };
        let mut record = Vec::new();
        for number in [seconds, fraction_field, len32(&self.data), self.wire_len] {
            record.extend(order.u32(number));
        }
        if fraction == Fraction::Modified {
            // Interface index, protocol, packet type, padding.
            record.extend([0; 8]);
        }
        record.extend(&self.data);
        record
    }
}

fn low32(number: u64) -> u32 {
    (number & u64::from(u32::MAX))
        .try_into()
        .unwrap_or(u32::MAX)
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
