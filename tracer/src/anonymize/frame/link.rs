//! Link layers: other hardware addresses.

use super::{Frame, Protocol, Stop, Walk};
use crate::decode::LinkType;

impl Frame<'_> {
    pub(super) fn link(&mut self, link: LinkType) -> Walk<Protocol> {
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

    pub(super) fn ethernet(&mut self) -> Walk<Protocol> {
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
}
