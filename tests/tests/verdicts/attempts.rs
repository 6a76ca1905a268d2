//! Attempts to connect that failed: beside what became of the request, and where what answered them was
//! lost.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;

use super::{lines, scripted, verdicts};

/// A script of these lines, of which nothing is expected by itself.
fn script(lines: &str) -> String {
    format!("# An attempt.\n{lines}---\nflows = 1\n")
}

/// A proxy's first server refuses, its second one takes the request; what happens then is told by lines.
fn refused_first(test: &str, then: &str) -> Result<Value> {
    let asked = "\"GET /slow HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let script = script(&format!(
        "connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.3:80 isn 2000 70000
connection 3 10.0.1.1:50001 10.0.1.2:80 isn 3000 80000
0.000   C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.010   C ACK {asked}
+0.0001 S ACK
0.011   C2 SYN
+0.0005 S2 RST+ACK
0.012   C3 SYN
+0.001  S3 SYN+ACK
+0.0001 C3 ACK
+0.0001 C3 ACK {asked}
+0.001  S3 ACK
{then}"
    ));
    scripted(test, &[("lb.pcap", &script)])
}

/// Causes of all alarms, and what is said first of each.
fn alarms(report: &Value) -> BTreeMap<String, String> {
    let alarms = verdicts(report).filter(|verdict| verdict["alarm"] == true);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    alarms
        .map(|verdict| (word(&verdict["cause"]), word(&verdict["summary"])))
        .collect()
}

#[test]
fn a_retry_that_was_accepted_does_not_hide_what_failed_then() -> Result<()> {
    let failed = refused_first(
        "failed",
        "1.313   S3 FIN+ACK
+0.0002 C3 FIN+ACK
+0.001  S3 ACK
1.314   S ACK \"HTTP/1.1 502 Bad Gateway\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.001  C FIN+ACK
+0.0001 S FIN+ACK
+0.001  C ACK
",
    )?;
    let alarms_of = alarms(&failed);
    let causes: Vec<&str> = alarms_of.keys().map(String::as_str).collect();
    assert_eq!(causes, ["closed_mid_exchange", "refused"], "{failed:#}");
    let closed = &alarms_of["closed_mid_exchange"];
    assert!(closed.contains("10.0.1.2:80"), "{closed}");
    assert!(alarms_of["refused"].contains("10.0.1.3:80"));
    // Where it was answered, the attempt is all there is to tell.
    let answered = refused_first(
        "answered",
        "1.313   S3 ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok\"
+0.001  C3 ACK
1.315   S ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nok\"
+0.001  C FIN+ACK
+0.0001 S FIN+ACK
+0.001  C ACK
",
    )?;
    let alarms = alarms(&answered);
    let causes: Vec<&str> = alarms.keys().map(String::as_str).collect();
    assert_eq!(causes, ["refused"], "{answered:#}");
    Ok(())
}

#[test]
fn a_refusal_may_be_a_firewalls() -> Result<()> {
    let refused = scripted(
        "firewall",
        &[("lb.pcap", &script("0.000   C SYN\n+0.0001 S RST+ACK\n"))],
    )?;
    let verdict = verdicts(&refused).next().expect("a verdict");
    assert_eq!(verdict["cause"], "refused", "{verdict:#}");
    let story = verdict["story"].as_str().unwrap_or_default();
    assert!(story.contains("or a firewall rejects it"), "{story}");
    assert!(lines(verdict, "advice")[0].contains("hopscope sockets"));
    Ok(())
}

/// SYN-ACKs that a vantage in the middle shows and the client's does not.
#[test]
fn a_server_whose_answers_are_lost_is_not_said_to_be_silent() -> Result<()> {
    let again = "1.020   C SYN seq=0 lost\n3.040   C SYN seq=0 lost\n";
    let near =
        format!("timestamps\n0.000   C SYN lost\n{again}20.000  C2 SYN\n+0.001  S2 SYN+ACK\n");
    let far = "timestamps
0.000   C SYN
+0.0001 S SYN+ACK lost
1.020   C SYN seq=0
+0.0001 S SYN+ACK seq=0 lost
3.040   C SYN seq=0
+0.0001 S SYN+ACK seq=0 lost
20.000  C2 SYN
+0.0008 S2 SYN+ACK
";
    let (near, far) = (script(&near), script(far));
    let both = scripted("unheard", &[("client.pcap", &near), ("router.pcap", &far)])?;
    let unreachable = |report: &Value| {
        let mut found = verdicts(report).filter(|verdict| verdict["cause"] == "unreachable");
        found.next().cloned().expect("a verdict on the SYNs")
    };
    let lost = unreachable(&both);
    let summary = lost["summary"].as_str().unwrap_or_default();
    assert!(
        summary.contains("SYN-ACKs are lost on the way from router back to client"),
        "{lost:#}"
    );
    assert!(!lines(&lost, "advice").join("\n").contains("balances over"));
    assert!(
        !lines(&lost, "evidence")
            .join("\n")
            .contains("no SYN-ACK and")
    );
    // Where no vantage shows any, nobody answered.
    let silent = unreachable(&scripted("silent", &[("client.pcap", &near)])?);
    let summary = silent["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("does not answer"), "{silent:#}");
    Ok(())
}

/// Answers that a vantage in the middle shows and the client's does not.
#[test]
fn a_server_whose_answers_are_lost_acknowledged_what_it_got() -> Result<()> {
    let again = [0.204, 0.612, 1.428, 3.06, 6.324];
    let opened = |behind: f64| {
        format!(
            "timestamps\n{behind:.4}  C SYN\n+0.0002 S SYN+ACK\n+0.001  C ACK\n0.010   C ACK 100\n+0.0002 S ACK 300\n+0.001  C ACK\n"
        )
    };
    let (mut near, mut far) = (opened(0.0), opened(0.0001));
    near += "2.000   C ACK 100 lost\n";
    far += "2.0001  C ACK 100\n+0.0001 S ACK 300 lost\n";
    for after in again {
        near += &format!("{:.4}  C ACK 100 seq=101 lost\n", 2.0 + after);
        far += &format!(
            "{:.4}  C ACK 100 seq=101\n+0.0001 S ACK lost\n",
            2.0001 + after
        );
    }
    near += "30.000  C2 SYN\n+0.001  S2 SYN+ACK\n";
    far += "30.0001 C2 SYN\n+0.0008 S2 SYN+ACK\n";
    let (near, far) = (script(&near), script(&far));
    let told = scripted("back", &[("client.pcap", &near), ("router.pcap", &far)])?;
    let verdict = verdicts(&told).find(|verdict| verdict["cause"] == "retransmission_death");
    let verdict = verdict.expect("a verdict on what was sent again");
    let summary = verdict["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("came back"), "{verdict:#}");
    let evidence = lines(verdict, "evidence").join("\n");
    assert!(evidence.contains("on the way back"), "{evidence}");
    Ok(())
}
