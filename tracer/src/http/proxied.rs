//! The PROXY protocol: what a proxy says in front of the bytes that it passes on
//! (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>).

use std::net::SocketAddr;

use ppp::{v1, v2};

use super::Heading;
use super::stream::{Unit, begins_like};

/// No header of version 1 is longer.
const LONGEST_TEXT: usize = 107;

/// Signature, version, family and length of version 2.
const FIXED: usize = 16;

/// A whole header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProxiedHeader {
    /// Whose bytes follow, and where they went; nothing where it names nobody.
    pub(crate) of: Option<(SocketAddr, SocketAddr)>,
    /// Its length in bytes.
    pub(crate) length: usize,
}

/// The header that a payload begins with, where all of it is there.
pub(crate) fn header(payload: &[u8]) -> Option<ProxiedHeader> {
    let Unit::Read(heading, length) = read(payload) else {
        return None;
    };
    let of = match heading {
        Some(Heading::Proxied {
            source,
            destination,
        }) => Some((source, destination)),
        _ => None,
    };
    Some(ProxiedHeader { of, length })
}

/// What the first bytes of a connection are, taken as a PROXY protocol header.
pub(super) fn read(bytes: &[u8]) -> Unit {
    if begins_like(bytes, v2::PROTOCOL_PREFIX) {
        return binary(bytes);
    }
    if begins_like(bytes, b"PROXY ") {
        return text(bytes);
    }
    Unit::Foreign
}

/// The parsers get whole headers only: what they make of pieces would depend on where these end.
fn text(bytes: &[u8]) -> Unit {
    let within = &bytes[..bytes.len().min(LONGEST_TEXT)];
    let Some(end) = within.iter().position(|byte| *byte == b'\n') else {
        return match bytes.len() {
            LONGEST_TEXT.. => Unit::Foreign,
            _ => Unit::Partial,
        };
    };
    let Ok(header) = v1::Header::try_from(&bytes[..=end]) else {
        return Unit::Foreign;
    };
    let heading = match header.addresses {
        v1::Addresses::Tcp4(of) => Some(proxied(
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
        v1::Addresses::Tcp6(of) => Some(proxied(
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
        v1::Addresses::Unknown => None,
    };
    Unit::Read(heading, end + 1)
}

fn binary(bytes: &[u8]) -> Unit {
    let Some(fixed) = bytes.first_chunk::<FIXED>() else {
        return Unit::Partial;
    };
    let end = FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let Some(header) = bytes.get(..end) else {
        return Unit::Partial;
    };
    let Ok(header) = v2::Header::try_from(header) else {
        return Unit::Foreign;
    };
    // LOCAL: the proxy speaks for itself, as in health checks; the addresses mean nothing.
    let heading = match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(of)) => Some(proxied(
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
        (v2::Command::Proxy, v2::Addresses::IPv6(of)) => Some(proxied(
            (of.source_address, of.source_port).into(),
            (of.destination_address, of.destination_port).into(),
        )),
        _ => None,
    };
    Unit::Read(heading, end)
}

const fn proxied(source: SocketAddr, destination: SocketAddr) -> Heading {
    Heading::Proxied {
        source,
        destination,
    }
}
