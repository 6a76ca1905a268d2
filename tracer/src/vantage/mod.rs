//! Vantages: places where segments are seen, and what each of them missed.
//!
//! A [`Collector`] makes vantages and flows of what a capture or a live source yields.

mod collector;
mod concerned;
mod counted;
mod gathered;
mod left_out;
mod naming;

pub use self::collector::{Collector, read};
pub use self::gathered::Gathered;
pub use self::left_out::LeftOut;
pub use self::naming::Naming;
pub(crate) use self::naming::own_name;

use crate::decode::{self, Skipped};
use crate::segment::Segment;
use crate::source::{Damage, Filter, FilterError, Frame, Unread};
use crate::time::Time;

/// One interface of one capture or of one namespace: what was seen there.
#[derive(Clone, Debug, Default)]
pub struct Vantage {
    /// What people call it.
    pub name: String,
    /// Where it was read from.
    pub source: String,
    /// The interface's own name, where it is known.
    pub interface: Option<String>,
    /// The network namespace, where hopscope watched it; empty for the one that it ran in.
    pub namespace: Option<String>,
    /// Frames read, and those that were counted without being shown.
    pub frames: u64,
    /// TCP segments among them, duplicates included.
    pub segments: u64,
    /// Segments among them that were only counted.
    pub counted: u64,
    /// Segments among those that belong to no flow: none of their connection was shown.
    pub unshown: u64,
    /// Segments that were seen before.
    pub duplicates: u64,
    /// Frames that held no segment.
    pub skipped: Skipped,
    /// Frames that the filter left out.
    pub filtered_out: u64,
    /// Frames lost while capturing, where it is told.
    pub dropped: Option<u64>,
    /// Segments whose payload is not there whole.
    pub cut: u64,
    /// First frame.
    pub first: Option<Time>,
    /// Last frame.
    pub last: Option<Time>,
    /// What ended the reading early.
    pub damage: Option<Damage>,
    /// Records of hopscope in its source that could not be read.
    pub unread: Unread,
    /// Segments were counted, and not all of those counts are there.
    pub lower_bounds: bool,
}

impl Vantage {
    #[inline]
    fn take<'a>(
        &mut self,
        frame: &Frame<'a>,
        filter: Option<&mut Filter>,
    ) -> Result<Option<Segment<'a>>, FilterError> {
        self.frames += 1;
        self.first = Some(self.first.map_or(frame.at, |first| first.min(frame.at)));
        self.last = self.last.max(Some(frame.at));
        if let Some(filter) = filter
            && !filter.passes(frame.link, frame.data)?
        {
            self.filtered_out += 1;
            return Ok(None);
        }
        match decode::segment(frame) {
            Ok(segment) => {
                self.segments += 1;
                self.cut += u64::from(segment.payload.len() < segment.len as usize);
                Ok(Some(segment))
            }
            Err(reason) => {
                self.skipped.count(reason);
                Ok(None)
            }
        }
    }
}
