//! Flows that are over and are no longer kept one by one: whoever watches for hours would otherwise
//! run out of memory.
//!
//! Only asked for where a source has no end; reading a file keeps all flows, and pays nothing for
//! this.

use std::time::Duration;

use super::table::FlowTable;
use super::{Flow, FlowId, Observer, Roles, Teller};
use crate::time::Time;

/// A connection that is closed is let go when nothing was heard of it for so long: retransmissions
/// of its last FIN would otherwise begin a flow of their own.
const CLOSED: Duration = Duration::from_secs(30);

/// One that nobody answered: longer than any stack's last SYN is after the one before.
const UNANSWERED: Duration = Duration::from_secs(300);

/// One of which one side has closed, whose other FIN may have been lost on the way to here.
const HALF_CLOSED: Duration = Duration::from_secs(7200);

/// Which flow has which number, where some were let go.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Of the flows that were there when some were let go for the last time.
    kept: Vec<FlowId>,
    first: u64,
    /// What the place of a later one is added to: `first`, and how many are gone.
    offset: u64,
}

impl Numbers {
    /// Counted on from `first`.
    pub(super) const fn from(first: u64) -> Self {
        Self {
            kept: Vec::new(),
            first,
            offset: first,
        }
    }

    /// The number of the flow at that place.
    #[inline]
    pub(super) fn of(&self, place: u32) -> FlowId {
        match self.kept.get(place as usize) {
            None => FlowId(self.offset + u64::from(place)),
            Some(number) => *number,
        }
    }

    /// Where the flow of that number is; beyond the last one where there is none yet.
    pub(super) fn place(&self, number: FlowId) -> Option<usize> {
        self.kept.binary_search(&number).ok().or_else(|| {
            let place = usize::try_from(number.0.checked_sub(self.offset)?).ok()?;
            (place >= self.kept.len()).then_some(place)
        })
    }

    /// Of so many flows those that are `gone` are gone.
    fn drop(&mut self, count: u32, gone: impl Fn(u32) -> bool) {
        let all = (0..count).filter(|place| !gone(*place));
        let kept: Vec<FlowId> = all.map(|place| self.of(place)).collect();
        self.offset += u64::from(count) - kept.len() as u64;
        self.kept = kept;
    }

    /// Whether the numbers are other than the places, counted on from the first.
    pub(super) fn have_gaps(&self) -> bool {
        self.offset != self.first
    }
}

impl Flow {
    /// Whether nothing more is to come of it.
    fn is_over(&self, now: Time) -> bool {
        let quiet = now.since(self.last_at);
        if quiet < CLOSED {
            return false;
        }
        match &self.endings {
            Some(endings) if endings.complete() => true,
            // What was only counted of it comes last.
            Some(_) => quiet >= HALF_CLOSED && self.counted.is_none(),
            None => quiet >= UNANSWERED && self.unanswered(),
        }
    }
}

impl<O: Observer> FlowTable<O> {
    /// Lets go of flows that are over at `now`, where there are more than `keep` of them: the least
    /// telling first, the oldest first among these. `gone` sees each for the last time.
    ///
    /// Looks only when as many flows have begun since the last time as make it worth while.
    pub fn retire(&mut self, keep: usize, now: Time, mut gone: impl FnMut(&Flow)) {
        if self.flows.len() < self.look_at.max(keep) {
            return;
        }
        self.look_later(keep);
        let mut over: Vec<(u32, u32)> = (0..)
            .zip(&self.flows)
            .filter(|(_, flow)| flow.is_over(now))
            .map(|(place, flow)| (flow.weight(), place))
            .collect();
        let surplus = over.len().saturating_sub(keep);
        if surplus == 0 {
            return;
        }
        over.select_nth_unstable(surplus - 1);
        let mut is_gone = vec![false; self.flows.len()];
        for (_, place) in &over[..surplus] {
            is_gone[*place as usize] = true;
        }
        self.let_go(&is_gone, &mut gone);
        self.look_later(keep);
    }

    /// Looks at all flows: so not before there are a quarter more of them.
    fn look_later(&mut self, keep: usize) {
        let count = self.flows.len();
        self.look_at = count.saturating_add((keep / 2).max(count / 4) + 1);
    }

    fn let_go(&mut self, is_gone: &[bool], gone: &mut impl FnMut(&Flow)) {
        let mut moved = Vec::with_capacity(is_gone.len());
        let mut next = 0_u32;
        for (place, is_gone) in (0..).zip(is_gone) {
            moved.push(next);
            if *is_gone {
                let flow = &mut self.flows[place as usize];
                flow.finish(&mut Teller {
                    observer: &mut self.observer,
                    flow: self.numbers.of(place),
                });
                self.observer.let_go(self.numbers.of(place));
                gone(flow);
            } else {
                next += 1;
            }
        }
        let count = u32::try_from(is_gone.len()).unwrap_or(u32::MAX);
        self.numbers.drop(count, |place| is_gone[place as usize]);
        // Only the places change: the hashes are those of the flows.
        self.index.retain(|entry| {
            let stays = !is_gone[entry.place as usize];
            entry.place = moved[entry.place as usize];
            stays
        });
        let mut stays = is_gone.iter().map(|is_gone| !is_gone);
        self.flows.retain(|_| stays.next().unwrap_or(true));
        self.listeners.clear();
        let seen = self.flows.iter().filter(|flow| flow.roles == Roles::Seen);
        self.listeners
            .extend(seen.map(|flow| flow.endpoints.server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of places 0, 1, 2 ...
    fn first(numbers: &Numbers, count: u32) -> Vec<u64> {
        (0..count).map(|place| numbers.of(place).0).collect()
    }

    #[test]
    fn numbers_stay_whoever_goes() {
        let mut numbers = Numbers::from(10);
        assert!(!numbers.have_gaps());
        assert_eq!(first(&numbers, 3), [10, 11, 12]);
        numbers.drop(5, |place| [0, 2, 4].contains(&place));
        assert!(numbers.have_gaps());
        // Flows 11 and 13 are left, 15 is the next.
        assert_eq!(first(&numbers, 4), [11, 13, 15, 16]);
        let places = (9..18).map(|number| numbers.place(FlowId(number)));
        let expected = [
            None,
            None,
            Some(0),
            None,
            Some(1),
            None,
            Some(2),
            Some(3),
            Some(4),
        ];
        assert!(places.eq(expected));
        numbers.drop(4, |_| true);
        assert_eq!(first(&numbers, 2), [17, 18]);
        assert_eq!(numbers.place(FlowId(16)), None);
        assert_eq!(numbers.place(FlowId(17)), Some(0));
    }
}
