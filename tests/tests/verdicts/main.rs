//! What verdicts say of themselves: which rules were considered, what one vantage cannot know, and
//! tables of timeouts. Whether they are right is in `verdicts_on_recordings` and in the scripts.

mod attempts;
mod ends;
mod http2;
mod written;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use hopscope_tests::binary::{self, Told};
use hopscope_tests::craft::{Fraction, Order, Scratch, recordings};
use hopscope_tests::script::Script;
use serde_json::Value;

fn told(arguments: &[String]) -> Result<Told> {
    Ok(binary::hopscope(arguments).output()?.into())
}

fn report(captures: &[PathBuf], more: &[&str]) -> Result<Value> {
    let mut arguments: Vec<String> = ["read", "--format", "json"].map(str::to_owned).to_vec();
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    arguments.extend(captures.iter().map(|path| path.display().to_string()));
    let told = told(&arguments)?;
    ensure!(told.code == Some(0), "{arguments:?}: {}", told.err);
    Ok(serde_json::from_str(&told.out)?)
}

/// The captures of every recording.
fn scenarios() -> BTreeMap<PathBuf, Vec<PathBuf>> {
    let mut found: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for capture in recordings() {
        let folder = capture.parent().map(Path::to_owned).unwrap_or_default();
        found.entry(folder).or_default().push(capture);
    }
    found
}

/// The report on captures that were written down: the names of the files, and the scripts.
fn scripted(test: &str, scripts: &[(&str, &str)]) -> Result<Value> {
    let scratch = Scratch::new(test)?;
    let mut captures = Vec::new();
    for (name, script) in scripts {
        let trace = Script::parse(script)?.trace();
        captures.push(scratch.file(name, &trace.pcap(Order::Little, Fraction::Nanos))?);
    }
    report(&captures, &[])
}

fn verdicts(report: &Value) -> impl Iterator<Item = &Value> {
    report["verdicts"].as_array().into_iter().flatten()
}

fn lines<'a>(verdict: &'a Value, field: &str) -> Vec<&'a str> {
    let lines = verdict[field].as_array().into_iter().flatten();
    lines.filter_map(Value::as_str).collect()
}

fn recording(name: &str, captures: &[&str]) -> Vec<PathBuf> {
    let pcaps = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let captures = captures.iter();
    captures
        .map(|capture| pcaps.join(name).join(format!("{capture}.pcap")))
        .collect()
}

#[test]
fn every_verdict_says_which_rules_were_considered() -> Result<()> {
    let mut causes: BTreeMap<String, usize> = BTreeMap::new();
    for (folder, captures) in scenarios() {
        let report = report(&captures, &["--explain"])?;
        for verdict in verdicts(&report) {
            let cause = &verdict["cause"];
            let considered = verdict["considered"].as_array().expect("rules");
            let held = considered.iter().filter(|rule| !rule["held"].is_null());
            let held: Vec<&Value> = held.collect();
            let own = held.iter().find(|rule| rule["cause"] == *cause);
            let what = format!("{}: {verdict:#}", folder.display());
            match cause.as_str() {
                Some("unknown") => assert!(held.is_empty(), "{what}"),
                _ => assert_eq!(own.expect(&what)["held"], verdict["confidence"], "{what}"),
            }
            assert_eq!(considered.len(), 17, "{what}");
            assert_ne!(verdict["evidence"], serde_json::json!([]), "{what}");
            assert!(
                considered.iter().all(|rule| rule["because"] != ""),
                "{what}"
            );
            *causes
                .entry(cause.as_str().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
    }
    // A recording of each cause is there, but of TLS, which scripts show.
    assert_eq!(causes.len(), 17, "{causes:?}");
    Ok(())
}

#[test]
fn what_is_wrong_has_evidence_and_something_to_do() -> Result<()> {
    let mut alarms = 0;
    for (folder, captures) in scenarios() {
        let report = report(&captures, &[])?;
        for verdict in verdicts(&report).filter(|verdict| verdict["alarm"] == true) {
            let what = format!("{}: {verdict:#}", folder.display());
            assert!(!lines(verdict, "evidence").is_empty(), "{what}");
            assert!(!lines(verdict, "advice").is_empty(), "{what}");
            let story = verdict["story"].as_str().unwrap_or_default();
            assert!(story.ends_with('.') && story.len() > 40, "{what}");
            alarms += 1;
        }
    }
    assert!(alarms > 20, "{alarms}");
    Ok(())
}

#[test]
fn one_vantage_says_what_it_cannot_know() -> Result<()> {
    // Seen from the gateway, a client that gave up and a load balancer's timeout are the same.
    for (name, capture) in [("client-gives-up", "gw"), ("lb-idle-timeout", "gw-down")] {
        let report = report(&recording(name, &[capture]), &[])?;
        let first = verdicts(&report).next().expect("a verdict");
        assert_eq!(first["confidence"], "possible", "{name}: {first:#}");
        assert_eq!(first["ended_by_vantage"], Value::Null, "{name}");
        let against = lines(first, "against").join("\n");
        assert!(against.contains("no vantage shows"), "{name}: {against}");
    }
    Ok(())
}

/// Of a server that nobody watched it is not known whether it passed on what somebody behind it did; of
/// one that was watched it is.
#[test]
fn one_vantage_accuses_nobody_for_whoever_is_behind() -> Result<()> {
    for (name, all) in [
        ("gw-request-timeout", &["client", "lb", "gw"][..]),
        ("max-connection-age", &["client", "pod"]),
        ("overload", &["client", "lb", "gw"]),
        ("lb-idle-timeout", &["client", "lb"]),
    ] {
        let behind = |captures: &[&str]| -> Result<Vec<bool>> {
            let report = report(&recording(name, captures), &[])?;
            let alarms = verdicts(&report).filter(|verdict| verdict["alarm"] == true);
            let of_server = alarms.map(|verdict| {
                let against = lines(verdict, "against").join("\n");
                let summary = verdict["summary"].as_str().unwrap_or_default();
                let told = [summary, verdict["ended_by"].as_str().unwrap_or_default()];
                let told = told.map(|text| text.contains("somebody behind it"));
                assert_eq!(told[0], told[1], "{name}: {verdict:#}");
                assert_eq!(told[0], against.contains("if it is a proxy"), "{name}");
                told[0]
            });
            Ok(of_server.collect())
        };
        let alone = behind(&["client"])?;
        assert!(
            !alone.is_empty() && alone.iter().all(|told| *told),
            "{name}"
        );
        let seen = behind(all)?;
        assert!(!seen.is_empty() && !seen.iter().any(|told| *told), "{name}");
    }
    Ok(())
}

/// What to set is said for the program that is at work, by what it says of itself; where it says nothing,
/// for the usual three.
#[test]
fn advice_is_for_the_program_at_work() -> Result<()> {
    let told = |captures: &[PathBuf]| -> Result<String> {
        let report = report(captures, &[])?;
        let first = verdicts(&report).next().expect("a verdict");
        Ok(lines(first, "config").join("\n"))
    };
    let all = ["client", "lb", "gw", "pod"];
    let products = |config: &str| {
        ["HAProxy", "VirtualService", "Envoy", "nginx"].map(|product| config.contains(product))
    };
    let haproxy = told(&recording("lb-http-timeout", &all))?;
    assert_eq!(products(&haproxy), [true, false, false, false], "{haproxy}");
    let envoy = recording("gw-request-timeout", &all);
    let istio = told(&envoy)?;
    assert_eq!(products(&istio), [false, true, false, false], "{istio}");
    // The same answers, signed by another.
    let scratch = Scratch::new("advice")?;
    let signed = envoy.iter().map(|path| -> Result<PathBuf> {
        let mut bytes = std::fs::read(path)?;
        for (old, new) in [
            ("server: envoy\r\n", "server: nginx\r\n"),
            ("x-envoy-", "x-other-"),
        ] {
            let (old, new) = (old.as_bytes(), new.as_bytes());
            while let Some(at) = bytes.windows(old.len()).position(|found| found == old) {
                bytes[at..at + new.len()].copy_from_slice(new);
            }
        }
        let name = path.file_name().expect("a name").to_owned();
        Ok(scratch.file(PathBuf::from(name), &bytes)?)
    });
    let nginx = told(&signed.collect::<Result<Vec<_>>>()?)?;
    assert_eq!(products(&nginx), [false, false, false, true], "{nginx}");
    let pool = recording("stale-reuse", &["client", "router", "gw", "pod"]);
    let idle = told(&pool)?;
    assert_eq!(products(&idle), [false, false, true, false], "{idle}");
    assert!(idle.contains("idle_timeout"), "{idle}");
    let pool = report(&pool, &[])?;
    let advice = lines(verdicts(&pool).next().expect("a verdict"), "advice").join("\n");
    // Its request had been sent: Envoy's reset-before-request would not ask again.
    assert!(advice.contains("Envoy: retry_on reset;"), "{advice}");
    assert!(!advice.contains("HAProxy"), "{advice}");
    let unknown = told(&recording("lb-idle-timeout", &["client", "lb"]))?;
    assert_eq!(products(&unknown), [true, false, true, true], "{unknown}");
    Ok(())
}

#[test]
fn a_table_of_timeouts_names_whose_it_is() -> Result<()> {
    let scratch = Scratch::new("timeouts")?;
    let table = "[[timeout]]\nname = \"our balancer\"\nseconds = 6\nkind = \"proxy\"\nchange = \"ask Kim\"\nsource = \"wiki\"\n";
    let file = scratch.file("timeouts.toml", table.as_bytes())?;
    let captures = recording("lb-closes-despite-probes", &["lb"]);
    let without = report(&captures, &[])?;
    let with = report(&captures, &["--timeouts", &file.display().to_string()])?;
    let evidence = |report: &Value| {
        let first = verdicts(report).next().expect("a verdict");
        [lines(first, "evidence"), lines(first, "advice")]
            .concat()
            .join("\n")
    };
    assert!(!evidence(&without).contains("our balancer"));
    assert!(evidence(&with).contains("6 s is a known timeout: our balancer"));
    assert!(evidence(&with).contains("ask Kim"));
    Ok(())
}

#[test]
fn a_wrong_table_of_timeouts_says_where() -> Result<()> {
    let scratch = Scratch::new("wrong-timeouts")?;
    let wrong = scratch.file("wrong.toml", b"[[timeout]]\nname = \"x\"\nsecond = 6\n")?;
    let missing = scratch.path().join("missing.toml");
    let capture = recording("normal", &["lb"])[0].display().to_string();
    for (file, words) in [(wrong, "line 3, column 1"), (missing, "cannot read")] {
        let file = file.display().to_string();
        let arguments = ["read", "--timeouts", &file, &capture].map(str::to_owned);
        let told = told(&arguments)?;
        assert_eq!(told.code, Some(2), "{}", told.err);
        assert!(told.err.contains(&file), "{}", told.err);
        assert!(told.err.contains(words), "{}", told.err);
    }
    Ok(())
}

/// Captures that do not go together are said to be so right below the verdicts that rest on them; nothing
/// is said of those that do.
#[test]
fn what_makes_verdicts_less_sure_is_said_below_them() -> Result<()> {
    let below = |captures: &[PathBuf]| -> Result<String> {
        let captures = captures.iter().map(|path| path.display().to_string());
        let arguments: Vec<String> = std::iter::once("read".to_owned()).chain(captures).collect();
        let told = told(&arguments)?.out;
        let end = told.find("\nFLOWS").unwrap_or(told.len());
        Ok(told[..end].to_owned())
    };
    let mut captures = recording("lb-idle-timeout", &["lb"]);
    captures.extend(recording("client-gives-up", &["pod"]));
    let apart = below(&captures)?;
    assert!(
        apart.contains("\nless sure, for lb shares no time"),
        "{apart}"
    );
    let together = below(&recording("lb-idle-timeout", &["client", "lb"]))?;
    assert!(!together.contains("less sure"), "{together}");
    Ok(())
}
