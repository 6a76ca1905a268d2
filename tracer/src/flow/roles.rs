//! Who is client and who server, where the handshake was not seen.

use super::Side;
use crate::segment::{Endpoint, Segment};

/// The side that sent `segment`, the first one seen of its flow; `listens` knows the endpoints
/// that accepted connections before. The evidence, strongest first: a handshake flag, a known
/// listener, the first line of HTTP, the port numbers, who speaks.
pub(super) fn sender(segment: &Segment<'_>, listens: impl Fn(Endpoint) -> bool) -> Side {
    if segment.flags.syn() {
        return if segment.flags.ack() {
            Side::Server
        } else {
            Side::Client
        };
    }
    match (listens(segment.source), listens(segment.destination)) {
        (true, false) => return Side::Server,
        (false, true) => return Side::Client,
        _ => {}
    }
    if segment.payload.starts_with(b"HTTP/1.") {
        return Side::Server;
    }
    if is_request(segment.payload) {
        return Side::Client;
    }
    // Listeners have low ports, callers ephemeral ones (`net.ipv4.ip_local_port_range`).
    if segment.source.port() < segment.destination.port() {
        return Side::Server;
    }
    // Where both have the same: a request comes before its answer.
    Side::Client
}

fn is_request(payload: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"PUT ",
        b"HEAD ",
        b"POST ",
        b"PATCH ",
        b"TRACE ",
        b"DELETE ",
        b"OPTIONS ",
        b"CONNECT ",
    ];
    METHODS.iter().any(|method| payload.starts_with(method))
}
