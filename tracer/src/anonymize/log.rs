//! An access log, line by line, in the one form that says everything hopscope reads of any: JSON with
//! Envoy's names. What it does not read is not written.

use std::io::{self, Write};

use serde::Serialize;

use super::words::{self, Kind};
use super::{Mapping, Settings};
use crate::log::{AccessLog, Entry};
use crate::segment::Endpoint;

/// What was made of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogDone {
    /// Entries that were written.
    pub entries: u64,
    /// Lines that are no entry of any known format: empty ones stand in for them.
    pub unread: u64,
}

/// A line of the log. What is `None` is not written.
#[derive(Serialize)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    downstream_remote_address: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    downstream_direct_remote_address: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    downstream_local_address: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_local_address: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_host: Option<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_flags: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_code_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_termination_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_transport_failure_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_request_attempt_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_received: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_sent: Option<u64>,
}

/// Writes a log anew. Lines keep their numbers.
///
/// # Errors
///
/// Where it cannot be written.
pub fn rewrite_log(
    log: &AccessLog,
    mapping: &mut Mapping,
    settings: Settings,
    to: &mut impl Write,
) -> io::Result<LogDone> {
    let mut at = 1;
    for entry in &log.entries {
        while at < entry.line {
            writeln!(to)?;
            at += 1;
        }
        serde_json::to_writer(&mut *to, &mapping.line(entry, settings))?;
        writeln!(to)?;
        at += 1;
    }
    to.flush()?;
    Ok(LogDone {
        entries: log.entries.len() as u64,
        unread: log.unread,
    })
}

impl Mapping {
    fn line(&mut self, entry: &Entry, settings: Settings) -> Line {
        let (method, path) = self.request(entry.request.as_deref());
        let mut ends = |end: Option<Endpoint>| end.map(|end| self.endpoint(end));
        let ends = [
            ends(entry.downstream_remote),
            ends(entry.downstream_direct),
            ends(entry.downstream_local),
            ends(entry.upstream_local),
            ends(entry.upstream_remote),
        ];
        let [remote, direct, local, upstream_local, upstream_host] = ends;
        let upstream = entry.upstream.as_deref();
        let id = entry.request_id.as_deref();
        Line {
            start_time: entry.began.map(|began| {
                let zone = if entry.zoneless { "" } else { "Z" };
                format!("{}{zone}", began.to_string().trim_end_matches('Z'))
            }),
            duration: entry.took.map(milliseconds),
            downstream_remote_address: remote,
            downstream_direct_remote_address: direct,
            downstream_local_address: local,
            upstream_local_address: upstream_local,
            upstream_host,
            upstream_cluster: upstream.map(|name| self.kept_or_mapped(name, settings)),
            method,
            path,
            request_id: id.map(|id| words::text(&self.key, Kind::RequestId, id)),
            response_code: entry.status,
            response_flags: entry
                .flags
                .as_deref()
                .filter(|flags| is_code(flags))
                .map(str::to_owned),
            response_code_details: entry.details.as_deref().and_then(phrase),
            connection_termination_details: entry.termination.as_deref().and_then(phrase),
            upstream_transport_failure_reason: entry.failure.as_deref().and_then(phrase),
            upstream_request_attempt_count: entry.attempts,
            bytes_received: entry.bytes.0,
            bytes_sent: entry.bytes.1,
        }
    }

    /// `GET /report`: methods are words of HTTP.
    fn request(&self, request: Option<&str>) -> (Option<String>, Option<String>) {
        let Some((method, path)) = request.and_then(|request| request.split_once(' ')) else {
            return (None, None);
        };
        let method = if is_code(method) { method } else { "X" };
        let path = words::text(&self.key, Kind::Path, path);
        (Some(method.to_owned()), Some(path))
    }
}

/// Milliseconds, as far as they are told.
fn milliseconds(nanos: u64) -> String {
    let whole = nanos / 1_000_000;
    match nanos % 1_000_000 {
        0 => whole.to_string(),
        rest => format!("{whole}.{rest:06}"),
    }
}

/// `UF,URX`, `cD`, `PROPFIND`: short and of letters.
fn is_code(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b',' | b'-');
    text.len() <= 24 && text.bytes().all(letter)
}

/// How an explanation begins: what follows a bracket or a colon may name policies, certificates,
/// hosts.
fn phrase(text: &str) -> Option<String> {
    let known = |letter: char| letter.is_ascii_lowercase() || matches!(letter, '_' | ' ' | '-');
    let proper = |letter: char| letter.is_ascii_alphabetic() || matches!(letter, '_' | ' ' | '-');
    let end = text.find(|letter| !proper(letter)).unwrap_or(text.len());
    let begins = text[..end].trim_end();
    let fine = begins.starts_with("TLS") || begins.chars().all(known);
    (fine && !begins.is_empty()).then(|| begins.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymize::Key;

    fn read(text: &str) -> AccessLog {
        AccessLog::read("gw", "gw.log", text.as_bytes()).expect("a slice can be read")
    }

    fn rewritten(log: &AccessLog) -> String {
        let mut out = Vec::new();
        let mut mapping = Mapping::new(Key::of(b"k"));
        let settings = Settings::default();
        rewrite_log(log, &mut mapping, settings, &mut out).expect("memory");
        String::from_utf8(out).expect("text")
    }

    const LINES: &str = r#"starting with token s3cr3t
{"bytes_received":0,"bytes_sent":3,"downstream_local_address":"10.0.1.2:8080","downstream_remote_address":"10.0.1.1:36570","duration_ms":2,"method":"GET","path":"/Ann?ward=seven","request_id":"10d5354a-1c72-4758-8c24-94ff3d1f9a25","response_code":200,"response_code_details":"via_upstream","response_flags":"-","start_time":"2026-11-21T07:25:18.630582000Z","upstream_host":"10.0.2.2:8087","upstream_local_address":"10.0.2.1:38954","user":"Ann","authority":"clinic.example"}

[2020-11-25T21:26:18.409Z] "GET /Ann HTTP/1.1" 418 UF,URX rbac_denied[ns[clinic]] - "TLS_error: CN=clinic" 0 135 4 4 "192.0.2.7" "Annbrowser/7" "84961386-6d84-929d-98bd-c5aee93b5c88" "clinic:8000" "10.44.1.27:80" outbound|8000||clinic.foo.svc.cluster.local 10.44.1.23:37652 10.0.45.184:8000 10.44.1.23:46520 clinic default
10.9.9.9:44430 [21/Nov/2026:13:20:44.255] tcp clinic/a1 1/0/1 113 cD 1/1/0/0/+2 0/0
"#;

    #[test]
    fn a_log_says_the_same_of_others() {
        let log = read(LINES);
        let written = rewritten(&log);
        let after = read(&written);
        assert_eq!((log.unread, after.unread), (1, 0));
        assert_eq!(after.entries.len(), 3);
        let mut mapping = Mapping::new(Key::of(b"k"));
        for (before, after) in log.entries.iter().zip(&after.entries) {
            let mut end = |end: Option<Endpoint>| end.map(|end| mapping.endpoint(end));
            let expected = Entry {
                downstream_remote: end(before.downstream_remote),
                downstream_direct: end(before.downstream_direct),
                downstream_local: end(before.downstream_local),
                upstream_local: end(before.upstream_local),
                upstream_remote: end(before.upstream_remote),
                // These are tested below.
                request: after.request.clone(),
                request_id: after.request_id.clone(),
                upstream: after.upstream.clone(),
                details: after.details.clone(),
                failure: after.failure.clone(),
                ..before.clone()
            };
            assert_eq!(*after, expected);
        }
        let (json, istio, haproxy) = (&after.entries[0], &after.entries[1], &after.entries[2]);
        let path = |entry: &Entry| entry.request.clone().unwrap_or_default();
        assert!(
            path(json).starts_with(&path(istio)),
            "{} {}",
            path(json),
            path(istio)
        );
        assert_eq!(json.details.as_deref(), Some("via_upstream"));
        assert_eq!(istio.details.as_deref(), Some("rbac_denied"));
        assert_eq!(istio.failure.as_deref(), Some("TLS_error"));
        assert!(
            haproxy
                .upstream
                .as_deref()
                .is_some_and(|name| name.ends_with("/a1") || name.len() == 9)
        );
        for private in [
            "Ann",
            "clinic",
            "ward",
            "seven",
            "s3cr3t",
            "10d5354a",
            "84961386",
            "192.0.2.7",
            "44.1.27",
        ] {
            assert!(!written.contains(private), "{private}: {written}");
        }
    }

    #[test]
    fn explanations_end_where_names_may_begin() {
        for (text, expected) in [
            ("delayed connect error: 111", Some("delayed connect error")),
            (
                "upstream_reset_before_response_started{remote_reset}",
                Some("upstream_reset_before_response_started"),
            ),
            ("Ann", None),
            ("[x]", None),
            ("via_upstream", Some("via_upstream")),
        ] {
            assert_eq!(phrase(text).as_deref(), expected);
        }
    }
}
