//! What goes on after one side of a connection has closed it, and what does not.

use hopscope_tests::script::Script;

use super::stage::Recorded;

/// How long the request of a client that closed its direction behind it waits, and when the proxy goes
/// on with it.
fn half_closed(closed: &str, goes_on: &str) -> Vec<String> {
    let script = format!(
        "# A request, and the FIN behind it.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.000   C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.010   C ACK \"GET /slow HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 C FIN+ACK
{closed}{goes_on}  C2 SYN
+0.001  S2 SYN+ACK
+0.0001 C2 ACK
+0.0001 C2 ACK \"GET /slow HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 C2 FIN+ACK
+0.001  S2 ACK
3.010   C2 RST+ACK
---
flows = 2
"
    );
    let script = Script::parse(&script).expect("a script");
    Recorded::made([("lb", script.trace())]).chains()
}

/// A FIN of whoever asked closes its direction alone (RFC 9293 section 3.6): it waits on.
#[test]
fn a_request_goes_on_after_its_client_closed_its_direction() {
    assert_eq!(
        half_closed("+0.0001 S ACK\n", "0.012").len(),
        1,
        "one chain of both hops"
    );
}

/// Who reset waits no more.
#[test]
fn nothing_goes_on_after_a_reset() {
    assert_eq!(half_closed("+0.0001 C RST+ACK\n", "0.014").len(), 2);
}

/// A proxy at layer 4 that passes on bytes, and what its captures show after both connections were open and
/// had served a request.
pub(super) fn passed_on(after: &str) -> Recorded {
    let script = format!(
        "# A proxy at layer 4.
connection 1 10.0.0.9:40000 10.0.0.1:80 isn 1000 50000
connection 2 10.0.1.1:50000 10.0.1.2:80 isn 2000 70000
0.000   C SYN
+0.0001 S SYN+ACK
+0.001  C ACK
0.002   C2 SYN
+0.001  S2 SYN+ACK
+0.0001 C2 ACK
0.010   C ACK \"GET /one HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.0001 C2 ACK \"GET /one HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"
+0.001  S2 ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.0001 S ACK \"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"
+0.001  C ACK
+0.0001 C2 ACK
{after}---
flows = 2
"
    );
    let script = Script::parse(&script).expect("a script");
    Recorded::made([("lb", script.trace())])
}

/// The server closes the idle connection, which is passed on; so is what the client says after it, although
/// it has closed its own direction at once behind that.
#[test]
fn a_request_after_the_close_goes_on_where_the_close_was_passed_on() {
    let request = "\"GET /two HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let late = format!(
        "5.000   C ACK {request}
+0.0002 C FIN+ACK
+0.0001 S ACK
+0.0003 C2 ACK {request}
+0.001  S2 RST
"
    );
    let closed = "4.000   S2 FIN+ACK
+0.0001 S FIN+ACK
+0.0001 C2 ACK
+0.0001 C ACK
";
    assert_eq!(passed_on(&format!("{closed}{late}")).chains().len(), 2);
    // It closes the one and keeps the other: what goes on there is somebody else's.
    let own = "4.000   S FIN+ACK
+0.0002 C ACK
";
    assert_eq!(passed_on(&format!("{own}{late}")).chains().len(), 3);
    // What it has reset holds nothing any more.
    let reset = late.replace("+0.0001 S ACK", "+0.0001 S RST");
    assert_eq!(passed_on(&format!("{closed}{reset}")).chains().len(), 3);
}

/// The way to the proxy is dead behind the server's answer: it is not the proxy that keeps it to itself.
#[test]
fn an_answer_that_is_not_acknowledged_may_not_have_come() {
    let request = "\"GET /two HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
    let answer = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"";
    let lost = format!(
        "1.000   C ACK {request}
+0.0001 S ACK
+0.0001 C2 ACK {request}
+0.0010 S2 ACK
2.000   S2 ACK {answer}
"
    );
    let closed = "5.000   C FIN+ACK
+0.0001 S ACK
";
    assert_eq!(passed_on(&format!("{lost}{closed}")).chains().len(), 2);
    // Who has an answer and does not pass it on for seconds had asked for somebody else.
    let came = format!("{lost}+0.0010 C2 ACK\n{closed}");
    assert_eq!(passed_on(&came).chains().len(), 3);
}
