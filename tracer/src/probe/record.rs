//! From the probe's records to what the rest of the program understands.

use std::net::IpAddr;

use hopscope_ebpf::{Counters, Endpoints, FlowKey, FrameHead, SocketRecord, kind};
use zerocopy::FromBytes;

use super::clock::Clock;
use crate::decode::LinkType;
use crate::live::Item;
use crate::segment::Endpoint;
use crate::source::Frame;
use crate::tally::Tally;

/// A frame, what its flow had counted before it, and its bytes; `None` where the record is of
/// another kind.
pub(super) fn read_frame(bytes: &[u8]) -> Option<(FrameHead, Option<Counters>, &[u8])> {
    let (head, rest) = FrameHead::read_from_prefix(bytes).ok()?;
    let (counters, rest) = match head.kind {
        kind::FRAME => (None, rest),
        kind::COUNTED_FRAME => {
            let (counters, rest) = Counters::read_from_prefix(rest).ok()?;
            (Some(counters), rest)
        }
        _ => return None,
    };
    // A flow that has counted nothing yet tells when it began to.
    let counters = counters.or_else(|| {
        (head.since != 0).then(|| Counters {
            since: head.since,
            ..Counters::default()
        })
    });
    Some((head, counters, rest.get(..head.captured as usize)?))
}

/// Something about a socket; `None` where the record is of another kind.
pub(super) fn read_socket(bytes: &[u8]) -> Option<SocketRecord> {
    let (record, _) = SocketRecord::read_from_prefix(bytes).ok()?;
    (record.kind == kind::SOCKET).then_some(record)
}

/// Passes a frame on.
pub(super) fn frame(
    interface: u32,
    link: LinkType,
    number: u64,
    (head, counters, data): (FrameHead, Option<Counters>, &[u8]),
    clock: &Clock,
    sink: &mut dyn FnMut(Item<'_>),
) {
    let frame = Frame {
        interface,
        link,
        number,
        at: clock.at(head.at),
        data,
        wire_len: head.wire_len,
    };
    let tally = counters.map(|counters| tally(&counters, clock));
    sink(Item::Frame {
        frame,
        tally: tally.as_ref(),
        sender: (head.cookie != 0).then_some(head.cookie),
    });
}

pub(super) fn tally(counters: &Counters, clock: &Clock) -> Tally {
    Tally::of(counters, |at| clock.at(at))
}

pub(super) fn endpoints(key: &FlowKey) -> [Endpoint; 2] {
    [
        Endpoint::v6(key.addresses[0], key.ports[0]),
        Endpoint::v6(key.addresses[1], key.ports[1]),
    ]
}

/// A socket's own end and its peer's.
pub(super) fn ends(of: &Endpoints) -> (Endpoint, Endpoint) {
    let end = |address: [u8; 16], port| Endpoint::new(IpAddr::from(address), port);
    (end(of.local, of.local_port), end(of.peer, of.peer_port))
}
