//! What captures may do to segments without changing which of them are one connection.
//!
//! The same cases every time; `PROPTEST_RNG_SEED=7 PROPTEST_CASES=10000` looks at others.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use hopscope_tests::craft::Packet;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, proptest,
};
use proptest::test_runner::RngSeed;
use tracer::report::Report;

use super::stage::{self, Named, Recorded, hops, joined, recordings, report};

static RECORDINGS: LazyLock<Vec<Recorded>> = LazyLock::new(recordings);

/// The longest that a clock is wrong: a time zone, and a battery that is empty.
const HOURS: i64 = 20 * 3_600_000_000_000;

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

fn recorded() -> impl Strategy<Value = &'static Recorded> {
    (0..RECORDINGS.len()).prop_map(|place| &RECORDINGS[place])
}

/// The captures in any order.
fn shuffled() -> impl Strategy<Value = (&'static Recorded, Vec<Named>)> {
    recorded().prop_flat_map(|recorded| {
        let captures = Just(recorded.captures.clone()).prop_shuffle();
        (Just(recorded), captures)
    })
}

/// The captures, each with its clock wrong by so many nanoseconds.
fn shifted() -> impl Strategy<Value = (&'static Recorded, Vec<i64>)> {
    recorded().prop_flat_map(|recorded| {
        let wrong = proptest::collection::vec(-HOURS..HOURS, recorded.captures.len());
        (Just(recorded), wrong)
    })
}

fn with_clocks(captures: &[Named], wrong: &[i64]) -> Vec<Named> {
    let mut captures = captures.to_vec();
    for ((_, trace), wrong) in captures.iter_mut().zip(wrong) {
        for packet in &mut trace.packets {
            packet.at = packet.at.saturating_add_signed(*wrong);
        }
    }
    captures
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_files_does_not_matter((recorded, captures) in shuffled()) {
        let (straight, shuffled) = (report(&recorded.captures), report(&captures));
        prop_assert_eq!(hops(&shuffled), hops(&straight));
        prop_assert_eq!(told(&shuffled), told(&straight));
    }

    #[test]
    fn clocks_do_not_matter((recorded, wrong) in shifted()) {
        let straight = report(&recorded.captures);
        let shifted = report(&with_clocks(&recorded.captures, &wrong));
        prop_assert_eq!(hops(&shifted), hops(&straight));
        prop_assert_eq!(told(&shifted), told(&straight));
        let linked = recorded.linked();
        for (vantage, wrong_by) in shifted.vantages.iter().zip(&wrong) {
            let offset = vantage.clock_offset_s.zip(vantage.clock_error_s);
            prop_assert_eq!(offset.is_some(), linked.contains(&vantage.name));
            if let Some((offset, error)) = offset {
                #[expect(clippy::cast_precision_loss, reason = "a microsecond in a day is enough")]
                let right = (wrong[0] - wrong_by) as f64 / 1e9;
                prop_assert!((offset - right).abs() <= error + 5e-6, "{}: {} is not {}", vantage.name, offset, right);
            }
        }
    }

    #[test]
    fn duplicates_do_not_matter(recorded in recorded(), after in 0_u64..50_000) {
        let mut captures = recorded.captures.clone();
        for (_, trace) in &mut captures {
            let twice = |packet: &Packet| {
                let again = Packet { at: packet.at + after, ..packet.clone() };
                [packet.clone(), again]
            };
            trace.packets = trace.packets.iter().flat_map(twice).collect();
        }
        let (straight, doubled) = (report(&recorded.captures), report(&captures));
        prop_assert_eq!(hops(&doubled), hops(&straight));
        prop_assert_eq!(told(&doubled), told(&straight));
    }

    #[test]
    fn captures_may_begin_anywhere(
        (recorded, wrong) in shifted(),
        cuts in proptest::collection::vec(0.0..1.0_f64, 8),
        agree in any::<bool>(),
    ) {
        let mut captures = recorded.captures.clone();
        for ((_, trace), cut) in captures.iter_mut().zip(&cuts) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let begin = (trace.packets.len() as f64 * cut) as usize;
            trace.packets.drain(..begin);
        }
        if !agree {
            captures = with_clocks(&captures, &wrong);
        }
        let cut = report(&captures);
        let expected = expected(&cut, &recorded.connections());
        prop_assert_eq!(joined(&cut), expected, "{} {:?}", recorded.name, cuts);
    }

    #[test]
    fn a_file_given_twice_is_one_vantage_twice(recorded in recorded(), which in any::<prop::sample::Index>()) {
        let mut captures = recorded.captures.clone();
        let (name, trace) = captures[which.index(captures.len())].clone();
        captures.push((format!("{name} again"), trace));
        let (straight, twice) = (report(&recorded.captures), report(&captures));
        prop_assert_eq!(twice.hops.len(), straight.hops.len());
        let once: Vec<Vec<String>> = hops(&twice)
            .into_iter()
            .map(|hop| hop.into_iter().filter(|sight| !sight.contains(" again: ")).collect())
            .collect();
        prop_assert_eq!(once, hops(&straight));
    }
}

/// What is said of hops, whatever their numbers.
fn told(report: &Report) -> BTreeSet<String> {
    let hops = report.hops.iter();
    hops.map(|hop| {
        let made: Vec<_> = hop.made.iter().map(|made| (made.by, made.rst)).collect();
        let (at, proved, lost) = (&hop.at, &hop.at_proved, &hop.lost);
        let (client, server) = (&hop.client, &hop.server);
        format!("{client} {server} {at:?} {proved:?} {lost:?} {made:?}")
    })
    .collect()
}

/// The connections as far as any of their flows is there, whoever is taken for the client where no
/// SYN was captured.
fn expected(
    report: &Report,
    connections: &[Vec<&hopscope_tests::lab::truth::Connection>],
) -> Vec<Vec<String>> {
    let mut expected: Vec<Vec<String>> = connections
        .iter()
        .map(|entries| {
            let flows = report.flows.iter().filter(|flow| {
                entries.iter().any(|entry| {
                    entry.vantages.contains(&flow.vantage)
                        && BTreeSet::from([&entry.client, &entry.server])
                            == BTreeSet::from([&flow.client, &flow.server])
                })
            });
            let mut flows: Vec<String> = flows.map(stage::sight).collect();
            flows.sort();
            flows
        })
        .filter(|flows| !flows.is_empty())
        .collect();
    expected.sort();
    expected
}
