//! Laws that hold for every conversation: what a capture may do to segments without changing what
//! is said about them. The conversations are generated, so that also what really happened is known.
//!
//! The same ones every time; `PROPTEST_RNG_SEED=7 PROPTEST_CASES=10000` looks at others.

mod conversation;

use std::collections::BTreeSet;

use hopscope_tests::script::{self, Analysis, Frame};
use hopscope_tests::thinning::differences;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::{RngSeed, TestCaseError};
use serde_json::{Value, json};

use self::conversation::{conversation, conversations};

/// Captures put segments in the wrong order by less than this.
const MISORDERED_WITHIN: i64 = 1_000_000;

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

/// Verdicts look at other flows, too, and name addresses: these laws are not theirs.
fn without_verdicts(mut analysis: Analysis) -> Analysis {
    for flow in analysis.flows.iter_mut().filter_map(Value::as_object_mut) {
        flow.remove("verdict");
    }
    analysis
}

fn analyse(frames: &[Frame]) -> Analysis {
    without_verdicts(script::analyse(frames))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_report_says_what_happened(talk in conversation()) {
        let truth = talk.truth();
        let analysis = analyse(&talk.frames());
        prop_assert_eq!(analysis.flows.len(), 1);
        let flow = &analysis.flows[0];
        prop_assert_eq!(probes(flow), truth.probes);
        for (field, expected) in truth.fields {
            prop_assert_eq!(&flow[field], &expected, "{}", field);
        }
    }

    #[test]
    fn what_the_probe_only_counts_makes_no_difference(talk in conversation(), busy in any::<bool>()) {
        let frames = talk.frames();
        let segments: Vec<_> = frames.iter().map(Frame::segment).collect();
        prop_assert_eq!(differences("thinned", &segments, busy), None);
    }

    /// And what is told as sure, is so in the end.
    #[test]
    fn probes_of_a_window_are_told_as_they_happen(talk in conversation()) {
        for flow in &analyse(&talk.frames()).flows {
            let frames = |told: &str, kind: &str| -> BTreeSet<u64> {
                let events = flow[told][kind].as_array().into_iter().flatten();
                events.filter_map(|event| event["frame"].as_u64()).collect()
            };
            let [sure, some] = ["ZeroWindowProbe", "Probe"].map(|kind| frames("at_once", kind));
            let is = frames("events", "ZeroWindowProbe");
            prop_assert!(sure.is_subset(&is), "{sure:?} {is:?}");
            let told: BTreeSet<u64> = sure.union(&some).copied().collect();
            prop_assert!(is.is_subset(&told), "{is:?} {told:?}");
        }
    }

    #[test]
    fn events_and_report_agree(talk in conversation()) {
        for flow in &analyse(&talk.frames()).flows {
            for by in ["client", "server"] {
                let zero_window_probes = flow["zero_window_probes"][by].as_u64();
                prop_assert_eq!(told(flow, "ZeroWindowProbe", by).len() as u64, zero_window_probes.unwrap_or(0));
                let retransmissions = flow["retransmissions"][by].as_u64();
                prop_assert_eq!(told(flow, "Retransmission", by).len() as u64, retransmissions.unwrap_or(0));
                let probes = flow["keepalive"][by]["probes"].as_array().cloned().unwrap_or_default();
                let at: Vec<Value> = probes.iter().map(|probe| probe["at"].clone()).collect();
                prop_assert_eq!(told(flow, "KeepaliveProbe", by), at);
            }
            for (kind, field) in [("Fin", "fins"), ("Rst", "rsts")] {
                let told = flow["events"][kind].as_array().map(Vec::len);
                prop_assert_eq!(told, flow[field].as_array().map(Vec::len));
            }
        }
    }

    #[test]
    fn the_sides_do_not_matter(talk in conversation()) {
        let mut frames = talk.frames();
        let straight = analyse(&frames);
        frames.iter_mut().for_each(rename);
        let renamed = analyse(&frames);
        prop_assert_eq!(renamed.flows.len(), straight.flows.len());
        for (renamed, straight) in renamed.flows.iter().zip(&straight.flows) {
            prop_assert_eq!(&renamed["client"], &straight["server"]);
            prop_assert_eq!(
                without(renamed, &["client", "server"]),
                without(straight, &["client", "server"])
            );
        }
    }

    #[test]
    fn inferred_sides_do_not_matter(talk in conversation()) {
        let mut frames: Vec<Frame> = talk.frames().into_iter().filter(|frame| !frame.flags.syn()).collect();
        let straight = analyse(&frames);
        frames.iter_mut().for_each(rename);
        // Turns begin with the client.
        let turns = ["exchanges", "answer_pending"];
        for (renamed, straight) in analyse(&frames).flows.iter().zip(&straight.flows) {
            prop_assert_eq!(without(renamed, &turns), mirrored(&without(straight, &turns)));
        }
    }

    #[test]
    fn frames_captured_twice_count_once(talk in conversation(), gaps in proptest::collection::vec(1_i64..200, 1..20)) {
        let frames = talk.frames();
        let copies = frames.iter().zip(gaps.iter().cycle()).map(|(frame, gap)| Frame {
            at: frame.at + gap * 1000,
            ..frame.clone()
        });
        let mut twice: Vec<Frame> = frames.iter().cloned().chain(copies).collect();
        twice.sort_by_key(|frame| frame.at);
        let (once, twice) = (analyse(&frames), analyse(&twice));
        prop_assert_eq!(once.flows.len(), twice.flows.len());
        for (once, twice) in once.flows.iter().zip(&twice.flows) {
            let count = |flow: &Value| flow["duplicates"].as_u64().unwrap_or(0);
            prop_assert_eq!(count(twice), 2 * count(once) + segments(once));
            prop_assert_eq!(without(once, &["duplicates"]), without(twice, &["duplicates"]));
        }
    }

    #[test]
    fn neighbours_in_the_wrong_order(talk in conversation(), swaps in proptest::collection::vec(any::<bool>(), 1..40), restamped in any::<bool>()) {
        let mut frames = talk.frames();
        let straight = analyse(&frames);
        let mut swaps = swaps.iter().cycle();
        let mut index = 1;
        while index < frames.len() {
            let close = frames[index].at - frames[index - 1].at < MISORDERED_WITHIN;
            if close && swaps.next() == Some(&true) {
                frames.swap(index - 1, index);
                if restamped {
                    let (earlier, later) = (frames[index].at, frames[index - 1].at);
                    (frames[index - 1].at, frames[index].at) = (earlier, later);
                }
                index += 1;
            }
            index += 1;
        }
        let swapped = analyse(&frames);
        prop_assert_eq!(straight.flows.len(), swapped.flows.len());
        for (straight, swapped) in straight.flows.iter().zip(&swapped.flows) {
            prop_assert_eq!(probes(straight), probes(swapped));
            for field in ["end", "ended_by", "zero_window_probes", "client", "bytes", "unseen_bytes", "syns", "exchanges"] {
                prop_assert_eq!(&straight[field], &swapped[field], "{}", field);
            }
        }
    }

    #[test]
    fn payload_does_not_matter(talk in conversation(), kept in 0_usize..8) {
        let mut frames = talk.frames();
        let whole = analyse(&frames);
        frames.iter_mut().for_each(|frame| frame.payload.truncate(kept));
        prop_assert_eq!(analyse(&frames), whole);
    }

    #[test]
    fn vantages_do_not_touch_each_other(talk in conversation(), delay in 0_i64..2_000_000) {
        let frames = talk.frames();
        let alone = analyse(&frames);
        let mut both = frames.clone();
        both.extend(frames.iter().map(|frame| Frame { vantage: 1, at: frame.at + delay, ..frame.clone() }));
        both.sort_by_key(|frame| frame.at);
        let both = analyse(&both);
        prop_assert_eq!(both.flows.len(), 2 * alone.flows.len());
        for vantage in ["one", "two"] {
            let there: Vec<Value> = both.flows.iter().filter(|flow| flow["vantage"] == vantage).cloned().collect();
            let later = if vantage == "two" { delay } else { 0 };
            let expected = moved(&frames, later);
            same_but(&there, &expected.flows, &["id", "vantage"])?;
        }
    }

    #[test]
    fn flows_do_not_touch_each_other(talks in conversations()) {
        let mut all = Vec::new();
        let mut alone = Vec::new();
        for talk in &talks {
            all.extend(talk.frames());
            alone.extend(analyse(&talk.frames()).flows);
        }
        all.sort_by_key(|frame| frame.at);
        alone.sort_by(|one, other| one["first"].as_str().cmp(&other["first"].as_str()));
        same_but(&analyse(&all).flows, &alone, &["id"])?;
    }

    #[test]
    fn time_is_relative(talk in conversation(), seconds in -1_000_000_000_i64..1_000_000_000, nanos in 0_i64..1_000_000_000) {
        let shift = seconds * 1_000_000_000 + nanos;
        let frames = talk.frames();
        let back = |analysis: &Analysis, shift| -> Vec<Value> {
            analysis.flows.iter().map(|flow| earlier(flow, shift)).collect()
        };
        prop_assert_eq!(back(&moved(&frames, shift), shift), back(&analyse(&frames), 0));
    }

    #[test]
    fn one_by_one_or_many_at_once(talks in conversations(), isn in any::<u32>(), chunks in proptest::collection::vec(1_usize..100, 1..10)) {
        let mut frames: Vec<Frame> = talks.iter().flat_map(conversation::Talk::frames).collect();
        // The ports are reused.
        let end = frames.iter().map(|frame| frame.at).max().unwrap_or(0);
        for talk in &talks {
            let again = talk.with_isns(isn, isn).frames();
            frames.extend(again.into_iter().map(|frame| Frame { at: frame.at + end, ..frame }));
        }
        frames.sort_by_key(|frame| frame.at);
        let mut duplicates = 0;
        let many = script::feed(|table| {
            let segments: Vec<_> = frames.iter().map(Frame::segment).collect();
            let mut rest = &segments[..];
            let mut sizes = chunks.iter().cycle();
            while let (false, Some(size)) = (rest.is_empty(), sizes.next()) {
                let (chunk, after) = rest.split_at(rest.len().min(*size));
                table.handle_all(chunk, |_| duplicates += 1);
                rest = after;
            }
        });
        let counted: u64 = many.flows.iter().filter_map(|flow| flow["duplicates"].as_u64()).sum();
        prop_assert_eq!(duplicates, counted);
        prop_assert_eq!(without_verdicts(many), analyse(&frames));
    }

    #[test]
    fn sequence_numbers_are_relative(talk in conversation(), client in any::<u32>(), server in any::<u32>()) {
        let elsewhere = talk.with_isns(client, server);
        prop_assert_eq!(analyse(&elsewhere.frames()), analyse(&talk.frames()));
    }

    #[test]
    fn a_capture_may_begin_anywhere(talk in conversation(), at in 0.0..1.0) {
        let frames = talk.frames();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let begin = (frames.len() as f64 * at) as usize;
        let whole = analyse(&frames);
        let rest = analyse(&frames[begin..]);
        prop_assert_eq!(rest.flows.len(), 1);
        let (whole, rest) = (&whole.flows[0], &rest.flows[0]);
        prop_assert_eq!(&rest["client"], &whole["client"]);
        let closes = frames[..begin].iter().any(|frame| frame.flags.fin() || frame.flags.rst());
        if !closes {
            for field in ["end", "ended_by", "ended", "closed", "fins", "rsts"] {
                prop_assert_eq!(&rest[field], &whole[field], "{}", field);
            }
        }
        // Nothing is taken for a probe that is none, though what is left may not show that it is
        // one, or of which kind.
        for (rest, whole) in all_probes(rest).iter().zip(all_probes(whole)) {
            prop_assert_eq!(rest.iter().find(|frame| !whole.contains(frame)), None);
        }
    }
}

/// Frames of the keepalive probes of each side.
fn probes(flow: &Value) -> [Vec<Value>; 2] {
    ["client", "server"].map(|by| {
        flow["keepalive"][by]["probes"]
            .as_array()
            .map(|probes| probes.iter().map(|probe| probe["frame"].clone()).collect())
            .unwrap_or_default()
    })
}

/// Frames of the probes of both kinds of each side.
fn all_probes(flow: &Value) -> [Vec<Value>; 2] {
    let mut all = probes(flow);
    for (probes, by) in all.iter_mut().zip(["client", "server"]) {
        let events = flow["events"]["ZeroWindowProbe"].as_array();
        let mine = events
            .into_iter()
            .flatten()
            .filter(|event| event["by"] == by);
        probes.extend(mine.map(|event| event["frame"].clone()));
    }
    all
}

/// When events of that kind and side were told.
fn told(flow: &Value, kind: &str, by: &str) -> Vec<Value> {
    let events = flow["events"][kind].as_array();
    events.map_or(Vec::new(), |events| {
        events
            .iter()
            .filter(|event| event["by"] == by)
            .map(|event| event["at"].clone())
            .collect()
    })
}

fn segments(flow: &Value) -> u64 {
    ["client", "server"]
        .iter()
        .filter_map(|by| flow["segments"][by].as_u64())
        .sum()
}

/// A flow without what may differ, and without its events, which repeat it.
fn without(flow: &Value, fields: &[&str]) -> Value {
    let mut flow = flow.clone();
    if let Value::Object(flow) = &mut flow {
        flow.retain(|name, _| name != "events" && !fields.contains(&name.as_str()));
    }
    flow
}

fn same_but(found: &[Value], expected: &[Value], fields: &[&str]) -> Result<(), TestCaseError> {
    let strip = |flows: &[Value]| -> Vec<Value> {
        flows.iter().map(|flow| without(flow, fields)).collect()
    };
    prop_assert_eq!(strip(found), strip(expected));
    Ok(())
}

/// What is said of the client is said of the server, and the other way round.
fn mirrored(value: &Value) -> Value {
    match value {
        Value::String(side) if side == "client" => json!("server"),
        Value::String(side) if side == "server" => json!("client"),
        Value::Array(values) => values.iter().map(mirrored).collect(),
        Value::Object(fields) if fields.len() == 2 && fields.contains_key("client") => {
            json!({"client": mirrored(&fields["server"]), "server": mirrored(&fields["client"])})
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), mirrored(value)))
            .collect(),
        _ => value.clone(),
    }
}

fn rename(frame: &mut Frame) {
    let address =
        |of: tracer::segment::Endpoint, port| tracer::segment::Endpoint::new(of.address(), port);
    let (from, to) = (frame.source, frame.destination);
    frame.source = address(to, to.port());
    frame.destination = address(from, from.port());
}

/// What is said when everything happens so many nanoseconds later.
fn moved(frames: &[Frame], nanos: i64) -> Analysis {
    let moved: Vec<Frame> = frames
        .iter()
        .map(|frame| Frame {
            at: frame.at + nanos,
            ..frame.clone()
        })
        .collect();
    analyse(&moved)
}

/// The same with all times so many nanoseconds earlier.
fn earlier(value: &Value, nanos: i64) -> Value {
    match value {
        Value::String(text) => match text.parse::<jiff::Timestamp>() {
            Ok(time) => {
                let time = time.as_nanosecond() - i128::from(nanos);
                jiff::Timestamp::from_nanosecond(time)
                    .map_or(Value::Null, |time| json!(format!("{time:.9}")))
            }
            Err(_) => value.clone(),
        },
        Value::Array(values) => values.iter().map(|value| earlier(value, nanos)).collect(),
        Value::Object(fields) => fields
            .iter()
            // Written for people.
            .filter(|(name, _)| *name != "what")
            .map(|(name, value)| (name.clone(), earlier(value, nanos)))
            .collect(),
        _ => value.clone(),
    }
}
