//! What two vantages can know one segment by, and how far apart they stamped it.

use std::cmp::Ordering;

use crate::flow::{Event, Side, Sides, Trail, What};
use crate::time::Time;

/// A telling segment, by what no address translation changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Mark {
    /// Sent by the hop's client.
    forth: bool,
    kind: Kind,
    seq: u32,
    ack: u32,
    /// TSval: another one in each transmission.
    timestamp: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Kind {
    Syn,
    SynAck,
    Data,
    Again,
    Probe,
    Fin,
    Rst,
}

/// A mark, and when a vantage saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Marked {
    pub(super) mark: Mark,
    pub(super) at: Time,
    pub(super) frame: u64,
}

impl Mark {
    /// `None` for what cannot be known again.
    pub(super) fn of(event: &Event, swapped: bool) -> Option<Self> {
        let head = event.head?;
        let kind = match event.what {
            What::Syn { .. } => Kind::Syn,
            What::SynAck => Kind::SynAck,
            What::Data { .. } => Kind::Data,
            What::Retransmission { .. } => Kind::Again,
            What::KeepaliveProbe { .. } => Kind::Probe,
            What::Fin => Kind::Fin,
            What::Rst => Kind::Rst,
            _ => return None,
        };
        Some(Self {
            forth: (event.by == Side::Client) != swapped,
            kind,
            seq: head.seq.0,
            ack: if kind == Kind::Syn { 0 } else { head.ack.0 },
            timestamp: head.timestamp,
        })
    }

    /// Whether it has the sender's own clock, which makes it one transmission and no other.
    pub(super) const fn is_stamped(&self) -> bool {
        self.timestamp.is_some()
    }
}

/// The marks of a flow, sorted, each once: what a vantage saw twice cannot be told apart at another.
pub(super) fn marks(trail: &Trail, swapped: bool) -> Vec<Marked> {
    let of = |event: &Event| {
        Some(Marked {
            mark: Mark::of(event, swapped)?,
            at: event.at,
            frame: event.frame,
        })
    };
    let mut all: Vec<Marked> = trail.events.iter().filter_map(of).collect();
    all.sort_unstable_by_key(|marked| (marked.mark, marked.at, marked.frame));
    let mut once = Vec::with_capacity(all.len());
    for same in all.chunk_by(|one, other| one.mark == other.mark) {
        if let [only] = same {
            once.push(*only);
        }
    }
    once
}

/// Marks that two sights share: pairs of when each saw them.
pub(super) fn shared<'m>(
    one: &'m [Marked],
    other: &'m [Marked],
) -> impl Iterator<Item = (&'m Marked, &'m Marked)> {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    std::iter::from_fn(move || {
        loop {
            match one.peek()?.mark.cmp(&other.peek()?.mark) {
                Ordering::Less => _ = one.next(),
                Ordering::Greater => _ = other.next(),
                Ordering::Equal => return Some((one.next()?, other.next()?)),
            }
        }
    })
}

/// How much later, in nanoseconds, one vantage stamped segments than another: the least and the
/// most, by the side that sent them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Lag {
    pub(super) by: Sides<Option<(i64, i64)>>,
}

impl Lag {
    /// Of `other` after `one`.
    pub(super) fn between(one: &[Marked], other: &[Marked]) -> Self {
        let mut lag = Self::default();
        for (here, there) in shared(one, other) {
            let later = there.at.as_nanos().saturating_sub(here.at.as_nanos());
            let side = if here.mark.forth {
                &mut lag.by.client
            } else {
                &mut lag.by.server
            };
            let (least, most) = side.unwrap_or((later, later));
            *side = Some((least.min(later), most.max(later)));
        }
        lag
    }

    /// Of `one` after `other`.
    pub(super) fn reversed(self) -> Self {
        let by = self
            .by
            .map(|lag| lag.map(|(least, most)| (most.saturating_neg(), least.saturating_neg())));
        Self { by }
    }

    /// How far their clocks are apart, if the second vantage is nearer to the server: no more than
    /// what the client sends is stamped later there, and no less than what the server sends. What
    /// waits on the way, or is sent again, widens the room between the two, and never moves it.
    pub(super) fn room(self) -> Option<(i64, i64)> {
        Some((self.by.server?.1, self.by.client?.0))
    }

    /// Whether the second vantage is nearer to the server (`Less`) or to the client, whatever their
    /// clocks say: a segment takes time from the one to the other in either direction.
    pub(super) fn order(self) -> Ordering {
        let width = |lag: Self| lag.room().map(|(from, to)| to.saturating_sub(from));
        match (width(self), width(self.reversed())) {
            (Some(this), Some(other)) => other.cmp(&this),
            _ => Ordering::Equal,
        }
    }
}
