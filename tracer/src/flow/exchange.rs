//! Turns of a conversation: bytes from the client, then bytes from the server.

use std::cmp::Ordering;

use super::event::{BeforeFin, Event, OPENING, What};
use super::{Side, Sides};
use crate::segment::{Head, Segment};
use crate::time::Time;

/// Whose turn it is, and how many exchanges there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges {
    /// Exchanges that the server has answered, or begun to.
    pub(super) complete: u64,
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
        } = self;
        Event {
            at,
            frame,
            by,
            what: What::Data {
                bytes,
                until,
                before_fin: before_fin.filter(|before| before.bytes < bytes),
            },
            head,
        }
    }
}

impl Exchanges {
    /// Data came, or was acknowledged without having been seen (`bytes` 0). Returns the turn that
    /// this ends.
    #[inline]
    pub(super) fn data(&mut self, segment: &Segment<'_>, by: Side, bytes: u32) -> Option<Event> {
        let bytes = u64::from(bytes);
        let at = segment.at;
        match &mut self.turn {
            Some(turn) if turn.by == by => {
                turn.until = at;
                turn.bytes += bytes;
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
                });
                if by == Side::Server && before.is_some() {
                    self.complete += 1;
                }
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
        let unasked = self.turn.is_none() && first == Side::Server;
        self.complete += turns.server - u64::from(unasked);
        let until = counted[last].until.unwrap_or_default();
        let turn = Turn {
            by: last,
            frame: 0,
            head: None,
            at: until,
            until,
            before_fin: None,
            bytes: counted[last].bytes.min(1 << 62),
        };
        self.turn.replace(turn).map(Turn::event)
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

    /// The client's data came last: an answer is owed.
    pub(super) fn answer_pending(&self) -> bool {
        self.turn.is_some_and(|turn| turn.by == Side::Client)
    }

    /// The turn that nothing came after.
    pub(super) fn end(&mut self) -> Option<Event> {
        self.turn.map(Turn::event)
    }

    pub(super) fn swap_sides(&mut self) {
        if let Some(turn) = &mut self.turn {
            turn.by = turn.by.other();
        }
    }
}
