//! Captures of which only the first bytes of each frame were kept.

use std::io::{self};
use std::path::PathBuf;

use hopscope_tests::craft::{Fraction, Order, Packet, Scratch, Trace, link, recordings};
use serde_json::Value;

use super::{Outcome, Recording, all, assert_same, expected, flows, name, report, same_as};

/// What is kept of a frame: its headers with the timestamps option, no payload.
fn headers_with_timestamps(trace: &Trace) -> u32 {
    // IPv6 somewhere in it: all of the recording is.
    let sixes = |packet: &Packet| match trace.link {
        link::SLL2 => packet.data.starts_with(&[0x86, 0xdd]),
        _ => packet.data.get(12..14) == Some(&[0x86, 0xdd]),
    };
    let link = if trace.link == link::SLL2 { 20 } else { 14 };
    let ip = if trace.packets.iter().any(sixes) {
        40
    } else {
        20
    };
    link + ip + 32
}

#[test]
fn cut_behind_the_timestamps() -> Outcome {
    assert!(
        all()
            .iter()
            .any(|recording| headers_with_timestamps(&recording.trace) == 66),
        "IPv4 over Ethernet is among them"
    );
    same_as("cut", "pcap", |recording| {
        recording
            .trace
            .cut(headers_with_timestamps(&recording.trace))
            .pcap(Order::Little, Fraction::Micros)
    })
}

/// All recordings, cut so many bytes before the end of the timestamps.
fn cut_before_timestamps(scratch: &Scratch, bytes: u32) -> io::Result<Vec<(String, PathBuf)>> {
    let cut = |recording: &Recording| {
        let trace = recording
            .trace
            .cut(headers_with_timestamps(&recording.trace) - bytes);
        let file = scratch.file(
            &recording.name,
            &trace.pcap(Order::Little, Fraction::Micros),
        )?;
        Ok((recording.name.clone(), file))
    };
    all().iter().map(cut).collect()
}

/// Twenty bytes of TCP are enough for who ended it and for keepalive probes.
#[test]
fn cut_behind_the_fixed_tcp_header() -> Outcome {
    let scratch = Scratch::new("cut-20")?;
    let files = cut_before_timestamps(&scratch, 12)?;
    assert_same(&flows(&report(&files)?), expected());
    Ok(())
}

#[test]
fn cut_through_the_tcp_header_is_counted() -> Outcome {
    let scratch = Scratch::new("cut-19")?;
    let files = cut_before_timestamps(&scratch, 13)?;
    let whole = report(
        &recordings()
            .into_iter()
            .map(|path| (name(&path), path))
            .collect::<Vec<_>>(),
    )?;
    let cut = report(&files)?;
    assert_eq!(cut["flows"].as_array().map(Vec::len), Some(0));
    let vantages = |report: &Value| report["vantages"].as_array().cloned().unwrap_or_default();
    for (whole, cut) in vantages(&whole).iter().zip(vantages(&cut)) {
        assert_eq!(cut["segments"], 0);
        assert_eq!(cut["malformed"], 0);
        assert_eq!(
            cut["skipped"]["cut_before_tcp"].as_u64().unwrap_or(0),
            whole["segments"].as_u64().unwrap_or(0),
            "{}",
            whole["name"]
        );
    }
    Ok(())
}
