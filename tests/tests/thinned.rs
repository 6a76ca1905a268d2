//! What the kernel probe only counts must make no difference: thinned by its own rules, every script
//! and recording gives the same report as it does whole.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_tests::script::Script;
use hopscope_tests::thinning::{differences, is_live};
use tracer::decode;
use tracer::source::Capture;

/// More than so many must be such as the probe can see: otherwise nothing was tested.
const JUDGED: usize = 50;

#[test]
fn scripts_say_the_same_thinned() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let (mut found, mut judged) = (Vec::new(), 0);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let script = Script::parse(&fs::read_to_string(&path)?)?;
        let segments: Vec<_> = script
            .frames()
            .iter()
            .map(|frame| frame.segment())
            .collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        judged += usize::from(is_live(&segments));
        found.extend(
            [false, true]
                .into_iter()
                .filter_map(|busy| differences(&name, &segments, busy)),
        );
    }
    println!("{judged} judged");
    assert!(judged > JUDGED, "only {judged} were judged");
    assert!(
        found.is_empty(),
        "{} differ\n{}",
        found.len(),
        found.join("\n")
    );
    Ok(())
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                captures(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        .collect()
}

#[test]
fn recordings_say_the_same_thinned() -> Result<(), Box<dyn Error>> {
    let pcaps = captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps"));
    assert!(pcaps.len() > 50, "{} captures", pcaps.len());
    let (mut found, mut judged) = (Vec::new(), 0);
    for path in pcaps {
        let mut capture = Capture::open(&path)?;
        let mut all = Vec::new();
        while capture.advance() {
            let frames = capture.frames();
            all.extend(frames.map(|frame| {
                (
                    frame.at,
                    frame.number,
                    frame.link,
                    frame.wire_len,
                    frame.data.to_vec(),
                )
            }));
        }
        let frames = all
            .iter()
            .map(|(at, number, link, wire_len, data)| tracer::source::Frame {
                interface: 0,
                link: *link,
                number: *number,
                at: *at,
                data,
                wire_len: *wire_len,
            });
        let frames: Vec<_> = frames.collect();
        let segments: Vec<_> = frames
            .iter()
            .filter_map(|frame| decode::segment(frame).ok())
            .collect();
        let name = path.display().to_string();
        judged += usize::from(is_live(&segments));
        found.extend(
            [false, true]
                .into_iter()
                .filter_map(|busy| differences(&name, &segments, busy)),
        );
    }
    println!("{judged} judged");
    assert!(judged > JUDGED, "only {judged} were judged");
    assert!(
        found.is_empty(),
        "{} differ\n{}",
        found.len(),
        found.join("\n")
    );
    Ok(())
}
