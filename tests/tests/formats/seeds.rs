//! The seeds of the fuzz target over captures.

use std::error::Error;
use std::fs;
use std::path::Path;

use hopscope_tests::craft::{Fraction, Order, Packet, Pcapng, Trace, gzip, link, zstd};

use super::Outcome;

/// The seeds of the fuzz target over captures are what this makes: a small recording in every
/// format. `RENEW=1 cargo test -p hopscope-tests --test formats seeds` writes them.
#[test]
fn seeds_of_the_fuzz_target_are_current() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/capture");
    for (name, bytes) in seeds()? {
        let path = folder.join(name);
        if std::env::var_os("RENEW").is_some() {
            fs::write(&path, &bytes)?;
        }
        let committed = fs::read(&path).unwrap_or_default();
        // Compressors may do better one day.
        let compressed = name.ends_with("gz") || name.ends_with("zst");
        assert!(
            committed == bytes || (compressed && !committed.is_empty()),
            "{} is stale: RENEW=1 cargo test -p hopscope-tests --test formats seeds",
            path.display()
        );
    }
    Ok(())
}

/// Microseconds, whether from the client, seq, ack, flags, options, payload.
type Crafted<'a> = (u64, bool, u32, u32, u8, &'a [u8], &'a [u8]);

/// A connection with keepalive probes, made by hand so that recording anew changes no seed.
fn seed_trace() -> Trace {
    let syn_options = [2, 4, 5, 180, 1, 1, 4, 2];
    let segments: [Crafted<'_>; 10] = [
        (0, true, 999, 0, 0x02, &syn_options, b""),
        (100, false, 4999, 1000, 0x12, &syn_options, b""),
        (200, true, 1000, 5000, 0x10, b"", b""),
        (300, true, 1000, 5000, 0x18, b"", b"GET / HTTP/1.1\r\n\r\n"),
        (400, false, 5000, 1018, 0x10, b"", b""),
        (2_000_400, false, 4999, 1018, 0x10, b"", b""),
        (2_000_500, true, 1018, 5000, 0x10, b"", b""),
        (
            3_000_000,
            false,
            5000,
            1018,
            0x18,
            b"",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ),
        (3_000_100, true, 1018, 5019, 0x11, b"", b""),
        (3_000_200, false, 5019, 1019, 0x14, b"", b""),
    ];
    let packets = segments
        .into_iter()
        .map(|(micros, forth, seq, ack, flags, options, payload)| {
            let data = segment(forth, seq, ack, flags, options, payload);
            Packet {
                at: 1_790_000_000_000_000_000 + micros * 1_000,
                wire_len: u32::try_from(data.len()).unwrap_or(u32::MAX),
                data,
            }
        })
        .collect();
    Trace {
        link: link::RAW,
        snaplen: 600,
        packets,
    }
}

fn segment(forth: bool, seq: u32, ack: u32, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let (from, to, source, destination) = if forth {
        (client, server, 40_000_u16, 80_u16)
    } else {
        (server, client, 80, 40_000)
    };
    let length = u16::try_from(40 + options.len() + payload.len()).unwrap_or(u16::MAX);
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(15);
    let [high, low] = length.to_be_bytes();
    let mut data = vec![0x45, 0, high, low, 0, 7, 0x40, 0, 64, 6, 0, 0];
    data.extend(from);
    data.extend(to);
    data.extend(source.to_be_bytes());
    data.extend(destination.to_be_bytes());
    data.extend(seq.to_be_bytes());
    data.extend(ack.to_be_bytes());
    data.extend([words << 4, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    data.extend(options);
    data.extend(payload);
    data
}

/// A file name and what is in it.
type Seed = (&'static str, Vec<u8>);

fn seeds() -> Result<Vec<Seed>, Box<dyn Error>> {
    let trace = seed_trace();
    let plain = trace.pcap(Order::Little, Fraction::Micros);
    let big = Pcapng {
        order: Order::Big,
        resolution: Some(0x80 | 30),
        offset: Some(-3600),
    };
    let little = Pcapng {
        resolution: Some(9),
        ..Pcapng::default()
    };
    let mut two_sections = little.file(&[("a", &trace), ("b", &trace)]);
    two_sections.extend(little.statistics(0, 3));
    two_sections.extend(little.simple_packet(&trace.packets[0]));
    two_sections.extend(big.file(&[("c", &trace)]));
    let mut cut = plain.clone();
    cut.truncate(plain.len() - 7);
    Ok(vec![
        ("micros.pcap", plain.clone()),
        ("micros-big.pcap", trace.pcap(Order::Big, Fraction::Micros)),
        ("nanos.pcap", trace.pcap(Order::Little, Fraction::Nanos)),
        (
            "modified.pcap",
            trace.pcap(Order::Little, Fraction::Modified),
        ),
        (
            "snaplen.pcap",
            trace.cut(48).pcap(Order::Big, Fraction::Nanos),
        ),
        ("cut.pcap", cut),
        ("one.pcapng", Pcapng::default().file(&[("eth0", &trace)])),
        ("big.pcapng", big.file(&[("eth0", &trace)])),
        ("two-sections.pcapng", two_sections.clone()),
        ("micros.pcap.gz", gzip(&plain, 1)?),
        ("two-members.pcapng.gz", gzip(&two_sections, 2)?),
        ("two-frames.pcap.zst", zstd(&plain, 2)),
    ])
}
