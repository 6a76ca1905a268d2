//! Who sends to where nobody answers.

use tracer::flow::Side;
use tracer::segment::Passage;

use super::crafted::{HOUR, right, talk};
use super::wire::{ACK, MS, SYN, Talk, View, WAY, capture, end, join, sights};

/// SYNs that nobody answers, as two vantages on one link see them: they pass in one direction.
fn unanswered() -> Talk {
    let mut talk = Talk::new([4_000, 0], Some(9));
    talk.wait(60 * MS).send(Side::Client, SYN, 0);
    talk.wait(1_000 * MS).again(0);
    talk
}

/// The sights of the hop that nobody answered, and who is at its client's end, by the names of its
/// vantages; with the clock of the second vantage off by so much.
fn asked(
    names: [&str; 2],
    off: i64,
    before: &[View<'_>],
    passage: [Option<Passage>; 2],
) -> (Vec<String>, Option<String>) {
    let syns = unanswered();
    let ends = [end(5, 50_000), end(99, 8080)];
    let view = |place, passage| {
        let mut view = View::new(&syns, ends, place);
        view.passage[0] = passage;
        view
    };
    let mut at_gateway = vec![view(0, passage[0])];
    at_gateway.extend(before.iter().map(|view| View {
        talk: view.talk,
        place: WAY,
        without: Vec::new(),
        ..*view
    }));
    let mut sources = vec![
        capture(names[0], |at| at + off, &at_gateway),
        capture(names[1], right, &[view(WAY / 4, passage[1])]),
    ];
    if !before.is_empty() {
        sources.push(capture("client", right, before));
    }
    let hops = join(&sources);
    let number = hops.hops.iter().position(|hop| hop.server == ends[1]);
    let number = number.expect("the hop that nobody answered");
    let name = |vantage: usize| sources[vantage].vantages[0].name.clone();
    (
        sights(&sources, &hops)[number].clone(),
        hops.hops[number].at.client.map(name),
    )
}

const OFF: [i64; 5] = [0, 2_300 * MS, -2_300 * MS, HOUR, -HOUR];
const NAMES: [[&str; 2]; 2] = [["gateway", "switch"], ["switch", "gateway"]];

#[test]
fn who_sends_into_the_void_is_known_without_clocks() {
    let mut request = Talk::open([7_000, 9_000], Some(5));
    request.wait(40 * MS).send(Side::Client, ACK, 100);
    let before = |ends| [View::new(&request, ends, 0)];
    let elsewhere = before([end(1, 40_000), end(2, 80)]);
    for (names, off) in NAMES.iter().flat_map(|names| OFF.map(|off| (*names, off))) {
        let expected = (
            names.map(|name| format!("{name} 50000")).to_vec(),
            Some(names[0].to_owned()),
        );
        // Segments leave the one host, and come in at the other or pass it by.
        for other in [None, Some(Passage::In)] {
            let told = asked(names, off, &[], [Some(Passage::Out), other]);
            assert_eq!(told, expected, "{off} {other:?}");
        }
        // A request came in right before.
        assert_eq!(asked(names, off, &elsewhere, [None; 2]), expected, "{off}");
    }
}

/// One that was asked long before, or whose own address is what nobody answers at, is not the one that
/// connects.
#[test]
fn who_sends_into_the_void_is_not_guessed() {
    let mut early = Talk::open([7_000, 9_000], Some(5));
    early.send(Side::Client, ACK, 100);
    early.sent.iter_mut().for_each(|sent| sent.at -= 2_000 * MS);
    let long_before = [View::new(&early, [end(1, 40_000), end(2, 80)], 0)];
    let request = talk([7_000, 9_000], Some(5));
    let its_own = [View::new(&request, [end(1, 40_000), end(99, 80)], 0)];
    for (names, off) in NAMES.iter().flat_map(|names| OFF.map(|off| (*names, off))) {
        let (told, client) = asked(names, off, &long_before, [None; 2]);
        assert_eq!(told, ["gateway 50000", "switch 50000"], "{off}");
        assert_eq!(client, None, "{off}");
        let (told, _) = asked(names, off, &its_own, [None; 2]);
        assert_eq!(
            told,
            names
                .map(|name| format!("{name} 50000"))
                .into_iter()
                .rev()
                .collect::<Vec<_>>(),
            "{off}"
        );
    }
}
