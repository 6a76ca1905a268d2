use serde_json::{Value, json};

use super::*;

/// A report on one connection, seen at `gw`.
fn report() -> Value {
    json!({
        "schema": "hopscope.report.v1",
        "vantages": [{"name": "gw"}, {"name": "lb"}],
        "flows": [{
            "id": 0, "vantage": "gw", "client": "10.0.1.1:4000", "server": "10.0.1.2:8080",
            "end": "fin", "ended_by": "client", "rsts": [], "longest_idle_s": 7.0,
            "longest_payload_gap_s": 16.0, "retransmissions": {"client": 0, "server": 1},
            "zero_windows": {"client": 0, "server": 0},
            "keepalive": {"client": null, "server": {
                "idle_s": 7.0, "interval_s": null,
                "probes": [{"at": "2026-11-21T07:00:00Z", "answered": "2026-11-21T07:00:00Z"}]
            }},
        }],
        "hops": [{"id": 0, "flows": [0], "server": "10.0.1.2:8080", "made": []}],
        "chains": [{"id": 0, "hops": [0], "request": "GET /report", "status": 200, "tried": [[]]}],
        "verdicts": [{"chain": 0, "hop": 0, "cause": "normal_close", "confidence": "certain",
                      "ended_by_vantage": "lb", "ended_by": "lb"}],
        "sockets": [{"vantage": "gw", "local": "0.0.0.0:8080", "peer": null,
                     "options": {"so_keepalive": true, "tcp_keepidle_s": 7.0}}],
    })
}

/// What differs where a field of the report is another.
fn changed(path: &str, value: Value) -> Vec<String> {
    let (before, mut after) = (report(), report());
    *after.pointer_mut(path).expect(path) = value;
    let found = compare(&before, &after, Tolerance::default()).expect("both are reports");
    found
        .iter()
        .map(|found| format!("{}: {} -> {}", found.what, found.before, found.after))
        .collect()
}

#[test]
fn what_is_otherwise_every_time_is_no_difference() {
    let nothing: [String; 0] = [];
    assert_eq!(changed("/flows/0/client", json!("10.0.1.1:5000")), nothing);
    assert_eq!(
        changed("/flows/0/longest_payload_gap_s", json!(16.4)),
        nothing
    );
    assert_eq!(
        changed("/flows/0/keepalive/server/idle_s", json!(7.2)),
        nothing
    );
    assert_eq!(
        changed("/flows/0/retransmissions/server", json!(0)),
        nothing
    );
    assert_eq!(changed("/hops/0/server", json!("10.0.1.9:8080")), nothing);
    assert_eq!(
        changed("/chains/0/request", json!("GET /report?week=4")),
        nothing
    );
}

#[test]
fn every_change_is_told_once() {
    let cases = [
        (
            "/flows/0/ended_by",
            json!("server"),
            "end: FIN by client -> FIN by server",
        ),
        ("/flows/0/end", json!("open"), "end: FIN by client -> open"),
        ("/flows/0/rsts", json!([{}]), "resets: none -> some"),
        (
            "/flows/0/keepalive/server",
            json!(null),
            "keepalive probes of the server: answered -> none",
        ),
        (
            "/flows/0/keepalive/server/probes/0/answered",
            json!(null),
            "keepalive probes of the server: answered -> not answered",
        ),
        (
            "/flows/0/keepalive/server/idle_s",
            json!(14.0),
            "idle time before the server's probes: 7.00 s -> 14.00 s",
        ),
        (
            "/flows/0/longest_idle_s",
            json!(16.0),
            "longest silence: 7.00 s -> 16.00 s",
        ),
        (
            "/flows/0/longest_payload_gap_s",
            json!(4.0),
            "longest time without data: 16.00 s -> 4.00 s",
        ),
        (
            "/flows/0/zero_windows/client",
            json!(3),
            "windows of zero of the client: none -> some",
        ),
        (
            "/flows/0/retransmissions/client",
            json!(9),
            "retransmissions: two or fewer -> three or more",
        ),
        (
            "/verdicts/0/cause",
            json!("idle_timeout"),
            "cause: normal_close by lb, certain -> idle_timeout by lb, certain",
        ),
        ("/chains/0/status", json!(504), "status: 200 -> 504"),
        (
            "/chains/0/tried",
            json!([[7]]),
            "connections tried before: 0 -> 1",
        ),
        (
            "/hops/0/made",
            json!([{"rst": true}]),
            "made on the way: none -> RST",
        ),
        (
            "/sockets/0/options/so_keepalive",
            json!(false),
            "SO_KEEPALIVE: true -> false",
        ),
        (
            "/sockets/0/options/tcp_keepidle_s",
            json!(75.0),
            "TCP_KEEPIDLE, s: 7.0 -> 75.0",
        ),
    ];
    for (path, value, told) in cases {
        assert_eq!(changed(path, value), [told], "{path}");
    }
}

#[test]
fn a_role_that_nobody_plays_any_more_is_told() {
    assert_eq!(changed("/hops", json!([])), ["number: 1 -> none"]);
    let port = changed("/hops/0/server", json!("10.0.1.2:9090"));
    assert_eq!(port, ["number: 1 -> none", "number: none -> 1"]);
}

#[test]
fn names_of_single_captures_do_not_matter() {
    let mut before = report();
    before["vantages"] = json!([{"name": "before"}]);
    before["flows"][0]["vantage"] = json!("before");
    let mut after = report();
    after["vantages"] = json!([{"name": "after"}]);
    after["sockets"][0]["vantage"] = json!("after");
    assert_eq!(
        compare(&before, &after, Tolerance::default()),
        Ok(Vec::new())
    );
}

#[test]
fn other_documents_are_refused() {
    for document in [
        json!({}),
        json!([]),
        json!({"schema": "hopscope.report.v9"}),
    ] {
        assert!(
            compare(&document, &report(), Tolerance::default()).is_err(),
            "{document}"
        );
    }
}
