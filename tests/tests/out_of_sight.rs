//! What the captures cannot tell, because it happened where nobody watched: a verdict says what was seen and
//! no more.

use anyhow::{Context, Result, ensure};
use hopscope_tests::binary::{self, Told};
use hopscope_tests::craft::{Fraction, Order, Scratch};
use hopscope_tests::script::Script;
use serde_json::Value;

/// The verdicts on captures, each a script.
fn judged(name: &str, captures: &[(&str, String)]) -> Result<Vec<Value>> {
    let scratch = Scratch::new(&format!("out-of-sight-{name}"))?;
    let mut arguments: Vec<String> = ["read", "--format", "json"].map(str::to_owned).to_vec();
    for (name, script) in captures {
        let trace = Script::parse(script)?.trace();
        let pcap = trace.pcap(Order::Little, Fraction::Nanos);
        let path = scratch.file(format!("{name}.pcap"), &pcap)?;
        arguments.push(path.display().to_string());
    }
    let told: Told = binary::hopscope(&arguments).output()?.into();
    ensure!(told.code == Some(0), "{arguments:?}: {}", told.err);
    let report: Value = serde_json::from_str(&told.out)?;
    let verdicts = report["verdicts"].as_array().cloned();
    verdicts.context("no verdicts")
}

/// The cause, culprit and confidence of the first verdict.
fn told(verdicts: &[Value]) -> Result<[&str; 3]> {
    let first = verdicts.first().context("no verdict")?;
    Ok(["cause", "ended_by", "confidence"].map(|field| first[field].as_str().unwrap_or_default()))
}

/// A client that waits for 14 s and closes, and what comes of its FIN, as it sees that itself.
fn closed(name: &str, then: &str) -> Result<Vec<Value>> {
    let asked = "\"GET /report HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let client = format!(
        "# The client.
0.000   C SYN
+0.002  S SYN+ACK
+0.0001 C ACK
0.010   C ACK {asked}
+0.002  S ACK
{then}---
flows = 1
"
    );
    let server = format!(
        "# The server, whose capture ends before.
0.001   C SYN
+0.0001 S SYN+ACK
+0.002  C ACK
0.011   C ACK {asked}
+0.0001 S ACK
---
flows = 1
"
    );
    judged(name, &[("client", client), ("server", server)])
}

/// Nothing comes back to a FIN that is sent again and again: the path or the peer was dead, and the client's
/// patience is no explanation by itself (RFC 6298 section 5.5).
#[test]
fn who_closes_towards_a_dead_path_has_not_surely_given_up() -> Result<()> {
    let heard = "14.000  C FIN+ACK\n+0.002  S ACK\n";
    let once = "14.000  C FIN+ACK lost\n14.207  C FIN+ACK seq-1\n+0.002  S ACK\n";
    for (name, then) in [("fin-heard", heard), ("fin-lost-once", once)] {
        let verdicts = closed(name, then)?;
        assert_eq!(told(&verdicts)?, ["client_gave_up", "client", "likely"]);
        assert!(!verdicts[0].to_string().contains("nothing acknowledged"));
    }
    let dead =
        "14.000  C FIN+ACK lost\n14.207  C FIN+ACK seq-1 lost\n14.415  C FIN+ACK seq-1 lost\n";
    let verdicts = closed("fin-in-vain", dead)?;
    assert_eq!(told(&verdicts)?, ["client_gave_up", "client", "possible"]);
    let summary = verdicts[0]["summary"].as_str().unwrap_or_default();
    assert!(
        summary.contains("nothing acknowledged its FIN"),
        "{summary}"
    );
    let against = verdicts[0]["against"].to_string();
    assert!(against.contains("the path to it, was dead"), "{against}");
    Ok(())
}
