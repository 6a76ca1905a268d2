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
