use std::fmt::Write as _;
use std::sync::Arc;

use super::*;
use crate::flow::Side::{self, Client, Server};
use crate::seq::Seq;
use crate::time::Time;

mod recordings;
mod tls;

/// A conversation of which every byte is numbered.
#[derive(Default)]
struct Talk {
    conversation: Conversation,
    sent: crate::flow::Sides<u32>,
    told: Vec<(Side, Heading)>,
    bodies: Vec<u8>,
    streams: Vec<u32>,
}

impl Talk {
    /// A turn in pieces of these lengths, the last of which takes what is left.
    fn turn(&mut self, by: Side, mut bytes: &[u8], lengths: &[usize]) -> &mut Self {
        let mut lengths = lengths.iter();
        let mut turns = true;
        while !bytes.is_empty() {
            let length = lengths.next().copied().unwrap_or(usize::MAX);
            let (piece, rest) = bytes.split_at(length.clamp(1, bytes.len()));
            self.piece(by, piece, piece.len(), turns);
            turns = false;
            bytes = rest;
        }
        self
    }

    fn piece(&mut self, by: Side, bytes: &[u8], len: usize, turns: bool) {
        let len = u32::try_from(len).expect("test data is short");
        let seq = Seq(u32::MAX - 100) + self.sent[by];
        let place = Place {
            turn: 1,
            frame: 1,
            at: Time::from_nanos(1),
        };
        let piece = Piece {
            seq,
            bytes,
            len,
            turns,
            place,
        };
        let Self {
            conversation,
            told,
            bodies,
            streams,
            ..
        } = self;
        conversation.read(by, piece, |found| match found {
            Found::Heading(heading, _) => told.push((by, heading)),
            Found::Body(bytes) => bodies.extend_from_slice(bytes),
            Found::Stream(stream) => streams.push(stream),
        });
        self.sent[by] += len;
    }

    fn says(&mut self, by: Side, bytes: &str) -> &mut Self {
        self.turn(by, bytes.as_bytes(), &[])
    }

    /// Everything told, with what was not complete.
    fn told(&mut self) -> Vec<(Side, Heading)> {
        for by in [Client, Server] {
            self.conversation.finish(by, |found| {
                if let Found::Heading(heading, _) = found {
                    self.told.push((by, heading));
                }
            });
        }
        // How long messages are is a test of its own.
        let without = |(by, heading): &(Side, Heading)| match heading {
            Heading::Status(status) => {
                let status = Status {
                    whole: None,
                    until_close: false,
                    ..Status::clone(status)
                };
                (*by, Heading::Status(Arc::new(status)))
            }
            Heading::Request(request) => {
                let mut request = Request::clone(request);
                request.whole = None;
                (*by, Heading::Request(Arc::new(request)))
            }
            other => (*by, other.clone()),
        };
        self.told.iter().map(without).collect()
    }
}

#[test]
fn an_answer_says_how_long_it_is() {
    let wholes = |answer: &str| -> Vec<Option<u64>> {
        let mut talk = Talk::default();
        talk.says(Client, "GET / HTTP/1.1\r\n\r\n")
            .says(Server, answer);
        talk.told();
        let statuses = talk.told.iter().filter_map(|(_, heading)| match heading {
            Heading::Status(status) => Some(status.whole),
            _ => None,
        });
        statuses.collect()
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let told = Some(head.len() as u64 + 5);
    assert_eq!(wholes(&format!("{head}hello")), [told]);
    assert_eq!(wholes(&format!("{head}hel")), [told]);
    assert_eq!(wholes("HTTP/1.1 200 OK\r\n\r\nhello"), [None]);
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    assert_eq!(wholes(chunked), [None]);
}

#[test]
fn an_answer_says_that_only_a_close_will_end_it() {
    let ends_with_close = |answer: &str, of: usize| -> Vec<bool> {
        let mut talk = Talk::default();
        talk.says(Client, "GET / HTTP/1.1\r\n\r\n");
        talk.piece(Server, answer.as_bytes(), of, true);
        talk.told();
        let statuses = talk.told.iter().filter_map(|(_, heading)| match heading {
            Heading::Status(status) => Some(status.until_close),
            _ => None,
        });
        statuses.collect()
    };
    let whole = |answer: &str| ends_with_close(answer, answer.len());
    assert_eq!(whole("HTTP/1.1 200 OK\r\nserver: a\r\n\r\nhello"), [true]);
    for told in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Content-Length: x",
    ] {
        assert_eq!(
            whole(&format!("HTTP/1.1 200 OK\r\n{told}\r\n\r\nhello")),
            [false]
        );
    }
    assert_eq!(whole("HTTP/1.1 204 No Content\r\n\r\n"), [false]);
    // What was not captured may tell a length.
    assert_eq!(
        ends_with_close("HTTP/1.1 200 OK\r\nserver: a\r\n", 400),
        [false]
    );
}

fn get(target: &str) -> Request {
    Request {
        method: "GET".to_owned(),
        target: target.to_owned(),
        ..Request::default()
    }
}

fn asked(request: Request) -> (Side, Heading) {
    (Client, Heading::Request(Arc::new(request)))
}

fn answered(code: u16) -> (Side, Heading) {
    let status = Status {
        code,
        ..Status::default()
    };
    (Server, Heading::Status(Arc::new(status)))
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("test data is short");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn goaway(last_stream: u32, error: u32) -> Vec<u8> {
    let payload = [last_stream.to_be_bytes(), error.to_be_bytes()].concat();
    frame(7, 0, 0, &payload)
}

const GOING: fn(u32, u32) -> Heading =
    |last_stream, error| Heading::GoAway(GoAway { last_stream, error });

#[test]
fn reads_requests_and_answers() {
    let mut talk = Talk::default();
    talk.says(
        Client,
        "POST /report?a=1 HTTP/1.1\r\nHost: app\r\nX-Request-ID: 12-34\r\nContent-Length: 5\r\nx-envoy-expected-rq-timeout-ms: 15000\r\nx-envoy-attempt-count: 2\r\n\r\nhello",
    )
    .says(
        Server,
        "HTTP/1.1 200 OK\r\nserver: envoy\r\nvia: 1.1 lb\r\nConnection: Foo, Close\r\nkeep-alive: timeout=5, max=100\r\nx-envoy-upstream-service-time: 7\r\ncontent-length: 2\r\n\r\nok",
    );
    let request = Request {
        method: "POST".to_owned(),
        host: Some("app".to_owned()),
        request_id: Some("12-34".to_owned()),
        timeout_ms: Some(15000),
        attempt: Some(2),
        ..get("/report?a=1")
    };
    let status = Status {
        code: 200,
        closes: true,
        server: Some("envoy".to_owned()),
        via: Some("1.1 lb".to_owned()),
        idle_timeout_s: Some(5),
        upstream_ms: Some(7),
        whole: None,
        chunked: false,
        until_close: false,
        unended: None,
    };
    let expected = [asked(request), (Server, Heading::Status(Arc::new(status)))];
    assert_eq!(talk.told(), expected);
    assert_eq!(talk.bodies, b"hellook");
}

#[test]
fn http_1_0_closes_unless_it_says_otherwise() {
    for (head, closes) in [
        ("GET / HTTP/1.0\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", false),
        ("GET / HTTP/1.1\nconnection: close\n\n", true),
    ] {
        let request = Request { closes, ..get("/") };
        assert_eq!(Talk::default().says(Client, head).told(), [asked(request)]);
    }
}

#[test]
fn several_messages_of_a_turn_are_told() {
    let mut talk = Talk::default();
    talk.says(
        Client,
        "GET /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\ncontent-length: 3\r\n\r\nxyzGET /c HTTP/1.1\r\n\r\n",
    )
    .says(
        Server,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 404 Not Found\r\n\r\nuntil the end",
    );
    let put = Request {
        method: "PUT".to_owned(),
        ..get("/b")
    };
    let mut expected = vec![asked(get("/a")), asked(put), asked(get("/c"))];
    expected.extend([100, 204, 200, 404].map(answered));
    assert_eq!(talk.told(), expected);
}

/// The body that follows a `100 Continue` looks like a request and is none.
#[test]
fn a_body_in_a_turn_of_its_own_is_no_heading() {
    let mut talk = Talk::default();
    talk.says(
        Client,
        "POST / HTTP/1.1\r\ncontent-length: 20\r\nexpect: 100-continue\r\n\r\n",
    )
    .says(Server, "HTTP/1.1 100 Continue\r\n\r\n")
    .says(Client, "GET /x HTTP/1.1 not!GET /next HTTP/1.1\r\n\r\n");
    let post = Request {
        method: "POST".to_owned(),
        ..get("/")
    };
    let expected = [asked(post), answered(100), asked(get("/next"))];
    assert_eq!(talk.told(), expected);
    assert_eq!(talk.bodies, b"GET /x HTTP/1.1 not!");
}

#[test]
fn the_length_of_an_answer_to_head_swallows_nothing() {
    let mut talk = Talk::default();
    for _ in 0..2 {
        talk.says(Client, "GET / HTTP/1.1\r\n\r\n");
        talk.says(Server, "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n");
    }
    let pair = [asked(get("/")), answered(200)];
    assert_eq!(talk.told(), [pair.clone(), pair].concat());
}

#[test]
fn chunks_are_not_followed_and_the_next_answer_is_read() {
    let mut talk = Talk::default();
    for _ in 0..2 {
        talk.says(Client, "GET / HTTP/1.1\r\n\r\n");
        talk.says(
            Server,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        );
    }
    let chunked = Status {
        code: 200,
        chunked: true,
        until_close: false,
        ..Status::default()
    };
    let pair = [
        asked(get("/")),
        (Server, Heading::Status(Arc::new(chunked))),
    ];
    assert_eq!(talk.told(), [pair.clone(), pair].concat());
}

#[test]
fn what_was_not_captured_of_a_head_is_not_told() {
    let whole = b"GET /report HTTP/1.1\r\nx-request-id: abc\r\nhost: app\r\n\r\n";
    let id = |id: Option<&str>, host: Option<&str>| Request {
        request_id: id.map(str::to_owned),
        host: host.map(str::to_owned),
        ..get("/report")
    };
    let part = |target: &str| Request {
        target_cut: true,
        ..get(target)
    };
    for (captured, expected) in [
        (2, None),
        (4, None),
        (8, Some(part("/rep"))),
        (12, Some(get("/report"))),
        (22, Some(get("/report"))),
        (40, Some(get("/report"))),
        (41, Some(id(Some("abc"), None))),
        (50, Some(id(Some("abc"), None))),
        (52, Some(id(Some("abc"), Some("app")))),
    ] {
        let mut talk = Talk::default();
        talk.piece(Client, &whole[..captured], whole.len(), true);
        let mut expected: Vec<_> = expected.into_iter().map(asked).collect();
        if captured == 12 {
            // A space ends the target.
            let Heading::Request(request) = &mut expected[0].1 else {
                unreachable!("a request");
            };
            Arc::make_mut(request).target_cut = whole[11] != b' ';
        }
        assert_eq!(talk.told(), expected, "{captured} bytes");
        // The next turn is read all the same.
        let before = talk.told.len();
        talk.says(Client, "GET /next HTTP/1.1\r\n\r\n");
        assert_eq!(talk.told()[before..], [asked(get("/next"))]);
    }
    let mut talk = Talk::default();
    talk.piece(Server, b"HTTP/1.1 503 Serv", 200, true);
    assert_eq!(talk.told(), [answered(503)]);
}

#[test]
fn bytes_that_were_not_shown_are_passed_over() {
    let mut talk = Talk::default();
    let head = "POST / HTTP/1.1\r\ncontent-length: 100000\r\n\r\n";
    talk.says(Client, head);
    talk.sent.client += 99_990;
    talk.turn(Client, b"0123456789GET /next HTTP/1.1\r\n\r\n", &[3]);
    let post = Request {
        method: "POST".to_owned(),
        ..get("/")
    };
    assert_eq!(talk.told(), [asked(post), asked(get("/next"))]);
    // They follow a gap, and are no beginning of the body.
    assert_eq!(talk.bodies, b"");
}

#[test]
fn very_long_heads_and_targets_are_cut() {
    let long = "x".repeat(300);
    let mut head = format!("GET /{long} HTTP/1.1\r\nx-request-id: {long}\r\n");
    for line in 0..2000 {
        write!(head, "header-{line}: value\r\n").expect("a string takes everything");
    }
    let cut = format!("{head}\r\n");
    let [(_, Heading::Request(request))] = &Talk::default().says(Client, &cut).told()[..] else {
        unreachable!("one request");
    };
    assert_eq!(request.target.len(), 200);
    assert!(request.target_cut);
    assert_eq!(request.request_id.as_ref().map(String::len), Some(200));
}

#[test]
fn reads_proxy_protocol_before_whatever_follows() {
    let proxied = |source: &str, destination: &str| {
        let heading = Heading::Proxied {
            source: source.parse().expect("a valid address"),
            destination: destination.parse().expect("a valid address"),
        };
        (Client, heading)
    };
    let mut talk = Talk::default();
    talk.says(
        Client,
        "PROXY TCP4 10.0.0.1 10.0.0.2 53502 80\r\nGET / HTTP/1.1\r\n\r\n",
    );
    let expected = [proxied("10.0.0.1:53502", "10.0.0.2:80"), asked(get("/"))];
    assert_eq!(talk.told(), expected);

    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x28".to_vec();
    v2.extend([0xfd; 15]);
    v2.extend([1; 17]);
    v2.extend([0x12, 0x34, 0, 80, 4, 0, 1, 0]);
    v2.extend(b"\x16\x03\x01\x02\0\x01");
    let mut talk = Talk::default();
    talk.turn(Client, &v2, &[14, 5]);
    let source = "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fd01]:4660";
    let expected = [
        proxied(source, "[101:101:101:101:101:101:101:101]:80"),
        (Client, Heading::Tls),
    ];
    assert_eq!(talk.told(), expected);

    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET / HTTP/1.1\r\n\r\n";
    let told = Talk::default().turn(Client, local, &[]).told();
    assert_eq!(told, [asked(get("/"))]);
    // It can only come first.
    let mut talk = Talk::default();
    talk.says(Client, "GET / HTTP/1.1\r\n\r\n");
    talk.says(Client, "PROXY TCP4 10.0.0.1 10.0.0.2 53502 80\r\n");
    assert_eq!(talk.told(), [asked(get("/"))]);
    for wrong in ["PROXY TCP4 10.0.0.1 80\r\n", "PROXY UNKNOWN\r\n"] {
        assert_eq!(Talk::default().says(Client, wrong).told(), []);
    }
}

#[test]
fn tells_tls_once_for_each_side() {
    let mut talk = Talk::default();
    for _ in 0..3 {
        talk.turn(
            Client,
            b"\x16\x03\x01\x02\x00\x01GET / HTTP/1.1\r\n\r\n",
            &[],
        );
        talk.turn(Server, b"\x17\x03\x03\x00\x20HTTP/1.1 200 OK\r\n\r\n", &[2]);
    }
    assert_eq!(
        talk.told(),
        [(Client, Heading::Tls), (Server, Heading::Tls)]
    );
}

#[test]
fn follows_http_2_by_the_lengths_of_frames() {
    let mut talk = Talk::default();
    let mut client = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    client.extend(frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]));
    client.extend(frame(1, 4, 1, b"hpack"));
    talk.turn(Client, &client, &[10, 20, 7]);
    // What a DATA frame carries looks like a frame and is none.
    let mut server = frame(4, 0, 0, &[]);
    server.extend(frame(0, 0, 1, &goaway(9, 9)));
    server.extend(frame(6, 0, 0, b"12345678"));
    talk.turn(Server, &server, &[3, 12]);
    talk.turn(Client, &frame(6, 1, 0, b"12345678"), &[1]);
    // A frame goes on in the next turn.
    talk.turn(Server, &frame(0, 0, 1, &[7; 60])[..40], &[]);
    talk.turn(Client, &frame(3, 0, 1, &[0, 0, 0, 8]), &[]);
    talk.turn(Server, &frame(0, 0, 1, &[7; 60])[40..], &[]);
    talk.turn(Server, &goaway(0x7fff_ffff, 0), &[5]);
    talk.turn(Server, &goaway(1, 11), &[]);
    let reset = Heading::ResetStream {
        stream: 1,
        error: 8,
    };
    let expected = [
        (Client, Heading::Http2),
        (Server, Heading::Ping { answer: false }),
        (Client, Heading::Ping { answer: true }),
        (Client, reset),
        (Server, GOING(0x7fff_ffff, 0)),
        (Server, GOING(1, 11)),
    ];
    assert_eq!(talk.told(), expected);
    assert_eq!(talk.streams, [1]);
}

#[test]
fn finds_http_2_again_behind_what_was_not_seen() {
    let mut talk = Talk::default();
    talk.turn(Client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[]);
    talk.piece(Server, &frame(0, 0, 1, &[0; 100])[..4], 5000, true);
    talk.turn(
        Server,
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01 no frame",
        &[],
    );
    talk.turn(Server, &goaway(7, 0), &[]);
    let expected = [(Client, Heading::Http2), (Server, GOING(7, 0))];
    assert_eq!(talk.told(), expected);
    // A capture that begins in the middle.
    let mut talk = Talk::default();
    talk.turn(Server, &frame(6, 0, 0, b"12345678"), &[]);
    talk.turn(Client, &frame(0, 1, 5, b"data"), &[]);
    talk.turn(Client, &frame(1, 5, 7, b"data"), &[]);
    talk.turn(Server, &goaway(7, 2), &[]);
    let expected = [
        (Server, Heading::Ping { answer: false }),
        (Server, GOING(7, 2)),
    ];
    assert_eq!(talk.told(), expected);
    assert_eq!(talk.streams, [7]);
}

/// Kafka, PostgreSQL, Redis, SMTP, MySQL, DNS over TCP, and text that begins like HTTP.
#[test]
fn other_protocols_say_nothing() {
    for bytes in [
        &b"\0\0\0\x2c\0\x12\0\x03\0\0\0\x01\0\x0crdkafka"[..],
        b"\0\0\x04\x08\0\x03\0\0\0\x01\0\0\0\x01\0\x0crdkafka",
        b"\0\0\0\x55\0\x03\0\0user\0me\0",
        b"*1\r\n$4\r\nPING\r\n",
        b"PING\r\n",
        b"EHLO example.org\r\n",
        b"220 mail ESMTP\r\n",
        b"J\0\0\0\x0a8.0.36\0",
        b"\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example",
        b"GET my number\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x09\x02\0\x01",
        b"\x15\x04\x01",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c0123456789ab",
    ] {
        for by in [Client, Server] {
            let told = Talk::default().turn(by, bytes, &[]).told();
            assert_eq!(told, [], "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn headings_are_short_words() {
    let cut = Request {
        target_cut: true,
        ..get("/long")
    };
    for (heading, words) in [
        (asked(get("/x")).1, "GET /x"),
        (asked(cut).1, "GET /long..."),
        (answered(503).1, "503"),
        (GOING(0x7fff_ffff, 0), "GOAWAY NO_ERROR, announced"),
        (GOING(7, 11), "GOAWAY ENHANCE_YOUR_CALM, last stream 7"),
        (GOING(7, 99), "GOAWAY error 99, last stream 7"),
    ] {
        assert_eq!(heading.to_string(), words);
    }
}

#[test]
fn prints_tell_bytes_apart_however_they_are_cut() {
    let bytes: Vec<u8> = (0..=255).chain(0..=255).collect();
    let print = |bytes: &[u8], pieces: usize| {
        let mut print = Print::default();
        bytes.chunks(pieces).for_each(|piece| print.add(piece));
        print
    };
    let whole = print(&bytes, 512);
    assert_eq!(whole.len, 256);
    assert_eq!(print(&bytes, 7), whole);
    assert_eq!(print(&bytes[..256], 300), whole);
    assert_ne!(print(&bytes[..255], 300), whole);
    assert_ne!(print(&bytes[1..], 300), whole);
}

mod foreign {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Bytes that are often nearly something.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            vec(any::<u8>(), 0..20),
            prop::sample::select(vec![
                b"GET / HTTP/1.1\r\n".to_vec(),
                b"POST /x HTTP/1.1\r\ncontent-length: 4\r\n\r\n".to_vec(),
                b"HTTP/1.1 200 OK\r\n".to_vec(),
                b"x-request-id: a\r\n\r\n".to_vec(),
                b"\n\n".to_vec(),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
                b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n".to_vec(),
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c0123456789ab".to_vec(),
                b"\x16\x03\x03\0\x20".to_vec(),
                goaway(3, 4),
                frame(6, 0, 0, b"12345678"),
                frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]),
                frame(1, 4, 3, b"1234"),
                frame(3, 0, 3, b"\0\0\0\x08"),
            ]),
        ];
        vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_whole_says(
            turns in vec((any::<bool>(), bytes(), vec(1_usize..40, 0..12)), 0..5),
        ) {
            let (mut whole, mut pieces) = (Talk::default(), Talk::default());
            for (client, bytes, lengths) in &turns {
                let by = if *client { Client } else { Server };
                whole.turn(by, bytes, &[]);
                // Whether a turn begins a message is decided by its first piece.
                let first = bytes.iter().position(|byte| *byte == b'\n').map_or(1, |end| end + 1);
                let lengths: Vec<usize> = [first].into_iter().chain(lengths.iter().copied()).collect();
                pieces.turn(by, bytes, &lengths);
            }
            prop_assert_eq!(whole.told(), pieces.told());
            prop_assert_eq!(&whole.bodies, &pieces.bodies);
            prop_assert_eq!(&whole.streams, &pieces.streams);
        }

        #[test]
        fn gaps_and_cuts_do_no_harm(
            turns in vec((any::<bool>(), any::<bool>(), bytes(), 0_usize..50, 0_u32..70_000), 0..12),
        ) {
            let mut talk = Talk::default();
            for (client, begins, bytes, uncaptured, gap) in &turns {
                let by = if *client { Client } else { Server };
                talk.piece(by, bytes, bytes.len() + uncaptured, *begins);
                talk.sent[by] = talk.sent[by].wrapping_add(*gap);
            }
            talk.told();
        }
    }
}
