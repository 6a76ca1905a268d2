//! What is watched and what its recording says when it is read again are the same.

mod anonymous;
mod damage;
mod kernel;
mod live;
mod random;
mod roles;
mod same;
mod seeds;
mod story;
mod tools;
mod writing;

use std::error::Error;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex, PoisonError};

use hopscope_tests::watched::{Thing, yield_all};
use serde_json::Value;
use tracer::recording::Recorder;
use tracer::report::{Given, Report};
use tracer::source::Capture;
use tracer::vantage::{Gathered, Naming};

type Outcome = Result<(), Box<dyn Error>>;

/// A stream that can be looked at while it is written.
#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn bytes(&self) -> Vec<u8> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The recording of these things.
fn recorded(things: &[Thing]) -> Vec<u8> {
    let file = Shared::default();
    let mut recorder = Recorder::new(file.clone(), "memory").expect("memory can be written");
    yield_all(things, |item| {
        recorder.take(item).expect("memory can be written");
    });
    recorder.finish().expect("memory can be written");
    file.bytes()
}

/// What comes of a recording when it is read.
fn read(bytes: &[u8]) -> Result<Gathered, Box<dyn Error>> {
    read_as(bytes, "recording", false)
}

fn read_as(bytes: &[u8], name: &str, prefixed: bool) -> Result<Gathered, Box<dyn Error>> {
    let capture = Capture::new(Cursor::new(bytes.to_vec()))?;
    let naming = Naming {
        name,
        source: "recording.pcapng",
        prefixed,
    };
    let (gathered, ()) = tracer::vantage::read(capture, &naming, None, 0, ())?;
    Ok(gathered)
}

fn json(gathered: Gathered) -> Result<Value, Box<dyn Error>> {
    Ok(serde_json::to_value(Report::new(
        &[gathered],
        &Given::default(),
    ))?)
}

/// Without what tells where a report comes from.
fn sourceless(mut report: Value) -> Value {
    for vantage in report["vantages"].as_array_mut().into_iter().flatten() {
        vantage["source"] = Value::Null;
    }
    report
}
