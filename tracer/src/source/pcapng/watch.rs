//! What hopscope itself recorded in a pcapng: read, and checked for what is missing.

use super::Found;
use crate::source::Extra;
use crate::source::own::{self, Block, Mark, Unreadable, Watched};
use crate::time::Time;

/// Records of hopscope that could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// They make no sense.
    pub damaged: u64,
    /// A later version of hopscope wrote them.
    pub newer: u64,
}

/// What hopscope recorded, as far as it was read.
#[derive(Default)]
pub(in crate::source) struct Watch {
    /// Sections whose interfaces hopscope watched.
    sections: u64,
    /// Those of them that end as hopscope ends them, with every frame that it wrote.
    whole: u64,
    /// Sections with what only hopscope writes: no other program has written them anew.
    own: u64,
    /// Those of them that have an end.
    ended: u64,
    /// This section is one of them.
    here_own: bool,
    /// This section is one whose interfaces hopscope watched.
    here: bool,
    /// Frames in it so far.
    frames: u64,
    pub(in crate::source) unread: Unread,
}

impl Watch {
    /// Whether everything that was recorded is there and could be read.
    pub(in crate::source) fn is_whole(&self) -> bool {
        self.sections == self.whole && self.unread == Unread::default()
    }

    /// Whether a recording stops before its end.
    pub(in crate::source) fn stops_early(&self) -> bool {
        // An end that could not be read is counted, and said.
        self.ended < self.own && self.unread == Unread::default()
    }

    /// A section begins.
    pub(super) fn section(&mut self) {
        self.here = false;
        self.here_own = false;
        self.frames = 0;
    }

    /// Whether hopscope watched the interfaces of this section.
    #[inline]
    pub(super) fn in_section(&self) -> bool {
        self.here
    }

    /// An interface, whether it is `described` as ours, and our option of it. Programs that write a
    /// capture anew keep the description and lose the rest.
    pub(super) fn interface(&mut self, described: bool, option: Option<&[u8]>) -> Option<Watched> {
        if described && !self.here {
            self.here = true;
            self.sections += 1;
        }
        let watched = self.known(own::read_watched(option?))?;
        self.own += u64::from(!std::mem::replace(&mut self.here_own, true));
        Some(watched)
    }

    /// A frame of this section, and our option of it.
    pub(super) fn frame(&mut self, option: Option<&[u8]>, at: Time) -> Option<Mark> {
        self.frames += 1;
        self.known(own::read_mark(option?, at))
    }

    /// A block of our type, in a section whose interfaces begin at `section` among `known`.
    pub(super) fn block(&mut self, body: &[u8], section: usize, known: usize) -> Option<Found> {
        let place = |interface: u32| {
            let place = (interface as usize).checked_add(section)?;
            (place < known).then(|| u32::try_from(place).ok()).flatten()
        };
        let extra = match self.known(own::read_block(body))? {
            Block::Note(note) => Some(Extra::Note(*note)),
            Block::Rest(rest) => place(rest.interface)
                .map(|interface| Extra::Rest(crate::tally::FlowTally { interface, ..rest })),
            Block::Counted {
                interface,
                dropped,
                other,
            } => place(interface).map(|interface| Extra::Counted {
                interface,
                dropped,
                other,
            }),
            Block::End { frames } => {
                self.ended += u64::from(self.here_own);
                self.whole += u64::from(self.here && frames == self.frames);
                return None;
            }
        };
        self.unread.damaged += u64::from(extra.is_none());
        Some(Found::Extra(Box::new(extra?)))
    }

    /// Counts what is ours and cannot be read.
    fn known<T>(&mut self, read: Result<T, Unreadable>) -> Option<T> {
        match read {
            Ok(read) => return Some(read),
            Err(Unreadable::Foreign) => {}
            Err(Unreadable::Newer) => self.unread.newer += 1,
            Err(Unreadable::Damaged) => self.unread.damaged += 1,
        }
        None
    }
}
