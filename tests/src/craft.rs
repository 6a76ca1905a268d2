//! Captures made by hand: the same packets in every format that exists.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

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

/// Kinds of pcap files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fraction {
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
    /// Microseconds and eight more bytes a record, as old distributions wrote.
    Modified,
}

/// How a pcapng file is written.
#[derive(Clone, Copy, Debug)]
pub struct Pcapng {
    /// Byte order of its section.
    pub order: Order,
    /// The `if_tsresol` option; `None` leaves it out and means microseconds.
    pub resolution: Option<u8>,
    /// The `if_tsoffset` option, in seconds.
    pub offset: Option<i64>,
}

impl Default for Pcapng {
    fn default() -> Self {
        Self {
            order: Order::Little,
            resolution: None,
            offset: None,
        }
    }
}

impl Pcapng {
    /// All of these in one file, each on its own interface, sorted by time.
    #[must_use]
    pub fn file(self, interfaces: &[(&str, &Trace)]) -> Vec<u8> {
        let mut file = self.section();
        for (name, trace) in interfaces {
            file.extend(self.interface(name.as_bytes(), trace.link, trace.snaplen));
        }
        let mut packets: Vec<(u32, &Packet)> = (0..)
            .zip(interfaces)
            .flat_map(|(index, (_, trace))| trace.packets.iter().map(move |p| (index, p)))
            .collect();
        packets.sort_by_key(|(_, packet)| packet.at);
        for (interface, packet) in packets {
            file.extend(self.packet(interface, packet));
        }
        file
    }

    /// A section header block.
    #[must_use]
    pub fn section(self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.order.u32(0x1a2b_3c4d));
        body.extend(self.order.u16(1));
        body.extend(self.order.u16(0));
        body.extend(self.order.u64(u64::MAX));
        body.extend(self.option(4, b"hopscope tests"));
        body.extend(self.option(0, b""));
        self.block(0x0a0d_0d0a, &body)
    }

    /// An interface description block.
    #[must_use]
    pub fn interface(self, name: &[u8], link: u32, snaplen: u32) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(self.order.u32(link));
        if self.order == Order::Big {
            // Two bytes of link type, two reserved.
            body.rotate_left(2);
        }
        body.extend(self.order.u32(snaplen));
        if !name.is_empty() {
            body.extend(self.option(2, name));
        }
        if let Some(resolution) = self.resolution {
            body.extend(self.option(9, &[resolution]));
        }
        if let Some(offset) = self.offset {
            body.extend(self.option(14, &self.order.u64(offset.cast_unsigned())));
        }
        body.extend(self.option(0, b""));
        self.block(1, &body)
    }

    /// An enhanced packet block.
    #[must_use]
    pub fn packet(self, interface: u32, packet: &Packet) -> Vec<u8> {
        let units = self.units(packet.at);
        let mut body = Vec::new();
        for number in [
            interface,
            low32(units >> 32),
            low32(units),
            len32(&packet.data),
            packet.wire_len,
        ] {
            body.extend(self.order.u32(number));
        }
        body.extend(padded(&packet.data));
        body.extend(self.option(2, &[0, 0, 0, 0]));
        body.extend(self.option(0, b""));
        self.block(6, &body)
    }

    /// A simple packet block, which has no time.
    #[must_use]
    pub fn simple_packet(self, packet: &Packet) -> Vec<u8> {
        let mut body = self.order.u32(packet.wire_len).to_vec();
        body.extend(padded(&packet.data));
        self.block(3, &body)
    }

    /// An interface statistics block.
    #[must_use]
    pub fn statistics(self, interface: u32, dropped: u64) -> Vec<u8> {
        let mut body = self.order.u32(interface).to_vec();
        body.extend([0; 8]);
        body.extend(self.option(5, &self.order.u64(dropped)));
        body.extend(self.option(0, b""));
        self.block(5, &body)
    }

    /// Any block.
    #[must_use]
    pub fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = len32(body).next_multiple_of(4) + 12;
        let mut block = Vec::new();
        block.extend(self.order.u32(kind));
        block.extend(self.order.u32(length));
        block.extend(padded(body));
        block.extend(self.order.u32(length));
        block
    }

    fn option(self, code: u16, value: &[u8]) -> Vec<u8> {
        let mut option = Vec::new();
        option.extend(self.order.u16(code));
        option.extend(
            self.order
                .u16(u16::try_from(value.len()).unwrap_or(u16::MAX)),
        );
        option.extend(padded(value));
        option
    }

    /// A time in the units of its interface; rounded up where they are coarser, so that reading
    /// them back, which rounds down, comes to within one unit.
    fn units(self, at: u64) -> u64 {
        let offset = i128::from(self.offset.unwrap_or(0)) * 1_000_000_000;
        let at = i128::from(at) - offset;
        let resolution = self.resolution.unwrap_or(6);
        let a_second: i128 = match resolution {
            binary @ 0x80.. => 1 << (binary & 0x7f),
            decimal => 10_i128.pow(u32::from(decimal)),
        };
        let units = (at * a_second + 999_999_999).div_euclid(1_000_000_000);
        u64::try_from(units).unwrap_or_default()
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}

/// Compressed with gzip, in this many members one after the other.
///
/// # Errors
///
/// Where the compressor fails.
pub fn gzip(bytes: &[u8], members: usize) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    for part in parts(bytes, members) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(part)?;
        file.extend(encoder.finish()?);
    }
    Ok(file)
}

/// Compressed with zstd, in this many frames with a skippable frame after each but the last.
#[must_use]
pub fn zstd(bytes: &[u8], frames: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for part in parts(bytes, frames) {
        if !file.is_empty() {
            file.extend([0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]);
            file.extend(b"skip!");
        }
        file.extend(zstd::bulk::compress(part, 1).expect("memory to compress in"));
    }
    file
}

fn parts(bytes: &[u8], count: usize) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(bytes.len().div_ceil(count.max(1)).max(1))
}

fn low32(number: u64) -> u32 {
    (number & u64::from(u32::MAX))
        .try_into()
        .unwrap_or(u32::MAX)
}

fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A folder that is gone when the test is.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one; `name` must be the test's own.
    ///
    /// # Errors
    ///
    /// Where it cannot be made.
    pub fn new(name: &str) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("hopscope-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    /// Writes a file in it.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn file(&self, name: impl AsRef<Path>, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on it.
        let _ = fs::remove_dir_all(&self.0);
    }
}
