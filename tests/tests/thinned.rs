//! What the kernel probe only counts must make no difference: thinned by its own rules, every script
//! and recording gives the same report as it does whole.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use hopscope_ebpf::tail;
use hopscope_tests::script::Script;
use hopscope_tests::thinning::{differences, is_live, verdict_of_beginnings};
use tracer::decode;
use tracer::segment::Segment;
use tracer::source::Capture;

/// More than so many must be such as the probe can see: otherwise nothing was tested.
const JUDGED: usize = 50;

/// What was judged, and what differs.
#[derive(Default)]
struct Tally {
    judged: usize,
    found: Vec<String>,
}

impl Tally {
    fn judge(&mut self, name: &str, segments: &[Segment<'_>]) {
        self.judged += usize::from(is_live(segments));
        let busy = [false, true].into_iter();
        self.found
            .extend(busy.filter_map(|busy| differences(name, segments, busy)));
    }

    fn finish(self) {
        let Self { judged, found } = self;
        println!("{judged} judged");
        assert!(judged > JUDGED, "only {judged} were judged");
        let differ = found.len();
        assert!(found.is_empty(), "{differ} differ\n{}", found.join("\n"));
    }
}

#[test]
fn scripts_say_the_same_thinned() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut tally = Tally::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let script = Script::parse(&fs::read_to_string(&path)?)?;
        let segments: Vec<_> = script
            .frames()
            .iter()
            .map(|frame| frame.segment())
            .collect();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        tally.judge(&name, &segments);
    }
    tally.finish();
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

/// Of an answer in one segment, which is told, the probe shows only how it begins. Whether it was complete is
/// told all the same, where nothing was counted besides, too.
#[test]
fn the_end_of_an_answer_is_told_with_the_close() -> Result<(), Box<dyn Error>> {
    let text = |end: &str| {
        let body = "x".repeat(400);
        format!(
            r#"# An answer in chunks.
established
0.010   C ACK "GET / HTTP/1.1\r\nhost: app\r\n\r\n"
+0.001  S ACK "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n190\r\n{body}{end}"
0.400   S FIN+ACK
+0.001  C FIN+ACK
+0.001  S ACK
---
exchanges = 1
"#
        )
    };
    for (end, cause) in [
        ("\\r\\n0\\r\\n\\r\\n", "normal_close"),
        ("", "closed_mid_exchange"),
    ] {
        let script = Script::parse(&text(end))?;
        let frames = script.frames();
        let segments: Vec<_> = frames.iter().map(|frame| frame.segment()).collect();
        let verdict = verdict_of_beginnings(&segments, 300);
        assert_eq!(verdict["cause"], cause, "{verdict}");
        assert_ne!(verdict["confidence"], "possible", "{verdict}");
    }
    Ok(())
}

/// The tail of bytes is the same however they are cut, and says whether they end with an empty line.
#[test]
fn tails_do_not_depend_on_cuts() {
    let letters = [b'\r', b'\n', b'x'];
    for number in 0..3_usize.pow(7) {
        let bytes: Vec<u8> = (0..7)
            .map(|place| letters[number / 3_usize.pow(place) % 3])
            .collect();
        for cut in 0..bytes.len() {
            let pieces = [&bytes[..cut], &bytes[cut..]];
            let tail = pieces.into_iter().fold(tail::NONE, |before, piece| {
                let mut last = [0; 4];
                for (to, byte) in last.iter_mut().rev().zip(piece.iter().rev()) {
                    *to = *byte;
                }
                tail::after(before, last, u32::try_from(piece.len()).unwrap_or(u32::MAX))
            });
            let ends = bytes.ends_with(b"\r\n\r\n");
            assert_eq!(tail == tail::EMPTY_LINE, ends, "{bytes:?} cut at {cut}");
        }
    }
}

#[test]
fn recordings_say_the_same_thinned() -> Result<(), Box<dyn Error>> {
    let pcaps = captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps"));
    assert!(pcaps.len() > 50, "{} captures", pcaps.len());
    let mut tally = Tally::default();
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
        tally.judge(&name, &segments);
    }
    tally.finish();
    Ok(())
}
/// Certificates are longer than what the probe shows of a segment: what the client says of them tells all the same.
#[test]
fn a_handshake_that_fails_is_told_by_its_client_alone() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    for name in ["left-off", "finished-alone", "alert"] {
        let path = folder.join(format!("verdict-tls-{name}.txt"));
        let script = Script::parse(&fs::read_to_string(path)?)?;
        let frames = script.frames();
        let segments: Vec<_> = frames.iter().map(|frame| frame.segment()).collect();
        let [whole, shown] = [usize::MAX, 320].map(|most| verdict_of_beginnings(&segments, most));
        for part in ["cause", "confidence", "alarm", "ended_by"] {
            assert_eq!(shown[part], whole[part], "{name}: {shown:#}");
        }
    }
    Ok(())
}
