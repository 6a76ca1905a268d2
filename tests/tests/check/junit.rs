//! The JUnit file: valid for those who read it, with a test case for each expectation.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Outcome;
use hopscope_tests::cases::Cases;

const SCRIPT: &str =
    "# Nothing much.\n0.000 C SYN\n+0.001 S SYN+ACK\n+0.001 C ACK\n1.0 C FIN+ACK\n";

/// A case with an expectation that is met and one that is not, and one that cannot be checked; names
/// with all that XML minds.
fn written(cases: &Cases) -> Result<String, Box<dyn std::error::Error>> {
    let toml = "\
[[expect]]
name = \"it is <seen> & \\\"quoted\\\" \\u0007\"
flows = \"all\"
count = 1

[[expect]]
name = \"nobody closes\"
flows = \"all\"
end = \"open\"
";
    cases.script("a & b", SCRIPT, toml)?;
    cases.file("broken", "hopscope.toml", b"[[expect]]\nname = \"x\"\n")?;
    let told = cases.check(&["--junit", "out.xml"])?;
    assert_eq!(told.code, Some(2), "{}", told.out);
    Ok(fs::read_to_string(cases.path().join("out.xml"))?)
}

#[test]
fn each_expectation_is_a_test_case() -> Outcome {
    let cases = Cases::new("junit")?;
    let xml = written(&cases)?;
    for expected in [
        "<testsuite name=\"./a &amp; b\" package=\"hopscope\" id=\"0\" hostname=\"localhost\" \
         timestamp=\"2026-11-21T00:00:00\" time=\"0\" tests=\"2\" failures=\"1\" errors=\"0\">",
        "<testcase name=\"it is &lt;seen&gt; &amp; &quot;quoted&quot; \u{fffd}\" classname=\"./a &amp; b\" time=\"0\"/>",
        "<testcase name=\"nobody closes\" classname=\"./a &amp; b\" time=\"0\">",
        "<failure message=\"end = open, of the flow\" type=\"expectation\">",
        ": end is fin\n",
        "FIN by client at 2026-11-21T00:00:01.000000000Z (frame 4)",
        "tests=\"1\" failures=\"0\" errors=\"1\">",
        "<testcase name=\"the case can be checked\"",
    ] {
        assert!(xml.contains(expected), "{expected}\nis not in\n{xml}");
    }
    Ok(())
}

/// `junit.xsd` is what the common schemas agree on. Where there is no xmllint, the order and number of
/// elements and attributes above has to do.
#[test]
fn it_is_valid() -> Outcome {
    let cases = Cases::new("junit-schema")?;
    written(&cases)?;
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/junit.xsd");
    let xmllint = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(schema)
        .arg(cases.path().join("out.xml"))
        .output();
    match xmllint {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => println!("skipped: validating needs xmllint (libxml2-utils): {error}"),
    }
    Ok(())
}
