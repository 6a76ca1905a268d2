//! For every key of captures: one that meets an expectation, and one that does not, with a message that
//! names the fact.

use std::collections::BTreeSet;

use tracer::check::{Case, Kind, judge, known_keys};
use tracer::report::Report;
use tracer::survey::Survey;

use super::Outcome;
use super::flows::changes::CALM;
use hopscope_tests::cases::{Cases, failures};
use hopscope_tests::craft::Pcapng;
use hopscope_tests::script::Script;

/// A vantage is what a capture is called, whatever its file.
#[test]
fn a_flow_is_where_its_capture_was_made() -> Outcome {
    let cases = Cases::new("vantage")?;
    let toml = "[[expect]]\nname = \"x\"\nflows = { vantage = \"g*\" }\nvantage = \"gw\"\n";
    cases.script("met", CALM, toml)?;
    cases.script("missed", CALM, toml)?;
    let path = cases.path().join("missed/hopscope.toml");
    let other = std::fs::read_to_string(&path)?.replace("gw = ", "gate = \"gw.pcap\"\ngw = ");
    std::fs::write(&path, other)?;
    let checked = cases.checked()?;
    assert_eq!(failures(&checked[0]), [""; 0]);
    let missed = failures(&checked[1]).concat();
    assert!(missed.contains("vantage is gate"), "{missed}");
    Ok(())
}

/// What is expected of captures themselves.
#[test]
fn every_key_of_vantages_fails_where_its_fact_is_another() -> Outcome {
    let cases = Cases::new("vantages")?;
    let good = hopscope_tests::cases::capture(CALM)?;
    let mut cut = good.clone();
    cut.truncate(good.len() - 3);
    // The second frame's TCP header says that it is four bytes long.
    let mut malformed = good.clone();
    let second = 24 + 16 + u32::from_le_bytes([good[32], good[33], good[34], good[35]]) as usize;
    malformed[second + 16 + 20 + 12] = 0x10;
    let rows: [(&str, &str, &[u8], &str); 4] = [
        ("frames", "frames = 14", &cut, "frames is 13"),
        ("segments", "segments = 14", &malformed, "segments is 13"),
        ("malformed", "malformed = 0", &malformed, "malformed is 1"),
        ("damaged", "damaged = false", &cut, "damaged is true"),
    ];
    for (key, expected, capture, _) in rows {
        let toml = format!("[[expect]]\nname = \"x\"\nvantages = \"all\"\n{expected}\n");
        cases.script(&format!("{key}-met"), CALM, &toml)?;
        cases.script(&format!("{key}-missed"), CALM, &toml)?;
        cases.file(&format!("{key}-missed"), "gw.pcap", capture)?;
        // A cut capture is checked only where that is allowed.
        let toml = format!("cut = \"allowed\"\n[captures]\ngw = \"gw.pcap\"\n{toml}");
        cases.file(&format!("{key}-missed"), "hopscope.toml", toml.as_bytes())?;
    }
    let checked = cases.checked()?;
    let of = |name: String| {
        let found = checked
            .iter()
            .find(|case| case["case"] == format!("./{name}"));
        failures(found.unwrap_or_else(|| unreachable!("{name} was written")))
    };
    for (key, _, _, found) in rows {
        assert_eq!(of(format!("{key}-met")), [""; 0], "{key}");
        let missed = of(format!("{key}-missed")).concat();
        assert!(missed.contains(found), "{key}: {missed}");
    }
    let all: BTreeSet<&str> = known_keys(Kind::Vantages).into_iter().collect();
    let covered = rows.map(|(key, ..)| key);
    // Those are tested above and below.
    let elsewhere = ["vantage", "dropped", "lower_bounds"];
    assert_eq!(all, covered.into_iter().chain(elsewhere).collect());
    Ok(())
}

/// How many frames were lost is told where the capturing program wrote it down.
#[test]
fn lost_frames_are_told() -> Outcome {
    let cases = Cases::new("dropped")?;
    let toml = "[captures]\ngw = \"gw.pcapng\"\n[[expect]]\nname = \"x\"\nvantages = \"all\"\ndropped = 0\n";
    let trace = Script::parse(CALM)
        .map_err(|error| format!("{error:#}"))?
        .trace();
    for (case, dropped) in [("met", 0), ("missed", 3)] {
        let format = Pcapng::default();
        let mut file = format.file(&[("eth0", &trace)]);
        file.extend(format.statistics(0, dropped));
        cases.file(case, "gw.pcapng", &file)?;
        cases.file(case, "hopscope.toml", toml.as_bytes())?;
    }
    let checked = cases.checked()?;
    assert_eq!(failures(&checked[0]), [""; 0]);
    let missed = failures(&checked[1]).concat();
    assert!(missed.contains("dropped is 3"), "{missed}");
    Ok(())
}

/// Only what the probe counted can be incomplete: the report of such a watch is made so.
#[test]
fn counts_that_are_lower_bounds_are_told() -> Outcome {
    let toml =
        "recording = \"x\"\n[[expect]]\nname = \"x\"\nvantages = \"all\"\nlower_bounds = false\n";
    let case = Case::parse(toml).map_err(|faults| format!("{faults:?}"))?;
    let mut report = Report::of_sockets(&[Survey {
        namespace: "gw".to_owned(),
        sockets: Vec::new(),
        inode: 1,
        remarks: Vec::new(),
        unseen: "",
    }]);
    assert_eq!(judge(&case, &report, &[])[0].failure, None);
    report.vantages[0].lower_bounds = true;
    let missed = judge(&case, &report, &[])[0].failure.clone();
    let missed = missed.ok_or("it is met")?.found.concat();
    assert!(missed.contains("lower_bounds is true"), "{missed}");
    Ok(())
}
