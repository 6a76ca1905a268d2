//! The TCP header of a frame.
//!
//! Everything is inlined into the programs and fills one [`Segment`] in place: a program has 512
//! bytes of stack.

use aya_ebpf::programs::TcContext;
use core::mem::MaybeUninit;
use hopscope_ebpf::FlowKey;
use hopscope_ebpf::side::{HIGHER, LOWER};
use hopscope_ebpf::thin::Seen;

const ETHERNET: usize = 14;
const VLAN_TAG: usize = 4;
const IPV6: usize = 40;
const TCP: usize = 20;

/// All headers that are read: Ethernet with two tags, IPv4 with options, TCP.
const LONGEST: u32 = (ETHERNET + 2 * VLAN_TAG + 60 + TCP) as u32;

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// A TCP segment.
    Segment,
    /// Perhaps one, behind headers that only user space reads: a tunnel, IPv6 extension headers, the
    /// first fragment of several.
    Hidden,
    /// None.
    Other,
}

/// A TCP segment.
pub(super) struct Segment {
    pub(super) key: FlowKey,
    pub(super) seen: Seen,
    /// Where the payload begins in the frame.
    pub(super) payload: u32,
}

/// Addresses as two words each, in the frame's byte order.
struct Addresses {
    source: [u64; 2],
    destination: [u64; 2],
}

/// Reads a frame; `ethernet` tells whether it begins with an Ethernet header.
#[inline(always)]
pub(super) fn read(ctx: &TcContext, ethernet: bool, to: &mut MaybeUninit<Segment>) -> Content {
    let mut pulled = false;
    loop {
        match parse(ctx, ethernet, to) {
            Ok(content) => return content,
            // The headers may lie in another piece of the frame than the one that can be read.
            // Bringing them here is costly, and hardly ever needed.
            Err(Short) if !pulled => pulled = true,
            Err(Short) => return Content::Other,
        }
        let wanted = LONGEST.min(ctx.len());
        if ctx.data() + wanted as usize <= ctx.data_end() || ctx.pull_data(wanted).is_err() {
            return Content::Other;
        }
    }
}

/// The piece of the frame that can be read ends too early.
struct Short;

#[inline(always)]
fn at<T: Copy>(ctx: &TcContext, offset: usize) -> Result<T, Short> {
    let start = ctx.data() + offset;
    if start + size_of::<T>() > ctx.data_end() {
        return Err(Short);
    }
    // SAFETY: within the frame, as was just checked; any bytes are a value of the types read here.
    Ok(unsafe { (start as *const T).read_unaligned() })
}

#[inline(always)]
fn parse(ctx: &TcContext, ethernet: bool, to: &mut MaybeUninit<Segment>) -> Result<Content, Short> {
    let mut offset = 0;
    let version = if ethernet {
        let mut kind = u16::from_be(at(ctx, ETHERNET - 2)?);
        offset = ETHERNET;
        if kind == 0x8100 || kind == 0x88a8 {
            kind = u16::from_be(at(ctx, offset + 2)?);
            offset += VLAN_TAG;
        }
        if kind == 0x8100 {
            kind = u16::from_be(at(ctx, offset + 2)?);
            offset += VLAN_TAG;
        }
        match kind {
            0x0800 => 4,
            0x86dd => 6,
            _ => return Ok(Content::Other),
        }
    } else {
        // Two bytes: of one, the compiler makes a comparison of half pointers, which the verifier
        // does not follow.
        at::<[u8; 2]>(ctx, 0)?[0] >> 4
    };
    // After the IP header: where, and how long by the header. A length of zero is an offload's: what
    // is on the frame counts.
    let (protocol, addresses, next, length) = match version {
        4 => {
            let first: u8 = at(ctx, offset)?;
            let header = usize::from(first & 0xf) * 4;
            let total = u16::from_be(at(ctx, offset + 2)?);
            let fragment = u16::from_be(at(ctx, offset + 6)?);
            let protocol: u8 = at(ctx, offset + 9)?;
            let addresses = Addresses {
                source: mapped(at(ctx, offset + 12)?),
                destination: mapped(at(ctx, offset + 16)?),
            };
            match fragment & 0x3fff {
                0 => {}
                // The first of several.
                0x2000 => return Ok(Content::Hidden),
                _ => return Ok(Content::Other),
            }
            let length = u32::from(total).wrapping_sub(header as u32);
            let length = (total != 0).then_some(length);
            (protocol, addresses, offset + header, length)
        }
        6 => {
            let length = u16::from_be(at(ctx, offset + 4)?);
            let protocol: u8 = at(ctx, offset + 6)?;
            let addresses = Addresses {
                source: at(ctx, offset + 8)?,
                destination: at(ctx, offset + 24)?,
            };
            let length = u32::from(length);
            let length = (length != 0).then_some(length);
            (protocol, addresses, offset + IPV6, length)
        }
        _ => return Ok(Content::Other),
    };
    match protocol {
        6 => {}
        // IP in IP, GRE; IPv6 extension headers but those of multicast listeners, which every
        // interface sends of itself: hop-by-hop options, then ICMPv6.
        0 if at::<u16>(ctx, next)? as u8 == 58 => return Ok(Content::Other),
        4 | 41 | 47 | 0 | 43 | 44 | 51 | 60 => return Ok(Content::Hidden),
        17 => return udp(ctx, next),
        _ => return Ok(Content::Other),
    }
    let length = match length {
        Some(length) => length,
        None => ctx.len().wrapping_sub(next as u32),
    };
    tcp(ctx, next, &addresses, length, to)
}

/// An IPv4 address in its IPv4-mapped form.
#[inline(always)]
const fn mapped(address: u32) -> [u64; 2] {
    [0, (address as u64) << 32 | 0xffff_0000]
}

/// VXLAN (4789, and 8472 where Linux began with it) and Geneve (6081) carry frames.
#[inline(always)]
fn udp(ctx: &TcContext, offset: usize) -> Result<Content, Short> {
    match u16::from_be(at(ctx, offset + 2)?) {
        4789 | 8472 | 6081 => Ok(Content::Hidden),
        _ => Ok(Content::Other),
    }
}

/// `length` is that of the TCP header and what follows.
#[inline(always)]
fn tcp(
    ctx: &TcContext,
    offset: usize,
    addresses: &Addresses,
    length: u32,
    to: &mut MaybeUninit<Segment>,
) -> Result<Content, Short> {
    let tcp: [u32; TCP / 4] = at(ctx, offset)?;
    let header = ((tcp[3] >> 4) & 0xf) * 4;
    if header < TCP as u32 || length < header {
        // Contradicts itself: user space says how.
        return Ok(Content::Hidden);
    }
    let source_port = u16::from_be(tcp[0] as u16);
    let destination_port = u16::from_be((tcp[0] >> 16) as u16);
    let lower = before(addresses, source_port, destination_port);
    let (first, second) = if lower {
        (&addresses.source, &addresses.destination)
    } else {
        (&addresses.destination, &addresses.source)
    };
    let to = to.as_mut_ptr();
    // SAFETY: every field is written; an address is two words, and the key aligned to them.
    unsafe {
        let ends = (&raw mut (*to).key.addresses).cast::<[u64; 2]>();
        ends.write(*first);
        ends.add(1).write(*second);
        (*to).key.interface = (*ctx.skb.skb).ifindex;
        (*to).key.ports = if lower {
            [source_port, destination_port]
        } else {
            [destination_port, source_port]
        };
        (*to).seen = Seen {
            by: if lower { LOWER } else { HIGHER },
            seq: u32::from_be(tcp[1]),
            ack: u32::from_be(tcp[2]),
            len: length - header,
            window: u16::from_be((tcp[3] >> 16) as u16),
            flags: (tcp[3] >> 8) as u8,
            last: [0; 4],
            last_known: false,
        };
        (*to).payload = offset as u32 + header;
    }
    Ok(Content::Segment)
}

/// Whether the source comes first in the order of endpoints: by address, then by port.
#[inline(always)]
fn before(addresses: &Addresses, source_port: u16, destination_port: u16) -> bool {
    let (source, destination) = (&addresses.source, &addresses.destination);
    if source[0] != destination[0] {
        u64::from_be(source[0]) < u64::from_be(destination[0])
    } else if source[1] != destination[1] {
        u64::from_be(source[1]) < u64::from_be(destination[1])
    } else {
        source_port < destination_port
    }
}
