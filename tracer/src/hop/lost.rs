//! Segments that passed one vantage and not the next.
//!
//! Offloads merge and split segments on their way, so that their number says nothing. What is
//! compared is what stands out: handshakes, closes, probes, and data that was sent more than once.
//! A retransmission is not a loss by itself: where both vantages saw the data twice, what was lost was
//! lost farther on.

use std::collections::BTreeMap;

use super::clock::Clocks;
use super::order::Station;
use super::watch::Witness;
use crate::flow::{Side, What};
use crate::scene::Scene;
use crate::seq::Seq;

/// What of one place in the sequence space a vantage saw how often.
#[derive(Clone, Copy, Debug, Default)]
struct Copies {
    /// Segments that stand out.
    telling: u64,
    /// The first of them was not the first time that it was sent, but that was seen.
    before: bool,
    /// The sequence number after it.
    end: Seq,
}

/// Places by kind and sequence number.
type Places = BTreeMap<(Kind, u32), Copies>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Syn,
    Data,
    Fin,
    Rst,
    Probe,
}

/// Segments of a side that passed the sight nearer to it and not the farther one; `None` where the
/// farther one cannot tell. What it may have missed before its capture began or after it ended does not
/// count.
pub(super) fn between(
    scene: &Scene<'_>,
    clocks: &Clocks,
    [near, far]: [&Station; 2],
    by: Side,
) -> Option<u64> {
    let nearer = Witness::of(scene, near, clocks);
    let farther = Witness::of(scene, far, clocks);
    if !farther.is_whole(by) {
        return None;
    }
    let arrived = places(&farther, clocks, by, |_| true);
    let range = farther.seen.flow.sequence(farther.side(by));
    let missing = |passed: &Places| -> u64 {
        let lost = passed.iter().map(|(place, copies)| {
            let there = arrived.get(place).copied().unwrap_or_default();
            match place.0 {
                Kind::Data => {
                    let came = there.of_data_at(place.1, copies, range);
                    copies.of_data().saturating_sub(came)
                }
                _ => copies.telling.saturating_sub(there.telling),
            }
        });
        lost.sum()
    };
    // What arrived did, whether or not it is known when the capture there ran.
    if missing(&places(&nearer, clocks, by, |_| true)) == 0 {
        return Some(0);
    }
    let watched = |at| farther.watched(clocks, &nearer, at);
    Some(missing(&places(&nearer, clocks, by, watched))).filter(|lost| *lost > 0)
}

impl Copies {
    /// How often data was sent that stood out because it was sent again.
    const fn of_data(&self) -> u64 {
        self.telling + self.before as u64
    }

    /// How often the farther vantage saw what the nearer one saw as often as `passed`.
    fn of_data_at(&self, seq: u32, passed: &Self, range: Option<[Seq; 2]>) -> u64 {
        let Some([first, next]) = range else {
            return 0;
        };
        if Seq(seq).is_before(first) {
            // Its capture began later.
            return passed.of_data();
        }
        let came = !passed.end.is_after(next);
        match self.telling {
            // Once, when it stood out nowhere.
            0 => came.into(),
            _ => self.of_data(),
        }
    }
}

/// What stands out of what a side sent, while it is asked for.
fn places(
    witness: &Witness<'_>,
    clocks: &Clocks,
    by: Side,
    during: impl Fn(i64) -> bool,
) -> Places {
    let side = witness.side(by);
    let mut places = Places::new();
    let mut add = |kind, seq: Seq, end, before| {
        let copies: &mut Copies = places.entry((kind, seq.0)).or_default();
        if copies.telling == 0 {
            *copies = Copies {
                telling: 0,
                before,
                end,
            };
        }
        copies.telling += 1;
    };
    for event in &witness.seen.trail.events {
        let Some(head) = event.head.filter(|_| event.by == side) else {
            continue;
        };
        if !during(witness.common(clocks, event.at)) {
            continue;
        }
        match event.what {
            What::Syn { .. } | What::SynAck => add(Kind::Syn, head.seq, head.seq, false),
            // A FIN may come with data the first time and without the second.
            What::Fin | What::Retransmission { bytes: 0, .. } => {
                add(Kind::Fin, Seq(0), head.seq, false);
            }
            What::Retransmission { bytes, fresh } => {
                add(Kind::Data, head.seq, head.seq + bytes, fresh < bytes);
            }
            What::Rst => add(Kind::Rst, head.seq, head.seq, false),
            _ => {}
        }
    }
    for probe in witness.seen.flow.probes(side) {
        if during(witness.common(clocks, probe.at)) {
            add(Kind::Probe, Seq(0), Seq(0), false);
        }
    }
    places
}
