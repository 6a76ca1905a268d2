//! The same recording as it could as well have been made: other order, other clocks, frames captured
//! twice, without payload.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::binary;
use crate::craft::{Fraction, Order, Packet, Scratch, Trace, link};
use crate::lab::truth::Truth;

use super::story::{self, Asked};

/// How a recording is given to hopscope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Variation {
    /// As it was made.
    Plain,
    /// With the access logs of the proxies.
    WithLogs,
    /// The captures in the reverse order.
    Reversed,
    /// The clock of each namespace is off by seconds, each otherwise.
    Clocks,
    /// Every frame twice, 2 µs apart.
    Twice,
    /// Headers only.
    NoPayload,
    /// Headers only, with the access logs.
    NoPayloadWithLogs,
    /// Without the captures of those that only pass on what others say to each other.
    EndsOnly,
    /// Without the first two fifths of the time.
    BegunLate,
    /// Without the last two fifths of the time.
    EndedEarly,
    /// Of every capture one frame in twenty is missing, others with another seed.
    FramesMissing(u64),
    /// One capture at a time.
    Alone,
}

impl Variation {
    /// How much can be told of a recording that is given so.
    const fn asks(self) -> Asked {
        match self {
            Self::NoPayload => Asked::WithoutPayload,
            Self::NoPayloadWithLogs => Asked::WithoutPayloadWithLogs,
            Self::BegunLate | Self::EndedEarly => Asked::PartOfTime,
            Self::FramesMissing(_) => Asked::FramesMissing,
            Self::Alone => Asked::NoFalseAlarm,
            _ => Asked::Everything,
        }
    }
}

/// Reads a recording in this way; what disagrees with its truth, a line each.
///
/// # Errors
///
/// Where the recording or a report cannot be read.
pub fn disagreements(recording: &Path, variation: Variation) -> Result<Vec<String>> {
    asking(recording, variation, variation.asks())
}

/// The same, asking for so much.
///
/// # Errors
///
/// Where the recording or a report cannot be read.
pub fn asking(recording: &Path, variation: Variation, asked: Asked) -> Result<Vec<String>> {
    let truth = Truth::read(recording)?;
    let passes = |name: &String| ["router", "nat"].contains(&truth.vantages[name].node.as_str());
    let mut names: Vec<String> = truth.vantages.keys().cloned().collect();
    if variation == Variation::EndsOnly {
        names.retain(|name| !passes(name));
    }
    let sets = match variation {
        Variation::Alone => names.into_iter().map(|name| vec![name]).collect(),
        Variation::Reversed => vec![names.into_iter().rev().collect()],
        _ => vec![names],
    };
    let mut found = Vec::new();
    for names in sets {
        let report = read(recording, &truth, variation, &names)?;
        let lines = story::disagreements(&report, &truth, &names, asked);
        let alone = (variation == Variation::Alone).then(|| format!("{}: ", names.concat()));
        let alone = alone.unwrap_or_default();
        found.extend(lines.into_iter().map(|line| format!("{alone}{line}")));
    }
    Ok(found)
}

fn read(recording: &Path, truth: &Truth, variation: Variation, names: &[String]) -> Result<Value> {
    let scratch = Scratch::new(&format!("{}-{variation:?}", truth.scenario))?;
    let mut arguments: Vec<String> = ["read", "--format", "json"].map(str::to_owned).to_vec();
    if matches!(
        variation,
        Variation::WithLogs | Variation::NoPayloadWithLogs
    ) {
        for log in logs(recording) {
            let path = recording.join(format!("{log}.log"));
            arguments.extend([
                "--access-log".to_owned(),
                format!("{log}={}", path.display()),
            ]);
        }
    }
    for name in names {
        let path = capture(recording, truth, variation, name, &scratch)?;
        arguments.push(path.display().to_string());
    }
    let told: binary::Told = binary::hopscope(&arguments).output()?.into();
    ensure!(
        told.code == Some(0),
        "exit {:?}: {}{}",
        told.code,
        told.err.lines().next().unwrap_or_default(),
        format_args!(" (hopscope {})", arguments.join(" "))
    );
    Ok(serde_json::from_str(&told.out)?)
}

/// The proxies whose logs say something.
fn logs(recording: &Path) -> impl Iterator<Item = &'static str> {
    ["lb", "gw", "sidecar"].into_iter().filter(|log| {
        let path = recording.join(format!("{log}.log"));
        path.metadata().is_ok_and(|file| file.len() > 0)
    })
}

fn capture(
    recording: &Path,
    truth: &Truth,
    variation: Variation,
    name: &str,
    scratch: &Scratch,
) -> Result<PathBuf> {
    let file = format!("{name}.pcap");
    let path = recording.join(&file);
    let change: &dyn Fn(&mut Trace) = match variation {
        Variation::Clocks => &|trace| shift(trace, offset(truth, name)),
        Variation::Twice => &twice,
        Variation::FramesMissing(seed) => &move |trace| thin_out(trace, seed),
        Variation::BegunLate => {
            let begin = moment(truth, 2)?;
            &move |trace| trace.packets.retain(|packet| packet.at >= begin)
        }
        Variation::EndedEarly => {
            let end = moment(truth, 3)?;
            &move |trace| trace.packets.retain(|packet| packet.at < end)
        }
        Variation::NoPayload | Variation::NoPayloadWithLogs => &cut,
        _ => return Ok(path),
    };
    let mut trace = Trace::read(&path)?;
    change(&mut trace);
    Ok(scratch.file(file, &trace.pcap(Order::Little, Fraction::Micros))?)
}

/// When so many fifths of the recording's time had passed, in nanoseconds.
fn moment(truth: &Truth, fifths: i128) -> Result<u64> {
    let at = |text: &str| -> Result<i128> { Ok(text.parse::<jiff::Timestamp>()?.as_nanosecond()) };
    let (began, ended) = (at(&truth.started)?, at(&truth.ended)?);
    Ok(u64::try_from(began + (ended - began) * fifths / 5)?)
}

/// How far the clock of a capture's namespace is off, in nanoseconds: all of one namespace alike.
fn offset(truth: &Truth, name: &str) -> i64 {
    const OFF: [i64; 5] = [0, 3_217_000_000, -1_734_000_000, 61_000_000, -7_900_000_000];
    let node = &truth.vantages[name].node;
    let place = truth.nodes.iter().position(|other| other == node);
    OFF[place.unwrap_or_default() % OFF.len()]
}

fn shift(trace: &mut Trace, by: i64) {
    for packet in &mut trace.packets {
        packet.at = packet.at.saturating_add_signed(by);
    }
}

fn twice(trace: &mut Trace) {
    let packets = std::mem::take(&mut trace.packets);
    for packet in packets {
        let again = Packet {
            at: packet.at + 2_000,
            ..packet.clone()
        };
        trace.packets.extend([packet, again]);
    }
    trace.packets.sort_by_key(|packet| packet.at);
}

/// By a linear congruential generator (Knuth, MMIX): the same seed, the same frames.
fn thin_out(trace: &mut Trace, seed: u64) {
    let mut state = seed;
    trace.packets.retain(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        !(state >> 33).is_multiple_of(20)
    });
}

fn cut(trace: &mut Trace) {
    for packet in &mut trace.packets {
        if let Some(headers) = headers(trace.link, &packet.data) {
            packet.data.truncate(headers);
        }
    }
}

/// Where the payload of a TCP segment begins.
fn headers(kind: u32, data: &[u8]) -> Option<usize> {
    let ip = match kind {
        link::ETHERNET => 14,
        link::SLL2 => 20,
        _ => return None,
    };
    let first = *data.get(ip)?;
    let tcp = match first >> 4 {
        4 => ip + usize::from(first & 15) * 4,
        6 => ip + 40,
        _ => return None,
    };
    Some(tcp + usize::from(data.get(tcp + 12)? >> 4) * 4)
}
