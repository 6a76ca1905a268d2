//! Recordings that are cut, damaged, another program's or a later version's.

use std::ops::Range;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{Order, Pcapng, Scratch, gzip};
use serde_json::{Value, json};

use tracer::source::Damage;

use super::story::story;
use super::{Outcome, json as report, read, recorded, sourceless};

const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
/// Ours.
const OWN: u32 = 0x8068_6f70;

/// A block: its type and its place.
pub(crate) type Block = (u32, Range<usize>);

pub(crate) fn blocks(bytes: &[u8]) -> Vec<Block> {
    let word =
        |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut blocks = Vec::new();
    let mut at = 0;
    while at + 8 <= bytes.len() {
        let end = at + word(at + 4) as usize;
        blocks.push((word(at), at..end));
        at = end;
    }
    blocks
}

/// Cut at any byte, as where hopscope was killed: every frame before that is read, and that counts
/// are missing is said.
#[test]
fn cut_anywhere_it_tells_what_is_before() -> Outcome {
    let bytes = recorded(&story());
    let blocks = blocks(&bytes);
    for length in blocks[0].1.end..bytes.len() {
        let whole = blocks.iter().filter(|(_, place)| place.end <= length);
        let frames = whole.clone().filter(|(kind, _)| *kind == PACKET).count();
        let interfaces = whole.clone().filter(|(kind, _)| *kind == INTERFACE).count();
        let on_boundary = whole.clone().any(|(_, place)| place.end == length);
        let gathered = read(&bytes[..length])?;
        let vantages = &gathered.vantages;
        assert_eq!(vantages.len(), interfaces.max(1));
        let shown: u64 = vantages
            .iter()
            .map(|v| v.segments - v.counted + v.skipped.malformed())
            .sum();
        assert_eq!(shown, frames as u64, "cut at {length}");
        for vantage in vantages {
            // From the first interface on it is known to be a recording, which has an end.
            let expected = match (interfaces > 0, on_boundary) {
                (true, _) => Some(true),
                (false, true) => None,
                (false, false) => Some(false),
            };
            let is_error = vantage.damage.as_ref().map(Damage::is_error);
            assert_eq!(is_error, expected, "cut at {length}");
            let thinned = vantage.interface.as_deref() == Some("eth0");
            assert_eq!(vantage.lower_bounds, thinned, "cut at {length}");
        }
    }
    assert!(!read(&bytes)?.vantages[0].lower_bounds);
    Ok(())
}

/// Blocks and options that others write in the ranges for local use are theirs.
#[test]
fn what_others_write_in_the_same_ranges_is_passed_over() -> Outcome {
    let bytes = recorded(&story());
    let mut mixed = Vec::new();
    let theirs = Pcapng::default();
    for (_, place) in blocks(&bytes) {
        mixed.extend(&bytes[place]);
        mixed.extend(theirs.block(OWN, b""));
        mixed.extend(theirs.block(OWN, b"hopsing along, version 1 and longer than ours"));
        mixed.extend(theirs.block(0x8000_0001, b"another type"));
    }
    assert_eq!(report(read(&mixed)?)?, report(read(&bytes)?)?);
    // The same where the option of every packet is another program's.
    let foreign = patched(&bytes, b"hop\x01", b"pop\x01");
    let foreign = report(read(&foreign)?)?;
    assert_eq!(
        foreign["vantages"][0]["unread"],
        json!({"damaged": 0, "newer": 0})
    );
    assert_eq!(
        foreign["vantages"][0]["frames"]
            .as_u64()
            .map(|frames| frames > 5),
        Some(true)
    );
    Ok(())
}

/// Replaces all of something by as much of something else.
pub(crate) fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .windows(from.len())
        .position(|part| part == from)
    {
        at += found;
        bytes[at..at + to.len()].copy_from_slice(to);
        at += to.len();
    }
    bytes
}

fn unread(report: &Value) -> (u64, u64) {
    let unread = &report["vantages"][0]["unread"];
    let count = |field: &str| unread[field].as_u64().unwrap_or(u64::MAX);
    (count("damaged"), count("newer"))
}

/// What a later version wrote is not read, and that is said; frames are.
#[test]
fn a_version_from_the_future_is_said_to_be_unread() -> Outcome {
    let bytes = recorded(&story());
    let own = blocks(&bytes)
        .iter()
        .filter(|(kind, _)| *kind == OWN)
        .count() as u64;
    let newer = report(read(&patched(&bytes, b"hopscope\x01", b"hopscope\x02"))?)?;
    assert_eq!(unread(&newer), (0, own));
    assert_eq!(newer["vantages"][0]["lower_bounds"], true);
    assert_eq!(newer["sockets"], json!([]));
    assert_eq!(newer["flows"][0]["end"], "fin");

    let marks = patched(&bytes, b"hop\x01", b"hop\x02");
    let marks = report(read(&marks)?)?;
    assert_eq!(unread(&marks).0, 0);
    assert!(
        unread(&marks).1 >= 7,
        "frames and interfaces: {:?}",
        unread(&marks)
    );
    assert_eq!(marks["vantages"][0]["lower_bounds"], true);

    // A kind of record that this version does not know.
    let mut kind = bytes.clone();
    let (_, note) = blocks(&bytes)
        .into_iter()
        .find(|(kind, _)| *kind == OWN)
        .ok_or("one of ours")?;
    kind[note.start + 8 + 9] = 99;
    assert_eq!(unread(&report(read(&kind)?)?), (0, 1));
    Ok(())
}

/// The table says so, too.
#[test]
fn people_are_told_what_is_missing() -> Outcome {
    let bytes = recorded(&story());
    let scratch = Scratch::new("recording-missing")?;
    let newer = patched(&bytes, b"hopscope\x01", b"hopscope\x07");
    let newer = scratch.file("newer.pcapng", &newer)?;
    let told: Told = hopscope(["read"]).arg(newer).output()?.into();
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    assert!(
        told.out.contains("written by a newer hopscope"),
        "{}",
        told.out
    );
    assert!(told.out.contains("lower bounds"), "{}", told.out);
    let whole = scratch.file("whole.pcapng", &bytes)?;
    let told: Told = hopscope(["read"]).arg(whole).output()?.into();
    assert!(!told.out.contains("lower bounds"), "{}", told.out);
    assert!(told.out.contains("closed by envoy/19495"), "{}", told.out);
    Ok(())
}

#[test]
fn what_is_damaged_is_counted() -> Outcome {
    let bytes = recorded(&story());
    // A note that is no JSON.
    let broken = patched(&bytes, b"\"what\":{\"error\"", b"\"what\":!\"error\"");
    assert_eq!(unread(&report(read(&broken)?)?), (1, 0));
    // Counts and tallies of an interface that was not announced.
    for kind in [2, 3] {
        let mut damaged = bytes.clone();
        let (_, place) = blocks(&bytes)
            .into_iter()
            .find(|(own, place)| *own == OWN && bytes[place.start + 8 + 9] == kind)
            .ok_or("one of that kind")?;
        damaged[place.start + 8 + 16] = 0x7f;
        let damaged = report(read(&damaged)?)?;
        assert_eq!(unread(&damaged), (1, 0), "kind {kind}");
    }
    Ok(())
}

/// Any byte may be anything: there is a report or an error, never a panic.
#[test]
fn any_byte_may_be_anything() -> Outcome {
    let bytes = recorded(&story());
    let mut reports = 0;
    for (place, bits) in (0..bytes.len()).zip([0x01, 0x80, 0xff].into_iter().cycle()) {
        let mut damaged = bytes.clone();
        damaged[place] ^= bits;
        if let Ok(gathered) = read(&damaged) {
            report(gathered)?;
            reports += 1;
        }
    }
    assert!(reports > bytes.len() / 2, "{reports} of {}", bytes.len());
    Ok(())
}

/// Frames are missing though the recording ends as it should: counts cannot be whole.
#[test]
fn a_frame_that_was_taken_out_is_missed() -> Outcome {
    let bytes = recorded(&story());
    let (_, frame) = blocks(&bytes)
        .into_iter()
        .find(|(kind, _)| *kind == PACKET)
        .ok_or("a frame")?;
    let mut fewer = bytes;
    fewer.drain(frame);
    assert!(read(&fewer)?.vantages[0].lower_bounds);
    Ok(())
}

/// Recordings one after the other, and compressed ones, are recordings.
#[test]
fn two_in_one_file_are_read_as_two() -> Outcome {
    let bytes = recorded(&story());
    let two = [bytes.clone(), bytes.clone()].concat();
    for two in [two.clone(), gzip(&two, 3)?] {
        let gathered = read(&two)?;
        let names: Vec<&str> = gathered.vantages.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["gw:eth0", "lo", "gw:eth0#2", "lo#2"]);
        assert!(
            gathered
                .vantages
                .iter()
                .all(|vantage| !vantage.lower_bounds)
        );
        let dropped: Vec<Option<u64>> = gathered.vantages.iter().map(|v| v.dropped).collect();
        assert_eq!(dropped, [Some(3), Some(0), Some(3), Some(0)]);
    }
    let end = blocks(&bytes).pop().ok_or("the end")?.1.start;
    let first_cut = [&bytes[..end], &bytes].concat();
    assert!(read(&first_cut)?.vantages[0].lower_bounds);
    Ok(())
}

/// A program that turns the byte order of a section around does not know ours.
#[test]
fn our_blocks_are_read_in_sections_of_either_order() -> Outcome {
    let bytes = recorded(&story());
    let big = Pcapng {
        order: Order::Big,
        ..Pcapng::default()
    };
    let mut turned = big.section();
    let mut notes = 0;
    for (kind, place) in blocks(&bytes) {
        if kind == OWN && bytes[place.start + 8 + 9] == 1 {
            turned.extend(big.block(OWN, &bytes[place.start + 8..place.end - 4]));
            notes += 1;
        }
    }
    assert!(notes > 5);
    let turned = report(read(&turned)?)?;
    assert_eq!(
        turned["sockets"],
        sourceless(report(read(&bytes)?)?)["sockets"]
    );
    assert_eq!(unread(&turned), (0, 0));
    Ok(())
}
