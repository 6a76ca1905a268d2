//! What is printed, written and accepted: lines, annotations, snapshots, first drafts.

use std::fs;

use hopscope_tests::binary::{Told, hopscope};

use super::Outcome;
use hopscope_tests::cases::{Cases, capture};

const SCRIPT: &str = "\
# A request is answered, and the client closes.
0.000 C SYN
+0.001 S SYN+ACK
+0.001 C ACK
+0.001 C ACK 10
+0.001 S ACK 20
1.0 C FIN+ACK
+0.001 S FIN+ACK
+0.001 C ACK
";

const TWO: &str = "\
[[expect]]
name = \"nobody resets\"
flows = \"all\"
resets = 0

[[expect]]
name = \"the server closes, late\"
flows = { vantage = \"gw\" }
ended_by = \"server\"
lasted = \"> 5s\"
";

/// The log alone is enough: expected, found, and what shows it.
#[test]
fn a_failure_says_all_that_is_needed() -> Outcome {
    let cases = Cases::new("text")?;
    cases.script("case", SCRIPT, TWO)?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(1));
    let expected = "\
ok    ./case: nobody resets
FAIL  ./case: the server closes, late
      expected  ended_by = server, lasted > 5s, of the flow with vantage = gw
      found     0 of 1 is so
                flow 0 at gw, 10.0.0.1:40001 -> 10.0.0.2:80: ended_by is client
                flow 0 at gw, 10.0.0.1:40001 -> 10.0.0.2:80: lasted is 1.00 s
      evidence  FIN by client at 2026-11-21T00:00:01.000000000Z (frame 6)
                FIN by server at 2026-11-21T00:00:01.001000000Z (frame 7)
                flow 0 at gw, 10.0.0.1:40001 -> 10.0.0.2:80: first segment at 2026-11-21T00:00:00.000000000Z, last at 2026-11-21T00:00:01.002000000Z
      at        ./case/hopscope.toml:12:1
1 case: 1 expectation met, 1 not met
";
    assert_eq!(told.out, expected);
    assert_eq!(told.err, "");
    Ok(())
}

/// `::error` with the file as the repository knows it and the line of the expectation.
#[test]
fn github_gets_an_annotation_for_each_failure() -> Outcome {
    let cases = Cases::new("github")?;
    cases.script("case", SCRIPT, TWO)?;
    cases.file("broken", "hopscope.toml", b"[captures]\ngw = \"50%, gone.pcap\"\n[[expect]]\nname = \"x\"\nflows = \"all\"\ncount = 1\n")?;
    let told = cases.check(&["--format", "github"])?;
    assert_eq!(told.code, Some(2));
    let annotations: Vec<&str> = told
        .out
        .lines()
        .filter(|line| line.starts_with("::"))
        .collect();
    let [broken, failed] = annotations[..] else {
        return Err(told.out.into());
    };
    assert!(
        broken.starts_with("::error file=broken/hopscope.toml,line=2,col=6,title=hopscope could not check this case::50%25, gone.pcap: "),
        "{broken}"
    );
    assert!(
        failed.starts_with("::error file=case/hopscope.toml,line=9,col=1,title=the server closes%2C late::expected  ended_by = server"),
        "{failed}"
    );
    assert!(failed.contains("%0Afound     0 of 1 is so%0A"), "{failed}");
    Ok(())
}

/// The same bytes every time, in the order of names, whoever finishes first; however they are named.
#[test]
fn the_same_input_gives_the_same_bytes() -> Outcome {
    let cases = Cases::new("same")?;
    for number in 0..40 {
        // The first ones take longest.
        let more = "2.0 C2 SYN\n+0.001 S2 RST+ACK\n";
        let script = if number < 4 {
            format!("{SCRIPT}{more}")
        } else {
            SCRIPT.to_owned()
        };
        cases.script(&format!("case-{number:02}"), &script, TWO)?;
    }
    for format in ["text", "json", "github"] {
        let one = cases.check(&["--format", format, "--junit", "one.xml"])?;
        for _ in 0..3 {
            let again = cases.check(&["--format", format, "--junit", "again.xml"])?;
            assert_eq!(one.out, again.out);
            assert_eq!(
                fs::read(cases.path().join("one.xml"))?,
                fs::read(cases.path().join("again.xml"))?
            );
        }
    }
    let text = cases.check(&[])?.out;
    let order: Vec<&str> = text.lines().filter(|line| line.starts_with("ok")).collect();
    assert!(order.is_sorted(), "{order:#?}");
    // Named twice is checked once.
    let twice: Told = hopscope(["check", ".", "case-00", "./case-01/hopscope.toml"])
        .current_dir(cases.path())
        .output()?
        .into();
    assert_eq!(twice.out, text);
    Ok(())
}

/// A snapshot is written when it is blessed, and compared from then on; what changed is shown first.
#[test]
fn snapshots_are_blessed() -> Outcome {
    let cases = Cases::new("bless")?;
    let toml = "snapshot = \"report.json\"\n[captures]\ngw = \"gw.pcap\"\n";
    cases.file("case", "hopscope.toml", toml.as_bytes())?;
    cases.file("case", "gw.pcap", &capture(SCRIPT)?)?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(1));
    assert!(
        told.out
            .contains("there is no such file; 'hopscope check --bless' writes it"),
        "{}",
        told.out
    );
    assert_eq!(cases.check(&["--bless"])?.code, Some(0));
    let snapshot = fs::read_to_string(cases.path().join("case/report.json"))?;
    assert!(snapshot.contains("\"source\": \"gw.pcap\""), "{snapshot}");
    assert_eq!(cases.check(&[])?.code, Some(0));
    // From another folder, too: paths are those of the case.
    let elsewhere = hopscope(["check"]).arg(cases.path()).output()?;
    assert_eq!(elsewhere.status.code(), Some(0));
    let other = SCRIPT.replace("S ACK 20", "S ACK 21");
    cases.file("case", "gw.pcap", &capture(&other)?)?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(1));
    assert!(
        told.out.contains("-        \"server\": 20\n") || told.out.contains("\"server\": 20"),
        "{}",
        told.out
    );
    let told = cases.check(&["--bless"])?;
    assert_eq!(told.code, Some(0));
    let changed = |sign: char, bytes: &str| {
        told.err
            .lines()
            .any(|line| line.starts_with(sign) && line.ends_with(bytes))
    };
    assert!(
        changed('-', "\"server\": 20") && changed('+', "\"server\": 21"),
        "{}",
        told.err
    );
    assert_eq!(cases.check(&[])?.code, Some(0));
    Ok(())
}

/// A first draft holds for what it was made of, names nothing that is not there, and is not written
/// over.
#[test]
fn a_first_draft_is_met() -> Outcome {
    let cases = Cases::new("init")?;
    cases.file("case", "gw.pcap", &capture(SCRIPT)?)?;
    cases.file("case", "notes.log", b"no access log\n")?;
    let init = || {
        hopscope(["check", "--init", "case"])
            .current_dir(cases.path())
            .output()
    };
    let told = Told::from(init()?);
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    let draft = fs::read_to_string(cases.path().join("case/hopscope.toml"))?;
    assert!(
        draft.contains("ended_by = \"client\"") && !draft.contains("notes.log"),
        "{draft}"
    );
    assert_eq!(cases.check(&[])?.code, Some(0));
    let told = Told::from(init()?);
    assert_eq!(told.code, Some(2));
    assert!(
        told.err.contains("there is a hopscope.toml already"),
        "{}",
        told.err
    );
    assert_eq!(
        fs::read_to_string(cases.path().join("case/hopscope.toml"))?,
        draft
    );
    // What it says is no empty phrase.
    let other = SCRIPT
        .replace("1.0 C FIN+ACK", "1.0 S FIN+ACK")
        .replace("+0.001 S FIN+ACK\n+0.001 C ACK\n", "+0.001 C RST\n");
    cases.file("case", "gw.pcap", &capture(&other)?)?;
    let told = cases.check(&[])?;
    assert_eq!(told.code, Some(1));
    for fact in ["ended_by is server", "resets is 1"] {
        assert!(told.out.contains(fact), "{}", told.out);
    }
    Ok(())
}
