//! Captures that are cut or damaged: what can be read is reported, what cannot is said.

use std::error::Error;
use std::ffi::OsStr;
use std::fs;

use hopscope_tests::binary::Told;
use hopscope_tests::craft::{Fraction, Order, Pcapng, Scratch, Trace, gzip, link, zstd};

use super::{Outcome, good, good_trace, json, told};

/// What a capture that was read in part looks like: its frames, and what is said of it.
fn damaged(test: &str, bytes: &[u8]) -> Result<(Told, u64, String), Box<dyn Error>> {
    let scratch = Scratch::new(test)?;
    let path = scratch.file("gw.pcap", bytes)?;
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        path.as_os_str(),
        good().as_os_str(),
    ])?;
    let report = json(&told)?;
    assert_eq!(report["vantages"][1]["frames"], 75);
    assert_eq!(report["flows"].as_array().map(Vec::len), Some(2), "both");
    let vantage = &report["vantages"][0];
    let frames = vantage["frames"].as_u64().unwrap_or_default();
    let damage = vantage["damage"].as_str().unwrap_or_default().to_owned();
    Ok((told, frames, damage))
}

/// As when the capturing program was killed: common, and no reason to fail.
#[test]
fn a_last_record_cut_in_half() -> Outcome {
    let trace = good_trace()?;
    let pcap = trace.pcap(Order::Little, Fraction::Micros);
    let pcapng = Pcapng::default().file(&[("eth0", &trace)]);
    for (name, file) in [("cut-pcap", &pcap), ("cut-pcapng", &pcapng)] {
        for missing in [1, 10, 70] {
            let (told, frames, damage) = damaged(name, &file[..file.len() - missing])?;
            assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
            assert_eq!(frames, 74);
            assert!(damage.contains("cut in half"), "{damage}");
        }
    }
    let compressed = gzip(&pcap, 1)?;
    let halves = [("cut-gzip", compressed), ("cut-zstd", zstd(&pcap, 4))];
    for (name, file) in halves {
        let (told, frames, damage) = damaged(name, &file[..file.len() - 20])?;
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""), "{name}");
        assert!((1..75).contains(&frames), "{name}: {frames}");
        assert!(damage.contains("cut"), "{name}: {damage}");
    }
    Ok(())
}

#[test]
fn a_cut_capture_is_told_in_the_table() -> Outcome {
    let scratch = Scratch::new("cut-table")?;
    let bytes = fs::read(good())?;
    let path = scratch.file("gw.pcap", &bytes[..bytes.len() - 5])?;
    let told = told([OsStr::new("read"), path.as_os_str()])?;
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let mut notes = told.out.lines().filter(|line| line.starts_with("note"));
    let note = notes.find(|line| line.contains("cut in half"));
    assert!(
        note.is_some_and(|line| line.contains("gw") && line.contains("everything before it")),
        "{}",
        told.out
    );
    Ok(())
}

/// The rest of the capture is lost: its flows are reported up to there, and scripts are told.
#[test]
fn damage_in_the_middle() -> Outcome {
    let trace = good_trace()?;
    let (before, after) = trace.packets.split_at(20);
    let part = |packets: &[_]| Trace {
        packets: packets.to_vec(),
        ..trace.clone()
    };
    let little = Order::Little;
    let mut pcap = part(before).pcap(little, Fraction::Micros);
    let mut record = after[0].record(little, Fraction::Micros);
    record[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    pcap.extend(record);
    pcap.extend(&part(&after[1..]).pcap(little, Fraction::Micros)[24..]);

    let format = Pcapng::default();
    let interfaces = |packets: &[_]| format.file(&[("eth0", &part(packets))]);
    let mut unannounced = interfaces(before);
    unannounced.extend(format.packet(7, &after[0]));
    let mut length = interfaces(before);
    length.extend([6, 0, 0, 0, 33, 0, 0, 0, 0, 0, 0, 0]);
    let mut long_packet = interfaces(before);
    let mut block = format.packet(0, &after[0]);
    block[20..24].copy_from_slice(&5_000_u32.to_le_bytes());
    long_packet.extend(block);
    let mut order = interfaces(before);
    let mut section = format.section();
    section[8] = 0;
    order.extend(section);

    let cases = [
        ("length", pcap, "impossible length"),
        ("unannounced", unannounced, "not announced"),
        ("block-length", length, "impossible length"),
        ("long-packet", long_packet, "packet block"),
        ("byte-order", order, "byte order"),
    ];
    for (name, bytes, what) in cases {
        let (told, frames, damage) = damaged(name, &bytes)?;
        assert_eq!(frames, 20, "{name}");
        assert!(
            damage.contains(what) && damage.contains("byte "),
            "{damage}"
        );
        assert_eq!(told.code, Some(2), "{name}: a part was not read");
        assert_eq!(told.err.lines().count(), 1, "{name}");
        assert!(told.err.contains("gw.pcap") && told.err.contains(what));
    }
    Ok(())
}

#[test]
fn damage_in_the_middle_of_compressed_data() -> Outcome {
    // Large enough that the damage is not in the first piece that is decompressed.
    let mut trace = good_trace()?;
    let packets = trace.packets.clone();
    (0..100).for_each(|_| trace.packets.extend(packets.iter().cloned()));
    let plain = trace.pcap(Order::Little, Fraction::Micros);
    for (name, mut bytes) in [("gzip", gzip(&plain, 4)?), ("zstd", zstd(&plain, 4))] {
        let middle = bytes.len() / 2;
        for byte in &mut bytes[middle..middle + 64] {
            *byte = !*byte;
        }
        let (told, frames, damage) = damaged(name, &bytes)?;
        assert!(frames > 100, "{name}: {frames} frames");
        assert!(damage.contains("byte "), "{name}: {damage}");
        assert_eq!(told.code, Some(2), "{name}: a part was not read");
        assert_eq!(told.err.lines().count(), 1, "{name}");
        assert!(told.err.contains("gw.pcap"), "{}", told.err);
    }
    Ok(())
}

/// Padding after the last member, as tapes and some uploaders leave it: gzip ignores zeros.
#[test]
fn zeros_behind_gzip_data_are_nothing() -> Outcome {
    let mut bytes = gzip(&fs::read(good())?, 1)?;
    bytes.extend([0; 512]);
    let (told, frames, damage) = damaged("zeros", &bytes)?;
    assert_eq!((told.code, frames, damage.as_str()), (Some(0), 75, ""));
    Ok(())
}

/// Cut anywhere, a capture is read up to there or refused with one line.
#[test]
fn a_capture_cut_at_every_length() -> Outcome {
    let mut trace = good_trace()?;
    trace.packets.truncate(3);
    let plain = trace.pcap(Order::Little, Fraction::Micros);
    let forms = [
        ("pcap", plain.clone()),
        ("gzip", gzip(&plain, 2)?),
        ("zstd", zstd(&plain, 2)),
        ("pcapng", Pcapng::default().file(&[("eth0", &trace)])),
    ];
    for (name, file) in forms {
        let scratch = Scratch::new(&format!("every-{name}"))?;
        let mut arguments = vec!["read".into(), "--format=json".into()];
        for length in 0..file.len() {
            let path = scratch.file(format!("{length:04}"), &file[..length])?;
            arguments.push(path.into_os_string());
        }
        let told = told(arguments)?;
        assert_eq!(told.code, Some(2), "{}", told.err);
        let read = json(&told)?["vantages"].as_array().map_or(0, Vec::len);
        assert!(read > 20, "{name}: {read}");
        assert!(
            told.err
                .lines()
                .all(|line| line.starts_with("hopscope: ")
                    && line.contains(&format!("every-{name}"))),
            "{}",
            told.err
        );
    }
    Ok(())
}

/// Interfaces cost twenty bytes each: a small file may announce many.
#[test]
fn very_many_interfaces() -> Outcome {
    let scratch = Scratch::new("interfaces")?;
    let format = Pcapng::default();
    let mut file = format.section();
    let interface = format.interface(b"eth0", link::ETHERNET, 0);
    (0..100_000).for_each(|_| file.extend(&interface));
    let path = scratch.file("many.pcapng", &file)?;
    let told = told([
        OsStr::new("read"),
        OsStr::new("--format=json"),
        path.as_os_str(),
    ])?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    Ok(())
}
