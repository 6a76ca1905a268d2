//! Whatever is watched comes back from its recording.

use std::io::Cursor;

use hopscope_tests::anonymity::{comparable, mapped};
use hopscope_tests::watched::{Segment, Shown, Thing, interface, ms, note, seen, watched};
use proptest::collection::vec;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert_eq, prop_oneof, proptest,
};
use proptest::test_runner::{RngSeed, TestCaseError};
use serde_json::Value;
use tracer::anonymize::{Key, Mapping};
use tracer::note::{Moment, SocketId, What};
use tracer::segment::{Endpoint, Flags};
use tracer::seq::Seq;
use tracer::socket::{Process, State};
use tracer::source::{Capture, Extra, Unread};
use tracer::tally::{FlowTally, Sent, Tally};
use tracer::time::Time;

use super::anonymous::{KEYS, anonymous};
use super::{json, read, recorded, sourceless};

const INTERFACES: u32 = 3;

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            fixed => fixed,
        },
        failure_persistence: None,
        ..default
    }
}

/// Few, so that they meet.
fn endpoint() -> impl Strategy<Value = Endpoint> {
    (1..4_u8, 1..3_u16).prop_map(|(host, port)| Endpoint::v4([10, 0, 0, host], port))
}

/// Of any family.
fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<[u8; 16]>(), any::<u16>()).prop_map(|(address, port)| Endpoint::v6(address, port))
}

fn time() -> impl Strategy<Value = Time> {
    (0..20_000_i64).prop_map(ms)
}

/// What the format can tell: no time before 1970.
fn any_time() -> impl Strategy<Value = Time> {
    (0..i64::MAX).prop_map(Time::from_nanos)
}

fn sent() -> impl Strategy<Value = Sent> {
    let times = any::<[Option<i64>; 3]>();
    let numbers = (any::<(u32, u32, u16)>(), 0..=5_u16);
    (any::<(u64, u64, u32)>(), numbers, times).prop_map(
        |((segments, bytes, turns), ((next, acknowledged, window), tail), times)| {
            let [first_at, last_at, data_at] = times.map(|at| at.map(Time::from_nanos));
            Sent {
                segments,
                bytes,
                turns,
                next: Seq(next),
                acknowledged: Seq(acknowledged),
                window,
                tail,
                first_at,
                last_at,
                data_at,
            }
        },
    )
}

fn tally() -> impl Strategy<Value = Tally> {
    (
        any::<(i64, u64, u64)>(),
        [sent(), sent()],
        prop_oneof![Just(None), Just(Some(0)), Just(Some(1))],
    )
        .prop_map(|((since, silence, gap), sent, turn)| Tally {
            since: Time::from_nanos(since),
            sent,
            longest_silence_ns: silence,
            longest_payload_gap_ns: gap,
            turn,
        })
}

fn frame(tally: impl Strategy<Value = Option<Tally>>) -> impl Strategy<Value = Thing> {
    let segment = (
        endpoint(),
        endpoint(),
        0..32_u8,
        0..50_u32,
        0..50_u32,
        0..400_usize,
    );
    (
        segment,
        (0..INTERFACES, time(), any::<u8>()),
        tally,
        any::<Option<u64>>(),
    )
        .prop_map(|(segment, (interface, at, cut), tally, sender)| {
            let (from, to, flags, seq, ack, len) = segment;
            let segment = Segment {
                from,
                to,
                flags: Flags(flags),
                seq,
                ack,
                len,
            };
            let mut shown = segment.frame(at);
            // Some are cut, anywhere.
            if cut < 100 {
                shown.data.truncate(usize::from(cut));
            }
            Thing::Frame(Shown {
                interface,
                tally,
                sender,
                ..shown
            })
        })
}

/// None that could be an address, which `a::b` is.
fn name() -> impl Strategy<Value = String> {
    let digit = |letter: char| letter.is_ascii_hexdigit();
    let any = any::<String>().prop_map(move |name| name.replace(digit, "x"));
    prop_oneof!["[g-z]{0,3}", any]
}

fn told() -> impl Strategy<Value = Thing> {
    let socket =
        (any::<Option<u64>>(), endpoint(), endpoint()).prop_map(|(cookie, local, peer)| SocketId {
            cookie: cookie.map(|cookie| cookie % 5),
            local,
            peer,
        });
    (time(), name(), socket, name(), any::<(u8, i32)>()).prop_map(
        |(at, namespace, socket, text, (what, number))| {
            let moments = [
                Moment::Found,
                Moment::Established,
                Moment::Closing,
                Moment::Left,
            ];
            let what = match what % 9 {
                0 => What::Closed {
                    socket,
                    by: Process {
                        pid: number.unsigned_abs(),
                        comm: text,
                    },
                },
                1 => What::ResetSent {
                    socket,
                    reason: Some(text),
                },
                2 => What::ResetReceived { socket },
                3 => What::Retransmitted { socket },
                4 => What::Error {
                    socket,
                    errno: number,
                },
                moment => seen(
                    moments[usize::from(moment) - 5],
                    socket,
                    State::CloseWait,
                    number.unsigned_abs().into(),
                ),
            };
            note(at, &namespace, what)
        },
    )
}

fn counted() -> impl Strategy<Value = Thing> {
    // Not so many that their sums overflow.
    (0..INTERFACES, any::<(u32, u32)>()).prop_map(|(interface, (dropped, other))| Thing::Counted {
        interface,
        dropped: dropped.into(),
        other: other.into(),
    })
}

fn rest() -> impl Strategy<Value = Thing> {
    let ends = [any_endpoint(), any_endpoint()];
    (0..INTERFACES, ends, tally()).prop_map(|(interface, endpoints, tally)| {
        Thing::Rest(FlowTally {
            interface,
            endpoints,
            tally,
        })
    })
}

fn things(more: impl Strategy<Value = Thing>) -> impl Strategy<Value = Vec<Thing>> {
    let interfaces = vec((name(), name(), any::<bool>()), INTERFACES as usize);
    (interfaces, vec(more, 0..60)).prop_map(|(interfaces, more)| {
        let interfaces = interfaces
            .into_iter()
            .map(|(namespace, name, thinned)| interface(&namespace, &name, thinned));
        interfaces.chain(more).collect()
    })
}

/// What a recording holds, thing by thing.
fn things_of(bytes: &[u8]) -> Result<Vec<Thing>, TestCaseError> {
    let failed = |error| TestCaseError::fail(format!("{error}"));
    let mut capture = Capture::new(Cursor::new(bytes.to_vec())).map_err(failed)?;
    let mut things = Vec::new();
    while capture.advance() {
        for (place, frame) in capture.frames().enumerate() {
            let mark = capture.marks().get(place).copied().unwrap_or_default();
            things.push(Thing::Frame(Shown {
                interface: frame.interface,
                at: frame.at,
                data: frame.data.to_vec(),
                wire_len: frame.wire_len,
                tally: mark.tally,
                sender: mark.sender,
            }));
        }
        things.extend(capture.extra().map(|extra| match extra {
            Extra::Rest(rest) => Thing::Rest(*rest),
            Extra::Note(note) => Thing::Note(note.clone()),
            &Extra::Counted {
                interface,
                dropped,
                other,
            } => Thing::Counted {
                interface,
                dropped,
                other,
            },
        }));
    }
    prop_assert_eq!(capture.damage(), None);
    prop_assert_eq!(capture.is_whole(), true);
    let interfaces = capture.interfaces().iter().map(|interface| {
        // Statistics repeat what was counted last.
        Thing::Interface(tracer::source::Interface {
            dropped: None,
            ..interface.clone()
        })
    });
    Ok(interfaces.chain(things).collect())
}

/// Counts that repeat what is known are not recorded again.
fn without_repeats(things: &[Thing]) -> Vec<String> {
    let mut last = [None; INTERFACES as usize];
    let mut kept = Vec::new();
    for thing in things {
        if let &Thing::Counted {
            interface,
            dropped,
            other,
        } = thing
            && last[interface as usize].replace((dropped, other)) == Some((dropped, other))
        {
            continue;
        }
        kept.push(format!("{thing:?}"));
    }
    kept
}

/// Nothing was said that anonymous captures lack.
fn has_no_payload(report: &Value) -> bool {
    let flows = report["flows"].as_array().into_iter().flatten();
    let mut bytes = flows.flat_map(|flow| ["client", "server"].map(|side| &flow["bytes"][side]));
    bytes.all(|bytes| bytes == 0)
}

/// With chains and verdicts only where these cannot rest on payload.
fn only(mut report: Value, judged: bool) -> Value {
    for part in ["chains", "ladders", "links", "verdicts"] {
        if !judged {
            report[part] = Value::Null;
        }
    }
    report
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn everything_comes_back_in_its_order(
        things in things(prop_oneof![frame(proptest::option::of(tally())), told(), counted(), rest()])
    ) {
        prop_assert_eq!(without_repeats(&things_of(&recorded(&things))?), without_repeats(&things));
    }

    #[test]
    fn the_report_is_the_same(
        things in things(prop_oneof![frame(proptest::option::of(tally())), told(), counted(), rest()])
    ) {
        let failed = |error: Box<dyn std::error::Error>| TestCaseError::fail(error.to_string());
        let live = json(watched(&things)).map_err(failed)?;
        let again = read(&recorded(&things)).and_then(json).map_err(failed)?;
        prop_assert_eq!(sourceless(again), sourceless(live));
    }

    #[test]
    fn an_anonymous_report_is_the_same_of_others(
        things in things(prop_oneof![frame(proptest::option::of(tally())), told(), counted(), rest()]),
        key in 0..KEYS.len(),
    ) {
        let failed = |error: Box<dyn std::error::Error>| TestCaseError::fail(error.to_string());
        let recording = recorded(&things);
        let report = read(&recording).and_then(json).map_err(failed)?;
        let (out, done) = anonymous(&recording, KEYS[key]).map_err(failed)?;
        prop_assert_eq!(done.unread, Unread::default());
        let found = read(&out).and_then(json).map_err(failed)?;
        let mut mapping = Mapping::new(Key::of(KEYS[key]));
        let judged = has_no_payload(&report);
        let (found, report) = (comparable(found), mapped(&report, &mut mapping));
        prop_assert_eq!(only(found, judged), only(report, judged));
    }

    #[test]
    fn every_time_comes_back(at in any_time()) {
        let things = [interface("", "lo", false), Thing::Frame(Segment {
            from: Endpoint::v4([10, 0, 0, 1], 1),
            to: Endpoint::v4([10, 0, 0, 2], 2),
            flags: Flags::SYN,
            seq: 0,
            ack: 0,
            len: 0,
        }.frame(at))];
        prop_assert_eq!(without_repeats(&things_of(&recorded(&things))?), without_repeats(&things));
    }
}
