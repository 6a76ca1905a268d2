//! What real programs said.

use std::path::{Path, PathBuf};

use super::*;
use crate::flow::{Trail, TurnPrint, What};
use crate::log::AccessLog;
use crate::segment::Endpoint;
use crate::source::{Capture, open_file};
use crate::vantage::{Naming, read};

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pcaps")
        .join(file)
}

/// The trails of a vantage of a recording, without connections that said nothing.
fn trails(recording: &str, vantage: &str) -> Vec<Trail> {
    let capture = open_file(&path(&format!("{recording}/{vantage}.pcap")));
    let capture = Capture::new(capture.expect("it is there"));
    let naming = Naming {
        name: vantage,
        source: vantage,
        prefixed: true,
    };
    let capture = capture.expect("a capture");
    let (gathered, ()) = read(capture, &naming, None, 0, ()).expect("it can be read");
    let trails = gathered.trails.into_iter();
    trails.filter(|trail| !trail.prints.is_empty()).collect()
}

fn requests(trails: &[Trail]) -> Vec<&Request> {
    let headings = trails.iter().flat_map(|trail| &trail.headings);
    let requests = headings.filter_map(|turn| match &turn.heading {
        Heading::Request(request) => Some(&**request),
        _ => None,
    });
    requests.collect()
}

/// The prints of all turns of a side, sorted.
fn prints(trails: &[Trail], by: Side) -> Vec<(u16, u64)> {
    let turns = trails.iter().flat_map(|trail| &trail.prints);
    let of = |turn: &TurnPrint| (turn.print.len, turn.print.hash);
    let mut prints: Vec<_> = turns.filter(|turn| turn.by == by).map(of).collect();
    prints.sort_unstable();
    prints
}

#[test]
fn every_request_of_the_chain_is_read_with_its_id() {
    let client = trails("normal", "client");
    let targets: Vec<&str> = requests(&client)
        .iter()
        .map(|asked| &*asked.target)
        .collect();
    assert_eq!(targets.len(), 4, "{targets:?}");
    assert_eq!(requests(&trails("normal", "gw-down")).len(), 4);
    let gateway = trails("normal", "gw-up");
    let ids: Vec<&String> = requests(&gateway)
        .into_iter()
        .filter_map(|asked| asked.request_id.as_ref())
        .collect();
    let log = std::fs::read_to_string(path("normal/gw.log"));
    let log = log.expect("it is there");
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| log.contains(id.as_str())), "{ids:?}");
    let statuses = gateway.iter().flat_map(|trail| &trail.headings);
    let statuses = statuses
        .filter(|turn| matches!(&turn.heading, Heading::Status(status) if status.code == 200));
    assert_eq!(statuses.count(), 4);
}

#[test]
fn a_balancer_passes_bytes_on_and_a_proxy_bodies() {
    let (client, balancer) = (trails("normal", "client"), trails("normal", "lb"));
    for by in [Client, Server] {
        let before = prints(&client, by);
        assert_eq!(before.len(), 4);
        let twice: Vec<_> = before.iter().flat_map(|print| [*print, *print]).collect();
        assert_eq!(prints(&balancer, by), twice);
    }
    let bodies = |vantage| {
        let trails = trails("normal", vantage);
        let turns = trails.iter().flat_map(|trail| &trail.headings);
        let answers = turns.filter(|turn| turn.by == Server);
        let bodies = answers.map(|turn| turn.body.map(|print| (print.len, print.hash)));
        let mut bodies: Vec<_> = bodies.collect();
        bodies.sort_unstable();
        bodies
    };
    let passed_on = bodies("gw-down");
    let lengths = passed_on.iter().map(|body| body.map(|(len, _)| len));
    assert_eq!(lengths.collect::<Vec<_>>(), [3, 3, 3, 256].map(Some));
    assert_eq!(bodies("gw-up"), passed_on);
}

/// In every capture of every recording; and of those that speak plain HTTP/1, every turn has one.
#[test]
fn headings_stand_at_the_turns_that_events_tell_of() {
    let mut read = 0;
    for recording in std::fs::read_dir(path("")).expect("recordings are there") {
        let recording = recording.expect("it can be listed").path();
        let captures = std::fs::read_dir(&recording).into_iter().flatten();
        for capture in captures.map(|capture| capture.expect("it can be listed").path()) {
            if capture.extension().is_none_or(|ending| ending != "pcap") {
                continue;
            }
            let name = |path: &Path| {
                path.file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned()
            };
            let (recording, vantage) = (name(&recording), name(&capture));
            for trail in trails(&recording, &vantage) {
                let told = format!("{recording}/{vantage}");
                let turns = turns(&trail);
                let headings = trail.headings.iter().map(|turn| (turn.frame, turn.by));
                let headings: Vec<_> = headings.collect();
                let prints: Vec<_> = trail
                    .prints
                    .iter()
                    .map(|turn| (turn.frame, turn.by))
                    .collect();
                assert_eq!(prints, turns, "{told}");
                assert!(
                    headings.iter().all(|heading| turns.contains(heading)),
                    "{told}"
                );
                if recording == "normal" {
                    assert_eq!(headings, turns, "{told}");
                }
                read += headings.len();
            }
        }
    }
    assert!(read > 1000, "{read}");
}

/// Turns of which a segment was seen.
fn turns(trail: &Trail) -> Vec<(u64, Side)> {
    let events = trail.events.iter();
    events
        .filter(|event| matches!(event.what, What::Data { bytes: 1.., .. }))
        .map(|event| (event.frame, event.by))
        .collect()
}

/// An Envoy that says GOAWAY, first only announced, when a connection is two seconds old.
#[test]
fn a_goaway_is_seen_and_requests_on_a_connection_are_counted() {
    let mut lives = Vec::new();
    for trail in trails("goaway", "pod-eth0") {
        let said: Vec<String> = trail
            .headings
            .iter()
            .map(|turn| format!("{} {}", turn.by.name(), turn.heading))
            .collect();
        lives.push((trail.streams.client, said));
    }
    let preface = "client HTTP/2".to_owned();
    let announced = "server GOAWAY NO_ERROR, announced".to_owned();
    let aged = (Some(7), vec![preface.clone(), announced]);
    assert_eq!(lives, [aged.clone(), aged, (Some(1), vec![preface])]);
}

#[test]
fn a_proxy_protocol_header_names_the_client_that_the_log_names() {
    let log = std::fs::read(path("proxy-protocol/gw.log")).expect("it is there");
    let log = AccessLog::read("gw", "", &log[..]).expect("it can be read");
    let mut logged: Vec<Endpoint> = log
        .entries
        .iter()
        .filter_map(|entry| entry.downstream_remote)
        .collect();
    let trails = trails("proxy-protocol", "gw");
    let headings = trails.iter().flat_map(|trail| &trail.headings);
    let mut named: Vec<Endpoint> = headings
        .filter_map(|turn| match &turn.heading {
            Heading::Proxied { source, .. } => Some(Endpoint::new(source.ip(), source.port())),
            _ => None,
        })
        .collect();
    logged.sort_unstable();
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 3);
    assert_eq!(named, logged);
}
