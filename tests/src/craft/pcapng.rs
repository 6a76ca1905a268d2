//! Packets as pcapng.

use super::{Order, Packet, Trace, len32, low32};

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
