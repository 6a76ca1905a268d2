//! Where segments come from: captures in files and on standard input.
//!
//! This is the only module that knows capture formats, compression and I/O. A [`Capture`] yields
//! [`Frame`]s of known link type and says what it lost on the way.

mod compress;
mod error;
mod filter;
pub(crate) mod own;
mod pcap;
mod pcapng;
mod window;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrayvec::ArrayVec;

pub use self::error::{Damage, SourceError};
pub use self::filter::{Filter, FilterError};
pub use self::own::Mark;
pub use self::pcapng::Unread;

use self::pcapng::Found;
use self::window::Window;
use crate::decode::LinkType;
use crate::note::Note;
use crate::tally::FlowTally;
use crate::time::Time;

/// One captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Index into [`Capture::interfaces`].
    pub interface: u32,
    /// What it begins with.
    pub link: LinkType,
    /// Number in the capture, from 1.
    pub number: u64,
    /// When it was stamped.
    pub at: Time,
    /// The captured bytes.
    pub data: &'a [u8],
    /// Length on the wire, where the snap length cut the data.
    pub wire_len: u32,
}

/// One interface of a capture: a vantage of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// What the frames begin with.
    pub link: LinkType,
    /// Its name where the capture gives one.
    pub name: Option<String>,
    /// Bytes kept of each frame at most; 0 where there was no limit or none is told.
    pub snaplen: u32,
    /// Frames that the capturing program says it lost, where it says so.
    pub dropped: Option<u64>,
    /// Where hopscope watched it: the network namespace's name, empty for the one that hopscope ran
    /// in. `None` for captures of other programs.
    pub namespace: Option<String>,
    /// Only telling segments are shown as frames; regular ones are in tallies.
    pub thinned: bool,
}

impl Interface {
    /// An interface of that link type, of which nothing else is known.
    #[must_use]
    pub const fn new(link: LinkType) -> Self {
        Self {
            link,
            name: None,
            snaplen: 0,
            dropped: None,
            namespace: None,
            thinned: false,
        }
    }
}

/// What a recording of a watch holds beside frames.
#[derive(Clone, Debug, PartialEq)]
pub enum Extra {
    /// The last tally of a flow.
    Rest(FlowTally),
    /// Something that the kernel told.
    Note(Note),
    /// What an interface had counted beside frames, so far.
    Counted {
        /// Index into [`Capture::interfaces`].
        interface: u32,
        /// Frames lost for want of room.
        dropped: u64,
        /// Frames that hold no TCP segment and were not shown.
        other: u64,
    },
}

/// An open capture: a stream of frames.
pub struct Capture {
    window: Window,
    format: Format,
    interfaces: Vec<Interface>,
    frames: u64,
    batch: ArrayVec<Record, BATCH>,
    /// What the frames of the batch are marked with; those behind its end with nothing.
    marks: Vec<Mark>,
    extra: Option<Box<Extra>>,
    damage: Option<Damage>,
}

/// Frames read at once at most.
pub(crate) const BATCH: usize = 64;

enum Format {
    Pcap(pcap::Reader),
    Pcapng(Box<pcapng::Reader>),
}

impl Capture {
    /// Opens a capture file: pcap or pcapng, plain or compressed with gzip or zstd.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read or is not a capture.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        Self::new(open_file(path)?)
    }

    /// Reads a capture from a stream, which may still be written to: frames are yielded as they
    /// arrive.
    ///
    /// # Errors
    ///
    /// Where the stream cannot be read or does not begin as a capture does.
    pub fn new(stream: impl Read + Send + 'static) -> Result<Self, SourceError> {
        let mut window = compress::open(Window::new(Box::new(stream)))?;
        let magic = match window.fill(4).map_err(SourceError::Read)? {
            true => [
                window.data()[0],
                window.data()[1],
                window.data()[2],
                window.data()[3],
            ],
            false if window.data().is_empty() => return Err(SourceError::Empty),
            false => {
                return Err(SourceError::NotACapture {
                    hint: "it is too short to be one",
                });
            }
        };
        let mut interfaces = Vec::new();
        let format = if magic == pcapng::MAGIC {
            Format::Pcapng(Box::default())
        } else {
            let (reader, interface) = pcap::Reader::open(&mut window, magic)?;
            interfaces.push(interface);
            Format::Pcap(reader)
        };
        Ok(Self {
            window,
            format,
            interfaces,
            frames: 0,
            batch: ArrayVec::new(),
            marks: Vec::new(),
            extra: None,
            damage: None,
        })
    }

    /// Reads on: the next frames are in [`Capture::frames`], what follows them in
    /// [`Capture::extra`]. As many as are in memory, so that a frame that has arrived never waits
    /// for the next. False at the end, or where damage ends the reading early (see
    /// [`Capture::damage`]).
    pub fn advance(&mut self) -> bool {
        self.batch.clear();
        self.marks.clear();
        self.extra = None;
        self.window.release();
        while self.damage.is_none() && !self.batch.is_full() {
            let found = match &mut self.format {
                Format::Pcap(reader) => reader
                    .advance(&mut self.window)
                    .map(|r| r.map(Found::Frame)),
                Format::Pcapng(reader) => reader.advance(&mut self.window, &mut self.interfaces),
            };
            if self.window.starved() {
                break;
            }
            match found {
                Ok(Some(Found::Frame(record))) => self.push(record),
                Ok(Some(Found::Extra(extra))) => {
                    self.extra = Some(extra);
                    break;
                }
                Ok(None) => {
                    let position = self.window.position();
                    self.damage = self.stops_early().then_some(Damage::NoEnd { position });
                    break;
                }
                Err(Damage::CutInHalf { position }) if self.stops_early() => {
                    self.damage = Some(Damage::NoEnd { position });
                }
                Err(damage) => self.damage = Some(damage),
            }
        }
        self.frames += self.batch.len() as u64;
        !self.batch.is_empty() || self.extra.is_some()
    }

    /// Whether it is a recording of hopscope of which the end was not read.
    fn stops_early(&self) -> bool {
        match &self.format {
            Format::Pcap(_) => false,
            Format::Pcapng(reader) => reader.watch.stops_early(),
        }
    }

    #[inline]
    fn push(&mut self, mut record: Record) {
        if let Format::Pcapng(reader) = &mut self.format
            && let Some(mark) = reader.mark.take()
        {
            self.marks.resize(self.batch.len(), Mark::default());
            self.marks.push(mark);
        }
        let start = self.window.consumed_at();
        record.data = start + record.data.start..start + record.data.end;
        self.batch.push(record);
        self.window.hold();
    }

    /// The frames that the last [`Capture::advance`] read.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let first = self.frames - self.batch.len() as u64 + 1;
        self.batch
            .iter()
            .zip(first..)
            .map(|(record, number)| Frame {
                interface: record.interface,
                link: self.interfaces[record.interface as usize].link,
                number,
                at: record.at,
                data: &self.window.all()[record.data.clone()],
                wire_len: record.wire_len,
            })
    }

    /// What the frames of [`Capture::frames`] are marked with, in their order; empty where none is.
    #[must_use]
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// What a recording of a watch holds behind those frames.
    #[must_use]
    pub fn extra(&self) -> Option<&Extra> {
        self.extra.as_deref()
    }

    /// The interfaces known so far; pcapng may add some at any time.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// What ended the reading before the end of the capture, if anything did.
    #[must_use]
    pub fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Records of hopscope in it that could not be read.
    #[must_use]
    pub fn unread(&self) -> Unread {
        match &self.format {
            Format::Pcap(_) => Unread::default(),
            Format::Pcapng(reader) => reader.watch.unread,
        }
    }

    /// Whether all that hopscope recorded in it is there and was read, once it was read to its end.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match &self.format {
            Format::Pcap(_) => true,
            Format::Pcapng(reader) => reader.watch.is_whole(),
        }
    }

    /// Whether it is a pcapng, which tells more than frames.
    pub(crate) const fn is_pcapng(&self) -> bool {
        matches!(self.format, Format::Pcapng(_))
    }

    /// Frames passed over because the capture gives no time for them.
    #[must_use]
    pub fn untimed(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(reader) => reader.untimed,
        }
    }
}

/// Opens a file for [`Capture::new`].
///
/// # Errors
///
/// Where it cannot be opened or is a directory.
pub fn open_file(path: &Path) -> Result<File, SourceError> {
    let file = File::open(path).map_err(SourceError::Open)?;
    if file.metadata().map_err(SourceError::Open)?.is_dir() {
        return Err(SourceError::Directory);
    }
    Ok(file)
}

/// A frame's place in what was last consumed from the window.
struct Record {
    interface: u32,
    at: Time,
    data: std::ops::Range<usize>,
    wire_len: u32,
}
