//! For every key of flows: a capture that meets an expectation, and one in which one fact
//! is another and which fails with a message that names it.

pub(super) mod changes;

use std::collections::BTreeSet;

use tracer::check::{Kind, known_keys};

use self::changes::*;
use super::Outcome;
use hopscope_tests::cases::{Cases, failures};

/// An expectation of a key, what is changed for it to be met and missed, and what is found then.
struct Row {
    key: &'static str,
    expected: &'static str,
    met: Edits,
    missed: Edits,
    found: &'static str,
}

const fn row(key: &'static str, expected: &'static str, missed: Edits, found: &'static str) -> Row {
    Row {
        key,
        expected,
        met: &[],
        missed,
        found,
    }
}

fn rows() -> Vec<Row> {
    vec![
        row(
            "client",
            "client = \"10.0.0.1\"",
            FROM_ANOTHER,
            "client is 10.9.0.1:41234",
        ),
        row(
            "server",
            "server = \"10.0.0.0/24\"",
            FROM_ANOTHER,
            "server is 10.9.0.2:81",
        ),
        row(
            "client_port",
            "client_port = 40001",
            FROM_ANOTHER,
            "client_port is 41234",
        ),
        row(
            "server_port",
            "server_port = [80, 8080]",
            FROM_ANOTHER,
            "server_port is 81",
        ),
        row("end", "end = \"fin\"", CLIENT_RESETS, "end is rst"),
        row(
            "ended_by",
            "ended_by = \"client\"",
            SERVER_RESETS,
            "ended_by is server",
        ),
        row(
            "closed",
            "closed = true",
            &[(CLOSE, "30.000   C FIN+ACK\n")],
            "closed is false",
        ),
        row(
            "lasted",
            "lasted = \"30s ± 1%\"",
            LATER_CLOSE,
            "lasted is 40.00 s",
        ),
        row(
            "handshake_rtt",
            "handshake_rtt = \"< 10ms\"",
            &[("+0.001   S SYN+ACK", "+0.500   S SYN+ACK")],
            "handshake_rtt is 50",
        ),
        row(
            "longest_silence",
            "longest_silence = \"< 9s\"",
            LATER_CLOSE,
            "longest_silence is 18.80 s",
        ),
        row(
            "longest_payload_gap",
            "longest_payload_gap = \"<= 22s\"",
            &[("21.2     S ACK 200", "25.2     S ACK 200")],
            "longest_payload_gap is 25.20 s",
        ),
        row(
            "exchanges",
            "exchanges = 1",
            &[("30.000 ", "22.0 C ACK 5\n+0.001 S ACK 7\n30.000 ")],
            "exchanges is 2",
        ),
        row(
            "answer_pending",
            "answer_pending = false",
            &[(ANSWER, "")],
            "answer_pending is true",
        ),
        row(
            "syns",
            "syns = 1",
            &[
                ("0.000    C SYN\n", "0.000 C SYN lost\n1.024 C SYN\n"),
                ("+0.001   S SYN", "1.025 S SYN"),
            ],
            "syns is 2",
        ),
        row(
            "duplicates",
            "duplicates = 0",
            &[("C ACK 11", "C ACK 11 x2")],
            "duplicates is 1",
        ),
        row("resets", "resets = 0", CLIENT_RESETS, "resets is 1"),
        row(
            "resets.client",
            "resets.client = 0",
            CLIENT_RESETS,
            "resets.client is 1",
        ),
        row(
            "resets.server",
            "resets = { server = 0 }",
            SERVER_RESETS,
            "resets.server is 1",
        ),
        row(
            "retransmissions",
            "retransmissions = \"< 1\"",
            SERVER_REPEATS,
            "retransmissions is 1",
        ),
        row(
            "retransmissions.client",
            "retransmissions.client = 0",
            CLIENT_REPEATS,
            "retransmissions.client is 1",
        ),
        row(
            "retransmissions.server",
            "retransmissions.server = 0",
            SERVER_REPEATS,
            "retransmissions.server is 1",
        ),
        row(
            "zero_windows",
            "zero_windows = 0",
            STALLED,
            "zero_windows is ",
        ),
        row(
            "zero_windows.client",
            "zero_windows.client = 0",
            STALLED,
            "zero_windows.client is ",
        ),
        row(
            "zero_windows.server",
            "zero_windows.server = 0",
            STALLED_SERVER,
            "zero_windows.server is ",
        ),
        row(
            "zero_window_probes",
            "zero_window_probes = 0",
            STALLED,
            "zero_window_probes is 2",
        ),
        row(
            "zero_window_probes.client",
            "zero_window_probes.client = 0",
            STALLED_SERVER,
            "zero_window_probes.client is 2",
        ),
        row(
            "zero_window_probes.server",
            "zero_window_probes.server = 0",
            STALLED,
            "zero_window_probes.server is 2",
        ),
        row("bytes", "bytes = 211", MORE_ANSWERED, "bytes is 311"),
        row(
            "bytes.client",
            "bytes.client = 11",
            MORE_ASKED,
            "bytes.client is 12",
        ),
        row(
            "bytes.server",
            "bytes.server = \"200..299\"",
            MORE_ANSWERED,
            "bytes.server is 300",
        ),
        row(
            "segments",
            "segments = 14",
            CLIENT_SAYS_MORE,
            "segments is 16",
        ),
        row(
            "segments.client",
            "segments.client = 8",
            CLIENT_SAYS_MORE,
            "segments.client is 9",
        ),
        row(
            "segments.server",
            "segments.server = 6",
            CLIENT_SAYS_MORE,
            "segments.server is 7",
        ),
        row(
            "unseen_bytes",
            "unseen_bytes = 0",
            ASKED_UNSEEN,
            "unseen_bytes is 11",
        ),
        row(
            "unseen_bytes.client",
            "unseen_bytes.client = 0",
            ASKED_UNSEEN,
            "unseen_bytes.client is 11",
        ),
        row(
            "unseen_bytes.server",
            "unseen_bytes.server = 0",
            ANSWERED_UNSEEN,
            "unseen_bytes.server is 200",
        ),
    ]
}

/// Keys of keepalive probes: those of the server, whose mirror images are the client's.
fn probes() -> Vec<Row> {
    const UNANSWERED: Edits = &[(
        SECOND,
        "14.1402  S ACK seq-1\n16.15  S ACK seq-1\n18.16  S ACK seq-1\n+0.0002  C ACK\n",
    )];
    const SLOWER: Edits = &[(
        SECOND,
        "14.1402  S ACK seq-1\n17.15  S ACK seq-1\n20.16  S ACK seq-1\n+0.0002  C ACK\n",
    )];
    const NEVER_ANSWERED: Edits = &[(SECOND, "14.1402  S ACK seq-1\n")];
    const SOONER: Edits = &[("7.070 ", "4.070 "), ("14.1402 ", "8.1402 ")];
    vec![
        row(
            "probes",
            "probes = \">= 2\"",
            &[(SECOND, "")],
            "probes is 1",
        ),
        row("answered", "answered = 2", NEVER_ANSWERED, "answered is 1"),
        row(
            "unanswered",
            "unanswered = 0",
            NEVER_ANSWERED,
            "unanswered is 1",
        ),
        row("idle", "idle = \"7s ± 10%\"", SOONER, "idle is 4.07 s"),
        Row {
            key: "interval",
            expected: "interval = \"2s +- 0.1s\"",
            met: UNANSWERED,
            missed: SLOWER,
            found: "interval is 3.01 s",
        },
        row("ended", "ended = \"data\"", &[(ANSWER, "")], "ended is fin"),
    ]
}

/// Writes both cases of a row.
fn write(
    cases: &Cases,
    row: &Row,
    name: &str,
    expected: &str,
    shape: fn(&str) -> String,
) -> Outcome {
    let toml = format!("[[expect]]\nname = \"it holds\"\nflows = \"all\"\n{expected}\n");
    cases.script(&format!("{name}-met"), &shape(&edited(row.met)), &toml)?;
    cases.script(
        &format!("{name}-missed"),
        &shape(&edited(row.missed)),
        &toml,
    )
}

#[test]
fn every_key_of_flows_fails_where_its_fact_is_another() -> Outcome {
    let cases = Cases::new("flows")?;
    let mut expected = Vec::new();
    let mut covered = BTreeSet::new();
    for row in &rows() {
        write(&cases, row, row.key, row.expected, str::to_owned)?;
        covered.insert(row.key.to_owned());
        expected.push((row.key.to_owned(), row.found.to_owned()));
    }
    for (side, shape) in [
        ("server", str::to_owned as fn(&str) -> String),
        ("client", mirrored),
    ] {
        for row in &probes() {
            let key = format!("keepalive.{side}.{}", row.key);
            write(
                &cases,
                row,
                &key,
                &format!("keepalive.{side}.{}", row.expected),
                shape,
            )?;
            expected.push((key.clone(), format!("keepalive.{side}.{}", row.found)));
            covered.insert(key);
        }
    }
    let checked = cases.checked()?;
    let of = |name: String| {
        let found = checked
            .iter()
            .find(|case| case["case"] == format!("./{name}"));
        failures(found.unwrap_or_else(|| unreachable!("{name} was written")))
    };
    for (key, found) in expected {
        assert_eq!(of(format!("{key}-met")), [""; 0], "{key}");
        let missed = of(format!("{key}-missed"));
        assert!(
            missed.len() == 1 && missed[0].contains(&format!(": {found}")),
            "{key}: {found} is not in {missed:?}"
        );
        assert!(missed[0].contains("\"evidence\":[\""), "{key}: {missed:?}");
    }
    // What a single script cannot show is in the other tests.
    let elsewhere = ["vantage", "request", "cause", "confidence", "alarm"];
    let all: BTreeSet<String> = known_keys(Kind::Flows)
        .into_iter()
        .map(str::to_owned)
        .collect();
    let covered: BTreeSet<String> = covered
        .into_iter()
        .chain(elsewhere.map(str::to_owned))
        .collect();
    assert_eq!(all, covered);
    Ok(())
}
