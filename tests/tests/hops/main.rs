//! Hops: flows of one connection joined across vantages, whatever clocks, address translation and
//! captures do to them.

mod clocks;
mod crafted;
mod laws;
mod stage;
mod void;
mod way;
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
                    // One capture of an interface alone does not tell which way segments passed.
                    None if seen.len() == 1 => {
                        let interface = &recorded.truth.vantages[seen[0]].interface;
                        assert!(interface != "any" && interface != "lo", "{told}");
                    }
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

/// What was lost on the connections of recordings, by whose segments (none where the capture at the
/// other end had ended), and in whose names segments were made. Nothing was on all others.
#[test]
fn what_was_lost_or_made_on_the_way_is_told() {
    type Told = (Option<u64>, Option<u64>, &'static [Side]);
    let expected: &[(&str, Told)] = &[
        // The gateway's three probes and its RST.
        ("dead-path", (None, Some(4), &[])),
        // The probe that the router answered with a RST.
        (
            "injected-reset",
            (None, Some(1), &[Side::Client, Side::Server]),
        ),
        // The answer, and the second request, in whose place the router sent a RST.
        (
            "l4-state-expired",
            (None, Some(1), &[Side::Client, Side::Server]),
        ),
        (
            "l4-state-expired-reused",
            (Some(1), Some(0), &[Side::Server]),
        ),
        // Each time that the answer was sent.
        ("l4-state-expired-silently", (None, Some(5), &[])),
        ("path-heals", (Some(0), Some(2), &[])),
        ("retransmission-death", (None, Some(6), &[])),
        ("retransmissions-recover", (Some(0), Some(4), &[])),
        ("syn-answered-late", (None, Some(0), &[])),
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
            .filter(|told| *told != (Some(0), Some(0), vec![]))
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .filter(|(name, _)| *name == recorded.name)
            .map(|(_, (client, server, made))| (*client, *server, made.to_vec()))
            .collect();
        assert_eq!(odd, expected, "{}", recorded.name);
        let alone = report.hops.iter().filter(|hop| hop.flows.len() == 1);
        let nothing = (None, None, vec![]);
        assert!(
            alone.map(told).all(|told| told == nothing),
            "{}",
            recorded.name
        );
        // Those of the router that was captured itself are its own for certain; the others have gone
        // through fewer routers than what they pretend to be.
        let made = report.hops.iter().flat_map(|hop| &hop.made);
        for made in made {
            assert!(made.rst && made.ttl == 64, "{made:?}");
            assert!(
                made.here && made.proved || made.usual_ttl == Some(63),
                "{made:?}"
            );
        }
    }
}

/// What was given by mistake is said plainly, and what is in order is not spoken of.
#[test]
fn captures_that_do_not_go_together_are_remarked_on() {
    let remarks = |captures: &[stage::Named]| -> Vec<Vec<String>> {
        let vantages = report(captures).vantages.into_iter();
        vantages.map(|vantage| vantage.remarks).collect()
    };
    let recorded = recordings();
    for recorded in &recorded {
        let said = remarks(&recorded.captures);
        assert!(
            said.iter().all(Vec::is_empty),
            "{}: {said:?}",
            recorded.name
        );
    }
    let [first, .., last] = &recorded[..] else {
        unreachable!("recordings")
    };
    let mut captures = first.captures.clone();
    captures.push(("again".to_owned(), captures[0].1.clone()));
    captures.push(("elsewhere".to_owned(), last.captures[0].1.clone()));
    let said = remarks(&captures);
    let (given, added) = said.split_at(first.captures.len());
    assert!(given.iter().all(Vec::is_empty), "{given:?}");
    let twin = format!("shows the same segments as {}", captures[0].0);
    assert!(
        added[0].len() == 1 && added[0][0].starts_with(&twin),
        "{added:?}"
    );
    assert!(
        added[1].len() == 1 && added[1][0].starts_with("shares no time"),
        "{added:?}"
    );
}
