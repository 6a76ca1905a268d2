//! Turns of a conversation: bytes from the client, then bytes from the server.

use super::Side;
use super::event::{Event, What};
use crate::time::Time;

/// Whose turn it is, and how many exchanges there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges {
    /// Exchanges that the server has answered, or begun to.
    pub(super) complete: u64,
    turn: Option<Turn>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    by: Side,
    frame: u64,
    at: Time,
    until: Time,
    bytes: u64,
}

impl Turn {
    const fn event(self) -> Event {
        let Self {
            by,
            frame,
            at,
            until,
            bytes,
        } = self;
        Event {
            at,
            frame,
            by,
            what: What::Data { bytes, until },
        }
    }
}

impl Exchanges {
    /// Data came, or was acknowledged without having been seen (`bytes` 0). Returns the turn that
    /// this ends.
    #[inline]
    pub(super) fn data(&mut self, at: Time, frame: u64, by: Side, bytes: u32) -> Option<Event> {
        let bytes = u64::from(bytes);
        match &mut self.turn {
            Some(turn) if turn.by == by => {
                turn.until = at;
                turn.bytes += bytes;
                None
            }
            turn => {
                let before = turn.replace(Turn {
                    by,
                    frame,
                    at,
                    until: at,
                    bytes,
                });
                if by == Side::Server && before.is_some() {
                    self.complete += 1;
                }
                before.map(Turn::event)
            }
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
