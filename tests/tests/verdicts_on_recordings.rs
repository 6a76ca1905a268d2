//! Hops, chains and verdicts of every recording in `pcaps/` are what really happened, however it is
//! given.

use std::path::Path;

use hopscope_tests::judge::variation::{self, Variation};
use hopscope_tests::lab;

/// Of all recordings, so that one look shows everything that disagrees.
fn judge(variation: Variation) {
    let pcaps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let mut found = Vec::new();
    for scenario in lab::all() {
        let lines = variation::disagreements(&pcaps.join(scenario.name), variation);
        let lines = lines.unwrap_or_else(|error| vec![format!("{error:#}")]);
        let lines = lines
            .iter()
            .map(|line| format!("{}: {line}", scenario.name));
        found.extend(lines);
    }
    assert!(
        found.is_empty(),
        "{variation:?}: {} disagree:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn as_recorded() {
    judge(Variation::Plain);
}

#[test]
fn with_access_logs() {
    judge(Variation::WithLogs);
}

#[test]
fn captures_in_reverse_order() {
    judge(Variation::Reversed);
}

#[test]
fn clocks_off_by_seconds() {
    judge(Variation::Clocks);
}

#[test]
fn every_frame_twice() {
    judge(Variation::Twice);
}

#[test]
fn without_payload() {
    judge(Variation::NoPayload);
}

#[test]
fn without_payload_with_access_logs() {
    judge(Variation::NoPayloadWithLogs);
}

#[test]
fn one_capture_at_a_time() {
    judge(Variation::Alone);
}

#[test]
fn without_the_captures_of_routers() {
    judge(Variation::EndsOnly);
}

#[test]
fn begun_late() {
    judge(Variation::BegunLate);
}

#[test]
fn ended_early() {
    judge(Variation::EndedEarly);
}

#[test]
fn frames_missing() {
    // The later ones were wrong once.
    for seed in [1, 2, 3, 11, 14, 19, 20, 38, 45] {
        judge(Variation::FramesMissing(seed));
    }
}
