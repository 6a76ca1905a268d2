//! What verdicts say of conversations that are written down.

use anyhow::Result;
use serde_json::Value;

use super::http2::Frames;
use super::{lines, scripted, verdicts};

/// A TLS connection whose server sends these records after the request, and closes after four seconds.
fn after_a_handshake(records: &str) -> Result<Value> {
    let script = format!(
        "# A request behind the Finished message.
0.000   C SYN
+0.001  S SYN+ACK
+0.001  C ACK
0.010   C ACK tls=22:512
+0.001  S ACK tls=22:122,20:1,23:900,23:69
+0.001  C ACK tls=20:1,23:69
+0.0001 C ACK tls=23:102
+0.001  S ACK tls={records}
4.014   S FIN+ACK
+0.001  C ACK tls=23:19
+0.0001 C FIN+ACK
+0.001  S ACK
---
flows = 1
"
    );
    let test = format!("handshake-{}", records.len());
    scripted(&test, &[("lb.pcap", &script)])
}

#[test]
fn a_record_that_may_be_a_ticket_is_no_sure_answer() -> Result<()> {
    for (records, confidence) in [("23:250", "possible"), ("23:250,23:250,23:61", "likely")] {
        let report = after_a_handshake(records)?;
        let mut closed = verdicts(&report);
        let closed = closed.find(|verdict| verdict["cause"] == "idle_timeout");
        let closed = closed.expect("the verdict on the request");
        assert_eq!(closed["confidence"], confidence, "{records}: {closed:#}");
        let against = lines(closed, "against").join("\n");
        let doubted = against.contains("session ticket");
        assert_eq!(doubted, confidence == "possible", "{records}: {against}");
    }
    Ok(())
}

const ASKED: &str = "\"GET /slow HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";

/// A request that came to a proxy and went on: the beginning of a script.
fn asked_through_a_proxy() -> String {
    format!(
        "connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.000   C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.010   C ACK {ASKED}
+0.0001 S ACK
0.011   C2 SYN
+0.002  S2 SYN+ACK
+0.0001 C2 ACK
+0.0001 C2 ACK {ASKED}
"
    )
}

/// What a gateway and its upstream see of an answer that announces 1000 bytes, of which 500 come at once;
/// what happens then is told by lines of both scripts.
fn stalled_answer(name: &str, at_gateway: &str, at_upstream: &str) -> Result<Value> {
    let head = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 1000\\r\\n\\r\\n\"";
    let asked = asked_through_a_proxy();
    let gateway = format!(
        "# A gateway.
{asked}+0.002  S2 ACK {head}
+0.0001 S2 ACK 500
+0.0001 C2 ACK
+0.0001 S ACK {head}
+0.0001 S ACK 500
+0.001  C ACK
{at_gateway}---
flows = 2
"
    );
    let upstream = format!(
        "# Its upstream.
connection 1 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.012   C SYN
+0.0001 S SYN+ACK
+0.002  C ACK
+0.0001 C ACK {ASKED}
+0.0001 S ACK {head}
+0.0001 S ACK 500
+0.002  C ACK
{at_upstream}---
flows = 1
"
    );
    let test = format!("stalled-{name}");
    scripted(&test, &[("gw.pcap", &gateway), ("app.pcap", &upstream)])
}

#[test]
fn a_gateway_that_lets_go_of_a_stalled_answer_says_who_stalled() -> Result<()> {
    let gateway = "3.0164  C2 FIN+ACK\n+0.002  S2 ACK\n4.016   S FIN+ACK\n+0.001  C FIN+ACK\n+0.0001 S ACK\n6.000   S2 ACK 500\n+0.0001 C2 RST\n";
    let upstream = "3.0174  C FIN+ACK\n+0.0001 S ACK\n5.999   S ACK 500\n+0.002  C RST\n";
    let told = stalled_answer("let-go", gateway, upstream)?;
    let first = verdicts(&told).next().expect("a verdict");
    assert_eq!(first["cause"], "idle_timeout", "{first:#}");
    assert_eq!(first["ended_by_vantage"], "gw", "{first:#}");
    assert_eq!(first["confidence"], "likely", "{first:#}");
    let story = first["story"].as_str().unwrap_or_default();
    assert!(story.contains("app had sent 541 of 1041 bytes"), "{story}");
    Ok(())
}

#[test]
fn an_answer_that_goes_on_after_its_client_closed_its_direction_is_not_cut_short() -> Result<()> {
    let gateway = "3.0164  C2 FIN+ACK\n+0.002  S2 ACK\n6.000   S2 ACK 500\n+0.0001 C2 ACK\n+0.0001 S ACK 500\n+0.001  C ACK\n6.010   S2 FIN+ACK\n+0.0001 C2 ACK\n7.000   C FIN+ACK\n+0.0001 S FIN+ACK\n+0.001  C ACK\n";
    let upstream = "3.0174  C FIN+ACK\n+0.0001 S ACK\n5.999   S ACK 500\n+0.002  C ACK\n6.009   S FIN+ACK\n+0.002  C ACK\n";
    let told = stalled_answer("goes-on", gateway, upstream)?;
    let alarms: Vec<&Value> = verdicts(&told)
        .filter(|verdict| verdict["alarm"] == true)
        .collect();
    assert!(alarms.is_empty(), "{alarms:#?}");
    Ok(())
}

/// What a client and its balancer capture of an upload that is refused, of which the client still sends
/// something on. The client's capture misses the last of it, and the answer where that is `missed`.
fn refused_upload(rest: &str, missed: &str) -> Result<Value> {
    let script = |opening: &str, missed: &str, unseen: &str| {
        format!(
            "# A refused upload.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.0.9:40001 10.0.0.1:80 isn 2000 60000
{opening}0.001   C SYN
+0.001  S SYN+ACK
+0.001  C ACK
0.010   C ACK \"POST / HTTP/1.1\\r\\nhost: app\\r\\ncontent-length: 500\\r\\n\\r\\n\"
+0.001  S ACK \"HTTP/1.1 413 Content Too Large\\r\\ncontent-length: 0\\r\\n\\r\\n\"{missed}
0.012   C ACK {rest}
+0.0001 C ACK {rest}{unseen}
0.361   S RST+ACK
---
flows = 1
"
        )
    };
    let test = format!("refused-{}-{}", rest.len(), missed.len());
    let client = script("", missed, " unseen");
    // Its frames have other numbers.
    let balancer = script("0.000   C2 SYN\n+0.0001 S2 RST+ACK\n", "", "");
    scripted(&test, &[("c.pcap", &client), ("lb.pcap", &balancer)])
}

#[test]
fn the_rest_of_a_refused_upload_is_no_request_at_whatever_vantage() -> Result<()> {
    let request = "\"GET / HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let some = "\"some of it\"";
    // The client acknowledges an answer that its capture does not show.
    for (rest, missed, alarm) in [
        (some, "", false),
        (some, " unseen", false),
        (request, "", true),
        (request, " unseen", true),
    ] {
        let told = refused_upload(rest, missed)?;
        let of_port = |verdict: &&Value| {
            let hop = told["hops"].as_array().into_iter().flatten();
            let mut hop = hop.filter(|hop| hop["id"] == verdict["hop"]);
            hop.any(|hop| hop["client"] == "10.0.0.9:40000")
        };
        let mut own = verdicts(&told).filter(of_port);
        let alarmed = own.any(|verdict| verdict["alarm"] == true);
        assert_eq!(alarmed, alarm, "{rest}{missed}: {:#}", told["verdicts"]);
    }
    Ok(())
}

/// A proxy that closes both its sides when this many seconds had passed since its client asked.
fn let_go_after(seconds: &str) -> Result<Value> {
    let asked = asked_through_a_proxy();
    let script = format!(
        "# A proxy lets go.
{asked}+0.002  S2 ACK
+{seconds} C2 FIN+ACK
+0.0003 S FIN+ACK
+0.001  S2 FIN+ACK
+0.0001 C2 ACK
+0.001  C FIN+ACK
+0.0001 S ACK
---
flows = 2
"
    );
    scripted(&format!("let-go-{seconds}"), &[("lb.pcap", &script)])
}

/// Where nothing but the silence speaks for a timer, the process may have ended as well.
#[test]
fn a_silence_like_no_timer_may_be_the_end_of_a_process() -> Result<()> {
    for (seconds, died) in [("1.93", true), ("2.085", true), ("2.998", false)] {
        let told = let_go_after(seconds)?;
        let first = verdicts(&told).next().expect("a verdict");
        assert_eq!(first["cause"], "idle_timeout", "{first:#}");
        let summary = first["summary"].as_str().unwrap_or_default();
        let says = summary.contains("or its process ended");
        assert_eq!(says, died, "{seconds}: {summary}");
        let advice = lines(first, "advice").join("\n");
        assert_eq!(advice.contains("was restarted"), died, "{advice}");
        assert_eq!(first["confidence"] == "possible", died, "{first:#}");
    }
    Ok(())
}

/// No timer is as short.
#[test]
fn a_proxy_that_closes_both_its_sides_at_once_broke_off() -> Result<()> {
    let told = let_go_after("0.53")?;
    let first = verdicts(&told).next().expect("a verdict");
    assert_eq!(first["cause"], "closed_mid_exchange", "{first:#}");
    assert_eq!(first["confidence"], "likely", "{first:#}");
    let summary = first["summary"].as_str().unwrap_or_default();
    assert!(summary.contains("closed both its sides"), "{summary}");
    assert!(lines(first, "advice").join("\n").contains("was restarted"));
    Ok(())
}

/// A proxy that answers with an error so long after it was asked, while its server still has the request;
/// what it does with its connection then.
fn answered_meanwhile(seconds: &str, then: &str) -> Result<Value> {
    let asked = asked_through_a_proxy();
    let script = format!(
        "# A proxy does not wait.
{asked}+0.002  S2 ACK
+{seconds} S ACK \"HTTP/1.1 502 Bad Gateway\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.001  C ACK
{then}+0.5    C FIN+ACK
+0.0001 S FIN+ACK
+0.001  C ACK
---
flows = 2
"
    );
    scripted(&format!("meanwhile-{seconds}"), &[("lb.pcap", &script)])
}

/// An error that is no timer's names the proxy, and not its server or a timeout.
#[test]
fn an_error_answered_at_once_is_no_timeout() -> Result<()> {
    let let_go = "+0.001  C2 FIN+ACK\n+0.0002 S2 ACK\n";
    for (seconds, then, cause, confidence) in [
        ("0.007", "", "unknown", "likely"),
        ("0.007", let_go, "unknown", "likely"),
        ("2.998", "", "request_timeout", "possible"),
        ("2.998", let_go, "request_timeout", "likely"),
    ] {
        let told = answered_meanwhile(seconds, then)?;
        let first = verdicts(&told).next().expect("a verdict");
        let of = format!("{seconds} {then}: {first:#}");
        assert_eq!(first["cause"], cause, "{of}");
        assert_eq!(first["confidence"], confidence, "{of}");
        assert_eq!(first["ended_by"], "the proxy 10.0.0.1:80", "{of}");
        let summary = first["summary"].as_str().unwrap_or_default();
        assert_eq!(summary.contains("without waiting for"), cause == "unknown");
    }
    Ok(())
}

/// A request so long after a FIN, on a connection whose vantage is in the middle.
fn asked_after_a_close(acknowledged: &str, seconds: &str) -> Result<Value> {
    let script = format!(
        "# The client goes on.
0.000   C SYN
+0.001  S SYN+ACK
+0.001  C ACK
0.010   C ACK {ASKED}
+0.001  S ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.001  C ACK
1.000   S FIN+ACK
{acknowledged}+{seconds} C ACK {ASKED}
+0.001  S RST
---
flows = 1
"
    );
    scripted(&format!("after-close-{seconds}"), &[("way.pcap", &script)])
}

/// Whose acknowledgment alone says that it had sent nothing more has not sent it before either.
#[test]
fn what_is_sent_after_a_fin_was_acknowledged_did_not_cross_it() -> Result<()> {
    for (acknowledged, confidence, against) in
        [("+0.040  C ACK\n", "certain", false), ("", "likely", true)]
    {
        let told = asked_after_a_close(acknowledged, "0.060")?;
        let mut own = verdicts(&told).filter(|verdict| verdict["cause"] == "stale_reuse");
        let own = own.next().expect("a verdict on the request");
        assert_eq!(own["ended_by"], "the client 10.0.0.1", "{own:#}");
        assert_eq!(own["confidence"], confidence, "{own:#}");
        let says = lines(own, "against").join("\n").contains("first copy");
        assert_eq!(says, against, "{own:#}");
    }
    Ok(())
}

/// Of a proxy that answers 504 where a timer runs out, another error says something else.
#[test]
fn a_proxy_whose_timers_answer_504_had_none_where_it_answers_502() -> Result<()> {
    let own = "<html><body><h1>502 Bad Gateway</h1>\nThe server returned an invalid or incomplete response.\n</body></html>\n";
    let head = format!(
        "HTTP/1.1 502 Bad Gateway\r\ncontent-length: {}\r\n\r\n",
        own.len()
    );
    let answer = Frames::new().bytes(format!("{head}{own}").as_bytes()).0;
    let asked = asked_through_a_proxy();
    let script = format!(
        "# A proxy is stopped.
{asked}+0.002  S2 ACK
+3.310  S ACK {answer}
+0.0001 S FIN+ACK
+0.0001 C2 FIN+ACK
+0.001  C ACK
+0.001  C FIN+ACK
---
flows = 2
"
    );
    let told = scripted("stopped", &[("lb.pcap", &script)])?;
    let first = verdicts(&told).next().expect("a verdict");
    assert_ne!(first["cause"], "request_timeout", "{first:#}");
    assert_eq!(first["ended_by"], "the proxy 10.0.0.1:80", "{first:#}");
    Ok(())
}

/// A client, a proxy and an app, each seen where it is: who sends what, by milliseconds.
fn watched(test: &str, sent: &[(f64, &str, &str)]) -> Result<Value> {
    let script = |at: [&str; 2], there: &[&str]| {
        let mut lines: Vec<(f64, String)> = sent
            .iter()
            .filter(|(_, who, _)| at.contains(who) || there.contains(who))
            .map(|(time, who, what)| {
                // What others sent takes 0.2 ms.
                let time = if at.contains(who) { *time } else { time + 0.2 };
                (time, format!("{who} {what}"))
            })
            .collect();
        lines.sort_by(|one, other| one.0.total_cmp(&other.0));
        let lines: String = lines
            .iter()
            .map(|(time, line)| format!("{:.4} {line}\n", time / 1e3))
            .collect();
        format!(
            "# Seen where it is.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
{lines}---
flows = 1
"
        )
    };
    let client = script(["C", ""], &["S"]);
    let proxy = script(["S", "C2"], &["C", "S2"]);
    let app = script(["S2", ""], &["C2"]);
    let captures = [("client", client), ("lb", proxy), ("app", app)];
    let captures = captures.map(|(name, script)| (format!("{name}.pcap"), script));
    let captures = captures
        .each_ref()
        .map(|(name, script)| (name.as_str(), script.as_str()));
    scripted(test, &captures)
}

/// Events that a proxy passes on until they pause: it lets go of its server first, which has more to say.
#[test]
fn an_answer_that_goes_on_when_its_proxy_lets_go_is_broken_off() -> Result<()> {
    let asked = format!("ACK {ASKED}");
    let event =
        "ACK \"HTTP/1.1 200 OK\\r\\ntransfer-encoding: chunked\\r\\n\\r\\n7\\r\\nevent 1\\r\\n\"";
    let told = watched(
        "events",
        &[
            (0.0, "C", "SYN"),
            (0.3, "S", "SYN+ACK"),
            (0.6, "C", "ACK"),
            (1.0, "C", &asked),
            (1.5, "S", "ACK"),
            (2.0, "C2", "SYN"),
            (2.3, "S2", "SYN+ACK"),
            (2.6, "C2", "ACK"),
            (3.0, "C2", &asked),
            (3.3, "S2", "ACK"),
            (12.0, "S2", event),
            (12.3, "C2", "ACK"),
            (12.5, "S", event),
            (12.8, "C", "ACK"),
            (2_013.0, "C2", "FIN+ACK"),
            (2_013.3, "S2", "ACK"),
            (3_013.0, "S", "FIN+ACK"),
            (3_013.3, "C", "FIN+ACK"),
            (3_013.6, "S", "ACK"),
            (4_500.0, "S2", "ACK \"7\\r\\nevent 2\\r\\n0\\r\\n\\r\\n\""),
            (4_500.3, "C2", "RST"),
        ],
    )?;
    let first = verdicts(&told).next().expect("a verdict");
    assert_eq!(first["cause"], "idle_timeout", "{first:#}");
    assert_eq!(first["ended_by"], "lb", "{first:#}");
    assert_eq!(first["alarm"], true, "{first:#}");
    Ok(())
}

/// Uploads whose first segments are sent again until nothing more is heard, of this size.
#[test]
fn what_is_too_large_for_the_way_is_no_dead_path() -> Result<()> {
    for (before, size, hint) in [(100, 1_448, true), (1_448, 1_448, false), (100, 300, false)] {
        let again: String = [0.2, 0.6, 1.4, 3.0, 6.2]
            .iter()
            .map(|later| format!("{:.3} C ACK {size} seq={} lost\n", 1.0 + later, before + 1))
            .collect();
        let script = format!(
            "# An upload.
0.000   C SYN
+0.001  S SYN+ACK
+0.001  C ACK
0.010   C ACK {before}
+0.001  S ACK
1.000   C ACK {size} lost
{again}30.0 C2 SYN
+0.001  S2 SYN+ACK
---
flows = 2
"
        );
        let told = scripted(&format!("mtu-{before}-{size}"), &[("client.pcap", &script)])?;
        let mut dead = verdicts(&told).filter(|verdict| verdict["cause"] == "retransmission_death");
        let dead = dead.next().expect("a verdict on what was lost");
        let says = lines(dead, "advice").join("\n").contains("ping -M do");
        assert_eq!(says, hint, "{before} {size}: {dead:#}");
    }
    Ok(())
}

/// A proxy that asked its server once, and answers the next request itself after so many milliseconds.
fn answers_itself(status: &str, after: f64) -> Result<Value> {
    let asked = format!("ACK {ASKED}");
    let well = "ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"";
    let failed = format!("ACK \"HTTP/1.1 {status}\\r\\ncontent-length: 0\\r\\n\\r\\n\"");
    watched(
        &format!("itself-{}", &status[..3]),
        &[
            (0.0, "C", "SYN"),
            (0.3, "S", "SYN+ACK"),
            (0.6, "C", "ACK"),
            (1.0, "C", &asked),
            (2.0, "C2", "SYN"),
            (2.3, "S2", "SYN+ACK"),
            (2.6, "C2", "ACK"),
            (3.0, "C2", &asked),
            (12.0, "S2", well),
            (12.3, "C2", "ACK"),
            (12.5, "S", well),
            (12.8, "C", "ACK"),
            (500.0, "C", &asked),
            (500.3, "S", "ACK"),
            (500.0 + after, "S", &failed),
            (500.3 + after, "C", "ACK"),
            (2_000.0, "C", "FIN+ACK"),
            (2_000.3, "S", "FIN+ACK"),
            (2_000.6, "C", "ACK"),
        ],
    )
}

/// What a proxy says by itself, where its other side was watched and shows nothing.
#[test]
fn what_a_proxy_answers_itself_is_told_as_that() -> Result<()> {
    for (after, queue) in [(3.0, false), (700.0, true)] {
        let told = answers_itself("503 Service Unavailable", after)?;
        let first = verdicts(&told).next().expect("a verdict");
        assert_eq!(first["cause"], "overload", "{first:#}");
        let summary = first["summary"].as_str().unwrap_or_default();
        assert_eq!(summary.contains("queue"), queue, "{summary}");
    }
    let told = answers_itself("502 Bad Gateway", 3.0)?;
    let first = verdicts(&told).next().expect("a verdict");
    assert_eq!(first["cause"], "unknown", "{first:#}");
    let story = first["story"].as_str().unwrap_or_default();
    assert!(story.contains("not seen to have asked anybody"), "{story}");
    let advice = lines(first, "advice").join("\n");
    assert!(!advice.contains("capture at lb"), "{advice}");
    Ok(())
}
