use std::path::PathBuf;

use super::*;

fn read(log: &str) -> AccessLog {
    AccessLog::read("gw", "gw.log", log.as_bytes()).expect("a slice can be read")
}

/// The only entry of a line.
fn entry(line: &str) -> Entry {
    let log = read(line);
    assert_eq!(log.first_unread, None, "{line}");
    assert_eq!(log.entries.len(), 1, "{line}");
    log.entries.into_iter().next().expect("just counted")
}

fn at(time: &str) -> Option<Time> {
    Some(serde_json::from_value(time.into()).expect("a valid time"))
}

fn endpoint(text: &str) -> Option<Endpoint> {
    Some(text.parse().expect("a valid endpoint"))
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

const MS: u64 = 1_000_000;

#[test]
fn reads_every_line_of_the_recordings() {
    let folders = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../pcaps"));
    let folders = std::fs::read_dir(folders).expect("recordings are there");
    let mut read = 0;
    for folder in folders.map(|folder| folder.expect("it can be listed").path()) {
        for name in ["gw", "sidecar", "lb"] {
            let path = folder.join(name).with_extension("log");
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            let log = AccessLog::read(name, "", text.as_bytes()).expect("it can be read");
            assert_eq!(log.first_unread, None, "{}", path.display());
            assert_eq!(log.entries.len(), text.lines().count());
            for entry in &log.entries {
                assert!(entry.began.is_some() && entry.took.is_some(), "{entry:?}");
                assert!(entry.downstream_remote.is_some(), "{entry:?}");
                assert_eq!(entry.zoneless, name == "lb");
                assert_eq!(entry.request_id.is_some(), name != "lb");
                assert!(entry.bytes.1.is_some(), "{entry:?}");
                // What `option httplog` does not tell.
                let full = text.starts_with('{');
                assert_eq!(entry.downstream_local.is_some(), full, "{entry:?}");
                assert_eq!(entry.bytes.0.is_some(), full, "{entry:?}");
            }
            read += log.entries.len();
        }
    }
    assert!(read >= 40, "{read}");
}

/// The same requests in both formats: fine ones, one over IPv6, one with `x-forwarded-for` and quotes
/// in its agent, refused by the upstream, timed out, given up by the client; then TCP.
#[test]
fn reads_what_a_real_envoy_writes() {
    let default = read(include_str!("tests/envoy-1.40-default.log"));
    let istio = read(include_str!("tests/envoy-1.40-istio.log"));
    assert_eq!((default.first_unread, &istio.first_unread), (None, &None));
    assert_eq!((default.entries.len(), istio.entries.len()), (8, 8));
    let flags: Vec<Option<&str>> = istio.entries.iter().map(|of| of.flags.as_deref()).collect();
    let (refused, tried) = (Some("UF"), Some("UF,URX"));
    let expected = [
        None,
        None,
        None,
        refused,
        Some("UT"),
        Some("DC"),
        None,
        tried,
    ];
    assert_eq!(flags, expected);
    for (number, (short, long)) in default.entries.iter().zip(&istio.entries).enumerate() {
        // What Istio adds, taken away again.
        let less = Entry {
            downstream_remote: None,
            downstream_local: None,
            upstream_local: None,
            upstream: None,
            details: None,
            termination: None,
            failure: None,
            ..long.clone()
        };
        assert_eq!(*short, less);
        assert_eq!(long.request_id.is_some(), number < 6);
        assert!(long.upstream_remote.is_some() && long.downstream_local.is_some());
        assert_eq!(long.upstream_local.is_some(), ![3, 7].contains(&number));
        // Envoy names a client with port 0 where a header names it.
        assert_eq!(long.downstream_remote.is_some(), number != 2);
    }
    assert_eq!(istio.entries[1].downstream_remote, endpoint("[::1]:59122"));
    assert_eq!(istio.entries[2].request, text("GET /xff"));
    assert_eq!(
        istio.entries[7].failure,
        text("delayed_connect_error:_Connection_refused")
    );
}

#[test]
fn reads_what_a_real_haproxy_writes() {
    let log = read(include_str!("tests/haproxy-2.6.log"));
    assert_eq!(log.first_unread, None);
    let states: Vec<Option<&str>> = log.entries.iter().map(|of| of.flags.as_deref()).collect();
    let (refused, denied) = (Some("SC--"), Some("PR--"));
    assert_eq!(
        states,
        [None, None, None, refused, denied, Some("SC"), denied]
    );
    assert!(
        log.entries
            .iter()
            .all(|of| of.began.is_some() && of.zoneless)
    );
    assert!(log.entries.iter().all(|of| of.downstream_remote.is_some()));
}

#[test]
fn what_is_no_access_log_is_counted_and_the_first_is_shown() {
    let app = r#"{"at":"2026-11-21T07:26:00.596295009Z","local":"10.0.2.2:8087","peer":"127.0.0.6:38356","what":"accepted"}"#;
    let log = read(&format!(
        "* Trying 10.0.0.2:80...\n\n{app}\n< HTTP/1.1 200 OK\n[2026-11-21T07:25:00Z] \"broken\n"
    ));
    assert_eq!(log.entries, []);
    assert_eq!(log.unread, 4);
    assert_eq!(
        log.first_unread,
        Some((1, "* Trying 10.0.0.2:80...".to_owned()))
    );
}

#[test]
fn reads_envoys_json_of_the_lab() {
    let entry = entry(
        r#"{"attempts":2,"bytes_received":0,"bytes_sent":98,"connection_termination_details":null,"downstream_local_address":"[fd00:0:1::2]:8080","downstream_remote_address":"[fd00:0:1::1]:34804","duration_ms":5004,"method":"GET","path":"/ok","request_id":"5fbbda74","response_code":503,"response_code_details":"upstream_reset_before_response_started{remote_connection_failure}","response_flags":"UF","start_time":"2026-11-21T07:26:59.770604000Z","upstream_host":"10.0.2.2:8087","upstream_local_address":null,"upstream_transport_failure_reason":"delayed_connect_error:_Connection_refused"}"#,
    );
    let expected = Entry {
        line: 1,
        began: at("2026-11-21T07:26:59.770604Z"),
        took: Some(5004 * MS),
        downstream_remote: endpoint("[fd00:0:1::1]:34804"),
        downstream_local: endpoint("[fd00:0:1::2]:8080"),
        upstream_remote: endpoint("10.0.2.2:8087"),
        request: text("GET /ok"),
        request_id: text("5fbbda74"),
        status: Some(503),
        flags: text("UF"),
        details: text("upstream_reset_before_response_started{remote_connection_failure}"),
        failure: text("delayed_connect_error:_Connection_refused"),
        attempts: Some(2),
        bytes: (Some(0), Some(98)),
        ..Entry::default()
    };
    assert_eq!(entry, expected);
}

#[test]
fn reads_istios_json_behind_what_kubectl_writes() {
    let entry = entry(
        r#"[pod/gw-7d9/istio-proxy] 2026-11-21T07:25:31.000000001Z {"authority":"httpbin:8000","bytes_received":"7","bytes_sent":"-","duration":"12","x-request-id":"cc-1","response_code":"0","response_flags":"DC","response_code_details":"-","start_time":"2026-11-21T09:25:27.510+02:00","upstream_host":"envoy://internal_client_address/","upstream_cluster":"outbound|8000||httpbin","upstream_local_address":"-","downstream_remote_address":"203.0.113.5:0","downstream_direct_remote_address":"10.0.0.9:4711","downstream_local_address":"10.0.0.1:80","upstream_transport_failure_reason":"-"}"#,
    );
    let expected = Entry {
        line: 1,
        began: at("2026-11-21T07:25:27.510Z"),
        took: Some(12 * MS),
        downstream_direct: endpoint("10.0.0.9:4711"),
        downstream_local: endpoint("10.0.0.1:80"),
        upstream: text("outbound|8000||httpbin"),
        request_id: text("cc-1"),
        flags: text("DC"),
        bytes: (Some(7), None),
        ..Entry::default()
    };
    assert_eq!(entry, expected);
}

#[test]
fn keys_are_known_however_they_are_written() {
    for (client, id) in [
        ("downstreamRemoteAddress", "xRequestId"),
        ("DOWNSTREAM_REMOTE_ADDRESS", "X-REQUEST-ID"),
        ("downstream.remote.address", "request-id"),
    ] {
        let entry = entry(&format!(
            r#"{{"{client}":"10.0.0.1:5","{id}":"a","time":1795245927.510}}"#
        ));
        assert_eq!(entry.downstream_remote, endpoint("10.0.0.1:5"));
        assert_eq!(entry.request_id, text("a"));
        assert_eq!(entry.began, at("2026-11-21T07:25:27.510Z"));
    }
}

#[test]
fn reads_what_container_runtimes_wrap() {
    let inner = "[2026-11-21T07:25:27.510Z] \\\"GET / HTTP/1.1\\\" 200 - 0 2 3 1 \\\"-\\\" \\\"curl\\\" \\\"id\\\" \\\"a\\\" \\\"10.0.0.2:80\\\"";
    let docker =
        format!(r#"{{"log":"{inner}\n","stream":"stdout","time":"2026-11-21T07:25:30Z"}}"#);
    let entry = entry(&docker);
    assert_eq!(entry.began, at("2026-11-21T07:25:27.510Z"));
    assert_eq!(entry.upstream_remote, endpoint("10.0.0.2:80"));
}

#[test]
fn reads_istios_text() {
    let line = r#"[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 4 4 "-" "curl/7.73.0-DEV" "84961386-6d84-929d-98bd-c5aee93b5c88" "httpbin:8000" "10.44.1.27:80" outbound|8000||httpbin.foo.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default"#;
    let expected = Entry {
        line: 1,
        began: at("2020-11-25T21:26:18.409Z"),
        took: Some(4 * MS),
        downstream_remote: endpoint("10.44.1.23:46520"),
        downstream_local: endpoint("10.0.45.184:8000"),
        upstream_local: endpoint("10.44.1.23:37652"),
        upstream_remote: endpoint("10.44.1.27:80"),
        upstream: text("outbound|8000||httpbin.foo.svc.cluster.local"),
        request: text("GET /status/418"),
        request_id: text("84961386-6d84-929d-98bd-c5aee93b5c88"),
        status: Some(418),
        details: text("via_upstream"),
        bytes: (Some(0), Some(135)),
        ..Entry::default()
    };
    assert_eq!(entry(line), expected);
    let prefixed = format!("gw-1  istio-proxy | 2026-11-21T07:25:31Z stdout F {line}");
    assert_eq!(entry(&prefixed), expected);
}

#[test]
fn reads_istios_text_of_a_tcp_connection_and_of_a_failure() {
    let tcp = entry(
        r#"[2026-11-21T07:25:27.510Z] "- - -" 0 UF,URX - - "TLS error: 268435581: failed" 0 0 6002 - "-" "-" "-" "-" "[fd00::7]:5432" outbound|5432||db - 10.0.45.184:5432 /var/run/app.sock db.example -"#,
    );
    assert_eq!(tcp.request, None);
    assert_eq!(tcp.request_id, None);
    assert_eq!(tcp.status, None);
    assert_eq!(tcp.flags, text("UF,URX"));
    assert_eq!(tcp.failure, text("TLS error: 268435581: failed"));
    assert_eq!(tcp.upstream_remote, endpoint("[fd00::7]:5432"));
    assert_eq!(tcp.upstream_local, None);
    assert_eq!(tcp.downstream_local, endpoint("10.0.45.184:5432"));
    assert_eq!(tcp.downstream_remote, None);
    assert_eq!(tcp.took, Some(6002 * MS));
}

#[test]
fn reads_envoys_default_text_and_istios_of_old() {
    let envoy = entry(
        r#"[2016-04-15T20:17:00.310Z] "POST /api/v1/locations HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "nsq2 "http" x" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "10.0.2.1:80""#,
    );
    assert_eq!(envoy.request, text("POST /api/v1/locations"));
    assert_eq!(
        envoy.request_id,
        text("cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2")
    );
    assert_eq!(envoy.bytes, (Some(154), Some(0)));
    assert_eq!(envoy.took, Some(226 * MS));
    assert_eq!(envoy.upstream_remote, endpoint("10.0.2.1:80"));
    let old = entry(
        r#"[2019-03-06T09:31:27.360Z] "GET /status/418 HTTP/1.1" 418 - "-" "why so" 0 135 5 2 "-" "curl" "d209e46f-9ed5-9b61-bbdd-43e22662702a" "httpbin:8000" "127.0.0.1:80" inbound|8000|http|httpbin - 172.30.146.73:80 172.30.146.82:38618 outbound_.8000_._.httpbin"#,
    );
    assert_eq!(old.failure, text("why so"));
    assert_eq!(old.details, None);
    assert_eq!(old.downstream_remote, endpoint("172.30.146.82:38618"));
}

/// As HAProxy 2.6 wrote it.
#[test]
fn reads_haproxys_tcp_log() {
    let line = "127.0.0.1:44430 [21/Nov/2026:13:20:44.255] tcp app/a1 1/0/1 113 cD 1/1/0/0/+2 0/0";
    let expected = Entry {
        line: 1,
        began: at("2026-11-21T13:20:44.255Z"),
        zoneless: true,
        took: Some(MS),
        downstream_remote: endpoint("127.0.0.1:44430"),
        upstream: text("app/a1"),
        flags: text("cD"),
        attempts: Some(3),
        bytes: (None, Some(113)),
        ..Entry::default()
    };
    assert_eq!(entry(line), expected);
    let syslog = format!("<134>Nov 21 13:20:44 lb haproxy[417]: {line}");
    assert_eq!(entry(&syslog), expected);
    let v6 = entry("::1:36002 [21/Nov/2026:13:20:44.263] tcp~ app/a1 1/0/0 113 -- 1/1/0/0/0 0/0");
    assert_eq!(v6.downstream_remote, endpoint("[::1]:36002"));
    assert_eq!(v6.flags, None);
    assert_eq!(v6.attempts, Some(1));
}

/// As HAProxy 2.6 wrote it.
#[test]
fn reads_haproxys_http_log() {
    let fine = entry(
        r#"127.0.0.1:42032 [21/Nov/2026:13:20:44.270] http happ/h1 0/0/0/0/7 200 116 - - ---- 1/1/1/1/0 0/0 {curl x #22q#22 y} "GET /index.html?x=1 HTTP/1.1""#,
    );
    assert_eq!(fine.request, text("GET /index.html?x=1"));
    assert_eq!(fine.status, Some(200));
    assert_eq!(fine.flags, None);
    assert_eq!(fine.took, Some(7 * MS));
    assert_eq!(fine.bytes, (None, Some(116)));
    let dead = entry(
        r#"127.0.0.1:53912 [21/Nov/2026:13:20:44.277] httpdead dead/d1 0/0/-1/-1/3004 503 217 - - SC-- 1/1/0/0/3 0/0 "GET /dead HTTP/1.1""#,
    );
    assert_eq!((dead.attempts, dead.flags), (Some(4), text("SC--")));
    assert_eq!(dead.took, Some(3004 * MS));
    let bad = entry(
        r#"127.0.0.1:42048 [21/Nov/2026:13:20:50.305] http http/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "<BADREQ>""#,
    );
    assert_eq!((bad.attempts, bad.request), (Some(0), None));
}

#[test]
fn a_backend_is_haproxys_own_end_only_beside_a_server() {
    let both = entry(r#"{"client":"10.0.0.1:1","backend":"10.0.1.1:2","server":"10.0.1.2:80"}"#);
    assert_eq!(both.upstream_local, endpoint("10.0.1.1:2"));
    assert_eq!(both.upstream_remote, endpoint("10.0.1.2:80"));
    let one = entry(r#"{"client":"10.0.0.1:1","backend":"10.0.1.2:80"}"#);
    assert_eq!(one.upstream_local, None);
    assert_eq!(one.upstream_remote, endpoint("10.0.1.2:80"));
    let raw =
        entry(r#"{"ci":"fd00::1","cp":9,"bi":"10.0.1.1","bp":"2","si":"10.0.1.2","sp":"80"}"#);
    assert_eq!(raw.downstream_remote, endpoint("[fd00::1]:9"));
    assert_eq!(raw.upstream_local, endpoint("10.0.1.1:2"));
    assert_eq!(raw.upstream_remote, endpoint("10.0.1.2:80"));
}

#[test]
fn times_have_zones_or_are_marked() {
    for (written, expected, zoneless) in [
        ("21/Nov/2026:07:25:27.510", "2026-11-21T07:25:27.510Z", true),
        ("21/Nov/2026:07:25:27 +0545", "2026-11-21T01:40:27Z", false),
        ("2026-11-21T07:25:27.510", "2026-11-21T07:25:27.510Z", true),
        (
            "2026-11-21T07:25:27.51-05:00",
            "2026-11-21T12:25:27.510Z",
            false,
        ),
        ("1795245927", "2026-11-21T07:25:27Z", false),
        ("1795245927.0625", "2026-11-21T07:25:27.0625Z", false),
        ("1795245927510", "2026-11-21T07:25:27.510Z", false),
    ] {
        let expected = at(expected).map(|time| (time, zoneless));
        assert_eq!(value::time(written), expected, "{written}");
    }
    for wrong in [
        "",
        "-",
        "12",
        "31/Foo/2026:07:25:27",
        "99999999999999999999",
        "1.2.3",
    ] {
        assert_eq!(value::time(wrong), None, "{wrong}");
    }
}

#[test]
fn spans_have_units_or_are_milliseconds() {
    for (written, expected) in [
        ("12", Some(12 * MS)),
        ("+12", Some(12 * MS)),
        ("0.5", Some(MS / 2)),
        ("12ms", Some(12 * MS)),
        ("1.25s", Some(1250 * MS)),
        ("-1", None),
        ("18446744073709551615", None),
        ("1.x", None),
        ("s", None),
    ] {
        assert_eq!(value::span(written), expected, "{written}");
    }
}

#[test]
fn long_and_damaged_lines_do_no_harm() {
    let id = r#"{"client":"10.0.0.1:1","request_id":"#;
    let long = "x".repeat(1 << 20);
    let bytes = [
        format!("{id}\"{long}\"}}\n").as_bytes(),
        b"\xff\xfe[\x00{\n",
        format!("{id}\"last\"}}").as_bytes(),
    ]
    .concat();
    let log = AccessLog::read("gw", "", &bytes[..]).expect("a slice can be read");
    assert_eq!(log.unread, 2);
    let (number, shown) = log.first_unread.expect("two are unread");
    assert_eq!((number, shown.len()), (1, SHOWN));
    assert_eq!(log.entries.len(), 1);
    let last = &log.entries[0];
    assert_eq!((last.line, &last.request_id), (3, &text("last")));
}

mod damaged {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_entries_or_counted(
            line in r#"[\[{"]?(\[21/Nov/2026:07:25:27.5\] |\[2026-11-21T07:25:27Z\] |[ -~é]{0,4}){0,6}[/" 0-9:\-]{0,80}"#,
        ) {
            let log = read(&line);
            let told = log.entries.len() as u64 + log.unread;
            prop_assert_eq!(told, u64::from(!line.trim().is_empty()));
        }

        #[test]
        fn a_line_cut_anywhere_never_names_another_connection(
            cut in 0_usize..300,
            line in prop::sample::select(vec![
                r#"[2020-11-25T21:26:18.409Z] "GET /status/418 HTTP/1.1" 418 - via_upstream - "-" 0 135 4 4 "-" "curl" "8496" "httpbin:8000" "10.44.1.27:80" outbound|8000||httpbin 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 - default"#,
                "lb: 127.0.0.1:44430 [21/Nov/2026:13:20:44.255] tcp app/a1 1/0/1 113 cD 1/1/0/0/+2 0/0",
                r#"{"client":"10.0.0.1:1234","backend":"10.0.1.1:2345","server":"10.0.1.2:8080"}"#,
            ]),
        ) {
            let whole = entry(line);
            let log = read(&line[..cut.min(line.len())]);
            if let Some(cut) = log.entries.first() {
                let same = |part: Option<Endpoint>, whole| part.is_none() || part == whole;
                prop_assert!(same(cut.upstream_local, whole.upstream_local));
                prop_assert!(same(cut.upstream_remote, whole.upstream_remote));
                prop_assert!(same(cut.downstream_local, whole.downstream_local));
                prop_assert!(same(cut.downstream_remote, whole.downstream_remote));
            }
        }
    }
}
