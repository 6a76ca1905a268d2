//! A recording made anonymous tells the same of others.

use std::io::Cursor;

use hopscope_tests::anonymity::{comparable, mapped};
use tracer::anonymize::{Done, Key, Mapping, Settings, rewrite};
use tracer::source::Capture;

use super::story::story;
use super::{Outcome, json, read, recorded};

const KEEP_NAMES: Settings = Settings {
    keep_headers: false,
    keep_names: true,
};

/// The key decides which of two endpoints becomes the lower one: with these, both happen.
pub(super) const KEYS: [&[u8]; 4] = [b"1", b"2", b"3", b"4"];

pub(super) fn anonymous(
    recording: &[u8],
    key: &[u8],
) -> Result<(Vec<u8>, Done), Box<dyn std::error::Error>> {
    let mut capture = Capture::new(Cursor::new(recording.to_vec()))?;
    let mut out = Vec::new();
    let mut mapping = Mapping::new(Key::of(key));
    let done = rewrite(&mut capture, &mut mapping, KEEP_NAMES, &mut out)?;
    Ok((out, done))
}

#[test]
fn the_story_is_told_of_others() -> Outcome {
    let recording = recorded(&story());
    let report = json(read(&recording)?)?;
    for key in KEYS {
        let (out, _) = anonymous(&recording, key)?;
        let mut mapping = Mapping::new(Key::of(key));
        let expected = mapped(&report, &mut mapping);
        let found = comparable(json(read(&out)?)?);
        assert_eq!(found, expected);
        let text = found.to_string();
        assert!(
            !text.contains("10.0.0.") && !text.contains("192.168.7.7"),
            "{text}"
        );
        assert!(text.contains("envoy") && text.contains("gw:eth0"), "{text}");
    }
    Ok(())
}

/// What is cut stays known to be cut: its counts are lower bounds.
#[test]
fn a_cut_recording_stays_cut() -> Outcome {
    let whole = recorded(&story());
    for cut in [4, 40, 400] {
        let recording = &whole[..whole.len() - cut];
        let (out, _) = anonymous(recording, b"k")?;
        let before = json(read(recording)?)?;
        let after = json(read(&out)?)?;
        assert_eq!(before["vantages"][0]["lower_bounds"], true);
        assert_eq!(after["vantages"][0]["lower_bounds"], true);
        assert_eq!(
            after["vantages"][0]["segments"],
            before["vantages"][0]["segments"]
        );
    }
    Ok(())
}

/// Names are mapped unless they are generic: here some of a recording that was watched elsewhere.
#[test]
fn names_of_others_are_hidden() -> Outcome {
    use hopscope_tests::watched::{Thing, id, interface, ms, note, process};
    use tracer::note::What;

    use super::story::{CLIENT, SERVER, forth};

    let things = [
        interface("payments-gw", "cali1a2b3c4", true),
        Thing::Frame(forth(0, tracer::segment::Flags::SYN, 1, 0, 0)),
        note(
            ms(2),
            "payments-gw",
            What::Closed {
                socket: id(7, CLIENT, SERVER),
                by: process(1, "settlement"),
            },
        ),
    ];
    let recording = recorded(&things);
    let mut capture = Capture::new(Cursor::new(recording.clone()))?;
    let mut out = Vec::new();
    let mut mapping = Mapping::new(Key::of(b"k"));
    rewrite(&mut capture, &mut mapping, Settings::default(), &mut out)?;
    for private in ["payments", "cali1a2b3c4", "settlement"] {
        let holds = |bytes: &[u8]| {
            bytes
                .windows(private.len())
                .any(|part| part == private.as_bytes())
        };
        assert!(holds(&recording) && !holds(&out), "{private}");
    }
    let report = json(read(&out)?)?;
    let namespace = mapping.name("payments-gw");
    assert!(namespace.ends_with("-gw"));
    assert_eq!(report["vantages"][0]["namespace"], namespace.as_str());
    // A note is joined to its flow by the namespace's name.
    let told = &report["flows"][0]["kernel"][0];
    assert_eq!(told["comm"], mapping.name("settlement"), "{report}");
    Ok(())
}
