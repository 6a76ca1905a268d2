//! Captures damaged in ways that must not pass for a mere cut, and cut ones that must give all
//! they hold.

use std::error::Error;
use std::fs;
use std::path::Path;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::craft::{Scratch, zstd};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

const FILE_HEADER: usize = 24;

/// A classic capture of 75 frames, as bytes.
fn good() -> Result<Vec<u8>, Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps/zero-window/client.pcap");
    Ok(fs::read(path)?)
}

/// What is said of these bytes: how it ended, and the only vantage.
fn read(test: &str, bytes: &[u8]) -> Result<(Told, Value), Box<dyn Error>> {
    let scratch = Scratch::new(test)?;
    let path = scratch.file("capture", bytes)?;
    let told = Told::from(hopscope(["read", "--format=json"]).arg(path).output()?);
    let report: Value = serde_json::from_str(&told.out)?;
    assert_eq!(report["vantages"].as_array().map(Vec::len), Some(1));
    Ok((told, report["vantages"][0].clone()))
}

/// Half of a zstd stream of one frame holds nearly half of the capture: all of that is read.
#[test]
fn a_cut_zstd_frame_gives_what_it_holds() -> Outcome {
    let mut capture = good()?;
    capture.truncate(FILE_HEADER);
    // Frames that do not compress, of no protocol: a megabyte of them.
    let mut random = 1_u32;
    for _ in 0..5_000 {
        for word in [1, 0, 200, 200_u32] {
            capture.extend(word.to_le_bytes());
        }
        for _ in 0..50 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            capture.extend(random.to_be_bytes());
        }
    }
    let compressed = zstd(&capture, 1);
    let (told, vantage) = read("half-zstd", &compressed[..compressed.len() / 2])?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let frames = vantage["frames"].as_u64().unwrap_or_default();
    assert!((1_500..2_600).contains(&frames), "{frames} of 5000 frames");
    let damage = vantage["damage"].as_str().unwrap_or_default();
    assert!(damage.contains("cut in half"), "{damage}");
    Ok(())
}

/// No record is that long: what follows it is lost, and it is no cut.
#[test]
fn a_length_beyond_every_frame_is_damage() -> Outcome {
    let mut bytes = good()?;
    // The second record's captured length.
    let first = u32::from_le_bytes(bytes[FILE_HEADER + 8..FILE_HEADER + 12].try_into()?) as usize;
    let second = FILE_HEADER + 16 + first + 8;
    bytes[second..second + 4].copy_from_slice(&(8_u32 << 20).to_le_bytes());
    let (told, vantage) = read("long-record", &bytes)?;
    assert_eq!((told.code, vantage["frames"].as_u64()), (Some(2), Some(1)));
    assert!(told.err.contains("impossible length"), "{}", told.err);
    Ok(())
}

/// A pcapng without an interface has no frames, and still is not fine.
#[test]
fn damage_before_the_first_interface_is_told() -> Outcome {
    let mut bytes = Vec::new();
    for word in [
        0x0a0d_0d0a,
        28,
        0x1a2b_3c4d,
        1,
        u32::MAX,
        u32::MAX,
        28,
        1,
        u32::MAX,
        0_u32,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    let (told, vantage) = read("no-interface", &bytes)?;
    assert_eq!(told.code, Some(2), "{}", told.out);
    assert!(told.err.contains("impossible length"), "{}", told.err);
    assert!(
        vantage["damage"]
            .as_str()
            .is_some_and(|damage| damage.contains("impossible length"))
    );
    Ok(())
}
