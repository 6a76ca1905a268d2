//! That nothing is there is proved only where somebody looked, and could see it.

use std::fs;
use std::process::{Command, Stdio};

use hopscope_tests::binary::{Told, hopscope};
use hopscope_tests::cases::{Cases, capture, failures};

use super::Outcome;

const SCRIPT: &str = "\
# A request is answered, and the client closes. Its payload is no HTTP.
0.000 C SYN
+0.001 S SYN+ACK
+0.001 C ACK
+0.001 C ACK 10
+0.001 S ACK 20
1.0 C FIN+ACK
+0.001 S FIN+ACK
+0.001 C ACK
";
const CLOSED: &str = "[[expect]]\nname = \"it is seen\"\nflows = \"all\"\nended_by = \"client\"\n";

/// A capture that was cut shows less than happened.
#[test]
fn a_cut_capture_fails_unless_that_is_allowed() -> Outcome {
    let cases = Cases::new("cut")?;
    let whole = capture(SCRIPT)?;
    let cut = &whole[..whole.len() - 5];
    cases.script("case", SCRIPT, CLOSED)?;
    cases.file("case", "gw.pcap", cut)?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(2), "{}", told.out);
    let place = "ERROR ./case/hopscope.toml:2:6: gw.pcap: cut in the middle of a frame: ";
    assert!(told.out.starts_with(place), "{}", told.out);

    let damaged = "[[expect]]\nname = \"cut\"\nvantages = \"all\"\ndamaged = true\n";
    let toml = format!("cut = \"allowed\"\n[captures]\ngw = \"gw.pcap\"\n{CLOSED}{damaged}");
    cases.file("case", "hopscope.toml", toml.as_bytes())?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(0), "{}", told.out);

    let path = cases.file("draft", "gw.pcap", cut)?;
    let folder = path.parent().unwrap_or(&path);
    let told = Told::from(hopscope(["check", "--init"]).arg(folder).output()?);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(fs::read_to_string(folder.join("hopscope.toml"))?.contains("\ncut = \"allowed\" "));
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(0), "{}", told.out);
    Ok(())
}

/// `check | head -1` in a script with `pipefail`: what came out must not depend on who reads it.
#[test]
fn a_closed_stdout_changes_no_outcome() -> Outcome {
    let cases = Cases::new("closed-stdout")?;
    let snapshot = "snapshot = \"report.json\"\n[captures]\ngw = \"gw.pcap\"\n";
    let wrong = CLOSED.replace("client", "server");
    cases.script("case", SCRIPT, "")?;
    cases.file(
        "case",
        "hopscope.toml",
        format!("{snapshot}{wrong}").as_bytes(),
    )?;
    let mut closed = Command::new("true").stdin(Stdio::piped()).spawn()?;
    let stdin = closed.stdin.take().ok_or("no pipe")?;
    closed.wait()?;
    let mut command = hopscope(["check", "--bless", "--junit", "junit.xml", "."]);
    let status = command
        .current_dir(cases.path())
        .stdout(Stdio::from(stdin))
        .stderr(Stdio::null())
        .status()?;
    assert_eq!(status.code(), Some(1));
    assert!(fs::read_to_string(cases.path().join("junit.xml"))?.contains("</testsuites>"));
    assert!(cases.path().join("case/report.json").exists());
    Ok(())
}

/// What is expected to be absent, and what is said to be unknown.
const UNTOLD: &[(&str, &str)] = &[
    (
        "chains = \"all\"\nrequest = \"/x\"\nmatch = \"none\"",
        "request",
    ),
    ("chains = \"all\"\nstatus = 500\nmatch = \"none\"", "status"),
    ("chains = { status = 500 }\ncount = 0", "status"),
    ("flows = { request = \"/x\" }\ncount = 0", "request"),
    (
        "chains = \"all\"\nstatus = 500\nmatch = \"exactly 0\"",
        "status",
    ),
    ("vantages = { dropped = \">= 1\" }\ncount = 0", "dropped"),
    ("hops = \"all\"\nlost = \">= 1\"\nmatch = \"none\"", "lost"),
];

#[test]
fn what_cannot_be_told_proves_no_absence() -> Outcome {
    let cases = Cases::new("untold")?;
    for (place, (text, _)) in UNTOLD.iter().enumerate() {
        let text = format!("[[expect]]\nname = \"absent\"\n{text}\n");
        cases.script(&format!("case-{place}"), SCRIPT, &text)?;
    }
    for (case, (text, key)) in cases.checked()?.iter().zip(UNTOLD) {
        let failures = failures(case).join("\n");
        let told = format!("that cannot be told of 1 here: '{key}' is not known");
        assert!(failures.contains(&told), "{text}: {failures}");
    }
    // That nobody reset it, and that a flow without probes has no idle time, are facts.
    let facts = "[[expect]]\nname = \"a\"\nflows = { keepalive.server.idle = \"< 9s\" }\ncount = 0\n\
        [[expect]]\nname = \"b\"\nflows = \"all\"\nresets = \">= 1\"\nmatch = \"none\"\n";
    let cases = Cases::new("facts")?;
    cases.script("case", SCRIPT, facts)?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(0), "{}", told.out);
    Ok(())
}

#[test]
fn of_nothing_nothing_can_be_expected() -> Outcome {
    let cases = Cases::new("nothing")?;
    let absent = "[[expect]]\nname = \"x\"\nflows = \"all\"\ncount = 0\n";
    let sockets = "[[expect]]\nname = \"x\"\nsockets = \"all\"\ncount = 0\n";
    cases.script("a", SCRIPT, absent)?;
    let empty = &capture(SCRIPT)?[..24];
    cases.file("a", "gw.pcap", empty)?;
    cases.script("b", SCRIPT, absent)?;
    let filtered = format!("filter = \"tcp port 9\"\n[captures]\ngw = \"gw.pcap\"\n{absent}");
    cases.file("b", "hopscope.toml", filtered.as_bytes())?;
    cases.script("c", SCRIPT, sockets)?;
    cases.script(
        "d",
        SCRIPT,
        &format!("[access_logs]\ngw = \"gw.log\"\n{CLOSED}"),
    )?;
    cases.file("d", "gw.log", b"")?;
    let port = "[[expect]]\nname = \"x\"\nflows = { server_port = 99999 }\ncount = 0\n";
    cases.script("e", SCRIPT, port)?;
    let said = [
        "nothing to check: its captures hold no TCP segment",
        "nothing to check: this filter lets no TCP segment",
        "no sockets were recorded here",
        "gw.log: it is empty",
        "'99999' is no port: ports are from 0 to 65535",
    ];
    for (case, said) in cases.checked()?.iter().zip(said) {
        let failures = failures(case).join("\n");
        assert!(failures.contains(said), "{said}: {failures}");
    }
    let a = cases.path().join("a/gw.pcap");
    let told = Told::from(hopscope(["diff"]).args([&a, &a]).output()?);
    assert_eq!(told.code, Some(2));
    assert!(told.err.contains("nothing to compare"), "{}", told.err);
    Ok(())
}

/// The log alone must say what there was.
#[test]
fn a_wrong_count_names_what_there_was_instead() -> Outcome {
    let cases = Cases::new("instead")?;
    let text = "[[expect]]\nname = \"v\"\nverdicts = { cause = \"idle_timeout\" }\ncount = 1\n\
        [[expect]]\nname = \"f\"\nflows = { server_port = 81 }\ncount = 1\n";
    cases.script("case", SCRIPT, text)?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(1));
    assert!(told.out.contains("there is verdict '"), "{}", told.out);
    assert!(
        told.out.contains("server_port is '80' there"),
        "{}",
        told.out
    );
    Ok(())
}

#[test]
fn the_order_of_arguments_and_captures_does_not_matter() -> Outcome {
    let cases = Cases::new("order")?;
    let wrong = "[[expect]]\nname = \"w\"\nflows = \"all\"\nended_by = \"server\"\n";
    for (case, captures) in [("one", ["a", "b"]), ("two", ["b", "a"])] {
        cases.file(case, "a.pcap", &capture(SCRIPT)?)?;
        cases.file(case, "b.pcap", &capture(&SCRIPT.replace("1.0 C", "2.0 C"))?)?;
        let [one, other] = captures.map(|name| format!("{name} = \"{name}.pcap\"\n"));
        let toml = format!("[captures]\n{one}{other}{wrong}");
        cases.file(case, "hopscope.toml", toml.as_bytes())?;
    }
    let run = |folders: [&str; 2]| -> Result<Told, Box<dyn std::error::Error>> {
        let mut command = hopscope(["check"]);
        Ok(command
            .args(folders)
            .current_dir(cases.path())
            .output()?
            .into())
    };
    let told = run(["one", "two"])?;
    assert_eq!(told.out, run(["two", "one"])?.out);
    let of = |case: &str| {
        let lines: Vec<&str> = told.out.lines().collect();
        let begin = lines
            .iter()
            .position(|line| line.contains(&format!("{case}: w")));
        let lines = lines.iter().skip(begin.unwrap_or(0) + 1);
        lines
            .take_while(|line| !line.contains(" at  "))
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert!(of("one").len() > 3, "{}", told.out);
    assert_eq!(of("one")[..4], of("two")[..4], "{}", told.out);
    Ok(())
}

#[test]
fn a_snapshot_is_a_file_of_its_own_and_a_capture_ends() -> Outcome {
    let cases = Cases::new("files")?;
    let names = ["../x.json", "hopscope.toml", "gw.pcap", "link.json"];
    for (place, name) in names.iter().enumerate() {
        let case = format!("case-{place}");
        cases.script(&case, SCRIPT, "")?;
        let toml = format!("snapshot = \"{name}\"\n[captures]\ngw = \"gw.pcap\"\n");
        cases.file(&case, "hopscope.toml", toml.as_bytes())?;
    }
    let link = cases.path().join("case-3/link.json");
    std::os::unix::fs::symlink("gw.pcap", link)?;
    cases.script("fifo", SCRIPT, CLOSED)?;
    let fifo = cases.path().join("fifo/gw.pcap");
    fs::remove_file(&fifo)?;
    assert!(Command::new("mkfifo").arg(&fifo).status()?.success());
    let said = [
        "own folder",
        "another part",
        "another part",
        "",
        "no regular file",
    ];
    let before = fs::read(cases.path().join("case-2/gw.pcap"))?;
    let told = cases.check(&["--bless"])?;
    assert_eq!(told.code, Some(2), "{}", told.out);
    assert_eq!(fs::read(cases.path().join("case-2/gw.pcap"))?, before);
    assert_eq!(fs::read(cases.path().join("case-3/gw.pcap"))?, before);
    for (case, said) in cases.checked()?.iter().zip(said) {
        let failures = failures(case).join("\n");
        assert!(
            failures.starts_with("problem") && failures.contains(said),
            "{failures}"
        );
    }
    Ok(())
}

#[test]
fn faults_have_their_place_and_a_vantage_of_one_side_is_said() -> Outcome {
    let cases = Cases::new("places")?;
    cases.script("a", SCRIPT, CLOSED)?;
    let both = format!("recording = \"gw.pcap\"\n[captures]\ngw = \"gw.pcap\"\n{CLOSED}");
    cases.file("b", "hopscope.toml", both.as_bytes())?;
    cases.file("c", "hopscope.toml", b"[captures]\ngw = \"\xff\"\n")?;
    let told = cases.check(&[])?;
    assert!(
        told.out
            .contains("b/hopscope.toml:1:13: a case is a recording or captures"),
        "{}",
        told.out
    );
    assert!(
        told.out.contains("c/hopscope.toml:2:7: this is not UTF-8"),
        "{}",
        told.out
    );
    let a = cases.path().join("a");
    let more = cases.file("d", "gw.pcap", &capture(SCRIPT)?)?;
    cases.file("d", "pod.pcap", &capture(SCRIPT)?)?;
    let told = Told::from(
        hopscope(["diff", "--tolerance", "-5"])
            .args([&a, &a])
            .output()?,
    );
    assert!(told.err.contains("from 0 to 100"), "{}", told.err);
    let told = Told::from(hopscope(["diff"]).arg(&a).args(more.parent()).output()?);
    assert_eq!(told.code, Some(1), "{}", told.err);
    assert!(told.out.contains("vantage pod"), "{}", told.out);
    Ok(())
}
