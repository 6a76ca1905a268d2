//! What a gateway did by itself, and what it only passed on: one capture at it and one at its upstream,
//! as segments, a line each.

use anyhow::{Context, Result, ensure};
use hopscope_tests::binary::{self, Told};
use hopscope_tests::craft::{Fraction, Order, Scratch};
use hopscope_tests::script::Script;
use serde_json::Value;

/// The beginning of both connections of a gateway, as it sees them: its client's, and its own.
const AT_GATEWAY: &str = "# A gateway.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.0005  C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.002   C2 SYN
+0.002  S2 SYN+ACK
+0.0001 C2 ACK
";

/// The second of them, as its upstream sees it.
const AT_UPSTREAM: &str = "# Its upstream.
connection 1 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.003   C SYN
+0.0001 S SYN+ACK
+0.002  C ACK
";

/// The first of them, as its client sees it.
const AT_CLIENT: &str = "# Its client.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
0.000   C SYN
+0.001  S SYN+ACK
+0.0001 C ACK
";

/// The verdicts on what goes on so at the gateway and at its upstream and, where told, at its client, with what the gateway's log says.
fn judged(
    name: &str,
    at_gateway: &str,
    at_upstream: &str,
    at_client: &str,
    log: &str,
) -> Result<Vec<Value>> {
    let scratch = Scratch::new(&format!("gateways-{name}"))?;
    let mut arguments: Vec<String> = ["read", "--format", "json"].map(str::to_owned).to_vec();
    let mut scripts = vec![
        ("gw", format!("{AT_GATEWAY}{at_gateway}---\nflows = 2\n")),
        ("app", format!("{AT_UPSTREAM}{at_upstream}---\nflows = 1\n")),
    ];
    if !at_client.is_empty() {
        scripts.push(("client", format!("{AT_CLIENT}{at_client}---\nflows = 1\n")));
    }
    for (name, script) in scripts {
        let trace = Script::parse(&script)?.trace();
        let pcap = trace.pcap(Order::Little, Fraction::Nanos);
        let path = scratch.file(format!("{name}.pcap"), &pcap)?;
        arguments.push(path.display().to_string());
    }
    if !log.is_empty() {
        let path = scratch.file("gw.log", log.as_bytes())?;
        arguments.push("--access-log".to_owned());
        arguments.push(format!("gw={}", path.display()));
    }
    let told: Told = binary::hopscope(&arguments).output()?.into();
    ensure!(told.code == Some(0), "{arguments:?}: {}", told.err);
    let report: Value = serde_json::from_str(&told.out)?;
    Ok(report["verdicts"].as_array().cloned().unwrap_or_default())
}

fn alarms(verdicts: &[Value]) -> Vec<&Value> {
    let alarms = verdicts.iter().filter(|verdict| verdict["alarm"] == true);
    alarms.collect()
}

/// An answer of the upstream, and what the gateway makes of it.
fn answered(name: &str, status: &str) -> Result<Vec<Value>> {
    let get = "\"GET /report HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let theirs = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"";
    let gateway = format!(
        "0.010   C ACK {get}
+0.0001 S ACK
+0.0001 C2 ACK {get}
0.514   S2 ACK {theirs}
+0.0001 C2 ACK
+0.0001 S ACK \"HTTP/1.1 {status}\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.001  C ACK
0.600   C FIN+ACK
+0.0001 S FIN+ACK
+0.001  C ACK
0.602   C2 FIN+ACK
+0.002  S2 FIN+ACK
+0.0001 C2 ACK
"
    );
    let upstream = format!(
        "0.0112  C ACK {get}
0.513   S ACK {theirs}
+0.002  C ACK
0.603   C FIN+ACK
+0.0001 S FIN+ACK
+0.002  C ACK
"
    );
    judged(name, &gateway, &upstream, "", "")
}

#[test]
fn a_gateway_that_refuses_what_its_upstream_answered_is_named() -> Result<()> {
    let verdicts = answered("refuses", "502 Bad Gateway")?;
    let first = verdicts.first().expect("a verdict");
    assert_eq!(first["cause"], "unknown", "{first:#}");
    assert_eq!(first["ended_by_vantage"], "gw", "{first:#}");
    assert_eq!(first["alarm"], true, "{first:#}");
    let summary = first["summary"].as_str().unwrap_or_default();
    assert!(
        summary.starts_with("gw answered 502 although app had answered 200"),
        "{summary}"
    );
    // It looks alike, and is passed on.
    let verdicts = answered("passes-on", "200 OK")?;
    assert!(alarms(&verdicts).is_empty(), "{verdicts:#?}");
    Ok(())
}

/// A WebSocket of which the gateway lets go after four seconds of silence. Envoy closes the client's side
/// a second after its upstream's (`delayed_close_timeout`), and logs 101 with the flag SI.
fn websocket(name: &str, log: &str) -> Result<Vec<Value>> {
    let get = "\"GET /ws HTTP/1.1\\r\\nhost: app\\r\\nconnection: upgrade\\r\\nupgrade: websocket\\r\\n\\r\\n\"";
    let switched = "\"HTTP/1.1 101 Switching Protocols\\r\\nconnection: upgrade\\r\\nupgrade: websocket\\r\\n\\r\\n\"";
    let gateway = format!(
        "0.010   C ACK {get}
+0.0001 S ACK
+0.0001 C2 ACK {get}
0.014   S2 ACK {switched}
+0.0001 C2 ACK
+0.0001 S ACK {switched}
+0.001  C ACK
0.020   C ACK 5
+0.0001 C2 ACK 5
+0.003  S2 ACK 5
+0.0001 S ACK 5
+0.0001 C2 ACK
+0.001  C ACK
4.0242  C2 FIN+ACK
+0.002  S2 FIN+ACK
+0.0001 C2 ACK
5.0252  S FIN+ACK
+0.001  C FIN+ACK
+0.0001 S ACK
"
    );
    let upstream = format!(
        "0.0112  C ACK {get}
0.013   S ACK {switched}
+0.002  C ACK
0.0211  C ACK 5
+0.001  S ACK 5
+0.002  C ACK
4.0252  C FIN+ACK
+0.0001 S FIN+ACK
+0.002  C ACK
"
    );
    judged(name, &gateway, &upstream, "", log)
}

#[test]
fn a_websocket_that_a_gateway_lets_go_of_is_no_slow_answer_of_its_upstream() -> Result<()> {
    let log = "[1970-01-01T00:00:00.010Z] \"GET /ws HTTP/1.1\" 101 SI 5 5 4014 - \"-\" \"-\" \"-\" \"app\" \"10.0.1.2:80\"\n";
    for (name, log) in [("ws", ""), ("ws-logged", log)] {
        let verdicts = websocket(name, log)?;
        let alarms = alarms(&verdicts);
        let first = alarms.first().expect("an alarm");
        assert_eq!(first["cause"], "idle_timeout", "{name}: {first:#}");
        assert_eq!(first["ended_by_vantage"], "gw", "{name}: {first:#}");
        assert_ne!(first["confidence"], "possible", "{name}: {first:#}");
        let blames = |verdict: &&&Value| verdict["ended_by_vantage"] != "gw";
        assert!(!alarms.iter().any(|alarm| blames(&alarm)), "{alarms:#?}");
    }
    Ok(())
}

/// A balancer of bytes passes on the close of its upstream, and what is said later all the same.
fn relayed(name: &str, at_gateway: &str, at_upstream: &str, at_client: &str) -> Result<Vec<Value>> {
    let get = "\"GET /ok HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let ok = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"";
    let gateway = format!(
        "0.010   C ACK {get}
+0.0001 C2 ACK {get}
0.014   S2 ACK {ok}
+0.0001 C2 ACK
+0.0001 S ACK {ok}
+0.001  C ACK
2.014   S2 FIN+ACK
+0.0001 C2 ACK
+0.0001 S FIN+ACK
+0.001  C ACK
{at_gateway}"
    );
    let upstream = format!(
        "0.0111  C ACK {get}
0.013   S ACK {ok}
+0.002  C ACK
2.013   S FIN+ACK
+0.002  C ACK
{at_upstream}"
    );
    let client = format!(
        "0.0095  C ACK {get}
0.0146  S ACK {ok}
+0.0001 C ACK
2.0147  S FIN+ACK
+0.0001 C ACK
{at_client}"
    );
    judged(name, &gateway, &upstream, &client, "")
}

#[test]
fn a_balancer_that_passes_on_what_its_client_says_too_late_is_not_to_blame() -> Result<()> {
    let get = "\"GET /ok HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let gateway =
        format!("2.500   C ACK {get}\n+0.0001 C2 ACK {get}\n+0.002  S2 RST\n+0.0001 S RST+ACK\n");
    let upstream = format!("2.5011  C ACK {get}\n+0.0001 S RST\n");
    let client = format!("2.4995  C ACK {get}\n+0.004  S RST+ACK\n");
    let verdicts = relayed("relayed", &gateway, &upstream, &client)?;
    let alarms = alarms(&verdicts);
    assert!(!alarms.is_empty(), "{verdicts:#?}");
    for alarm in &alarms {
        assert_eq!(alarm["cause"], "stale_reuse", "{alarm:#}");
        assert_eq!(alarm["ended_by"], "client", "{alarm:#}");
    }
    // It looks alike: the balancer itself is the one that does not look, as its client said nothing.
    let gateway =
        format!("2.500   C2 ACK {get}\n+0.002  S2 RST\n2.600   C FIN+ACK\n+0.0001 S ACK\n");
    let client = "2.5995  C FIN+ACK\n+0.001  S ACK\n";
    let verdicts = relayed("by-itself", &gateway, &upstream, client)?;
    let stale = verdicts
        .iter()
        .find(|verdict| verdict["cause"] == "stale_reuse");
    assert_eq!(stale.expect("a verdict")["ended_by"], "gw", "{verdicts:#?}");
    Ok(())
}

/// A gateway closes both its sides while an answer is owed, and at the same moment another client that has
/// waited that long.
fn closes_all(name: &str, other_asks: &str) -> Result<Vec<Value>> {
    let get = "\"GET /slow HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let gateway = format!(
        "connection 3 10.0.0.8:41000 10.0.0.1:80 isn 3000 90000
0.010   C ACK {get}
+0.0001 S ACK
0.0105  C2 ACK {get}
+0.002  S2 ACK
0.100   C3 SYN
+0.0001 S3 SYN+ACK
+0.001  C3 ACK
{other_asks}   C3 ACK {get}
+0.0001 S3 ACK
2.1730  S FIN+ACK
2.1731  C2 FIN+ACK
2.1732  S3 FIN+ACK
"
    );
    let upstream = format!("0.0115  C ACK {get}\n+0.0001 S ACK\n2.1741  C FIN+ACK\n");
    judged(name, &gateway, &upstream, "", "")
}

/// No timer runs out at once for connections of different silence: the end of a process closes them all.
#[test]
fn who_closes_all_at_once_has_ended() -> Result<()> {
    let ended = closes_all("ended", "1.000")?;
    let all = |verdict: &&Value| verdict["summary"].to_string().contains("its process ended");
    let verdict = ended.iter().find(all).context("no process ended")?;
    assert_eq!(verdict["cause"], "closed_mid_exchange", "{verdict:#}");
    assert_eq!(verdict["confidence"], "possible");
    assert_eq!(verdict["ended_by"], "gw");
    let alike = closes_all("not-ended", "0.012")?;
    assert!(
        alike
            .iter()
            .any(|verdict| verdict["cause"] == "idle_timeout")
    );
    assert!(
        !alike
            .iter()
            .any(|verdict| verdict["cause"] == "closed_mid_exchange" && all(&verdict))
    );
    Ok(())
}
