//! What chains and verdicts rest on beside captures: access logs, and known timeouts.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use tracer::check::{Case, judge};
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
