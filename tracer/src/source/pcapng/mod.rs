//! The pcapng format: blocks, among them sections, interfaces and packets.
//!
//! Format: <https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/>.

mod clock;
mod watch;

use self::clock::{Clock, resolution};
pub use self::watch::Unread;
use self::watch::Watch;
use super::error::Damage;
use super::own::{self, Mark, Watched};
use super::pcap::LONGEST;
use super::window::Window;
use super::{Extra, Interface, Record};
use crate::decode::LinkType;
use crate::time::Time;

/// Type of a section header block: the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;
const ISB_IFDROP: u16 = 5;
const ISB_OSDROP: u16 = 7;

/// Blocks up to here may be held in memory whole; nothing that is read needs more.
const LONGEST_BLOCK: u32 = LONGEST + 64 * 1024;

#[derive(Default)]
pub(super) struct Reader {
    big_endian: bool,
    /// Simple packets passed over: they carry no time, and nothing can be told without one.
    pub(super) untimed: u64,
    /// Clock of every interface, of all sections.
    clocks: Vec<Clock>,
    /// Where the interfaces of this section begin among all.
    section: usize,
    /// What hopscope itself recorded.
    pub(super) watch: Watch,
    /// What the last packet was marked with.
    pub(super) mark: Option<Mark>,
}

/// What is handed out.
pub(super) enum Found {
    Frame(Record),
    Extra(Box<Extra>),
}

impl Reader {
    /// Reads blocks up to and with the next packet, or the next of our own.
    pub(super) fn advance(
        &mut self,
        window: &mut Window,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Option<Found>, Damage> {
        loop {
            let position = window.position();
            let read = |error: std::io::Error| Damage::reading(position, &error);
            let bad = |what| Damage::BadRecord { position, what };
            if !window.fill(12).map_err(read)? {
                return if window.data().is_empty() {
                    Ok(None)
                } else {
                    Err(Damage::CutInHalf { position })
                };
            }
            let header = window.data();
            let mut kind = self.u32(&header[0..4]);
            if header[..4] == MAGIC {
                kind = SECTION;
                self.big_endian = match header[8..12] {
                    [0x1a, 0x2b, 0x3c, 0x4d] => true,
                    [0x4d, 0x3c, 0x2b, 0x1a] => false,
                    _ => return Err(bad("a section of unknown byte order")),
                };
            }
            let length = self.u32(&header[4..8]);
            if length < 12 || !length.is_multiple_of(4) || length > LONGEST_BLOCK {
                return Err(bad("a block of impossible length"));
            }
            let claimed = length;
            let length = length as usize;
            if !window.fill(length).map_err(read)? {
                return Err(Damage::cut(position, claimed));
            }
            window.consume(length);
            let body = &window.consumed()[8..length - 4];
            let found = match kind {
                SECTION => {
                    self.section = interfaces.len();
                    self.watch.section();
                    None
                }
                INTERFACE => {
                    let (interface, clock) = self
                        .interface(body)
                        .ok_or_else(|| bad("a cut interface block"))?;
                    interfaces.push(interface);
                    self.clocks.push(clock);
                    None
                }
                ENHANCED_PACKET | PACKET => {
                    let record = self
                        .packet(kind, body)
                        .ok_or_else(|| bad("a cut packet block"))?;
                    if record.interface as usize >= interfaces.len() {
                        return Err(bad("a packet of an interface that was not announced"));
                    }
                    Some(Found::Frame(record))
                }
                own::BLOCK => self.watch.block(body, self.section, interfaces.len()),
                SIMPLE_PACKET => {
                    self.untimed += 1;
                    None
                }
                STATISTICS => {
                    self.statistics(body, interfaces);
                    None
                }
                _ => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn interface(&mut self, body: &[u8]) -> Option<(Interface, Clock)> {
        let link = u32::from(self.u16(body.get(0..2)?));
        let link = LinkType::from_number(link).unwrap_or(LinkType::Unsupported(link));
        let mut interface = Interface {
            snaplen: self.u32(body.get(4..8)?),
            ..Interface::new(link)
        };
        let text = |value| Some(String::from_utf8_lossy(value).into_owned());
        let mut clock = Clock::default();
        let mut watched = None;
        let mut described = false;
        for (code, value) in self.options(&body[8..]) {
            match (code, value) {
                (IF_NAME, value) => interface.name = text(value),
                (IF_DESCRIPTION, value) => {
                    described = value.starts_with(own::WATCHED.as_bytes());
                    interface.thinned = value == own::WATCHED_THINNED.as_bytes();
                }
                (IF_TSRESOL, [value, ..]) => clock.resolution = resolution(*value)?,
                (IF_TSOFFSET, value) => clock.offset = self.u64(value.get(..8)?).cast_signed(),
                (own::OPTION, value) => watched = Some(value),
                _ => {}
            }
        }
        if let Some(Watched {
            namespace,
            name,
            thinned,
        }) = self.watch.interface(described, watched)
        {
            interface = Interface {
                namespace,
                name,
                thinned,
                ..interface
            };
        }
        Some((interface, clock))
    }

    /// An enhanced packet, or the obsolete kind that differs in its first eight bytes.
    #[inline]
    fn packet(&mut self, kind: u32, body: &[u8]) -> Option<Record> {
        let head = body.get(..20)?;
        let interface = match kind {
            PACKET => u32::from(self.u16(&head[0..2])),
            _ => self.u32(&head[0..4]),
        };
        let interface = self.section as u64 + u64::from(interface);
        let captured = self.u32(&head[12..16]) as usize;
        body.get(20..20 + captured)?;
        let Some(clock) = self.clocks.get(usize::try_from(interface).ok()?) else {
            // Reported by the caller, who knows the interfaces.
            return Some(Record {
                interface: u32::MAX,
                at: Time::default(),
                data: 0..0,
                wire_len: 0,
            });
        };
        let at = clock.time(self.u32(&head[4..8]), self.u32(&head[8..12]));
        if self.watch.in_section() {
            self.mark(body, captured, at);
        }
        Some(Record {
            interface: u32::try_from(interface).ok()?,
            at,
            data: 28..28 + captured,
            wire_len: self.u32(&head[16..20]),
        })
    }

    /// Reads what hopscope marked a packet with.
    #[cold]
    fn mark(&mut self, body: &[u8], captured: usize, at: Time) {
        let options = body
            .get(20 + captured.next_multiple_of(4)..)
            .unwrap_or_default();
        let ours = self.options(options).find(|(code, _)| *code == own::OPTION);
        self.mark = self.watch.frame(ours.map(|(_, value)| value), at);
    }

    fn statistics(&self, body: &[u8], interfaces: &mut [Interface]) {
        let Some(head) = body.get(..12) else { return };
        let index = self.section + self.u32(&head[0..4]) as usize;
        let Some(interface) = interfaces.get_mut(index) else {
            return;
        };
        // The counts are totals since the capture began: a later block replaces an earlier one.
        let dropped = self
            .options(&body[12..])
            .filter(|(code, value)| matches!(*code, ISB_IFDROP | ISB_OSDROP) && value.len() >= 8)
            .map(|(_, value)| self.u64(&value[..8]))
            .reduce(u64::saturating_add);
        interface.dropped = dropped.or(interface.dropped);
    }

    /// The options in `bytes`, up to their end or to where they make no sense.
    fn options<'a>(&self, mut bytes: &'a [u8]) -> impl Iterator<Item = (u16, &'a [u8])> {
        std::iter::from_fn(move || {
            let code = self.u16(bytes.get(0..2)?);
            let length = usize::from(self.u16(bytes.get(2..4)?));
            let value = bytes.get(4..4 + length)?;
            bytes = bytes
                .get(4 + length.next_multiple_of(4)..)
                .unwrap_or_default();
            (code != 0).then_some((code, value))
        })
    }

    #[inline]
    fn u16(&self, bytes: &[u8]) -> u16 {
        let bytes = [bytes[0], bytes[1]];
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    #[inline]
    fn u32(&self, bytes: &[u8]) -> u32 {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    fn u64(&self, bytes: &[u8]) -> u64 {
        let (first, second) = (self.u32(&bytes[..4]), self.u32(&bytes[4..8]));
        let (high, low) = if self.big_endian {
            (first, second)
        } else {
            (second, first)
        };
        u64::from(high) << 32 | u64::from(low)
    }
}
