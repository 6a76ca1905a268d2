//! A watch in which everything happens that a recording must keep.

use hopscope_tests::watched::{
    Segment, Shown, Thing, id, interface, ms, note, process, seen, tally,
};
use tracer::note::{Moment, What};
use tracer::segment::{Endpoint, Flags};
use tracer::socket::State;
use tracer::tally::FlowTally;

pub(crate) const CLIENT: Endpoint = Endpoint::v4([10, 0, 0, 1], 40_000);
pub(crate) const SERVER: Endpoint = Endpoint::v4([10, 0, 0, 2], 8080);
/// The same client before its address is translated.
const INSIDE: Endpoint = Endpoint::v4([192, 168, 7, 7], 40_000);
const QUIET: [Endpoint; 2] = [
    Endpoint::v4([10, 0, 0, 3], 41_000),
    Endpoint::v4([10, 0, 0, 4], 9090),
];
const STRANGER: Endpoint = Endpoint::v4([10, 0, 0, 9], 55_555);

/// Cookies.
pub(crate) const OF_CLIENT: u64 = 77;
pub(crate) const OF_SERVER: u64 = 78;

const ACK: Flags = Flags::ACK;

/// Frames of interface 0 from client to server, or back.
pub(crate) fn forth(at: i64, flags: Flags, seq: u32, ack: u32, len: usize) -> Shown {
    Segment {
        from: CLIENT,
        to: SERVER,
        flags,
        seq,
        ack,
        len,
    }
    .frame(ms(at))
}

pub(crate) fn back(at: i64, flags: Flags, seq: u32, ack: u32, len: usize) -> Shown {
    Segment {
        from: SERVER,
        to: CLIENT,
        flags,
        seq,
        ack,
        len,
    }
    .frame(ms(at))
}

/// In namespace `gw`, thinned: a connection from a client behind address translation, with a
/// keepalive probe, closed by the server's process; one of which nothing but counts is told; a
/// refused one that is not seen. Beside it, in the namespace without a name, an interface that shows
/// all.
pub(crate) fn story() -> Vec<Thing> {
    let mut things = vec![
        interface("gw", "eth0", true),
        interface("", "lo", false),
        note(
            ms(-500),
            "gw",
            seen(
                Moment::Found,
                id(5, QUIET[0], QUIET[1]),
                State::Established,
                60,
            ),
        ),
    ];
    things.extend(connection());
    things.extend(others());
    things
}

fn connection() -> Vec<Thing> {
    let (client, server) = (id(OF_CLIENT, INSIDE, SERVER), id(OF_SERVER, SERVER, CLIENT));
    let none = tally(ms(0), (0, 0, 1000), (0, 0, 5000), [ms(0); 2]);
    let some = tally(ms(0), (3, 100, 1100), (2, 2000, 7000), [ms(3), ms(9)]);
    let with = |shown: Shown, tally, sender| {
        Thing::Frame(Shown {
            tally: Some(tally),
            sender,
            ..shown
        })
    };
    let ours = Some(OF_CLIENT);
    vec![
        with(forth(0, Flags::SYN, 999, 0, 0), none, ours),
        with(back(1, Flags::SYN.with(ACK), 4999, 1000, 0), none, None),
        with(forth(2, ACK, 1000, 5000, 0), none, ours),
        note(
            ms(2),
            "gw",
            seen(Moment::Established, client, State::Established, 7),
        ),
        note(
            ms(2),
            "gw",
            seen(Moment::Established, server, State::Established, 3),
        ),
        note(ms(5), "gw", What::Retransmitted { socket: client }),
        note(ms(7), "gw", What::Retransmitted { socket: client }),
        with(forth(7010, ACK, 1099, 7000, 0), some, ours),
        with(back(7011, ACK, 7000, 1100, 0), some, None),
        note(
            ms(8000),
            "gw",
            seen(Moment::Closing, server, State::FinWait1, 4),
        ),
        note(
            ms(8000),
            "gw",
            What::Closed {
                socket: server,
                by: process(19_495, "envoy"),
            },
        ),
        with(
            back(8000, Flags::FIN.with(ACK), 7000, 1100, 0),
            some,
            Some(OF_SERVER),
        ),
        with(forth(8001, Flags::RST, 1100, 0, 0), some, Some(999)),
        note(
            ms(8001),
            "gw",
            What::ResetSent {
                socket: client,
                reason: Some("TCP_ABORT_ON_CLOSE".to_owned()),
            },
        ),
        note(ms(8001), "gw", What::ResetReceived { socket: server }),
        note(
            ms(8001),
            "gw",
            What::Error {
                socket: server,
                errno: 104,
            },
        ),
    ]
}

fn others() -> Vec<Thing> {
    let cut = Shown {
        interface: 1,
        wire_len: 1500,
        ..forth(9000, ACK, 1, 1, 400)
    };
    vec![
        Thing::Frame(cut),
        Thing::Counted {
            interface: 0,
            dropped: 2,
            other: 30,
        },
        note(
            ms(9100),
            "gw",
            What::ResetSent {
                socket: id(0, Endpoint::v4([10, 0, 0, 2], 81), STRANGER),
                reason: Some("NO_SOCKET".to_owned()),
            },
        ),
        Thing::Rest(FlowTally {
            interface: 0,
            endpoints: QUIET,
            tally: tally(ms(-400), (40, 4000, 4001), (41, 5, 6), [ms(-300), ms(9000)]),
        }),
        note(
            ms(9200),
            "gw",
            seen(
                Moment::Left,
                id(5, QUIET[0], QUIET[1]),
                State::Established,
                60,
            ),
        ),
        Thing::Counted {
            interface: 0,
            dropped: 3,
            other: 31,
        },
        Thing::Counted {
            interface: 1,
            dropped: 0,
            other: 0,
        },
    ]
}
