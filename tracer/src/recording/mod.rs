//! Records what a live source yields in one pcapng file: Wireshark shows the frames, and
//! [`Capture`](crate::source::Capture) reads everything again.

pub(crate) mod block;
mod error;
mod file;

use std::io::Write;
use std::path::Path;

pub use self::error::RecordingError;

use self::block::option;
use self::file::Out;
use crate::live::Item;
use crate::source::{Frame, Interface, own};
use crate::tally::Tally;
use crate::time::Time;
use crate::vantage::own_name;

/// A recording that is being written.
///
/// What was taken in is in the file after [`Recorder::flush`], as far as whole blocks go: killed in
/// between, a recording ends after some block, or in the middle of its last. After an error nothing
/// more is written, and the file is cut back to its last whole block.
pub struct Recorder {
    out: Out,
    interfaces: Vec<Seen>,
    frames: u64,
    last: Time,
}

/// What was seen at an interface.
struct Seen {
    thinned: bool,
    frames: u64,
    /// As told last.
    counted: Option<Counted>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Counted {
    dropped: u64,
    other: u64,
}

impl Recorder {
    /// Records to a file, which is written anew; `-` is standard output.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn create(path: &Path) -> Result<Self, RecordingError> {
        Self::begin(Out::create(path)?)
    }

    /// Records to a stream that errors call `name`.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub fn new(stream: impl Write + Send + 'static, name: &str) -> Result<Self, RecordingError> {
        Self::begin(Out::new(Box::new(stream), name))
    }

    fn begin(mut out: Out) -> Result<Self, RecordingError> {
        let program = format!("hopscope {}", env!("CARGO_PKG_VERSION"));
        block::section(out.buffer(), &program);
        out.flush()?;
        Ok(Self {
            out,
            interfaces: Vec::new(),
            frames: 0,
            last: Time::default(),
        })
    }

    /// Records what a live source yielded.
    ///
    /// # Errors
    ///
    /// Once, where it cannot be written; from then on nothing is done.
    pub fn take(&mut self, item: &Item<'_>) -> Result<(), RecordingError> {
        if self.out.failed() {
            return Ok(());
        }
        match item {
            Item::Interface(interface) => self.interface(interface)?,
            Item::Frame {
                frame,
                tally,
                sender,
            } => self.frame(frame, *tally, *sender),
            Item::Rest(rest) => self.own(|body| own::write_rest(body, rest)),
            Item::Note(note) => {
                let mut json = Ok(());
                self.own(|body| json = own::write_note(body, note));
                json.map_err(|error| self.out.fail(error.into()))?;
            }
            Item::Counted {
                interface,
                dropped,
                other,
            } => self.counted(*interface, *dropped, *other),
        }
        self.out.flush_if_full()
    }

    /// Hands everything to the system: what was taken in is safe from the end of this process.
    ///
    /// # Errors
    ///
    /// Once, where it cannot be written.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        self.out.flush()
    }

    /// Ends the recording: what each interface saw and lost, and that nothing is missing.
    ///
    /// # Errors
    ///
    /// Where it cannot be written, and that was not told yet.
    pub fn finish(mut self) -> Result<(), RecordingError> {
        for (place, seen) in (0..).zip(&self.interfaces) {
            // How many frames an interface received is known where all of them are told.
            let dropped = seen.counted.map(|counted| counted.dropped);
            let all = seen.counted.filter(|_| !seen.thinned).map(|counted| {
                let told = seen.frames.saturating_add(counted.other);
                told.saturating_add(counted.dropped)
            });
            block::statistics(self.out.buffer(), place, self.last, all, dropped);
        }
        let frames = self.frames;
        self.own(|body| own::write_end(body, frames));
        self.out.flush()
    }

    fn interface(&mut self, interface: &Interface) -> Result<(), RecordingError> {
        let thinned = interface.thinned;
        let mut watched = Vec::new();
        own::write_watched(&mut watched, interface).map_err(|error| self.out.fail(error.into()))?;
        let described = if thinned {
            own::WATCHED_THINNED
        } else {
            own::WATCHED
        };
        let name = own_name(interface);
        // Link types are sixteen bits in pcapng; a higher one is unknown to everybody.
        let link = u16::try_from(interface.link.number()).unwrap_or(u16::MAX);
        let buffer = self.out.buffer();
        block::interface(buffer, link, interface.snaplen, |body| {
            option(body, block::IF_NAME, |value| value.extend(name.as_bytes()));
            option(body, block::IF_DESCRIPTION, |value| {
                value.extend(described.as_bytes());
            });
            option(body, block::IF_TSRESOL, |value| {
                value.push(block::NANOSECONDS);
            });
            option(body, own::OPTION, |value| value.extend(&watched));
        });
        self.interfaces.push(Seen {
            thinned,
            frames: 0,
            counted: None,
        });
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>, tally: Option<&Tally>, sender: Option<u64>) {
        self.frames += 1;
        self.last = self.last.max(frame.at);
        if let Some(seen) = self.interfaces.get_mut(frame.interface as usize) {
            seen.frames += 1;
        }
        block::packet(self.out.buffer(), frame, |body| {
            if tally.is_some() || sender.is_some() {
                option(body, own::OPTION, |value| {
                    own::write_mark(value, tally, sender, frame.at);
                });
            }
        });
    }

    /// Live sources tell often what has not changed.
    fn counted(&mut self, interface: u32, dropped: u64, other: u64) {
        let counted = Counted { dropped, other };
        let seen = self.interfaces.get_mut(interface as usize);
        if let Some(seen) = seen.filter(|seen| seen.counted != Some(counted)) {
            seen.counted = Some(counted);
            self.own(|body| own::write_counted(body, interface, dropped, other));
        }
    }

    fn own(&mut self, body: impl FnOnce(&mut Vec<u8>)) {
        block::block(self.out.buffer(), own::BLOCK, body);
    }
}
