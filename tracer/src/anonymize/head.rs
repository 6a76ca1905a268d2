//! What may stay of a payload: header lines of HTTP/1 on request, with all that is not known to be
//! harmless mapped or blotted out. Every byte keeps its place, as sequence numbers count bytes.

use super::words::{self, Kind};
use super::{Mapping, http2};
use crate::verdict::HAPROXY_SAYS;

/// Fields whose values say how a connection is used, and these values.
const PLAIN: [&[u8]; 12] = [
    b"connection",
    b"proxy-connection",
    b"keep-alive",
    b"content-length",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
    b"retry-after",
    b"x-envoy-upstream-service-time",
    b"x-envoy-attempt-count",
    b"x-envoy-expected-rq-timeout-ms",
    b"x-envoy-overloaded",
];

const PLAIN_WORDS: [&[u8]; 14] = [
    b"close",
    b"keep-alive",
    b"upgrade",
    b"http2-settings",
    b"te",
    b"chunked",
    b"gzip",
    b"identity",
    b"websocket",
    b"h2c",
    b"100-continue",
    b"timeout",
    b"max",
    b"true",
];

/// Products that say `server: ...`, without the version and without anybody's name.
const SERVERS: [&[u8]; 4] = [b"envoy", b"istio-envoy", b"haproxy", b"nginx"];

const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"PUT ",
    b"HEAD ",
    b"POST ",
    b"PATCH ",
    b"TRACE ",
    b"DELETE ",
    b"OPTIONS ",
    b"CONNECT ",
];

/// What Envoy says in answers of its own (source/common/router/router.cc), beside what HAProxy does: which
/// of them it is tells who answered, and nothing else.
const OWN_WORDS: [&[u8]; 4] = [
    b"no healthy upstream",
    b"upstream request timeout",
    b"stream timeout",
    b"upstream connect error or disconnect/reset before headers. reset reason: overflow",
];

/// How many bytes must stay so that who is client is told as before: where no handshake was seen, the
/// first word of HTTP tells it, and it must be there where the port numbers would tell otherwise
/// (`flow/roles.rs`). It says nothing of anybody.
pub(super) fn telling(payload: &[u8], [source, destination]: [u16; 2]) -> usize {
    let ports_say_server = source < destination;
    if payload.starts_with(b"HTTP/1.") {
        return if ports_say_server { 0 } else { 7 };
    }
    match METHODS.iter().find(|method| payload.starts_with(method)) {
        Some(method) if ports_say_server => method.len(),
        _ => 0,
    }
}

/// Rewrites the header lines at the beginning of a payload; how many bytes they take. What follows
/// them, and every payload that does not begin with HTTP, does not stay.
pub(super) fn keep(mapping: &Mapping, payload: &mut [u8]) -> usize {
    let is_http =
        METHODS.iter().any(|method| payload.starts_with(method)) || payload.starts_with(b"HTTP/1.");
    if !is_http {
        return http2::keep(payload);
    }
    let Some(first) = line_end(payload) else {
        return 0;
    };
    let (line, fields) = payload.split_at_mut(first);
    if !start_line(mapping, line) {
        return 0;
    }
    let head = first + keep_fields(mapping, fields);
    let body = &payload[head..];
    let own = OWN_WORDS.contains(&body) || HAPROXY_SAYS.iter().any(|says| says.as_bytes() == body);
    if payload[..head].ends_with(b"\r\n\r\n") && own {
        return payload.len();
    }
    head
}

/// Header fields up to and with the empty line, or to the last one that is there whole.
fn keep_fields(mapping: &Mapping, mut fields: &mut [u8]) -> usize {
    let mut kept = 0;
    while let Some(end) = line_end(fields) {
        let (line, rest) = fields.split_at_mut(end);
        kept += end;
        let content = line.trim_ascii_end().len();
        if content == 0 {
            break;
        }
        field(mapping, &mut line[..content]);
        fields = rest;
    }
    kept
}

/// The length of the first line, its end included.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .map(|end| end + 1)
}

/// A request line or a status line (RFC 9112 sections 3 and 4); false for anything else.
fn start_line(mapping: &Mapping, line: &mut [u8]) -> bool {
    let content = line.trim_ascii_end().len();
    let line = &mut line[..content];
    if line.starts_with(b"HTTP/1.") {
        // `HTTP/1.1 503`: the words after it are free.
        let [_, _, _, _, _, _, _, minor, b' ', a, b, c, reason @ ..] = line else {
            return false;
        };
        let digits = [*minor, *a, *b, *c].iter().all(u8::is_ascii_digit);
        if let [b' ', reason @ ..] = reason {
            reason.fill(b'x');
            return digits;
        }
        return digits && reason.is_empty();
    }
    let Some(method) = METHODS.iter().find(|method| line.starts_with(method)) else {
        return false;
    };
    let [
        target @ ..,
        b' ',
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        b'0' | b'1',
    ] = &mut line[method.len()..]
    else {
        return false;
    };
    let mapped = words::map(&mapping.key, Kind::Path, target);
    target.copy_from_slice(&mapped);
    true
}

/// One header field, without the end of its line.
fn field(mapping: &Mapping, line: &mut [u8]) {
    let colon = line.iter().position(|byte| *byte == b':');
    let Some((name, value)) = colon.and_then(|colon| line.split_at_mut_checked(colon + 1)) else {
        return blot(line);
    };
    let name = name[..name.len() - 1].to_ascii_lowercase();
    let blanks = value.iter().take_while(|byte| **byte == b' ').count();
    let value = &mut value[blanks..];
    let mapped = match name.as_slice() {
        b"x-request-id" => words::map(&mapping.key, Kind::RequestId, value),
        b"host" => words::map(&mapping.key, Kind::Name, value),
        b"server" if SERVERS.contains(&&*value) => return,
        name if PLAIN.contains(&name) && is_plain(value) => return,
        _ => return blot(line),
    };
    value.copy_from_slice(&mapped);
}

/// Numbers and words that stand in specifications.
fn is_plain(value: &[u8]) -> bool {
    let words = value.split(|byte| matches!(byte, b' ' | b',' | b';' | b'='));
    words.into_iter().all(|word| {
        let number = word.len() <= 12 && word.iter().all(u8::is_ascii_digit);
        number || PLAIN_WORDS.contains(&word.to_ascii_lowercase().as_slice())
    })
}

/// A field that says nothing.
fn blot(line: &mut [u8]) {
    line.fill(b'x');
    if let [_, colon, ..] = line {
        *colon = b':';
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymize::{Key, Mapping};

    fn kept(payload: &str) -> String {
        let mut bytes = payload.as_bytes().to_vec();
        let kept = keep(&Mapping::new(Key::of(b"k")), &mut bytes);
        String::from_utf8_lossy(&bytes[..kept]).into_owned()
    }

    #[test]
    fn a_request_keeps_its_shape_and_nothing_private() {
        let request = "POST /patients/Ann?ward=7 HTTP/1.1\r\nHost: clinic.example\r\n\
            Cookie: session=secret\r\nAuthorization: Bearer secret\r\nConnection: close\r\n\
            Content-Length: 6\r\nX-Request-Id: abc-123\r\nsecret\r\n\r\nsecret";
        let kept = kept(request);
        let head = request.len() - "secret".len();
        assert_eq!(
            kept.len(),
            head,
            "the body is gone, and every byte in its place"
        );
        for private in [
            "patients", "Ann", "clinic", "example", "secret", "session", "abc", "Bearer",
        ] {
            assert!(!kept.contains(private), "{private}: {kept}");
        }
        for stays in [
            " HTTP/1.1\r\n",
            "\r\nConnection: close\r\n",
            "\r\nContent-Length: 6\r\n",
        ] {
            assert!(kept.contains(stays), "{stays}: {kept}");
        }
        assert!(
            kept.starts_with("POST /") && kept.ends_with("\r\n\r\n"),
            "{kept}"
        );
    }

    #[test]
    fn a_status_line_keeps_its_code() {
        let kept = kept("HTTP/1.1 503 No Ann here\r\nserver: ann\r\nretry-after: 5\r\n\r\nbody");
        let expected = "HTTP/1.1 503 xxxxxxxxxxx\r\nx:xxxxxxxxx\r\nretry-after: 5\r\n\r\n";
        assert_eq!(kept, expected);
    }

    #[test]
    fn an_answer_of_envoy_s_own_keeps_its_words() {
        let own = "HTTP/1.1 503\r\n\r\nno healthy upstream";
        assert_eq!(kept(own), own);
        assert_eq!(
            kept("HTTP/1.1 503\r\n\r\nno healthy Ann"),
            "HTTP/1.1 503\r\n\r\n"
        );
    }

    #[test]
    fn values_that_are_not_plain_go_even_where_the_name_is() {
        assert_eq!(
            kept("HTTP/1.1 200\r\nconnection: Ann\r\ncontent-length: 1234567890123\r\n\r\n"),
            "HTTP/1.1 200\r\nx:xxxxxxxxxxxxx\r\nx:xxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n\r\n"
        );
    }

    #[test]
    fn what_is_no_http_or_cut_goes() {
        for other in [
            "SSH-2.0-x\r\n",
            "GET /secret",
            "GET /secret\r\n",
            "",
            "\r\n",
            "HTTP/1.1 2x0\r\n",
        ] {
            assert_eq!(kept(other), "", "{other:?}");
        }
        assert_eq!(
            kept("HTTP/1.1 200\r\nte: te\r\nhost: sec"),
            "HTTP/1.1 200\r\nx:xxxx\r\n"
        );
    }

    #[test]
    fn who_is_client_is_told_where_ports_mislead() {
        assert_eq!(telling(b"GET /secret HTTP/1.1", [40_000, 80]), 0);
        assert_eq!(telling(b"GET /secret HTTP/1.1", [80, 40_000]), 4);
        assert_eq!(telling(b"HTTP/1.1 200", [80, 40_000]), 0);
        assert_eq!(telling(b"HTTP/1.1 200", [40_000, 80]), 7);
        assert_eq!(telling(b"secret", [80, 40_000]), 0);
    }
}
