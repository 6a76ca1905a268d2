//! For every key of hops, chains and verdicts: a recording that meets an expectation, and the same
//! recording with one fact changed, which fails with a message that names it.

mod changes;

use std::collections::BTreeSet;

use tracer::check::{Kind, known_keys};

use self::changes::*;
use super::Outcome;
use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::cases::{Cases, failures};
use hopscope_tests::changed::Recording;
use hopscope_tests::craft::Scratch;

/// An expectation that a recording meets, what is changed of it, and what is found then.
#[derive(Clone, Copy)]
struct Row {
    about: &'static str,
    expected: &'static str,
    recording: &'static str,
    change: fn(&mut Recording),
    found: &'static str,
}

const fn row(
    about: &'static str,
    expected: &'static str,
    (recording, change): (&'static str, fn(&mut Recording)),
    found: &'static str,
) -> Row {
    Row {
        about,
        expected,
        recording,
        change,
        found,
    }
}

/// What is said of chains and of verdicts alike.
const JUDGED: &[Row] = &[
    row(
        "all",
        "cause = \"client_gave_up\"",
        NOT_YET_GIVEN_UP,
        "cause is open",
    ),
    row(
        "all",
        "confidence = \"certain\"",
        NO_TIMEOUT_TOLD,
        "confidence is likely",
    ),
    row("all", "alarm = true", NOT_YET_GIVEN_UP, "alarm is false"),
    row(
        "all",
        "ended_by = [\"client\", \"nobody\"]",
        BALANCER_CLOSES,
        "ended_by is lb",
    ),
];

const CHAINS: &[Row] = &[
    row(
        "all",
        "request = [\"/ok\", \"/sleep/*\", \"/big/*\"]",
        OTHER_REQUEST,
        "request is GET /no",
    ),
    row("all", "status = 200", OTHER_STATUS, "status is 503"),
    row("all", "hop_count = 4", A_HOP_LESS, "hop_count is 3"),
    row("all", "tried = 1", FIRST_TRY_WORKS, "tried is 0"),
    row(
        "all",
        "adjacent = true",
        BALANCER_HALF_SEEN,
        "adjacent is false",
    ),
    row(
        "all",
        "node = [\"client\", \"lb\", \"gw\", \"pod*\"]",
        NOBODY_AT_THE_CLIENT,
        "node is 10.0.0.1",
    ),
    row(
        "all",
        "answered = true",
        ENDS_BEFORE_THE_ANSWER,
        "answered is false",
    ),
    row("all", "took = \"16s ± 2%\"", LATER_ANSWER, "took is 20.0"),
    row(
        "all",
        "joined_by = \"forwarded_bytes\"",
        WRITTEN_ANEW,
        "joined_by is time_and_size",
    ),
];

const VERDICTS: &[Row] = &[
    row(
        "all",
        "request = [\"/ok\", \"/sleep/*\", \"/big/*\"]",
        OTHER_REQUEST,
        "request is GET /no",
    ),
    row(
        "all",
        "summary = \"client gave up*\"",
        NOT_YET_GIVEN_UP,
        "summary is open",
    ),
];

/// The hop to the gateway.
const GATEWAY: &str = "{ server_port = 8080 }";
/// The hop to the balancer.
const BALANCER: &str = "{ server_port = 80 }";

/// The hop to the app.
const APP: &str = "{ client = \"10.0.2.1\" }";

const HOPS: &[Row] = &[
    row(
        GATEWAY,
        "client = \"10.0.1.0/24\"",
        OTHER_CLIENT,
        "client is 10.9.1.1",
    ),
    row(
        GATEWAY,
        "server = \"10.0.1.2:8080\"",
        OTHER_SERVER,
        "server is 10.9.1.2:8080",
    ),
    row(
        GATEWAY,
        "client_port = 45358",
        OTHER_CLIENT_PORT,
        "client_port is 45359",
    ),
    row(
        "all",
        "server_port = [80, 8080, 8087]",
        OTHER_SERVER_PORT,
        "server_port is 8088",
    ),
    row(
        GATEWAY,
        "request = [\"/ok\", \"/sleep/*\", \"/big/*\"]",
        OTHER_REQUEST,
        "request is GET /no",
    ),
    row(GATEWAY, "seen = 2", NOBODY_AT_THE_GATEWAY, "seen is 1"),
    row(GATEWAY, "made = 2", NO_RESETS, "made is 0"),
    row(GATEWAY, "lost = 0", SERVER_PROBE_LOST, "lost is 1"),
    row(
        APP,
        "lost.client = 0",
        CLIENT_PROBE_LOST,
        "lost.client is 1",
    ),
    row(
        GATEWAY,
        "lost.server = 0",
        SERVER_PROBE_LOST,
        "lost.server is 1",
    ),
    // What is said of flows is said of each that a hop was seen as.
    row(GATEWAY, "resets = 0", RESET_FOR_A_FIN, "resets is 1 (flow "),
    row(
        BALANCER,
        "cause = \"client_gave_up\"",
        NOT_YET_GIVEN_UP,
        "cause is open",
    ),
    row(
        GATEWAY,
        "confidence = \"certain\"",
        NO_TIMEOUT_TOLD,
        "confidence is likely",
    ),
    row(BALANCER, "alarm = true", NOT_YET_GIVEN_UP, "alarm is false"),
];

const FLOWS: &[Row] = &[
    row(
        "{ vantage = \"client\" }",
        "request = [\"/ok\", \"/sleep/*\", \"/big/*\"]",
        OTHER_REQUEST,
        "request is GET /no",
    ),
    row(
        "{ vantage = \"client\" }",
        "cause = \"client_gave_up\"",
        NOT_YET_GIVEN_UP,
        "cause is open",
    ),
    row(
        "{ vantage = \"gw\", server_port = 8080 }",
        "confidence = \"certain\"",
        NO_TIMEOUT_TOLD,
        "confidence is likely",
    ),
    row(
        "{ vantage = \"client\" }",
        "alarm = true",
        NOT_YET_GIVEN_UP,
        "alarm is false",
    ),
];

/// What has nothing to do with any of the facts that are changed.
const UNTOUCHED: &str =
    "[[expect]]\nname = \"frames make sense\"\nvantages = \"all\"\nmalformed = 0\n";

fn key(expected: &str) -> &str {
    expected.split(' ').next().unwrap_or_default()
}

fn fails_where_its_fact_is_another(kind: Kind, rows: &[Row], elsewhere: &[&str]) -> Outcome {
    let cases = Cases::new(&format!("changed-{}", kind.name()))?;
    for (place, row) in rows.iter().enumerate() {
        let about = if row.about == "all" {
            "\"all\""
        } else {
            row.about
        };
        let toml = format!(
            "[[expect]]\nname = \"it holds\"\n{} = {about}\n{}\n",
            kind.name(),
            row.expected
        );
        let mut recording = Recording::read(row.recording)?;
        let toml = format!("{}{toml}{UNTOUCHED}", recording.names());
        for name in ["met", "missed"] {
            if name == "missed" {
                (row.change)(&mut recording);
            }
            let case = format!("{place:02}-{name}");
            cases.file(&case, "hopscope.toml", toml.as_bytes())?;
            recording.write(&cases.path().join(case))?;
        }
    }
    let checked = cases.checked()?;
    assert_eq!(checked.len(), 2 * rows.len());
    let mut wrong = Vec::new();
    for (pair, row) in checked.chunks(2).zip(rows) {
        let (met, missed) = (failures(&pair[0]), failures(&pair[1]));
        let named = missed.len() == 1
            && missed[0].contains(&format!(": {}", row.found))
            && missed[0].contains("\"evidence\":[\"");
        if !met.is_empty() || !named {
            wrong.push(format!(
                "{}: met by {met:?}, {} is not in {missed:?}",
                row.expected, row.found
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let known: BTreeSet<&str> = known_keys(kind).into_iter().collect();
    let of_flows = known_keys(Kind::Flows);
    let lifted = of_flows
        .iter()
        .copied()
        .filter(|key| kind != Kind::Flows && known.contains(key));
    let covered: BTreeSet<&str> = rows
        .iter()
        .map(|row| key(row.expected))
        .chain(elsewhere.iter().copied())
        .chain(lifted)
        .collect();
    assert_eq!(known, covered);
    Ok(())
}

/// What a first draft of a recording says of it, once one fact of it is changed.
const DRAFTS: &[(Changed, &str)] = &[
    (OTHER_REQUEST, "'GET /no' and"),
    (OTHER_STATUS, "status is 503"),
    (A_HOP_LESS, "hop_count is 3"),
    (FIRST_TRY_WORKS, "tried is 0"),
    (LATER_ANSWER, "took is 20.0"),
    (NOT_YET_GIVEN_UP, "cause is open"),
    (ENDS_BEFORE_THE_ANSWER, "answered is false"),
    (A_PROBE_LESS, "keepalive.server.probes is 1"),
    (BALANCER_CLOSES, "ended_by is server"),
    (OTHER_SERVER_PORT, "server_port is '80', '8080' and '8088'"),
    (NO_RESETS, "resets is 0"),
    (NO_TIMEOUT_TOLD, "status is 500"),
];

#[test]
fn a_first_draft_fails_where_one_fact_is_changed() -> Outcome {
    let scratch = Scratch::new("check-draft-changed")?;
    let mut wrong = Vec::new();
    for (place, ((name, change), found)) in DRAFTS.iter().enumerate() {
        let folder = scratch.path().join(place.to_string());
        let mut recording = Recording::read(name)?;
        recording.write(&folder)?;
        let told = Told::from(hopscope(["check", "--init"]).arg(&folder).output()?);
        assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
        let check = || hopscope(["check"]).arg(&folder).output().map(Told::from);
        let told = check()?;
        assert_eq!(told.code, Some(0), "{}", told.out);
        change(&mut recording);
        recording.write(&folder)?;
        let told = check()?;
        if told.code != Some(1) || !told.out.contains(found) {
            wrong.push(format!("{found} is not in {}", told.out));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// That a chain is ambiguous no recording shows: it is tested on a report.
#[test]
fn every_key_of_chains_fails_where_one_fact_is_changed() -> Outcome {
    fails_where_its_fact_is_another(Kind::Chains, &[JUDGED, CHAINS].concat(), &["ambiguous"])
}

#[test]
fn every_key_of_verdicts_fails_where_one_fact_is_changed() -> Outcome {
    fails_where_its_fact_is_another(Kind::Verdicts, &[JUDGED, VERDICTS].concat(), &[])
}

#[test]
fn every_key_of_hops_fails_where_one_fact_is_changed() -> Outcome {
    fails_where_its_fact_is_another(Kind::Hops, HOPS, &[])
}

/// What verdicts and chains say of a flow; its other keys are tested on scripts.
#[test]
fn what_is_said_of_a_flow_fails_where_one_fact_is_changed() -> Outcome {
    let scripted = known_keys(Kind::Flows).into_iter();
    let scripted: Vec<&str> = scripted
        .filter(|name| FLOWS.iter().all(|row| key(row.expected) != *name))
        .collect();
    fails_where_its_fact_is_another(Kind::Flows, FLOWS, &scripted)
}
