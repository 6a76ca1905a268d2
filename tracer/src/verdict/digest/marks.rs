//! FINs and RSTs: who sent them, and which the way made.

use super::view::View;
use super::{Forged, Mark, Odd};
use crate::flow::{Ending, Side, Sides};
use crate::hop::Hop;
use crate::segment::Passage;

pub(super) fn made(views: &[View<'_>], hop: &Hop) -> Vec<Forged> {
    let between = hop.ways.iter().flat_map(|way| &way.made);
    // With one sight a TTL alone says less, unless the kernel says more.
    let only = hop.unlike.iter().filter(|made| made.outlived);
    let all = between.chain(only).chain(&hop.outlived);
    let mut found: Vec<Forged> = Vec::new();
    for made in all {
        let view = views.iter().find(|view| view.sight.flow == made.flow);
        let marks = view.map(View::marks).unwrap_or_default();
        let mark = marks.iter().find(|mark| mark.cite.frame == made.frame);
        found.extend(mark.map(|mark| Forged {
            mark: *mark,
            usual: made.ttl.1.filter(|_| made.is_unlike()),
            proved: made.proved,
            went_on: made.went_on,
            outlived: made.outlived,
        }));
    }
    for left in left(views, hop) {
        if !found.iter().any(|known| known.mark.cite == left.mark.cite) {
            found.push(left);
        }
    }
    found.sort_by_key(|forged| (forged.mark.at, forged.mark.cite.frame));
    found
}

/// What left a host on the way and had not come in, although all else of its side does: it was made
/// there.
pub(super) fn left(views: &[View<'_>], hop: &Hop) -> Vec<Forged> {
    let mut found = Vec::new();
    for view in views {
        let vantage = Some(view.scene.flows[view.sight.flow].vantage);
        if hop.at.client == vantage || hop.at.server == vantage {
            continue;
        }
        let came_in = |by: Side| {
            let of = view.events().iter();
            let of = of.filter(move |event| view.side(event.by) == by);
            let heads = of.filter_map(|event| event.head);
            heads.filter(|head| head.passage == Some(Passage::In))
        };
        // Only the coming of what was forwarded, which takes one from the TTL, may not have been captured.
        let is_own = |mark: &Mark| {
            let out = mark.head.filter(|head| head.passage == Some(Passage::Out));
            out.is_some_and(|out| {
                let mut own = came_in(mark.by).map(|head| out.ttl.checked_add(1) != Some(head.ttl));
                own.next().is_some_and(|first| first && own.all(|own| own))
            })
        };
        let marks = view.marks().into_iter();
        found.extend(marks.filter(is_own).map(|mark| Forged {
            mark,
            usual: None,
            proved: true,
            went_on: false,
            outlived: false,
        }));
    }
    found
}

/// What the only sight shows that is unlike all else of its side, as what a box on the way makes is
/// (FACTS 3.13).
pub(super) fn odd(views: &[View<'_>], hop: &Hop) -> Option<Odd> {
    let made = hop.unlike.iter().filter(|made| made.rst);
    let made = made.min_by_key(|made| made.at)?;
    let view = views.iter().find(|view| view.sight.flow == made.flow)?;
    let marks = view.marks();
    let mark = marks.iter().find(|mark| mark.cite.frame == made.frame)?;
    Some(Odd {
        mark: *mark,
        usual: made.ttl.1?,
    })
}

/// FINs and RSTs as sent, and the one that ended it.
pub(super) fn marks(
    views: &[View<'_>],
    nearest: &Sides<&View<'_>>,
    made: &[Forged],
) -> (Vec<Mark>, Option<Mark>) {
    // Vantages farther on show the same segment.
    let of_way = |mark: &Mark| made.iter().any(|made| same(&made.mark, mark));
    let mut marks: Vec<Mark> = Vec::new();
    for side in [Side::Client, Side::Server] {
        let own = nearest[side].marks().into_iter();
        marks.extend(own.filter(|mark| mark.by == side && !of_way(mark)));
    }
    if views.len() > 1 {
        // A vantage that began later or lost frames does not show all that was sent.
        for mark in views.iter().flat_map(View::marks) {
            let known = |known: &&Mark| known.by == mark.by && known.rst == mark.rst;
            if !of_way(&mark) && !marks.iter().any(|mark| known(&mark)) {
                marks.push(mark);
            }
        }
    }
    marks.sort_by_key(|mark| (mark.at, mark.cite.flow, mark.cite.frame));
    let first = first(views, &marks);
    (marks, first)
}

/// Whether two vantages show one FIN or RST.
pub(super) fn same(one: &Mark, other: &Mark) -> bool {
    let seq = |mark: &Mark| mark.head.map(|head| head.seq);
    let alike = one.by == other.by && one.rst == other.rst;
    one.cite == other.cite || (alike && one.head.is_some() && seq(one) == seq(other))
}

/// One vantage knows the order of sending best where it alone saw it; of several the first as sent
/// counts.
pub(super) fn first(views: &[View<'_>], marks: &[Mark]) -> Option<Mark> {
    let endings = views.iter().filter_map(|view| {
        let ending = view.flow().ending()?;
        Some((
            view.side(ending.closing().by),
            matches!(ending, Ending::Rst(_)),
        ))
    });
    let sent = endings.filter_map(|(by, rst)| {
        marks
            .iter()
            .find(|mark| mark.by == by && mark.rst == rst)
            .copied()
    });
    sent.min_by_key(|mark| (mark.at, mark.cite.flow, mark.cite.frame))
}
