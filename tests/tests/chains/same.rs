//! What must make no difference: payload, order, duplicates, clocks, and how much was captured.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stage::{Recorded, recording, recordings};

/// Without the payload there is nothing to read.
#[test]
fn chains_need_no_payload() {
    for recorded in recordings() {
        let recorded = recorded.without_logs();
        let cut = recorded.clone().each(|_, trace| trace.cut(96));
        assert_eq!(cut.chains(), recorded.chains(), "{}", recorded.name);
    }
}

#[test]
fn chains_do_not_depend_on_the_order_of_captures() {
    for recorded in recordings() {
        let mut reversed = recorded.clone();
        reversed.captures.reverse();
        assert_eq!(reversed.chains(), recorded.chains(), "{}", recorded.name);
        let mut turned = recorded.clone().without_logs();
        turned.captures.rotate_left(1);
        assert_eq!(turned.chains(), recorded.chains(), "{}", recorded.name);
    }
}

#[test]
fn chains_do_not_depend_on_duplicated_frames() {
    for recorded in recordings() {
        let doubled = recorded.clone().each(|_, trace| {
            let mut doubled = trace.clone();
            doubled.packets.clear();
            for packet in &trace.packets {
                doubled.packets.push(packet.clone());
                let mut again = packet.clone();
                again.at += 3_000;
                doubled.packets.push(again);
            }
            doubled.packets.sort_by_key(|packet| packet.at);
            doubled
        });
        assert_eq!(doubled.chains(), recorded.chains(), "{}", recorded.name);
    }
}

/// Machines whose clocks are seconds and hours apart; the logs keep the time of another.
#[test]
fn chains_do_not_depend_on_clocks() {
    for recorded in recordings() {
        for recorded in [recorded.clone(), recorded.without_logs()] {
            let shifted = shifted(&recorded);
            assert_eq!(shifted.chains(), recorded.chains(), "{}", recorded.name);
        }
    }
}

/// Captures that share no connection with the first have their clock by what the proxy between them
/// passes on.
#[test]
fn a_proxy_ties_the_clocks_on_both_sides_of_it() {
    let recorded = recording("normal");
    for recorded in [recorded.clone(), recorded.without_logs()] {
        let report = shifted(&recorded).report();
        let ahead = |name: &str| ahead(&recorded, recorded.node(name));
        for vantage in &report.vantages {
            let clock = vantage.clock_offset_s.zip(vantage.clock_error_s);
            let (offset, error) = clock.expect("every vantage has a clock");
            let truth = ahead("client") - ahead(&vantage.name);
            assert!((offset - truth).abs() <= error + 2e-6, "{vantage:?}");
            assert!(error < 0.002, "{vantage:?}");
        }
        for chain in &report.chains {
            assert_eq!(chain.hops.len(), 4, "{chain:?}");
        }
    }
}

/// By how many seconds a namespace's clock is ahead.
fn ahead(recorded: &Recorded, node: &str) -> f64 {
    let place = recorded.nodes().iter().position(|known| *known == node);
    [0.0, 2.5, 3_600.0, 0.7, 0.04][place.expect("a node") % 5]
}

/// Each namespace's clock is ahead by another time.
fn shifted(recorded: &Recorded) -> Recorded {
    let nodes = recorded.clone();
    recorded.clone().each(|name, trace| {
        let mut shifted = trace.clone();
        for packet in &mut shifted.packets {
            let ahead = Duration::from_secs_f64(ahead(&nodes, nodes.node(name)));
            packet.at += u64::try_from(ahead.as_nanos()).expect("hours");
        }
        shifted
    })
}

/// Two requests of which nothing says otherwise belong together with fewer captures only where they do
/// with all of them.
#[test]
fn fewer_captures_join_no_strangers() {
    type Row = (Vec<(String, u64)>, Vec<bool>);
    let recorded = recording("concurrent").without_logs();
    let rows = |recorded: &Recorded| -> Vec<Row> {
        let report = recorded.report();
        let client = |id: &u64| {
            let hop = report.hops.iter().find(|hop| hop.id == *id);
            hop.expect("a hop").client.clone()
        };
        let row = |chain: &tracer::report::ChainReport| {
            let links = chain.hops.iter().zip(&chain.exchanges);
            let links = links.filter_map(|(hop, exchange)| Some((client(hop), (*exchange)?)));
            let sure = chain.others.iter().map(Vec::is_empty);
            (links.collect(), sure.collect())
        };
        report.chains.iter().map(row).collect()
    };
    let all = rows(&recorded);
    let names: Vec<&str> = recorded.captures.iter().map(|(name, _)| &**name).collect();
    let mut joined = 0;
    for some in 1_u32..1 << names.len() {
        let chosen = names.iter().enumerate();
        let chosen = chosen.filter_map(|(bit, name)| (some >> bit & 1 == 1).then_some(*name));
        let chosen: Vec<&str> = chosen.collect();
        for (row, sure) in rows(&recorded.clone().only(&chosen)) {
            for (pair, _) in row.windows(2).zip(sure).filter(|(_, sure)| *sure) {
                let together = all
                    .iter()
                    .any(|(row, _)| pair.iter().all(|link| row.contains(link)));
                assert!(together, "{chosen:?}: {pair:?}");
                joined += 1;
            }
        }
    }
    assert!(joined > 1000, "{joined}");
}

/// Whenever a capture ends: requests that others send meanwhile are no part of those on their way.
#[test]
fn what_is_sure_when_a_capture_ends_is_so_later() {
    for name in ["overload", "concurrent"] {
        let recorded = recording(name).without_logs();
        let later: BTreeSet<[String; 2]> = sure(&recorded).into_iter().collect();
        let times = recorded.captures.iter().flat_map(|(_, trace)| {
            let times = trace.packets.iter();
            times.map(|packet| packet.at)
        });
        let mut times: Vec<u64> = times.collect();
        times.sort_unstable();
        for end in times.into_iter().step_by(7) {
            let cut = recorded.clone().each(|_, trace| {
                let mut cut = trace.clone();
                cut.packets.retain(|packet| packet.at < end);
                cut
            });
            for pair in sure(&cut) {
                assert!(later.contains(&pair), "{name} until {end}: {pair:?}");
            }
        }
    }
}

/// Hops that are joined without an alternative, two by two, by their clients: of one that only just
/// began nobody knows more.
fn sure(recorded: &Recorded) -> Vec<[String; 2]> {
    let report = recorded.report();
    let mut pairs = Vec::new();
    for chain in &report.chains {
        let told = recorded.told(&report, chain);
        let client = |link: &str| link.split('>').next().map(str::to_owned);
        let links: Vec<String> = told.split(' ').filter_map(client).collect();
        let joins = links.windows(2).zip(&chain.others);
        let sure = joins.filter(|(_, others)| others.is_empty());
        pairs.extend(sure.map(|(pair, _)| [pair[0].clone(), pair[1].clone()]));
    }
    pairs
}
