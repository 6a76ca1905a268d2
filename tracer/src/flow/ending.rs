//! How a flow ended, and who began it.
//!
//! The first FIN or RST counts, by the order in which they were sent: a FIN that acknowledges the
//! other side's FIN came after it, whatever the order of the capture. A RST that both sides
//! outlived ended nothing.

use arrayvec::ArrayVec;

use super::{Side, Sides};
use crate::segment::Segment;
use crate::seq::Seq;
use crate::time::Time;

/// A FIN or a RST.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Closing {
    /// When it was seen.
    pub at: Time,
    /// The frame.
    pub frame: u64,
    /// Who sent it.
    pub by: Side,
    acknowledges: Option<Seq>,
    end: Seq,
    /// What its receiver would have sent next when it first acknowledged it, with nothing else.
    heard_at: Option<Seq>,
}

impl Closing {
    fn of(segment: &Segment<'_>, by: Side) -> Self {
        let acknowledges = segment.flags.ack().then_some(segment.ack);
        Self {
            at: segment.at,
            frame: segment.frame,
            by,
            acknowledges,
            end: segment.seq_end(),
            heard_at: None,
        }
    }

    /// Whether its receiver had sent nothing from this number on when it acknowledged this FIN: what it sent
    /// there afterwards it had not sent before (an acknowledgment alone has the next number, RFC 9293
    /// section 3.10.7.4).
    #[must_use]
    pub fn was_heard_before(&self, seq: Seq) -> bool {
        self.heard_at.is_some_and(|next| !next.is_after(seq))
    }

    /// The sequence number after it.
    #[must_use]
    pub const fn end(&self) -> Seq {
        self.end
    }

    /// Whether this RST is what a stack sends that had forgotten the connection after its own `fin`: it
    /// acknowledges nothing, and has the number that its peer acknowledges (RFC 9293 section 3.10.7.1).
    #[must_use]
    pub fn forgot(&self, fin: &Self) -> bool {
        self.by == fin.by && self.acknowledges.is_none() && self.end == fin.end
    }

    /// Whether the numbers of a RST captured before this FIN show that the FIN was sent first.
    fn came_before(&self, rst: &Self) -> bool {
        if self.by == rst.by {
            rst.end == self.end
        } else {
            rst.acknowledges == Some(self.end)
        }
    }
}

/// How a flow ended.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// A FIN came first.
    Fin,
    /// A RST came first.
    Rst,
    /// Neither was seen.
    Open,
    /// A RST answered the SYN.
    Refused,
    /// Nothing answered the SYN.
    Unanswered,
}

/// The first FIN or RST of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A side closed.
    Fin(Closing),
    /// A side reset.
    Rst(Closing),
}

impl Ending {
    /// The segment that ended the flow.
    #[must_use]
    pub const fn closing(&self) -> &Closing {
        match self {
            Self::Fin(closing) | Self::Rst(closing) => closing,
        }
    }
}

/// FINs and RSTs, in the order in which they were sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Endings {
    pub(super) fins: ArrayVec<Closing, 2>,
    pub(super) rsts: Vec<Closing>,
    pub(super) first: Option<Ending>,
    /// RSTs that did not end this connection.
    stray: usize,
    /// What each side was known to have sent before the first RST that may have.
    sent: Sides<Option<Seq>>,
}

impl Endings {
    /// A FIN. False where the side had sent it before.
    pub(super) fn fin(&mut self, segment: &Segment<'_>, by: Side) -> bool {
        let fin = Closing::of(segment, by);
        if self.fins.iter().any(|before| before.by == by) {
            return false;
        }
        self.fins.push(fin);
        if let [first, second] = *self.fins
            && first.acknowledges == Some(second.end)
        {
            self.fins.swap(0, 1);
        }
        if !matches!(self.first, Some(Ending::Rst(rst)) if !fin.came_before(&rst)) {
            self.first = Some(Ending::Fin(self.fins[0]));
        }
        true
    }

    /// An acknowledgment that brings nothing else.
    pub(super) fn heard(&mut self, segment: &Segment<'_>, by: Side) {
        let mut fins = self.fins.iter_mut();
        let fin = fins.find(|fin| fin.by != by && segment.flags.ack() && fin.end == segment.ack);
        if let Some(fin) = fin {
            fin.heard_at.get_or_insert(segment.seq);
        }
    }

    /// A RST; `next` is what each side would send next, where that is known.
    pub(super) fn rst(&mut self, segment: &Segment<'_>, by: Side, next: Sides<Option<Seq>>) {
        let rst = Closing::of(segment, by);
        self.rsts.push(rst);
        if self.rsts.len() == self.stray + 1 {
            self.sent = next;
        }
        self.first.get_or_insert(Ending::Rst(rst));
    }

    /// What a side sent was acknowledged up to `ack`. Where it was sent after a RST, both stacks
    /// live on: the RST was not one that its receiver takes (RFC 5961 section 3.2: only the exact
    /// next sequence number resets). True where that shows now.
    #[inline]
    pub(super) fn outlived(&mut self, ack: Seq, sent_by: Side) -> bool {
        let outlived = self.rsts.len() > self.stray
            && self.sent[sent_by].is_some_and(|sent| ack.is_after(sent));
        if outlived {
            self.went_on();
        }
        outlived
    }

    /// The connection went on after all. In a handshake, what was reset was an older connection's
    /// segment (RFC 9293 section 3.10.7.3: a RST does not end the SYN-SENT state of its sender).
    pub(super) fn went_on(&mut self) {
        self.first = self.fins.first().copied().map(Ending::Fin);
        self.stray = self.rsts.len();
    }

    /// Nothing can follow but leftovers: both sides closed, or one reset.
    pub(super) fn complete(&self) -> bool {
        self.fins.len() == 2 || self.rsts.len() > self.stray
    }

    /// When that was.
    pub(super) fn completed_at(&self) -> Option<Time> {
        let reset = self.rsts.get(self.stray).map(|rst| rst.at);
        let closed = match *self.fins {
            [first, second] => Some(first.at.max(second.at)),
            _ => None,
        };
        match (reset, closed) {
            (Some(reset), Some(closed)) => Some(reset.min(closed)),
            (reset, closed) => reset.or(closed),
        }
    }

    pub(super) fn swap_sides(&mut self) {
        for closing in self.fins.iter_mut().chain(&mut self.rsts) {
            closing.by = closing.by.other();
        }
        if let Some(Ending::Fin(closing) | Ending::Rst(closing)) = &mut self.first {
            closing.by = closing.by.other();
        }
    }
}
