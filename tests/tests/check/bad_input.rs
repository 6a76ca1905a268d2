//! What cannot be checked says so, where, and what was meant; it fails its own case and not the others.

use std::fs;

use hopscope_tests::binary::{Told, hopscope};

use super::Outcome;
use hopscope_tests::cases::{Cases, capture, failures};

const SCRIPT: &str =
    "# Nothing much.\n0.000 C SYN\n+0.001 S SYN+ACK\n+0.001 C ACK\n1.0 C FIN+ACK\n";
const GOOD: &str = "[[expect]]\nname = \"it is seen\"\nflows = \"all\"\ncount = 1\n";

/// What is written, at which line and column the fault is, and what is said of it.
const FAULTS: &[(&str, &str, &str)] = &[
    ("[[expect]\n", "1:10", "array"),
    ("name = 3\n", "1:1", "a case has no 'name'"),
    ("[captres]\nx = \"y\"\n", "1:2", "did you mean 'captures'?"),
    (
        "[captures]\ngw = 3\n",
        "2:6",
        "must be a text in quotes, such as gw = \"gw.pcap\"",
    ),
    (
        "captures = \"gw.pcap\"\n",
        "1:12",
        "must be a table, such as [captures]",
    ),
    ("recording = \"\"\n", "1:13", "is empty"),
    ("[expect]\nname = \"x\"\n", "1:2", "begin with [[expect]]"),
    ("recording = \"x\"\n", "1:1", "it expects nothing"),
    (GOOD, "1:1", "it names no captures"),
    (
        "[[expect]]\nflows = \"all\"\ncount = 1\n",
        "1:1",
        "it has no name",
    ),
    (
        "[[expect]]\nname = \"x\"\ncount = 1\n",
        "1:1",
        "does not say what it is about",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nhops = \"all\"\ncount = 1\n",
        "4:1",
        "about 'flows' already",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"al\"\ncount = 1\n",
        "3:9",
        "must say which",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\n",
        "1:1",
        "it expects nothing of those flows",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = { vantge = \"gw\" }\ncount = 1\n",
        "3:11",
        "did you mean 'vantage'?",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nended_bye = \"client\"\n",
        "4:1",
        "did you mean 'ended_by'?",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nended_by = \"sever\"\n",
        "4:12",
        "did you mean 'server'?",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nended_by = 3\n",
        "4:12",
        "says nothing here",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nclosed = \"yes\"\n",
        "4:10",
        "true or false without quotes",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nlasted = 7\n",
        "4:10",
        "has no unit: write '7s'",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nlasted = 7.5\n",
        "4:10",
        "has no unit: write '7.5s'",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nlasted = \"7 sek\"\n",
        "4:10",
        "'7 sek' is no time",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nlasted = \"7s\"\n",
        "4:10",
        "write '7s ± 10%'",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nresets = \"0s\"\n",
        "4:10",
        "'0s' is no count",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nresets = true\n",
        "4:10",
        "not true or false",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nresets = []\n",
        "4:10",
        "not a list",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nresets = [0, \"x\"]\n",
        "4:14",
        "'x' is no count",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nresets.clint = 0\n",
        "4:8",
        "did you mean 'resets.client'?",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nkeepalive = 3\n",
        "4:1",
        "has parts",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\ntcp_keepidle = \"7s\"\n",
        "4:1",
        "but of 'sockets'",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = { client = \"10.0.0\" }\ncount = 1\n",
        "3:20",
        "is no address",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\nmatch = \"al\"\nresets = 0\n",
        "4:9",
        "did you mean 'all'?",
    ),
    (
        "[[expect]]\nname = \"x\"\nflows = \"all\"\ncount = 1\n[[expect]]\nname = \"x\"\nflows = \"all\"\ncount = 1\n",
        "5:1",
        "taken by the expectation at line 1",
    ),
];

#[test]
fn a_fault_is_told_with_its_place_and_what_was_meant() -> Outcome {
    let cases = Cases::new("faults")?;
    for (place, (text, ..)) in FAULTS.iter().enumerate() {
        cases.file(&format!("{place:02}"), "hopscope.toml", text.as_bytes())?;
    }
    let checked = cases.checked()?;
    assert_eq!(checked.len(), FAULTS.len());
    for (case, (text, place, what)) in checked.iter().zip(FAULTS) {
        let problems = case["problems"].as_array().cloned().unwrap_or_default();
        let told = |problem: &serde_json::Value| {
            let at = &problem["place"];
            (
                format!("{}:{}", at["line"], at["column"]),
                problem["what"].as_str().unwrap_or_default().to_owned(),
            )
        };
        let told: Vec<(String, String)> = problems.iter().map(told).collect();
        assert!(
            told.iter()
                .any(|(at, why)| at == place && why.contains(what)),
            "{text}\nis not told at {place} with '{what}': {told:?}"
        );
    }
    Ok(())
}

/// A case that cannot be read says why; those beside it are checked all the same.
#[test]
fn an_unreadable_capture_fails_its_own_case() -> Outcome {
    let cases = Cases::new("unreadable")?;
    for case in [
        "a-good",
        "b-gone",
        "c-no-capture",
        "d-damaged",
        "e-log",
        "f-filter",
        "g-good",
    ] {
        cases.script(case, SCRIPT, GOOD)?;
    }
    fs::remove_file(cases.path().join("b-gone/gw.pcap"))?;
    cases.file("c-no-capture", "gw.pcap", b"no capture at all")?;
    let mut damaged = capture(SCRIPT)?;
    damaged[24 + 8..24 + 12].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    cases.file("d-damaged", "gw.pcap", &damaged)?;
    let with =
        |before: &str, after: &str| format!("{before}[captures]\ngw = \"gw.pcap\"\n{after}{GOOD}");
    let log = with("", "[access_logs]\ngw = \"gw.log\"\n");
    cases.file("e-log", "hopscope.toml", log.as_bytes())?;
    cases.file("e-log", "gw.log", b"what is this\n")?;
    cases.file(
        "f-filter",
        "hopscope.toml",
        with("filter = \"tcp prot 80\"\n", "").as_bytes(),
    )?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(2), "{}", told.out);
    let lines: Vec<&str> = told.out.lines().collect();
    let expected = [
        "ok    ./a-good: it is seen",
        "ERROR ./b-gone/hopscope.toml:2:6: gw.pcap: cannot open it",
        "ERROR ./c-no-capture/hopscope.toml:2:6: gw.pcap: it is not a pcap or pcapng capture",
        "ERROR ./d-damaged/hopscope.toml:2:6: gw.pcap: reading stopped at byte 24",
        "ERROR ./e-log/hopscope.toml:4:6: gw.log: none of its 1 lines",
        "ERROR ./f-filter/hopscope.toml:1:10: ",
        "ok    ./g-good: it is seen",
        "7 cases: 2 expectations met, 5 cases could not be checked",
    ];
    assert_eq!(lines.len(), expected.len(), "{}", told.out);
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(expected), "{line}\nis not {expected}");
    }
    Ok(())
}

/// Nothing that was named passes in silence.
#[test]
fn what_is_no_case_is_told() -> Outcome {
    let cases = Cases::new("none")?;
    cases.file("empty/inner", "notes.txt", b"x")?;
    cases.file("captures", "gw.pcap", &capture(SCRIPT)?)?;
    cases.file("latin", "hopscope.toml", b"name = \"\xfc\"\n")?;
    let check = |folder: &str| -> Result<Told, Box<dyn std::error::Error>> {
        Ok(hopscope(["check", folder])
            .current_dir(cases.path())
            .output()?
            .into())
    };
    for (folder, why) in [
        ("empty", "there is no hopscope.toml in it"),
        ("captures", "'hopscope check --init captures' writes one"),
        ("gone", "cannot open it"),
        ("latin", "is not UTF-8"),
    ] {
        let told = check(folder)?;
        assert_eq!(told.code, Some(2), "{folder}: {}", told.out);
        assert!(told.out.contains(why), "{folder}: {}", told.out);
    }
    cases.script("good", SCRIPT, GOOD)?;
    let told = cases.check(&[])?;
    assert!(
        told.err
            .contains("./captures: captures without a hopscope.toml are not checked"),
        "{}",
        told.err
    );
    Ok(())
}

/// A selection of nothing and a vantage that is not there are failures, whatever must match.
#[test]
fn a_selection_of_nothing_is_no_success() -> Outcome {
    let cases = Cases::new("nothing")?;
    let toml = "\
[[expect]]
name = \"no such port\"
flows = { vantage = \"gw\", server_port = 8081 }
match = \"none\"
resets = 0

[[expect]]
name = \"no such vantage\"
flows = { vantage = \"gww\" }
count = 0

[[expect]]
name = \"none is meant\"
flows = { server_port = 8081 }
count = 0

[[expect]]
name = \"no sockets in captures\"
sockets = \"all\"
so_keepalive = true
";
    cases.script("case", SCRIPT, toml)?;
    let checked = cases.checked()?;
    let failed = failures(&checked[0]);
    let [port, vantage, sockets] = &failed[..] else {
        return Err(format!("{failed:#?}").into());
    };
    assert!(
        port.contains("none of 1 flow is one") && port.contains("server_port is '80' there"),
        "{port}"
    );
    assert!(port.contains("\"column\":11,\"line\":6"), "{port}");
    assert!(vantage.contains("did you mean 'gw'?"), "{vantage}");
    assert!(
        sockets.contains("no sockets were recorded here"),
        "{sockets}"
    );
    Ok(())
}
