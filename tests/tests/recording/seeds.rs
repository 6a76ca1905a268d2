//! Recordings to begin fuzzing with. That they can be read, and what must be true of their reports,
//! `tracer/tests/seeds.rs` tests.

use std::fs;
use std::path::Path;

use super::damage::{blocks, patched};
use super::story::story;
use super::{Outcome, recorded};

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let whole = recorded(&story());
    let newer = patched(&whole, b"hop\x01", b"hop\x02");
    let newer = patched(&newer, b"hopscope\x01", b"hopscope\x02");
    let cut = whole[..whole.len() * 3 / 4].to_vec();
    let broken = patched(&whole, b"\"what\"", b"\"that\"");
    vec![
        ("recording.pcapng", whole),
        ("recording-cut.pcapng", cut),
        ("recording-newer.pcapng", newer),
        ("recording-broken-notes.pcapng", broken),
    ]
}

/// Without the section header, which names the version that wrote it.
fn behind_header(recording: &[u8]) -> &[u8] {
    let header = blocks(&recording[..recording.len().min(64)])
        .first()
        .map(|block| block.1.end);
    header
        .and_then(|end| recording.get(end..))
        .unwrap_or_default()
}

#[test]
fn seeds_are_current() -> Outcome {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/capture");
    for (name, bytes) in seeds() {
        let path = folder.join(name);
        if std::env::var_os("RENEW").is_some() {
            fs::write(&path, &bytes)?;
        }
        let kept = fs::read(&path).unwrap_or_default();
        assert!(
            !kept.is_empty() && behind_header(&kept) == behind_header(&bytes),
            "{} is stale: RENEW=1 cargo test -p hopscope-tests --test recording seeds",
            path.display()
        );
    }
    Ok(())
}
