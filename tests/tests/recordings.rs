//! Every recording in `pcaps/`, and the same scenarios recorded anew, read as they really were.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process, thread};

use hopscope_tests::craft::Scratch;
use hopscope_tests::judge::story::{self, Asked};
use hopscope_tests::judge::variation::{self, Variation};
use hopscope_tests::lab::netns::{Family, Net};
use hopscope_tests::lab::{Recording, Scenario};
use hopscope_tests::watching::Watching;
use hopscope_tests::{judge, lab};

#[test]
fn recordings_read_as_they_were() {
    let pcaps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let mut judged = 0;
    for scenario in lab::all() {
        let found = judge::disagreements(&pcaps.join(scenario.name)).expect(scenario.name);
        assert!(found.is_empty(), "{}:\n{}", scenario.name, found.join("\n"));
        judged += 1;
    }
    let folders = fs::read_dir(&pcaps).expect("pcaps/").flatten();
    let folders = folders.filter(|entry| entry.path().is_dir()).count();
    assert_eq!(
        judged, folders,
        "every folder of pcaps/ is a scenario of the lab"
    );
}

/// Real curl, HAProxy and Envoy in namespaces of their own: other ports, other times, the same
/// truths; read from captures, and watched live by both backends.
#[test]
fn new_recordings_read_as_they_were() {
    if let Some(missing) = lab::missing() {
        println!("skipped: the live lab needs {missing}");
        return;
    }
    let backends = backends();
    let out = env::temp_dir().join(format!("hopscope-lab-{}", process::id()));
    let scenarios: Vec<_> = lab::all().iter().collect();
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    // A scenario is mostly silence: several at a time hardly load the machine.
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // One that does not go as it must, as on a busy machine, is no recording.
                    let run = || lab::run(scenario, &out, &backends);
                    let run = run().or_else(|_| run()).or_else(|_| run());
                    let judged = run.and_then(|run| judge(scenario, &run));
                    let lines = judged.unwrap_or_else(|error| vec![format!("{error:#}")]);
                    let lines = lines
                        .iter()
                        .map(|line| format!("{}: {line}", scenario.name));
                    found.lock().expect("no thread panics").extend(lines);
                }
            });
        }
    });
    let found = found.into_inner().expect("no thread panics");
    assert!(
        found.is_empty(),
        "recordings are in {}:\n{}",
        out.display(),
        found.join("\n")
    );
    fs::remove_dir_all(&out).expect("the recordings that agree are not needed");
}

/// Those that can watch here.
fn backends() -> Vec<&'static str> {
    let folder = Scratch::new("recordings").expect("a folder");
    let net = Net::build(&["alone"], Family::V4, folder.path()).expect("a namespace");
    let watch = ["--backend", "ebpf", "--format", "json", "--netns"];
    let tried = Watching::start(&[&watch[..], &[&net.nodes[0].ns]].concat());
    match tried {
        Ok(_) => vec!["ebpf", "pcap"],
        Err(why) => {
            println!("skipped: the probe on the live lab needs what this machine lacks: {why}");
            vec!["pcap"]
        }
    }
}

/// What was read from captures and what was watched, beside the truth and one another.
fn judge(scenario: &Scenario, run: &Recording) -> anyhow::Result<Vec<String>> {
    let mut found = judge::disagreements(&run.dir)?;
    for variation in [Variation::Plain, Variation::WithLogs] {
        let asked = Asked::EverythingByChance;
        found.extend(variation::asking(&run.dir, variation, asked)?);
    }
    let everywhere: Vec<String> = run.everywhere.vantages.keys().cloned().collect();
    for watched in &run.watched {
        found.extend(judge::live::disagreements(watched, &run.everywhere));
        // What was watched from the beginning tells more than captures that begin late.
        if !scenario.late {
            // The probe shows how turns begin, and a GOAWAY is sent in the middle of one.
            let asked = if watched.backend == "ebpf" && scenario.name == "goaway" {
                Asked::NoFalseAlarm
            } else {
                Asked::EverythingByChance
            };
            let told = story::disagreements(&watched.report, &run.everywhere, &everywhere, asked);
            found.extend(
                told.iter()
                    .map(|line| format!("{}: {line}", watched.backend)),
            );
        }
    }
    if let [one, other] = &run.watched[..] {
        found.extend(judge::live::differences(one, other));
    }
    Ok(found)
}
