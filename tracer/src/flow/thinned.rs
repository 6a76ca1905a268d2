//! What a thinned source only counted: regular segments, which move numbers, sums and times on and
//! do nothing else. A flow takes them in before the next segment that was told.

use super::exchange::Counted;
use super::{Flow, Observer, RunEnd, Side, Sides, Teller};
use crate::tally::{Sent, Tally};
use crate::time::Time;

const BOTH: Sides<Side> = Sides {
    client: Side::Client,
    server: Side::Server,
};

impl Flow {
    /// From here on: what was counted before belongs to another connection.
    pub(super) fn begin_counting(&mut self, tally: &Tally) {
        self.counted = Some(Box::new(*tally));
    }

    /// Takes in what was counted since the last time.
    pub(super) fn catch_up<O: Observer>(&mut self, tally: &Tally, teller: &mut Teller<'_, O>) {
        self.longest_silence = self.longest_silence.max(tally.longest_silence_ns);
        self.longest_payload_gap = self.longest_payload_gap.max(tally.longest_payload_gap_ns);
        let before = self.counted.get_or_insert_default();
        // Where counting began anew, it began from zero.
        let before = if before.since == tally.since {
            std::mem::replace(&mut **before, *tally)
        } else {
            **before = *tally;
            Tally::default()
        };
        let lower_is_client = self.endpoints.client < self.endpoints.server;
        let of = |tally: &Tally, side: Side| {
            tally.sent[usize::from((side == Side::Client) != lower_is_client)]
        };
        let sent = BOTH.map(|side| Passed {
            now: of(tally, side),
            before: of(&before, side),
        });
        let tails = sent.as_ref().map(|of| of.now.tail);
        let bytes = sent.as_ref().map(Passed::bytes);
        if sent.client.segments() == 0 && sent.server.segments() == 0 {
            self.exchanges.end_with(tails, bytes);
            return;
        }
        for side in [Side::Client, Side::Server] {
            self.pass(side, &sent[side]);
        }
        // What is acknowledged was sent before, by either side.
        for side in [Side::Client, Side::Server] {
            if sent[side].segments() > 0 {
                let Passed { now, .. } = &sent[side];
                let at = now.last_at.unwrap_or(self.last_at);
                self.sides[side.other()].acknowledged(now.acknowledged, at);
            }
        }
        let last = tally.turn.map(|turn| match (turn == 0) == lower_is_client {
            true => Side::Client,
            false => Side::Server,
        });
        teller.pass(self.exchanges.pass(sent.as_ref().map(Passed::data), last));
        self.exchanges.end_with(tails, bytes);
        for side in [Side::Client, Side::Server] {
            if sent[side].bytes() > 0 {
                let at = sent[side].now.data_at.unwrap_or(self.last_at);
                self.interrupt_probing(at, side, RunEnd::Data, teller);
            }
        }
    }

    /// Moves a side on by what it sent.
    fn pass(&mut self, by: Side, passed: &Passed) {
        if passed.segments() == 0 {
            return;
        }
        let Passed { now, .. } = passed;
        let later = |known: Option<Time>, at: Option<Time>| known.max(at);
        if !self.sides[by].went_on {
            self.sides[by].went_on = true;
            if by == Side::Client {
                self.opening
                    .client_went_on(now.first_at.unwrap_or(self.last_at));
            }
        }
        let side = &mut self.sides[by];
        side.segments = sum(side.segments, passed.segments());
        side.bytes = sum(side.bytes, passed.bytes());
        side.heard_at = later(side.heard_at, now.last_at);
        side.advertise(now.window);
        if !side.known || now.next.is_after(side.next) {
            side.next = now.next;
            side.known = true;
        }
        if passed.bytes() > 0 {
            side.sent_at = later(side.sent_at, now.data_at);
            side.counted_data();
            self.active_at = self.active_at.max(now.data_at.unwrap_or(self.active_at));
        }
        self.last_at = self.last_at.max(now.last_at.unwrap_or(self.last_at));
    }
}

/// The sum of two counts. A damaged recording may claim any; there is still room to count on.
fn sum(one: u64, other: u64) -> u64 {
    one.saturating_add(other).min(1 << 62)
}

/// What a side sent between two tallies.
struct Passed {
    now: Sent,
    before: Sent,
}

impl Passed {
    fn segments(&self) -> u64 {
        self.now.segments.saturating_sub(self.before.segments)
    }

    fn bytes(&self) -> u64 {
        self.now.bytes.saturating_sub(self.before.bytes)
    }

    fn data(&self) -> Counted {
        Counted {
            turns: self.now.turns.wrapping_sub(self.before.turns).into(),
            bytes: self.bytes(),
            until: self.now.data_at,
        }
    }
}
