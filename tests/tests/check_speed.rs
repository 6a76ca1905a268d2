//! 200 cases of 1,000 segments are checked in one call faster than tshark reads ten of them.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hopscope_tests::cases::{Cases, capture};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const TOML: &str = "\
[captures]
gw = \"gw.pcap\"

[[expect]]
name = \"nobody resets\"
flows = { vantage = \"gw\", server_port = 80 }
count = 1
resets = 0
retransmissions = 0
segments = 1000
keepalive.server.probes = 0
longest_silence = \"< 5s\"
";

/// 1,000 segments of one connection.
fn script() -> Result<String, std::fmt::Error> {
    let mut script =
        "# A long conversation.\n0.000 C SYN\n+0.001 S SYN+ACK\n+0.001 C ACK\n".to_owned();
    for _ in 0..498 {
        writeln!(script, "+0.010 C ACK 100\n+0.001 S ACK 1000")?;
    }
    writeln!(script, "+0.001 C ACK")?;
    Ok(script)
}

fn took(command: &mut Command) -> Result<Duration, Box<dyn std::error::Error>> {
    let start = Instant::now();
    let output = command.stdout(Stdio::null()).output()?;
    let took = start.elapsed();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(took)
}

#[test]
fn two_hundred_cases_take_less_than_ten_of_tshark() -> Outcome {
    let cases = Cases::new("speed")?;
    let capture = capture(&script()?)?;
    for number in 0..200 {
        let case = format!("case-{number:03}");
        cases.file(&case, "gw.pcap", &capture)?;
        cases.file(&case, "hopscope.toml", TOML.as_bytes())?;
    }
    let mut check = hopscope_tests::binary::hopscope(["check"]);
    // Once for what is read for the first time.
    took(check.arg(cases.path()))?;
    let ours = took(&mut check)?;
    if cfg!(debug_assertions) && std::env::var_os("HOPSCOPE").is_none() {
        println!(
            "skipped: only an optimised binary can be measured; name one in HOPSCOPE, or: \
             scripts/bench-check. 200 cases took {ours:?}"
        );
        return Ok(());
    }
    if let Err(error) = Command::new("tshark")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
    {
        println!("skipped: comparing needs tshark: {error}; 200 cases took {ours:?}");
        return Ok(());
    }
    let mut theirs = Duration::ZERO;
    for number in 0..10 {
        let capture = cases.path().join(format!("case-{number:03}/gw.pcap"));
        theirs += took(
            Command::new("tshark")
                .args(["-q", "-z", "conv,tcp", "-r"])
                .arg(capture),
        )?;
    }
    println!("200 cases: {ours:?}; tshark, ten of them: {theirs:?}");
    assert!(ours < theirs, "{ours:?}, tshark {theirs:?}");
    Ok(())
}
