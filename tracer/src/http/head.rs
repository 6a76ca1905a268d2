//! Heads of HTTP/1 requests and answers (RFC 9112).

use std::sync::Arc;

use httparse::{EMPTY_HEADER, Header};

use super::stream::{Body, Unit, begins_like};
use super::{Heading, Request, Status};

/// A head is read no farther.
const LONGEST: usize = 16 * 1024;

/// No method that anybody uses is as long.
const LONGEST_METHOD: usize = 24;

/// Header lines that are read of a head.
const LINES: usize = 100;

/// Longer targets and values are cut.
const KEPT: usize = 200;

/// Methods that are believed where only they and part of a target were captured.
const COMMON: [&[u8]; 9] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
];

/// What bytes are, taken as the head of an HTTP/1 message. `looked` is where the search for its end
/// goes on.
pub(super) fn read(bytes: &[u8], looked: &mut usize) -> Unit {
    // Looking at the first line once more would tell nothing new, and take a square of the time where
    // bytes come one by one.
    let news = *looked <= LONGEST_METHOD || bytes[*looked..].contains(&b'\n');
    if news && !may_begin(bytes) {
        return Unit::Foreign;
    }
    let within = &bytes[..bytes.len().min(LONGEST)];
    match end(within, looked) {
        Some(end) => whole(&bytes[..end]),
        None if bytes.len() >= LONGEST => cut(within).map_or(Unit::Foreign, |heading| {
            Unit::Message(heading, LONGEST, Body::Unknown)
        }),
        None => Unit::Partial,
    }
}

/// What the beginning of a head says whose end was not captured. What stands on a line that is not
/// whole is left out.
pub(super) fn cut(bytes: &[u8]) -> Option<Heading> {
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return cut_in_first_line(bytes);
    };
    let mut lines = bytes[..=end].to_vec();
    lines.extend_from_slice(b"\r\n");
    match whole(&lines) {
        Unit::Message(Heading::Status(mut status), ..) => {
            // What is not there may tell a length.
            Arc::make_mut(&mut status).until_close = false;
            Some(Heading::Status(status))
        }
        Unit::Message(heading, ..) => Some(heading),
        _ => None,
    }
}

fn cut_in_first_line(bytes: &[u8]) -> Option<Heading> {
    if bytes.starts_with(b"HTTP/1.") {
        let code = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
        let status = Status {
            code,
            ..Status::default()
        };
        return Some(Heading::Status(Arc::new(status)));
    }
    let space = bytes.iter().position(|byte| *byte == b' ')?;
    let (method, target) = (&bytes[..space], &bytes[space + 1..]);
    let begins = target.starts_with(b"/") || target.starts_with(b"http");
    if !begins || !COMMON.contains(&method) {
        return None;
    }
    let end = target.iter().position(|byte| *byte == b' ');
    let (target, long) = kept(&target[..end.unwrap_or(target.len())]);
    Some(Heading::Request(Arc::new(Request {
        method: kept(method).0,
        target,
        target_cut: long || end.is_none(),
        ..Request::default()
    })))
}

/// Whether bytes are a whole line that begins a message, and more.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.contains(&b'\n') && may_begin(bytes)
}

/// What a first line may be, as far as it goes: `HTTP/1.` or a method.
fn may_begin(bytes: &[u8]) -> bool {
    if begins_like(bytes, b"HTTP/1.") {
        return true;
    }
    let method = bytes
        .iter()
        .take(LONGEST_METHOD)
        .take_while(|byte| **byte != b' ');
    let mut length = 0;
    let letters = method
        .inspect(|_| length += 1)
        .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
    if !letters || !(1..LONGEST_METHOD).contains(&length) {
        return false;
    }
    // A whole line tells.
    bytes
        .iter()
        .take(LONGEST)
        .position(|byte| *byte == b'\n')
        .is_none_or(|end| {
            let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
            let version = line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0");
            version && line.split(|byte| *byte == b' ').count() == 3
        })
}

/// Where the empty line ends that ends the head.
fn end(bytes: &[u8], looked: &mut usize) -> Option<usize> {
    let from = looked.saturating_sub(3);
    let found = (from..bytes.len()).find_map(|place| {
        let rest = &bytes[place..];
        match rest {
            [b'\n', b'\n', ..] => Some(place + 2),
            [b'\n', b'\r', b'\n', ..] => Some(place + 3),
            _ => None,
        }
    });
    *looked = bytes.len();
    found
}

fn whole(head: &[u8]) -> Unit {
    let mut headers = [EMPTY_HEADER; LINES];
    if head.starts_with(b"HTTP/") {
        let mut answer = httparse::Response::new(&mut headers);
        let read = answer.parse(head);
        let (Some(code), true) = (answer.code, is_read(read)) else {
            return Unit::Foreign;
        };
        let old = answer.version == Some(0);
        let all = read.is_ok();
        let (mut status, body) = status(code, old, answer.headers);
        status.until_close &= all;
        if let Body::Of(length) = body {
            status.whole = Some(length.saturating_add(head.len() as u64));
        }
        return Unit::Message(Heading::Status(Arc::new(status)), head.len(), body);
    }
    let mut asked = httparse::Request::new(&mut headers);
    let read = asked.parse(head);
    let (Some(method), Some(target), true) = (asked.method, asked.path, is_read(read)) else {
        return Unit::Foreign;
    };
    let old = asked.version == Some(0);
    let (mut request, body) = request(method, target, old, asked.headers);
    if let Body::Of(length @ 1..) = body {
        request.whole = Some(length.saturating_add(head.len() as u64));
    }
    Unit::Message(Heading::Request(Arc::new(request)), head.len(), body)
}

/// The first hundred lines of a longer head are there all the same.
fn is_read(result: httparse::Result<usize>) -> bool {
    matches!(
        result,
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders)
    )
}

fn request(method: &str, target: &str, old: bool, headers: &[Header<'_>]) -> (Request, Body) {
    let (target, target_cut) = kept(target.as_bytes());
    let request = Request {
        method: kept(method.as_bytes()).0,
        target,
        target_cut,
        host: text(headers, "host"),
        request_id: text(headers, "x-request-id"),
        closes: closes(headers, old),
        timeout_ms: number(headers, "x-envoy-expected-rq-timeout-ms"),
        attempt: number(headers, "x-envoy-attempt-count"),
        whole: None,
        unended: None,
    };
    let body = match method {
        // What follows belongs to another protocol.
        "CONNECT" => Body::Unknown,
        _ => length(headers, Body::Of(0)),
    };
    (request, body)
}

/// Whether a head tells how long a body is, or how it is coded (RFC 9112 section 6).
fn is_delimited(headers: &[Header<'_>]) -> bool {
    ["content-length", "transfer-encoding"]
        .iter()
        .any(|name| values(headers, name).next().is_some())
}

fn status(code: u16, old: bool, headers: &[Header<'_>]) -> (Status, Body) {
    let status = Status {
        code,
        closes: closes(headers, old),
        server: text(headers, "server"),
        via: text(headers, "via"),
        idle_timeout_s: idle_timeout(headers),
        upstream_ms: number(headers, "x-envoy-upstream-service-time"),
        whole: None,
        chunked: !matches!(code, 100..200 | 204 | 304) && is_chunked(headers),
        until_close: !matches!(code, 100..200 | 204 | 304) && !is_delimited(headers),
        unended: None,
    };
    let body = match code {
        101 => Body::Unknown,
        // RFC 9112 section 6.3.
        100..200 | 204 | 304 => Body::Of(0),
        // Until the connection is closed, where no length is told.
        _ => length(headers, Body::Unknown),
    };
    (status, body)
}

/// How long the body is (RFC 9112 section 6.3). Chunks are not followed.
fn length(headers: &[Header<'_>], otherwise: Body) -> Body {
    if values(headers, "transfer-encoding").next().is_some() {
        return Body::Unknown;
    }
    let mut lengths = values(headers, "content-length");
    match (lengths.next(), lengths.next()) {
        (None, _) => otherwise,
        (Some(length), None) => std::str::from_utf8(length.trim_ascii())
            .ok()
            .and_then(|length| length.parse().ok())
            .map_or(Body::Unknown, Body::Of),
        _ => Body::Unknown,
    }
}

/// Whether the last of the codings of a body is that of chunks (RFC 9112 section 6.3).
fn is_chunked(headers: &[Header<'_>]) -> bool {
    let codings = values(headers, "transfer-encoding");
    let last = codings
        .flat_map(|value| value.split(|byte| *byte == b','))
        .last();
    last.is_some_and(|last| last.trim_ascii().eq_ignore_ascii_case(b"chunked"))
}

fn closes(headers: &[Header<'_>], old: bool) -> bool {
    let said = |option: &str| {
        values(headers, "connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|word| word.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
    };
    said("close") || (old && !said("keep-alive"))
}

fn idle_timeout(headers: &[Header<'_>]) -> Option<u64> {
    let mut words =
        values(headers, "keep-alive").flat_map(|value| value.split(|byte| *byte == b','));
    words.find_map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        let (name, value) = word.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("timeout");
        named.then(|| value.trim().parse().ok())?
    })
}

fn text(headers: &[Header<'_>], name: &str) -> Option<String> {
    values(headers, name).next().map(|value| kept(value).0)
}

fn number(headers: &[Header<'_>], name: &str) -> Option<u64> {
    std::str::from_utf8(values(headers, name).next()?)
        .ok()?
        .parse()
        .ok()
}

fn values<'a>(headers: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

/// A value as text, and whether it was cut because it is very long.
fn kept(value: &[u8]) -> (String, bool) {
    let end = value.len().min(KEPT);
    let text = String::from_utf8_lossy(&value[..end]).into_owned();
    (text, end < value.len())
}
