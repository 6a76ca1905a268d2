//! Overlays: VXLAN, Geneve and GRE, without checksums and options.

use super::{Frame, Protocol, Stop, Walk};

impl Frame<'_> {
    /// Ports and length stay; checksums would tell of the payload. VXLAN and Geneve are followed.
    pub(super) fn udp(&mut self) -> Walk<Protocol> {
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
    pub(super) fn gre(&mut self) -> Walk<Protocol> {
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
