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

/// A download through a gateway whose reader holds a window of zero from then on for that long, as the gateway
/// sees it, who stands at neither end of the chain.
fn stalled(at: &str, held: &str) -> String {
    let asked = "\"GET /file HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let answer = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 9000\\r\\n\\r\\n\"";
    let end = format!("+{held}   C ACK win=500\n+0.001  S ACK 4500\n+0.001  C ACK\n");
    format!(
        "# A gateway.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.0005  C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.003   C ACK {asked}
0.004   C2 SYN
+0.002  S2 SYN+ACK
+0.0001 C2 ACK
+0.0001 C2 ACK {asked}
+0.002  S2 ACK {answer}
+0.0001 S2 ACK 9000
+0.0001 C2 ACK
+0.0001 S ACK {answer}
+0.0001 S ACK 4500
{at}   C ACK win=0
{end}---
flows = 2
"
    )
}

/// What the upstream of that gateway sees.
fn beyond_stalled() -> String {
    "# Its upstream.
connection 1 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.005   C SYN
+0.0001 S SYN+ACK
+0.002  C ACK
+0.0001 C ACK \"GET /file HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 S ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 9000\\r\\n\\r\\n\"
+0.0001 S ACK 9000
+0.002  C ACK
---
flows = 1
"
    .to_owned()
}

/// What a client sees that reads through another proxy, of which no vantage shows either side.
fn reader(at: &str, held: &str) -> [(&'static str, String); 2] {
    let far = |way: &str, back: &str, begins: &str| {
        format!(
            "# A reader.
connection 1 10.9.0.9:41000 10.9.0.1:8000 isn 4000 90000
0.{begins}   C SYN
+{way}  S SYN+ACK
+{back} C ACK
+{back} C ACK \"please send it\"
+{way}  S ACK 300
+{back} C ACK
{at}   C ACK win=0
+{held}   C ACK win=500
---
flows = 1
"
        )
    };
    [
        ("client", far("0.0020", "0.0001", "000")),
        ("way", far("0.0010", "0.0010", "001")),
    ]
}

/// A reader that nobody watched may be a proxy that only could not pass data on: likely at most.
#[test]
fn a_reader_that_nobody_watched_is_not_certain_to_have_stopped() -> Result<()> {
    let gateway = || ("gw", stalled("1.000", "8.0"));
    let verdicts = judged("stalled-far", &[gateway(), ("app", beyond_stalled())])?;
    let whom = "the client 10.0.0.9, or somebody behind it";
    assert_eq!(told(&verdicts)?, ["receiver_stalled", whom, "likely"]);
    let against = verdicts[0]["against"].to_string();
    assert!(against.contains("no vantage is at"), "{against}");
    Ok(())
}

/// A reader that was watched stalled at the same time, in another place: what lies between was not seen.
#[test]
fn a_reader_elsewhere_that_stalled_meanwhile_is_held_against_it() -> Result<()> {
    let against = |name: &str, at: &str| -> Result<String> {
        let [client, way] = reader(at, "9.5");
        let gateway = ("gw", stalled("1.000", "8.0"));
        let verdicts = judged(name, &[gateway, ("app", beyond_stalled()), client, way])?;
        let far = |verdict: &&Value| verdict["summary"].to_string().contains("10.0.0.9");
        let verdict = verdicts.iter().find(far).context("no such verdict")?;
        assert_eq!(verdict["confidence"], "likely", "{verdict:#}");
        Ok(verdict["against"].to_string())
    };
    let meanwhile = against("stalled-meanwhile", "0.900")?;
    assert!(
        meanwhile.contains("client left no room at the same time"),
        "{meanwhile}"
    );
    let later = against("stalled-later", "9.500")?;
    assert!(!later.contains("at the same time"), "{later}");
    Ok(())
}

/// A server that refuses an upload, and resets the connection at once because it has not read all of it, as its
/// own capture shows it: with what the client acknowledged, and with what comes to the client.
fn refused(
    name: &str,
    acknowledged: &str,
    resets: &str,
    arrives: Option<&str>,
) -> Result<Vec<Value>> {
    let asked = "\"POST /up HTTP/1.1\\r\\nhost: app\\r\\ncontent-length: 5\\r\\n\\r\\nhello\"";
    let answer = "\"HTTP/1.1 413 Too Large\\r\\ncontent-length: 2\\r\\n\\r\\nno\"";
    let server = format!(
        "# The server.
0.001   C SYN
+0.0001 S SYN+ACK
+0.002  C ACK
0.011   C ACK {asked}
+0.0001 S ACK {answer}
{acknowledged}{resets}   S RST+ACK
---
flows = 1
"
    );
    let mut captures = vec![("server", server)];
    if let Some(arrives) = arrives {
        let client = format!(
            "# The client.
0.000   C SYN
+0.002  S SYN+ACK
+0.0001 C ACK
0.010   C ACK {asked}
{arrives}---
flows = 1
"
        );
        captures.push(("client", client));
    }
    judged(name, &captures)
}

/// A RST takes with it what of an answer was not acknowledged (RFC 1122 section 4.2.2.13).
#[test]
fn an_answer_that_its_server_resets_may_be_lost() -> Result<()> {
    let verdicts = refused("reset-acknowledged", "+0.002  C ACK\n", "0.050", None)?;
    assert_eq!(told(&verdicts)?[0], "normal_close");
    let verdicts = refused("reset-away", "", "0.050", None)?;
    let [cause, _, confidence] = told(&verdicts)?;
    assert_eq!([cause, confidence], ["closed_mid_exchange", "possible"]);
    assert_eq!(verdicts[0]["alarm"], true);
    let verdicts = refused(
        "reset-away-lost",
        "",
        "0.050",
        Some("0.053   S RST+ACK seq=48\n"),
    )?;
    let [cause, _, confidence] = told(&verdicts)?;
    assert_eq!([cause, confidence], ["closed_mid_exchange", "likely"]);
    let there = "+0.003  S ACK \"HTTP/1.1 413 Too Large\\r\\ncontent-length: 2\\r\\n\\r\\nno\"\n0.053   S RST+ACK\n";
    let verdicts = refused("reset-away-arrived", "", "0.050", Some(there))?;
    assert_eq!(told(&verdicts)?[0], "normal_close");
    Ok(())
}
