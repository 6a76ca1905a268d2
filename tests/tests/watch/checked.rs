//! What was recorded live is checked offline with the same result.

use std::fs;

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::watching::Watching;
use serde_json::Value;

use super::{BACKENDS, Outcome, Pair, flows, named};

#[test]
fn a_recording_is_a_case() -> Outcome {
    for backend in BACKENDS {
        a_recording_is_a_case_by(backend)?;
    }
    Ok(())
}

fn a_recording_is_a_case_by(backend: &str) -> Outcome {
    let Some(pair) = Pair::new(&format!("watch-checked-{backend}"))? else {
        return Ok(());
    };
    let ns = pair.ns("client")?;
    let case = pair.logs.path().join("case");
    fs::create_dir(&case)?;
    let recording = case.join("watch.pcapng");
    let watching = Watching::start(&[
        "--backend",
        backend,
        "--format=json",
        "--netns",
        ns,
        "-w",
        &recording.to_string_lossy(),
    ])?;
    // curl probes after a second, while the app works on its answer.
    pair.curl(&["--keepalive-time", "1", &pair.url("/sleep/2500")?])?;
    let told = watching.interrupt()?;
    assert_eq!(told.code, Some(0), "{}", told.err);
    let live: Value = serde_json::from_str(&told.out)?;
    let watched = flows(&live, &named(ns, "eth0"));
    let [flow] = watched[..] else {
        return Err(format!("{live:#}").into());
    };
    // What the live report says is what is expected of the recording, and what it does not say is not.
    let probes = flow["keepalive"]["client"]["probes"]
        .as_array()
        .map_or(0, Vec::len);
    assert!(probes > 0, "{flow:#}");
    let by = flow["ended_by"].as_str().unwrap_or("nobody");
    let expectation = |name: &str, by: &str, probes: usize| {
        format!(
            "[[expect]]\nname = \"{name}\"\nflows = {{ vantage = \"{}\" }}\ncount = 1\n\
             ended_by = \"{by}\"\nkeepalive.client.probes = {probes}\nbytes = {}\n",
            named(ns, "eth0"),
            flow["bytes"]["client"].as_u64().unwrap_or(0)
                + flow["bytes"]["server"].as_u64().unwrap_or(0),
        )
    };
    let toml = format!(
        "recording = \"watch.pcapng\"\n{}{}",
        expectation("as watched", by, probes),
        expectation("otherwise", "nobody", probes + 1)
    );
    fs::write(case.join("hopscope.toml"), toml)?;
    let told = Told::from(hopscope(["check"]).arg(&case).output()?);
    assert_eq!(told.code, Some(1), "{}{}", told.out, told.err);
    let lines: Vec<&str> = told.out.lines().collect();
    assert!(
        lines[0].starts_with("ok ") && lines[0].ends_with(": as watched"),
        "{}",
        told.out
    );
    assert!(
        told.out
            .contains(&format!("keepalive.client.probes is {probes}")),
        "{}",
        told.out
    );
    assert!(
        told.out.contains("1 expectation met, 1 not met"),
        "{}",
        told.out
    );
    // All else is the same, too: sockets, options, causes.
    let report = pair.logs.file("live.json", live.to_string().as_bytes())?;
    let told = Told::from(hopscope(["diff"]).args([&report, &recording]).output()?);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
    Ok(())
}
