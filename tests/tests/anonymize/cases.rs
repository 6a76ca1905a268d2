//! What is made of a case is met by what is made of its recording.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use hopscope_tests::craft::Scratch;

use super::private::contents;
use super::{Outcome, anonymize, fine, good, told};

/// What is expected of a recording is met by what is made of it, and names nothing of it.
#[test]
fn cases_are_met_by_what_they_became() -> Outcome {
    let scratch = Scratch::new("anonymize-cases")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let cases = [
        "gw-keepalive-7-5-2",
        "proxy-protocol",
        "max-connection-age",
        "nat",
        "overload",
    ];
    for case in cases {
        let (given, drafted) = (scratch.path().join("given"), scratch.path().join("drafted"));
        let out = scratch.path().join("out");
        // What people wrote, and what a draft says, which names all requests.
        for folder in [&given, &drafted] {
            fs::create_dir(folder)?;
            for (path, bytes) in contents(&root.join(case))? {
                fs::write(folder.join(path.file_name().unwrap_or_default()), bytes)?;
            }
        }
        fs::remove_file(drafted.join("hopscope.toml"))?;
        fine(
            &["check", "--init"]
                .map(OsStr::new)
                .into_iter()
                .chain([drafted.as_os_str()])
                .collect::<Vec<_>>(),
        )?;
        for folder in [&given, &drafted] {
            let said = anonymize(&scratch, folder, &out, &["--keep-headers"])?;
            let before = fs::read_to_string(folder.join("hopscope.toml"))?;
            let expectations = before.matches("[[expect]]").count();
            assert!(
                said.contains(&format!("hopscope.toml: {expectations} expectations")),
                "{said}"
            );
            let told = told([OsStr::new("check"), out.as_os_str()])?;
            assert_eq!(
                (told.code, told.err.as_str()),
                (Some(0), ""),
                "{case}: {}",
                told.out
            );
            let after = fs::read_to_string(out.join("hopscope.toml"))?;
            for private in ["/sleep", "/ok", "gateway", "10.0."] {
                assert!(!after.contains(private), "{private}: {after}");
            }
            fs::remove_dir_all(&out)?;
        }
        fs::remove_dir_all(&given)?;
        fs::remove_dir_all(&drafted)?;
    }
    Ok(())
}

/// What is not understood is not shared.
#[test]
fn a_case_that_is_none_is_left_out() -> Outcome {
    let scratch = Scratch::new("anonymize-no-case")?;
    let from = scratch.path().join("case");
    fs::create_dir(&from)?;
    fs::copy(good(), from.join("client.pcap"))?;
    fs::write(
        from.join("hopscope.toml"),
        "[captures]\nclient = \"client.pcap\"\nsecret\n",
    )?;
    let out = scratch.path().join("out");
    let told = told([OsStr::new("anonymize"), from.as_os_str(), out.as_os_str()])?;
    assert_eq!(told.code, Some(2));
    assert!(
        told.err
            .contains("hopscope.toml: it is no case that can be understood, and left out: 3:"),
        "{}",
        told.err
    );
    assert!(out.join("client.pcap").exists() && !out.join("hopscope.toml").exists());
    Ok(())
}
