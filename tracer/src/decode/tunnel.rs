//! Overlays: VXLAN (RFC 7348), Geneve (RFC 8926) and GRE (RFC 2784, 2890).

use super::{Bytes, Protocol, Skip, u16_at};

/// Flannel and Linux' own default use 8472, everybody else 4789.
const VXLAN: [u16; 2] = [4789, 8472];
const GENEVE: u16 = 6081;

/// What a UDP datagram carries, where it is an overlay's.
pub(super) fn udp(bytes: Bytes<'_>) -> Result<(Protocol, Bytes<'_>), Skip> {
    let port = u16_at(bytes.head::<8>()?, 2);
    let bytes = bytes.skip(8)?;
    if VXLAN.contains(&port) {
        let head = bytes.head::<8>()?;
        // The flag that says the network identifier is valid; without it this is something else.
        if head[0] & 0x08 == 0 {
            return Err(Skip::NotTcp);
        }
        Ok((Protocol::Ethernet, bytes.skip(8)?))
    } else if port == GENEVE {
        let head = bytes.head::<8>()?;
        if head[0] >> 6 != 0 {
            return Err(Skip::NotTcp);
        }
        let options = usize::from(head[0] & 0x3f) * 4;
        let protocol = Protocol::from_ethertype(u16_at(head, 2)).ok_or(Skip::NotIp)?;
        Ok((protocol, bytes.skip(8 + options)?))
    } else {
        Err(Skip::NotTcp)
    }
}

/// What a GRE packet carries.
pub(super) fn gre(bytes: Bytes<'_>) -> Result<(Protocol, Bytes<'_>), Skip> {
    let head = bytes.head::<4>()?;
    let flags = u16_at(head, 0);
    // Version 1 is PPTP's, bit 1 source routing, which RFC 2784 took away.
    if flags & 0x4007 != 0 {
        return Err(Skip::NotTcp);
    }
    let optional = [0x8000, 0x2000, 0x1000]
        .iter()
        .filter(|&&bit| flags & bit != 0)
        .count();
    let protocol = Protocol::from_ethertype(u16_at(head, 2)).ok_or(Skip::NotIp)?;
    Ok((protocol, bytes.skip(4 + 4 * optional)?))
}
