//! Any bytes, read as a capture.

use std::io::Read;

use tracer::flow::{FlowId, Timeline};
use tracer::report::{Given, Report};
use tracer::source::{Capture, Extra};
use tracer::vantage::{Naming, read};

use super::check;

/// Reads `data` from file to report, at once and in small pieces: neither may fail in any way but
/// those that the types name, both must find the same, and what is counted must add up.
pub fn capture(data: &[u8]) {
    let whole = std::io::Cursor::new(data.to_vec());
    let tallied = Capture::new(whole.clone()).is_ok_and(tallied);
    let whole = report(whole, tallied);
    let pieces = Pieces {
        data: data.to_vec(),
        at: 0,
        piece: 1 + data.len() % 61,
    };
    let pieces = report(pieces, tallied);
    // Of damaged gzip data, a decompressor that is given more at once gives less.
    let damaged = |result: &Result<String, String>| match result {
        Ok(report) => report.contains("reading stopped after"),
        Err(error) => error.contains("cannot read it"),
    };
    if !damaged(&whole) && !damaged(&pieces) {
        assert_eq!(whole, pieces, "reading in pieces changes the result");
    }
}

/// Whether a capture tells of segments that were counted and are not in it.
fn tallied(mut capture: Capture) -> bool {
    let mut tallied = false;
    while capture.advance() {
        tallied |= capture.marks().iter().any(|mark| mark.tally.is_some());
        tallied |= matches!(capture.extra(), Some(Extra::Rest(_)));
    }
    tallied
}

/// The report as JSON, or what is wrong.
fn report(stream: impl Read + Send + 'static, tallied: bool) -> Result<String, String> {
    let capture = Capture::new(stream).map_err(|error| error.to_string())?;
    let naming = Naming {
        name: "fuzz",
        source: "fuzz",
        prefixed: false,
    };
    let (gathered, timeline) = read(capture, &naming, None, 0, Timeline::of(FlowId(0)))
        .map_err(|error| error.to_string())?;
    let report = Report::new(&[gathered], &Given::default());
    for vantage in &report.vantages {
        check::vantage(vantage, &report.flows);
    }
    for flow in &report.flows {
        check::flow(flow, tallied);
    }
    check::sockets(&report);
    check::hops(&report);
    if let Some(flow) = report.flows.first().filter(|_| !tallied) {
        check::timeline(flow, &timeline.into_events());
    }
    Ok(serde_json::to_string(&report).expect("a report is JSON"))
}

/// A stream that yields a few bytes at a time, as a pipe may.
struct Pieces {
    data: Vec<u8>,
    at: usize,
    piece: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.data[self.at..];
        let count = rest.len().min(self.piece).min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}
