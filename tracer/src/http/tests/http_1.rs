//! Messages of HTTP/1.1 and HTTP/1.0.

use super::*;

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
