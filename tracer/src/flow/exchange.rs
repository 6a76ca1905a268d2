//! Turns of a conversation: bytes from the client, then bytes from the server.

use std::cmp::Ordering;

use hopscope_ebpf::tail::{self, Tail};

use super::event::{BeforeFin, Event, OPENING, What};
use super::{Side, Sides};
use crate::segment::{Head, Segment};
use crate::seq::Seq;
use crate::time::Time;

/// Whose turn it is, and how many exchanges there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges {
    /// Turns of each side that followed one of the other's.
    complete: Sides<u64>,
    turn: Option<Turn>,
}

/// Data of a side that was counted and not told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// Turns that it began.
    pub(super) turns: u64,
    pub(super) bytes: u64,
    /// The last of it.
    pub(super) until: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    by: Side,
    /// Zero where none was told.
    frame: u64,
    head: Option<Head>,
    at: Time,
    until: Time,
    /// What came before the peer's FIN, where there was one.
    before_fin: Option<BeforeFin>,
    bytes: u64,
    /// What its last bytes are.
    tail: Tail,
}

/// The last bytes of a segment behind which nothing was sent yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    bytes: [u8; 4],
    len: u32,
    captured: bool,
    /// All of it comes right behind what was sent before.
    follows: bool,
}

impl Last {
    /// Where `expected` should have come next.
    pub(super) fn of(segment: &Segment<'_>, expected: Option<Seq>) -> Self {
        let mut bytes = [0; 4];
        let payload = segment.payload.iter().rev();
        for (to, byte) in bytes.iter_mut().rev().zip(payload) {
            *to = *byte;
        }
        Self {
            bytes,
            len: segment.len,
            captured: segment.payload.len() == segment.len as usize,
            follows: expected.is_none_or(|expected| expected == segment.seq),
        }
    }

    const fn after(self, before: Tail) -> Tail {
        match (self.captured, self.follows) {
            (false, _) => tail::UNKNOWN,
            (true, true) => tail::after(before, self.bytes, self.len),
            (true, false) => tail::after(tail::UNKNOWN, self.bytes, self.len),
        }
    }
}

impl Turn {
    fn event(self) -> Event {
        let Self {
            by,
            frame,
            head,
            at,
            until,
            before_fin,
            bytes,
            tail,
        } = self;
        Event {
            at,
            frame,
            by,
            what: What::Data {
                bytes,
                until,
                before_fin: before_fin.filter(|before| before.bytes < bytes),
                ends: (tail != tail::UNKNOWN).then_some(tail == tail::EMPTY_LINE),
            },
            head,
        }
    }
}

impl Exchanges {
    /// Data came, or was acknowledged without having been seen (`bytes` 0); `last` are its last bytes,
    /// where it fills no hole. Returns the turn that this ends.
    #[inline]
    pub(super) fn data(
        &mut self,
        segment: &Segment<'_>,
        by: Side,
        bytes: u32,
        last: Option<Last>,
    ) -> Option<Event> {
        let bytes = u64::from(bytes);
        let at = segment.at;
        match &mut self.turn {
            Some(turn) if turn.by == by => {
                turn.until = at;
                turn.bytes += bytes;
                match last {
                    Some(last) => turn.tail = last.after(turn.tail),
                    None if bytes == 0 => turn.tail = tail::UNKNOWN,
                    None => {}
                }
                None
            }
            turn => {
                let before = turn.replace(Turn {
                    by,
                    frame: segment.frame,
                    // Where only the acknowledgment was seen, its numbers are the other side's.
                    head: (bytes > 0).then(|| segment.head()),
                    at,
                    until: at,
                    before_fin: None,
                    bytes,
                    tail: last.map_or(tail::UNKNOWN, |last| last.after(tail::NONE)),
                });
                self.complete[by] += u64::from(before.is_some());
                before.map(Turn::event)
            }
        }
    }

    /// Data was counted without being told; `last` sent the last of it. Returns the turn that this
    /// ends. What several turns of a side had between them becomes its last one's.
    pub(super) fn pass(&mut self, counted: Sides<Counted>, last: Option<Side>) -> Option<Event> {
        let turns = counted.as_ref().map(|of| of.turns);
        if let Some(turn) = &mut self.turn {
            let own = &counted[turn.by];
            if turns[turn.by] == 0 {
                turn.bytes = turn.bytes.saturating_add(own.bytes).min(1 << 62);
                turn.until = turn.until.max(own.until.unwrap_or(turn.until));
            }
        }
        let last = last.filter(|_| turns.client + turns.server > 0)?;
        // Turns alternate: who began more of them, or did not end them, began.
        let first = match turns.client.cmp(&turns.server) {
            Ordering::Greater => Side::Client,
            Ordering::Less => Side::Server,
            Ordering::Equal => last.other(),
        };
        let began = self.turn.is_none().then_some(first);
        for by in [Side::Client, Side::Server] {
            self.complete[by] += turns[by].saturating_sub(u64::from(began == Some(by)));
        }
        let until = counted[last].until.unwrap_or_default();
        let turn = Turn {
            by: last,
            frame: 0,
            head: None,
            at: until,
            until,
            before_fin: None,
            bytes: counted[last].bytes.min(1 << 62),
            tail: tail::UNKNOWN,
        };
        self.turn.replace(turn).map(Turn::event)
    }

    /// What the last bytes of each side are, by a source that looks at all of them: of a turn that went on
    /// with what was not told, it alone knows. An older one does not tell.
    pub(super) fn end_with(&mut self, tails: Sides<Tail>, counted: Sides<u64>) {
        if let Some(turn) = &mut self.turn
            && (tails[turn.by] != tail::UNKNOWN || counted[turn.by] > 0)
        {
            turn.tail = tails[turn.by];
        }
    }

    /// A side sent its first FIN.
    pub(super) fn fin(&mut self, by: Side) {
        if let Some(turn) = &mut self.turn
            && turn.by != by
        {
            turn.before_fin.get_or_insert(BeforeFin {
                bytes: turn.bytes,
                until: turn.until,
            });
        }
    }

    /// How many bytes of its turn a side had sent before what it sends now; `None` where these are
    /// too many for what follows to be shown.
    #[inline]
    pub(super) fn opening(&self, by: Side) -> Option<u64> {
        match self.turn {
            Some(turn) if turn.by == by => (turn.bytes < OPENING).then_some(turn.bytes),
            _ => Some(0),
        }
    }

    /// Exchanges that the server has answered, or begun to.
    pub(super) fn complete(&self) -> u64 {
        self.complete.server
    }

    /// The client's data came last: an answer is owed.
    pub(super) fn answer_pending(&self) -> bool {
        self.turn.is_some_and(|turn| turn.by == Side::Client)
    }

    /// The turn that nothing came after.
    pub(super) fn end(&mut self) -> Option<Event> {
        self.turn.map(Turn::event)
    }

    pub(super) fn swap_sides(&mut self) {
        self.complete.swap();
        if let Some(turn) = &mut self.turn {
            turn.by = turn.by.other();
        }
    }
}
