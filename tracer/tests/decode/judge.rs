//! etherparse finds the same, whatever is done to a frame.

use std::cell::Cell;

use etherparse::{EtherType, LaxSlicedPacket, SlicedPacket, TransportSlice};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tracer::decode::LinkType;
use tracer::segment::Segment;

use super::decode;
use super::gallery::gallery;

/// What both decoders tell of a segment.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    ports: (u16, u16),
    seq: u32,
    ack: u32,
    flags: u8,
    window: u16,
    len: usize,
}

impl Told {
    fn ours(segment: &Segment<'_>) -> Self {
        Self {
            ports: (segment.source.port(), segment.destination.port()),
            seq: segment.seq.0,
            ack: segment.ack.0,
            flags: segment.flags.0,
            window: segment.window,
            len: segment.payload.len(),
        }
    }

    fn theirs(transport: Option<&TransportSlice<'_>>) -> Option<Self> {
        let Some(TransportSlice::Tcp(tcp)) = transport else {
            return None;
        };
        Some(Self {
            ports: (tcp.source_port(), tcp.destination_port()),
            seq: tcp.sequence_number(),
            ack: tcp.acknowledgment_number(),
            flags: tcp.slice()[13],
            window: tcp.window_size(),
            len: tcp.payload().len(),
        })
    }
}

fn strict(link: LinkType, data: &[u8]) -> Option<Told> {
    let sliced = match link {
        LinkType::Ethernet => SlicedPacket::from_ethernet(data),
        LinkType::Raw => SlicedPacket::from_ip(data),
        LinkType::LinuxSll => SlicedPacket::from_linux_sll(data),
        _ => return None,
    };
    let sliced = sliced.ok()?;
    Told::theirs(sliced.transport.as_ref())
}

fn lax(link: LinkType, data: &[u8]) -> Option<Told> {
    let sliced = match link {
        LinkType::Ethernet => LaxSlicedPacket::from_ethernet(data).ok()?,
        LinkType::Raw => LaxSlicedPacket::from_ip(data).ok()?,
        LinkType::LinuxSll2 => {
            let protocol = u16::from_be_bytes([*data.first()?, *data.get(1)?]);
            LaxSlicedPacket::from_ether_type(EtherType(protocol), data.get(20..)?)
        }
        _ => return None,
    };
    if sliced.stop_err.is_some() {
        return None;
    }
    Told::theirs(sliced.transport.as_ref())
}

/// Valid frames with a few bytes changed, the same ones in every run.
#[test]
fn agrees_with_etherparse() {
    let gallery = gallery();
    // Tunnels are not etherparse's business.
    let plain: Vec<_> = gallery
        .into_iter()
        .filter(|(link, whole)| strict(*link, whole).is_some() || lax(*link, whole).is_some())
        .collect();
    assert!(plain.len() >= 10, "{}", plain.len());
    let seed = [7; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config {
        cases: 20_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mutations = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6);
    let cases = (
        0..plain.len(),
        mutations,
        any::<prop::sample::Index>(),
        any::<bool>(),
    );
    let compared = Cell::new(0);
    TestRunner::new_with_rng(config, rng)
        .run(&cases, |(which, mutations, end, cut)| {
            let (link, mut data) = plain[which].clone();
            for (at, value) in mutations {
                let at = at.index(data.len());
                data[at] = value;
            }
            if cut {
                data.truncate(end.index(data.len()));
            }
            let ours = decode(link, &data).map(|segment| Told::ours(&segment));
            for theirs in [strict(link, &data), lax(link, &data)] {
                let (Ok(ours), Some(theirs)) = (&ours, theirs) else {
                    continue;
                };
                prop_assert_eq!(ours, &theirs, "{:?} {:02x?}", link, data);
                compared.set(compared.get() + 1);
            }
            // What is strictly valid for them is valid for us.
            if let Some(theirs) = strict(link, &data) {
                prop_assert_eq!(
                    ours.as_ref().ok(),
                    Some(&theirs),
                    "{:?} {:02x?}",
                    link,
                    data
                );
            }
            Ok(())
        })
        .expect("both find the same");
    assert!(compared.get() > 10_000, "{} comparisons", compared.get());
}
