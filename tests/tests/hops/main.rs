//! Hops: flows of one connection joined across vantages, whatever clocks, address translation and
//! captures do to them.

mod crafted;
mod laws;
mod stage;
mod wire;

use tracer::flow::Side;
use tracer::report::HopReport;

use self::stage::{recordings, report, sights};

#[test]
fn every_connection_of_every_recording_is_one_hop() {
    for recorded in recordings() {
        let report = report(&recorded.captures);
        let mut expected: Vec<Vec<String>> = Vec::new();
        for entries in recorded.connections() {
            let mut flows: Vec<String> = Vec::new();
            for entry in entries {
                let flow =
                    |vantage: &String| format!("{vantage}: {} > {}", entry.client, entry.server);
                flows.extend(entry.vantages.iter().map(flow));
            }
            flows.sort();
            expected.push(flows);
        }
        expected.sort();
        assert_eq!(stage::joined(&report), expected, "{}", recorded.name);
    }
}

#[test]
fn sights_are_in_order_from_the_client_to_the_server() {
    for recorded in recordings() {
        let report = report(&recorded.captures);
        for hop in &report.hops {
            let sights = sights(&report, hop);
            let places: Vec<usize> = sights
                .iter()
                .map(|sight| recorded.place(sight.split(':').next().unwrap_or_default()))
                .collect();
            assert!(places.is_sorted(), "{}: {sights:?}", recorded.name);
        }
    }
}

/// All captures of the lab were taken on one machine.
#[test]
fn clocks_that_agree_are_found_to_agree() {
    for recorded in recordings() {
        let report = report(&recorded.captures);
        let linked = recorded.linked();
        let joined = report
            .vantages
            .iter()
            .filter(|vantage| linked.contains(&vantage.name));
        for vantage in joined {
            let known = vantage.clock_offset_s.zip(vantage.clock_error_s);
            let (offset, error) = known.expect("a vantage that is joined to the first");
            let told = format!(
                "{}: {} is {offset} s off, by {error} s",
                recorded.name, vantage.name
            );
            assert!(offset.abs() <= error + 2e-6, "{told}");
            assert!(error < 0.001, "{told}");
        }
    }
}

/// Whether a vantage is in the namespace of a stack is known of the lab, and said only where the
/// captures tell.
#[test]
fn vantages_stand_where_the_stacks_are() {
    let mut known = 0;
    for recorded in recordings() {
        let report = report(&recorded.captures);
        for entries in recorded.connections() {
            let (first, last) = (entries[0], entries[entries.len() - 1]);
            let hop = report
                .hops
                .iter()
                .find(|hop| hop.client == first.client && hop.server == last.server);
            let hop = hop.expect("a hop with the ends of the connection");
            let seen: Vec<&String> = entries.iter().flat_map(|entry| &entry.vantages).collect();
            for (process, at) in [
                (&first.process.client, &hop.at.client),
                (&last.process.server, &hop.at.server),
            ] {
                let node = process
                    .as_deref()
                    .and_then(|process| process.split('/').next());
                let there = |vantage: &&&String| {
                    Some(recorded.truth.vantages[**vantage].node.as_str()) == node
                };
                let told = format!("{}: {first:?} at {at:?} of {seen:?}", recorded.name);
                match at {
                    Some(at) => assert!(there(&&at), "{told}"),
                    None if node.is_some() => {
                        assert!(!seen.iter().any(|vantage| there(&vantage)), "{told}");
                    }
                    None => {}
                }
                known += usize::from(at.is_some());
            }
        }
    }
    assert!(known > 100, "{known}");
}

/// What was lost, on which connection of which recording, by whose segments (none where the capture
/// at the other end had ended), and by whose names segments were made. On all others nothing was.
#[test]
fn what_was_lost_or_made_on_the_way_is_told() {
    type Told = (Option<u64>, Option<u64>, &'static [Side]);
    let nothing: Told = (Some(0), Some(0), &[]);
    // The RST of the dead gateway and its three probes; the probe that the router answered with a
    // RST; the answer, and its retransmissions.
    let expected = [
        ("dead-path", (None, Some(4), &[][..])),
        (
            "injected-reset",
            (None, Some(1), &[Side::Client, Side::Server]),
        ),
        ("retransmission-death", (None, Some(6), &[])),
    ];
    for recorded in recordings() {
        let report = report(&recorded.captures);
        let told = |hop: &HopReport| {
            let made: Vec<Side> = hop.made.iter().map(|made| made.by).collect();
            (hop.lost.client, hop.lost.server, made)
        };
        let several = report.hops.iter().filter(|hop| hop.flows.len() > 1);
        let odd: Vec<_> = several
            .map(told)
            .filter(|told| *told != (nothing.0, nothing.1, vec![]))
            .collect();
        let expected = expected.iter().filter(|(name, _)| *name == recorded.name);
        let expected: Vec<_> = expected
            .map(|(_, (client, server, made))| (*client, *server, made.to_vec()))
            .collect();
        assert_eq!(odd, expected, "{}", recorded.name);
        let alone = report.hops.iter().filter(|hop| hop.flows.len() == 1);
        for hop in alone {
            assert_eq!(
                told(hop),
                (None, None, vec![]),
                "{}: {}",
                recorded.name,
                hop.client
            );
        }
        let made = report.hops.iter().flat_map(|hop| &hop.made);
        assert!(
            made.into_iter()
                .all(|made| made.rst && made.ttl == 64 && made.usual_ttl == Some(63))
        );
    }
}
