//! What the hot path's own code is worth: reading and decoding a capture with it, and with the
//! crates that could do the same.
//!
//!     parsers FILE

use std::fs::File;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Context;
use etherparse::{LaxSlicedPacket, TransportSlice};
use pcap_parser::{PcapBlockOwned, PcapError};
use tracer::decode;
use tracer::source::Capture;

const RUNS: usize = 5;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("usage: parsers FILE")?;
    let reading = best(|| own(&path, |frame| u64::from(frame.wire_len)))?;
    let reading_theirs = best(|| pcap_parser_reads(&path))?;
    let decoding = best(|| {
        own(&path, |frame| {
            decode::segment(frame).map_or(0, |segment| segment.seq.0.into())
        })
    })?;
    let decoding_theirs = best(|| own(&path, |frame| etherparse_decodes(frame.data)))?;
    row("reading: tracer::source", reading, reading);
    row("reading: pcap-parser", reading_theirs, reading);
    let (own, theirs) = (
        decoding.saturating_sub(reading),
        decoding_theirs.saturating_sub(reading),
    );
    row("decoding: tracer::decode", own, own);
    row("decoding: etherparse, ports and numbers only", theirs, own);
    Ok(())
}

fn row(what: &str, time: Duration, base: Duration) {
    println!(
        "{what:<46} {:>7.0} ms {:>6.2}x",
        time.as_secs_f64() * 1e3,
        time.as_secs_f64() / base.as_secs_f64()
    );
}

fn best(work: impl Fn() -> anyhow::Result<u64>) -> anyhow::Result<Duration> {
    let mut best = Duration::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        black_box(work()?);
        best = best.min(start.elapsed());
    }
    Ok(best)
}

fn own(path: &str, of: impl Fn(&tracer::source::Frame<'_>) -> u64) -> anyhow::Result<u64> {
    let mut capture = Capture::new(File::open(path)?)?;
    let mut sum = 0_u64;
    while capture.advance() {
        sum = capture
            .frames()
            .fold(sum, |sum, frame| sum.wrapping_add(of(&frame)));
    }
    Ok(sum)
}

fn pcap_parser_reads(path: &str) -> anyhow::Result<u64> {
    let mut reader = pcap_parser::create_reader(256 * 1024, File::open(path)?)
        .map_err(|error| anyhow::anyhow!("pcap-parser: {error}"))?;
    let mut sum = 0_u64;
    loop {
        match reader.next() {
            Ok((length, block)) => {
                if let PcapBlockOwned::Legacy(packet) = block {
                    sum = sum.wrapping_add(u64::from(packet.origlen));
                }
                reader.consume(length);
            }
            Err(PcapError::Eof) => return Ok(sum),
            Err(PcapError::Incomplete(_)) => {
                reader
                    .refill()
                    .map_err(|error| anyhow::anyhow!("pcap-parser: {error}"))?;
            }
            Err(error) => anyhow::bail!("pcap-parser: {error}"),
        }
    }
}

fn etherparse_decodes(frame: &[u8]) -> u64 {
    match LaxSlicedPacket::from_ethernet(frame).map(|packet| packet.transport) {
        Ok(Some(TransportSlice::Tcp(tcp))) => {
            let ports = u64::from(tcp.source_port()) + u64::from(tcp.destination_port());
            u64::from(tcp.sequence_number()) + ports + tcp.payload().len() as u64
        }
        _ => 0,
    }
}
