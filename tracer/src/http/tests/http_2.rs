//! Frames of HTTP/2.

use super::*;

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
