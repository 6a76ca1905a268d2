//! For every key of hops, chains and verdicts: a recording that meets an expectation, and another in
//! which its fact is otherwise and which fails with a message that names it.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tracer::check::{Case, Kind, judge, known_keys};
use tracer::report::{ChainReport, Report};

use super::Outcome;
use hopscope_tests::cases::{Cases, failures};

/// What a case names of a recording: its captures, and its proxies' logs where they are wanted.
pub(crate) fn names(recording: &str, logs: bool) -> Result<String, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pcaps")
        .join(recording);
    let mut files: Vec<_> = fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let (mut captures, mut access_logs) = ("[captures]\n".to_owned(), "[access_logs]\n".to_owned());
    for file in files {
        let path = file.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let line = format!("{name} = {:?}", path.display().to_string());
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("pcap") => writeln!(captures, "{line}")?,
            Some("log") if ["gw", "lb", "sidecar"].contains(&name.as_str()) => {
                writeln!(access_logs, "{line}")?;
            }
            _ => {}
        }
    }
    Ok(if logs {
        captures + &access_logs
    } else {
        captures
    })
}

/// What is selected, what is expected, the recording that meets it, the one that does not, and what is
/// found there.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

const CHAINS: &[Row] = &[
    (
        "all",
        "request = \"/sleep/*\"",
        "lb-idle-timeout",
        "normal",
        "request is GET /ok",
    ),
    (
        "all",
        "status = 504",
        "gw-request-timeout",
        "lb-idle-timeout",
        "status is none",
    ),
    (
        "all",
        "hop_count = 4",
        "normal",
        "dead-upstream-retry",
        "hop_count is 3",
    ),
    (
        "all",
        "tried = 0",
        "normal",
        "dead-upstream-retry",
        "tried is 1",
    ),
    (
        "all",
        "adjacent = true",
        "gw-request-timeout",
        "normal",
        "adjacent is false",
    ),
    (
        "all",
        "node = [\"client\", \"lb\", \"gw\", \"pod\", \"pod-lo\"]",
        "normal",
        "gw-request-timeout",
        "node is pod:8087",
    ),
    (
        "all",
        "answered = true",
        "normal",
        "lb-idle-timeout",
        "answered is false",
    ),
    (
        "all",
        "took = \"< 1s\"",
        "normal",
        "gw-request-timeout",
        "took is 3.00 s",
    ),
    (
        "all",
        "cause = \"normal_close\"",
        "normal",
        "lb-idle-timeout",
        "cause is idle_timeout",
    ),
    (
        "all",
        "confidence = \">= likely\"",
        "normal",
        "seen-too-late",
        "confidence is possible",
    ),
    (
        "all",
        "alarm = false",
        "normal",
        "lb-idle-timeout",
        "alarm is true",
    ),
    (
        "all",
        "ended_by = [\"client\", \"nobody\"]",
        "normal",
        "lb-idle-timeout",
        "ended_by is lb",
    ),
];

const VERDICTS: &[Row] = &[
    (
        "all",
        "request = \"GET /sleep/*\"",
        "lb-idle-timeout",
        "normal",
        "request is GET /ok",
    ),
    (
        "all",
        "cause = \"normal_close\"",
        "normal",
        "lb-idle-timeout",
        "cause is idle_timeout",
    ),
    (
        "all",
        "confidence = \">= likely\"",
        "normal",
        "seen-too-late",
        "confidence is possible",
    ),
    (
        "all",
        "alarm = false",
        "normal",
        "lb-idle-timeout",
        "alarm is true",
    ),
    (
        "all",
        "ended_by = [\"client\", \"nobody\"]",
        "normal",
        "lb-idle-timeout",
        "ended_by is lb",
    ),
    (
        "all",
        "summary = \"nothing wrong*\"",
        "normal",
        "lb-idle-timeout",
        "summary is lb ended it",
    ),
];

/// The hop to the gateway.
const GATEWAY: &str = "{ server_port = 8080 }";

const FLOWS: &[Row] = &[
    (
        "all",
        "request = \"/sleep/*\"",
        "lb-idle-timeout",
        "normal",
        "request is GET /ok",
    ),
    (
        "{ vantage = \"lb\", server_port = 8080 }",
        "cause = \"idle_timeout\"",
        "lb-idle-timeout",
        "gw-request-timeout",
        "cause is request_timeout",
    ),
    (
        "{ vantage = \"lb\", server_port = 8080 }",
        "confidence = \"likely\"",
        "lb-idle-timeout",
        "gw-request-timeout",
        "confidence is certain",
    ),
    (
        "{ vantage = \"client\" }",
        "alarm = false",
        "normal",
        "client-gives-up",
        "alarm is true",
    ),
];

const HOPS: &[Row] = &[
    (
        GATEWAY,
        "client = \"10.0.1.0/24\"",
        "lb-idle-timeout",
        "no-healthy-host",
        "client is 10.",
    ),
    (
        GATEWAY,
        "server = \"10.0.1.2:8080\"",
        "lb-idle-timeout",
        "injected-reset",
        "server is 10.0.2.2:8080",
    ),
    (
        GATEWAY,
        "client_port = 45358",
        "lb-idle-timeout",
        "injected-reset",
        "client_port is 39974",
    ),
    (
        "all",
        "server_port = [80, 8080, 8087]",
        "lb-idle-timeout",
        "refused-retry",
        "server_port is 8088",
    ),
    (
        "all",
        "request = \"/sleep/*\"",
        "lb-idle-timeout",
        "normal",
        "request is GET /ok",
    ),
    (
        GATEWAY,
        "seen = 2",
        "lb-idle-timeout",
        "l4-state-kept",
        "seen is 3",
    ),
    ("all", "made = 0", "normal", "injected-reset", "made is 2"),
    (
        GATEWAY,
        "lost = 0",
        "normal",
        "retransmissions-recover",
        "lost is 4",
    ),
    (
        GATEWAY,
        "lost.client = 0",
        "normal",
        "injected-reset",
        "lost.client is not known",
    ),
    (
        GATEWAY,
        "lost.server = 0",
        "normal",
        "injected-reset",
        "lost.server is 1",
    ),
    (
        GATEWAY,
        "cause = \"idle_timeout\"",
        "lb-idle-timeout",
        "gw-request-timeout",
        "cause is request_timeout",
    ),
    (
        GATEWAY,
        "confidence = \"likely\"",
        "lb-idle-timeout",
        "gw-request-timeout",
        "confidence is certain",
    ),
    (
        "{ server_port = 80 }",
        "alarm = false",
        "normal",
        "client-gives-up",
        "alarm is true",
    ),
    // What is said of flows is said of each that a hop was seen as.
    (
        GATEWAY,
        "resets = 0",
        "normal",
        "injected-reset",
        "resets is 1 (flow ",
    ),
];

fn key(expected: &str) -> &str {
    expected.split(' ').next().unwrap_or_default()
}

fn fails_where_it_is_otherwise(kind: Kind, rows: &[Row], elsewhere: &[&str]) -> Outcome {
    let cases = Cases::new(kind.name())?;
    for (place, (select, expected, met, missed, _)) in rows.iter().enumerate() {
        let select = if *select == "all" { "\"all\"" } else { select };
        let toml = format!(
            "[[expect]]\nname = \"it holds\"\n{} = {select}\n{expected}\n",
            kind.name()
        );
        for (recording, name) in [(met, "met"), (missed, "missed")] {
            let toml = format!("{}{toml}", names(recording, false)?);
            cases.file(
                &format!("{place:02}-{name}"),
                "hopscope.toml",
                toml.as_bytes(),
            )?;
        }
    }
    let checked = cases.checked()?;
    assert_eq!(checked.len(), 2 * rows.len());
    for (pair, (_, expected, _, _, found)) in checked.chunks(2).zip(rows) {
        assert_eq!(failures(&pair[0]), [""; 0], "{expected}");
        let missed = failures(&pair[1]);
        assert!(
            missed.len() == 1 && missed[0].contains(&format!(": {found}")),
            "{expected}: {found} is not in {missed:?}"
        );
        assert!(
            missed[0].contains("\"evidence\":[\""),
            "{expected}: {missed:?}"
        );
    }
    let known: BTreeSet<&str> = known_keys(kind).into_iter().collect();
    let covered = rows.iter().map(|(_, expected, ..)| key(expected));
    let of_flows = known_keys(Kind::Flows);
    let lifted = of_flows
        .iter()
        .copied()
        .filter(|key| kind != Kind::Flows && known.contains(key));
    let covered: BTreeSet<&str> = covered
        .chain(elsewhere.iter().copied())
        .chain(lifted)
        .collect();
    assert_eq!(known, covered);
    Ok(())
}

#[test]
fn every_key_of_chains_fails_where_its_fact_is_another() -> Outcome {
    // Their tests are below.
    fails_where_it_is_otherwise(Kind::Chains, CHAINS, &["ambiguous", "joined_by"])
}

#[test]
fn every_key_of_verdicts_fails_where_its_fact_is_another() -> Outcome {
    fails_where_it_is_otherwise(Kind::Verdicts, VERDICTS, &[])
}

#[test]
fn every_key_of_hops_fails_where_its_fact_is_another() -> Outcome {
    fails_where_it_is_otherwise(Kind::Hops, HOPS, &[])
}

/// What verdicts and chains say of a flow; its other keys are tested on scripts.
#[test]
fn what_is_said_of_a_flow_fails_where_it_is_otherwise() -> Outcome {
    let scripted = known_keys(Kind::Flows).into_iter();
    let scripted: Vec<&str> = scripted
        .filter(|name| FLOWS.iter().all(|(_, expected, ..)| key(expected) != *name))
        .collect();
    fails_where_it_is_otherwise(Kind::Flows, FLOWS, &scripted)
}

/// Access logs are read, and join hops.
#[test]
fn access_logs_join_hops() -> Outcome {
    let cases = Cases::new("logs")?;
    let toml = "[[expect]]\nname = \"logs\"\nchains = \"all\"\njoined_by = \"access_log\"\n";
    for (case, logs) in [("met", true), ("missed", false)] {
        let toml = format!("{}{toml}", names("gw-request-timeout", logs)?);
        cases.file(case, "hopscope.toml", toml.as_bytes())?;
    }
    let checked = cases.checked()?;
    assert_eq!(failures(&checked[0]), [""; 0]);
    let missed = failures(&checked[1]).concat();
    assert!(
        missed.contains(": joined_by is forwarded_bytes"),
        "{missed}"
    );
    Ok(())
}

/// A table of timeouts is read: what it names is in the verdict's words.
#[test]
fn timeouts_are_known_by_name() -> Outcome {
    let cases = Cases::new("timeouts")?;
    let expectation = "[[expect]]\nname = \"x\"\nverdicts = \"all\"\ncause = \"idle_timeout\"\n";
    let names = names("lb-idle-timeout", true)?;
    let toml = format!("timeouts = \"ours.toml\"\n{names}{expectation}");
    cases.file("known", "hopscope.toml", toml.as_bytes())?;
    let ours = "[[timeout]]\nname = \"our balancer\"\nseconds = 4\nkind = \"proxy\"\nchange = \"ask us\"\nsource = \"wiki\"\n";
    cases.file("known", "ours.toml", ours.as_bytes())?;
    cases.file("wrong", "hopscope.toml", toml.as_bytes())?;
    cases.file(
        "wrong",
        "ours.toml",
        b"[[timeout]]\nname = \"our balancer\"\n",
    )?;
    cases.file("gone", "hopscope.toml", toml.as_bytes())?;
    let checked = cases.checked()?;
    let of = |name: &str| {
        let found = checked
            .iter()
            .find(|case| case["case"] == format!("./{name}"));
        found.map(failures).unwrap_or_default().concat()
    };
    assert_eq!(of("known"), "");
    assert!(
        of("wrong").contains("missing field `seconds`"),
        "{}",
        of("wrong")
    );
    assert!(
        of("gone").contains("ours.toml: cannot read it"),
        "{}",
        of("gone")
    );
    Ok(())
}

/// No recording is ambiguous any more: the report is made so.
#[test]
fn what_else_could_have_been_joined_is_ambiguous() -> Outcome {
    let chain = |others: Vec<Vec<u64>>| ChainReport {
        id: 0,
        hops: vec![0, 1],
        nodes: Vec::new(),
        joined_by: Vec::new(),
        others,
        evidence: Vec::new(),
        proxies: Vec::new(),
        adjacent: Vec::new(),
        tried: Vec::new(),
        exchanges: Vec::new(),
        request: None,
        status: None,
        began: None,
        done: None,
        more: 0,
    };
    let toml = "recording = \"x\"\n[[expect]]\nname = \"x\"\nchains = \"all\"\nambiguous = false\n";
    let case = Case::parse(toml).map_err(|faults| format!("{faults:?}"))?;
    let failure = |others| {
        let mut report = Report::of_sockets(&[]);
        report.chains = vec![chain(others)];
        judge(&case, &report, &[])[0].failure.clone()
    };
    assert_eq!(failure(vec![Vec::new()]), None);
    let missed = failure(vec![vec![2]]).ok_or("it is met")?;
    assert!(
        missed.found.concat().contains("ambiguous is true"),
        "{missed:?}"
    );
    Ok(())
}
