//! A script's frames as a capture that any program reads.

use std::net::IpAddr;

use etherparse::{
    IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, PacketBuilder, TcpOptionElement,
};
use tracer::segment::Flags;

use super::Script;
use super::wire::{Frame, START};
use crate::craft::{Packet, Trace, link};

impl Script {
    /// What was captured, as raw IPv4.
    ///
    /// # Panics
    ///
    /// Where the script's addresses are not IPv4, or a segment has more options than there is room.
    #[must_use]
    pub fn trace(&self) -> Trace {
        Trace {
            link: link::RAW,
            snaplen: 262_144,
            packets: self.frames.iter().map(packet).collect(),
        }
    }
}

fn packet(frame: &Frame) -> Packet {
    let [source, destination] = [frame.source, frame.destination].map(|end| match end.address() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => unreachable!("scripts are told in IPv4, not with {address}"),
    });
    let mut ip = Ipv4Header::new(0, 64, IpNumber::TCP, source, destination)
        .expect("an empty packet is short enough");
    ip.identification = frame.ip_id.unwrap_or_default();
    let mut tcp = PacketBuilder::ip(IpHeaders::Ipv4(ip, Ipv4Extensions::default())).tcp(
        frame.source.port(),
        frame.destination.port(),
        frame.seq.0,
        frame.window,
    );
    if frame.flags.syn() {
        tcp = tcp.syn();
    }
    if frame.flags.fin() {
        tcp = tcp.fin();
    }
    if frame.flags.rst() {
        tcp = tcp.rst();
    }
    if frame.flags.any(Flags::ACK) {
        tcp = tcp.ack(frame.ack.0);
    }
    let tcp = tcp
        .options(&options(frame))
        .expect("there is room for these options");
    let mut payload = frame.payload.clone();
    payload.resize(frame.len as usize, 0);
    let mut data = Vec::new();
    tcp.write(&mut data, &payload)
        .expect("a vector can be written to");
    Packet {
        at: (START + frame.at).cast_unsigned(),
        wire_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
        data,
    }
}

fn options(frame: &Frame) -> Vec<TcpOptionElement> {
    let options = &frame.options;
    let mut elements = Vec::new();
    elements.extend(options.mss.map(TcpOptionElement::MaximumSegmentSize));
    elements.extend(options.window_scale.map(TcpOptionElement::WindowScale));
    elements.extend(
        options
            .timestamps
            .map(|(value, echo)| TcpOptionElement::Timestamp(value, echo)),
    );
    elements.extend(
        options.sack.map(|(from, to)| {
            TcpOptionElement::SelectiveAcknowledgement((from.0, to.0), [None; 3])
        }),
    );
    elements
}
