//! What joining looks at, and what it has found out so far.

use std::collections::BTreeMap;

use super::place::Places;
use super::turn::{Seen, Turn, Turns};
use super::{Content, Strength};
use crate::flow::Side;
use crate::hop::Hops;
use crate::scene::Scene;
use crate::time::Time;

/// What is joined.
pub(super) struct Context<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) hops: &'a Hops,
    pub(super) turns: Turns,
    pub(super) places: Places,
}

/// What was found out: for each turn, what it went on as.
#[derive(Debug)]
pub(super) struct Found {
    /// By the turn at the proxy's server side. There may be millions, of which few are joined.
    pub(super) next: Vec<Option<Box<Joined>>>,
    /// The other way round.
    pub(super) before: Vec<Option<usize>>,
    /// Turns that were tried before the one that it went on as, in order.
    pub(super) tried: BTreeMap<usize, Vec<usize>>,
    /// Turns that are among `tried`.
    pub(super) is_tried: Vec<bool>,
    /// What access logs say of a turn: log and entry by their places.
    pub(super) entries: BTreeMap<usize, Vec<(usize, usize)>>,
}

/// A turn that goes on as another.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) to: usize,
    pub(super) by: Strength,
    pub(super) content: Content,
    /// How unlikely it is by time and size, where these decided; of no unit.
    pub(super) weight: u64,
    /// How long the proxy would have held the request and the answer, in nanoseconds, where that
    /// decided.
    pub(super) held: u64,
    /// Hops that it could be as well.
    pub(super) others: Vec<usize>,
}

impl Found {
    pub(super) fn new(turns: &Turns) -> Self {
        let count = turns.all.len();
        Self {
            next: vec![None; count],
            before: vec![None; count],
            tried: BTreeMap::new(),
            is_tried: vec![false; count],
            entries: BTreeMap::new(),
        }
    }

    /// Joins two turns, unless one of them is joined already.
    pub(super) fn join(&mut self, down: usize, joined: Joined) -> bool {
        let to = joined.to;
        let free = self.next[down].is_none() && self.before[to].is_none() && !self.is_tried[to];
        if free && !self.reaches(to, down) {
            self.before[to] = Some(down);
            self.next[down] = Some(Box::new(joined));
            return true;
        }
        false
    }

    /// Whether following what is joined leads from one turn to another: joining them the other way
    /// round would make a ring.
    fn reaches(&self, from: usize, to: usize) -> bool {
        let mut at = from;
        while at != to {
            match &self.next[at] {
                Some(joined) => at = joined.to,
                None => return false,
            }
        }
        true
    }

    /// An entry of an access log tells of a turn.
    pub(super) fn tell(&mut self, turn: usize, entry: (usize, usize)) {
        self.entries.entry(turn).or_default().push(entry);
    }

    /// A turn was tried for another and came to nothing.
    pub(super) fn try_before(&mut self, down: usize, tried: usize) {
        self.is_tried[tried] = true;
        self.tried.entry(down).or_default().push(tried);
    }

    /// Undoes what was joined.
    pub(super) fn part(&mut self, down: usize) -> Option<Box<Joined>> {
        let joined = self.next[down].take()?;
        self.before[joined.to] = None;
        Some(joined)
    }
}

impl Context<'_> {
    /// A turn as the proxy at that end of its hop saw it, by that proxy's clock; where nobody was
    /// there, as the other end saw it.
    pub(super) fn view(&self, turn: &Turn, end: Side) -> Option<Seen> {
        if let Some(seen) = turn.seen(end) {
            return Some(seen);
        }
        let seen = turn.seen(end.other())?;
        let there = self.places.ends[turn.hop][end];
        let here = self.scene.flows[seen.flow].vantage;
        let shifted = |at: Time| {
            let common = self.hops.clocks.common(here, at);
            there.map_or(common, |there| self.local(there, common))
        };
        Some(Seen {
            began: shifted(seen.began),
            since: shifted(seen.since),
            asked: shifted(seen.asked),
            answered: seen.answered.map(shifted),
            done: seen.done.map(shifted),
            ended: seen.ended.map(shifted),
            over: seen.over.map(shifted),
            ..seen
        })
    }

    /// A common time by the clock of a vantage.
    fn local(&self, vantage: usize, at: Time) -> Time {
        let add = self.hops.clocks.common(vantage, Time::default()).as_nanos();
        Time::from_nanos(at.as_nanos().saturating_sub(add))
    }

    /// By the common clock.
    pub(super) fn common(&self, seen: &Seen, at: Time) -> Time {
        self.hops
            .clocks
            .common(self.scene.flows[seen.flow].vantage, at)
    }
}
