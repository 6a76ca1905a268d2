//! Whatever bytes come, with whatever gaps: they do no harm, and in pieces they say what they say whole.

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
