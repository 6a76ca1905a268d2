//! How sure a verdict is: as sure as what was captured allows, and no surer.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hopscope_tests::binary::{self, Told};
use hopscope_tests::craft::{Fraction, Order, Scratch, Trace};
use hopscope_tests::script::Script;
use serde_json::Value;

fn report(captures: &[PathBuf]) -> Result<Value> {
    let mut arguments: Vec<String> = ["read", "--format", "json"].map(str::to_owned).to_vec();
    arguments.extend(captures.iter().map(|path| path.display().to_string()));
    let told: Told = binary::hopscope(&arguments).output()?.into();
    ensure!(told.code == Some(0), "{arguments:?}: {}", told.err);
    Ok(serde_json::from_str(&told.out)?)
}

fn recording(name: &str, captures: &[&str]) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let captures = captures.iter();
    captures
        .map(|capture| folder.join(name).join(format!("{capture}.pcap")))
        .collect()
}

/// The report on a scratch file for each of these captures.
fn crafted(name: &str, captures: &[(&str, Trace)]) -> Result<Value> {
    let scratch = Scratch::new(name)?;
    let files = captures.iter().map(|(name, trace)| {
        let bytes = trace.pcap(Order::Little, Fraction::Nanos);
        scratch.file(format!("{name}.pcap"), &bytes)
    });
    report(&files.collect::<std::io::Result<Vec<_>>>()?)
}

fn first(report: &Value) -> Result<&Value> {
    report["verdicts"].get(0).context("no verdict")
}

/// The cause and confidence of the first verdict.
fn told(report: &Value) -> Result<[&str; 2]> {
    let first = first(report)?;
    Ok(["cause", "confidence"].map(|field| first[field].as_str().unwrap_or_default()))
}

/// What a recording's captures show up to the client's FIN, as its own capture dates it.
fn until_the_clients_fin(name: &str, captures: &[&str]) -> Result<Value> {
    let files = recording(name, captures);
    let whole = report(&files)?;
    let mut flows = whole["flows"].as_array().into_iter().flatten();
    let fin = flows
        .find(|flow| flow["vantage"] == "client" && flow["fins"][0]["by"] == "client")
        .and_then(|flow| flow["fins"][0]["at"].as_str())
        .context("no FIN of the client")?;
    let fin = u64::try_from(fin.parse::<jiff::Timestamp>()?.as_nanosecond())?;
    let cut = captures.iter().zip(&files).map(|(name, path)| {
        let mut trace = Trace::read(path)?;
        trace.packets.retain(|packet| packet.at <= fin);
        Ok((*name, trace))
    });
    let cut: std::io::Result<Vec<_>> = cut.collect();
    crafted(&format!("until-fin-{name}"), &cut?)
}

/// A capture that ends with the client's FIN: after a wait that is lost patience, with the request it may be
/// half a close.
#[test]
fn who_closes_after_a_wait_has_given_up_also_where_nothing_follows() -> Result<()> {
    let gave_up = until_the_clients_fin("client-gives-up", &["client", "lb", "gw", "pod"])?;
    assert_eq!(told(&gave_up)?, ["client_gave_up", "likely"]);
    let against = first(&gave_up)?["against"].to_string();
    assert!(against.contains("what followed was not seen"), "{against}");
    let half = until_the_clients_fin("half-close", &["client", "lb-down", "lb-up", "pod"])?;
    assert_ne!(told(&half)?, ["client_gave_up", "likely"]);
    Ok(())
}

/// What the client and the server see of a conversation that nobody knows the protocol of, up to the client's
/// FIN. The server greets, or says nothing at all.
fn conversation(name: &str, greets: bool, fin: &str) -> Result<Value> {
    let script = |way: [&str; 2]| {
        let greeting = format!(
            "+{}  S ACK \"at your service\"\n+{}  C ACK\n",
            way[1], way[0]
        );
        let greeting = if greets { greeting.as_str() } else { "" };
        format!(
            "# A conversation.
0.000   C SYN
+{1}  S SYN+ACK
+{0}  C ACK
{greeting}0.500   C ACK \"how many are there?\"
+{1}  S ACK
{fin}   C FIN+ACK
+{1}  S ACK
---
flows = 1
",
            way[0], way[1]
        )
    };
    let client = Script::parse(&script(["0.0001", "0.0020"]))?.trace();
    let mut server = Script::parse(&script(["0.0020", "0.0001"]))?.trace();
    server
        .packets
        .iter_mut()
        .for_each(|packet| packet.at += 1_000_000);
    crafted(name, &[("client", client), ("server", server)])
}

#[test]
fn who_was_never_answered_in_an_unknown_protocol_may_have_had_more_to_ask() -> Result<()> {
    let answered = conversation("conversation-greeted", true, "3.500")?;
    assert_eq!(
        told(&answered)?,
        ["client_gave_up", "likely"],
        "{:#}",
        first(&answered)?
    );
    let never = conversation("conversation-silent", false, "3.500")?;
    assert_eq!(
        told(&never)?,
        ["client_gave_up", "possible"],
        "{:#}",
        first(&never)?
    );
    Ok(())
}

/// The captures of a recording, where those named lack every frame that holds these bytes.
fn without(name: &str, lacking: &[&str], bytes: &[u8]) -> Result<Value> {
    let all = ["client", "lb", "gw", "pod"];
    let captures = all.iter().zip(recording(name, &all)).map(|(name, path)| {
        let mut trace = Trace::read(&path)?;
        let holds = |data: &[u8]| data.windows(bytes.len()).any(|window| window == bytes);
        if lacking.contains(name) {
            let before = trace.packets.len();
            trace.packets.retain(|packet| !holds(&packet.data));
            assert!(trace.packets.len() < before, "{name} holds none");
        }
        Ok((*name, trace))
    });
    let captures: std::io::Result<Vec<_>> = captures.collect();
    crafted(&format!("without-{name}-{}", lacking.join("-")), &captures?)
}

/// What one capture lacks and another one of the same connection shows makes nothing less sure.
#[test]
fn what_another_vantage_shows_is_not_missing() -> Result<()> {
    let doubts = |report: &Value| -> Result<bool> {
        let against = first(report)?["against"].to_string();
        Ok(against.contains("lacks frames"))
    };
    let made_up_for = without("client-gives-up", &["lb"], b"GET /")?;
    assert_eq!(told(&made_up_for)?, ["client_gave_up", "likely"]);
    assert!(!doubts(&made_up_for)?);
    let nowhere = without("client-gives-up", &["client", "lb"], b"GET /")?;
    assert_eq!(told(&nowhere)?[1], "possible");
    assert!(doubts(&nowhere)?);
    Ok(())
}

/// An answer that was sent and did not arrive accuses whatever lost it, and nobody of impatience.
#[test]
fn who_never_got_an_answer_that_was_sent_has_not_surely_given_up() -> Result<()> {
    let client = "# The client.
0.000   C SYN
+0.002  S SYN+ACK
+0.0001 C ACK
0.010   C ACK \"GET / HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.002  S ACK
4.000   C FIN+ACK
---
flows = 1
";
    let server = "# The server, whose answer is lost on the way.
0.001   C SYN
+0.0001 S SYN+ACK
+0.002  C ACK
0.011   C ACK \"GET / HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 S ACK
2.000   S ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"
4.001   C FIN+ACK
---
flows = 1
";
    let [client, server] =
        [client, server].map(|script| Script::parse(script).map(|script| script.trace()));
    let captures: [(&str, Trace); 2] = [("client", client?), ("server", server?)];
    let report = crafted("answer-lost", &captures)?;
    assert_eq!(told(&report)?, ["client_gave_up", "possible"]);
    let against = first(&report)?["against"].to_string();
    assert!(against.contains("which did not arrive"), "{against}");
    Ok(())
}

/// A way that dies between balancer and gateway, where the balancer hears and is not heard: that is told, and
/// not that the client waited in vain.
#[test]
fn what_fails_on_the_way_is_told_and_not_who_waited_in_vain() -> Result<()> {
    let asked = "\"GET / HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let answer = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"";
    let front = format!(
        "0.000   C SYN
+0.0001 S SYN+ACK
+0.0001 C ACK
0.003   C ACK {asked}
+0.0001 S ACK
"
    );
    let again: Vec<String> = ["2.7", "2.9", "3.3", "4.1", "5.7", "8.9"]
        .iter()
        .map(|at| format!("{at}   S2 ACK {answer} seq=1 lost\n"))
        .collect();
    let back = format!(
        "0.004   C2 SYN
+0.0001 S2 SYN+ACK
+0.0001 C2 ACK
+0.0001 C2 ACK {asked}
+0.0001 S2 ACK
2.500   S2 ACK {answer} lost
{}",
        again.concat()
    );
    let ends = "12.000  C FIN+ACK\n+0.0001 S ACK\n13.000  S FIN+ACK\n+0.0001 C ACK\n";
    let one = "connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000\n";
    let two = "connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000\n";
    let client = format!("# The client.\n{one}{front}{ends}---\nflows = 1\n");
    let lb = format!("# The balancer.\n{one}{two}{front}{back}{ends}---\nflows = 2\n");
    let gw = format!(
        "# The gateway.\n{}{}---\nflows = 1\n",
        two.replace("connection 2", "connection 1"),
        back.replace("C2", "C").replace("S2", "S")
    );
    let mut captures = Vec::new();
    for (name, script) in [("client", client), ("lb", lb), ("gw", gw)] {
        captures.push((name, Script::parse(&script)?.trace()));
    }
    let report = crafted("way", &captures)?;
    let causes = report["verdicts"].as_array().into_iter().flatten();
    let causes: Vec<&str> = causes
        .filter(|verdict| verdict["alarm"] == true)
        .filter_map(|verdict| verdict["cause"].as_str())
        .collect();
    assert_eq!(causes, ["retransmission_death"]);
    Ok(())
}

/// A balancer resets its upstream in the middle of an answer, and its capture shows no reason: where frames
/// are missing the reason may be among them, and nobody is named.
#[test]
fn nobody_is_named_where_the_first_close_may_be_missing() -> Result<()> {
    let asked = "\"GET / HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let answer = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 9000\\r\\n\\r\\n\"";
    let told = |acknowledges: &str| -> Result<Value> {
        let script = format!(
            "# A balancer.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.000   C SYN
+0.0001 S SYN+ACK
+0.0001 C ACK
0.003   C ACK {asked}
+0.0001 S ACK
0.004   C2 SYN
+0.0001 S2 SYN+ACK
+0.0001 C2 ACK
+0.0001 C2 ACK {asked}
+0.0001 S2 ACK {answer}
+0.0001 S2 ACK 1000
+0.0001 C2 ACK
+0.0001 S ACK {answer}
+0.0001 S ACK 1000
+0.0001 C ACK{acknowledges}
0.310   C2 RST+ACK
---
flows = 2
"
        );
        let capture = Script::parse(&script)?.trace();
        crafted(
            &format!("nobody-named-{}", acknowledges.len()),
            &[("lb", capture)],
        )
    };
    for (acknowledges, named) in [("", true), (" ack=3000", false)] {
        let report = told(acknowledges)?;
        let first = first(&report)?;
        assert_eq!(first["cause"], "unknown", "{first:#}");
        assert_eq!(first["ended_by"].is_string(), named, "{first:#}");
        let summary = first["summary"].as_str().unwrap_or_default();
        assert_eq!(summary.contains("closed first"), named, "{first:#}");
    }
    Ok(())
}
