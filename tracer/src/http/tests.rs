use std::fmt::Write as _;
use std::sync::Arc;

use super::*;
use crate::flow::Side::{self, Client, Server};
use crate::seq::Seq;
use crate::time::Time;

mod foreign;
mod http_1;
mod http_2;
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
            after: std::time::Duration::ZERO,
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
            Found::Frame(framed, _) => {
                if matches!(framed.does, Does::Headers { .. }) {
                    streams.push(framed.stream);
                }
            }
            Found::Lost => {}
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

const GOING: fn(u32, u32) -> Heading = |last_stream, error| {
    Heading::GoAway(GoAway {
        last_stream,
        error,
        debug: None,
    })
};

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
