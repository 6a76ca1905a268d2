//! Where segments come from: captures in files and on standard input.
//!
//! This is the only module that knows capture formats, compression and I/O. A [`Capture`] yields
//! [`Frame`]s of known link type and says what it lost on the way.

mod compress;
mod error;
mod filter;
mod pcap;
mod pcapng;
mod window;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use arrayvec::ArrayVec;

pub use self::error::{Damage, SourceError};
pub use self::filter::{Filter, FilterError};

use self::window::Window;
use crate::decode::LinkType;
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

/// An open capture: a stream of frames.
pub struct Capture {
    window: Window,
    format: Format,
    interfaces: Vec<Interface>,
    frames: u64,
    batch: ArrayVec<Record, BATCH>,
    damage: Option<Damage>,
}

/// Frames read at once at most.
pub(crate) const BATCH: usize = 64;

enum Format {
    Pcap(pcap::Reader),
    Pcapng(pcapng::Reader),
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
            Format::Pcapng(pcapng::Reader::default())
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
            damage: None,
        })
    }

    /// Reads on: the next frames are in [`Capture::frames`]. As many as are in memory, so that a
    /// frame that has arrived never waits for the next. False at the end, or where damage ends the
    /// reading early (see [`Capture::damage`]).
    pub fn advance(&mut self) -> bool {
        self.batch.clear();
        self.window.release();
        while self.damage.is_none() && !self.batch.is_full() {
            let found = match &mut self.format {
                Format::Pcap(reader) => reader.advance(&mut self.window),
                Format::Pcapng(reader) => reader.advance(&mut self.window, &mut self.interfaces),
            };
            if self.window.starved() {
                break;
            }
            match found {
                Ok(Some(record)) => {
                    let start = self.window.consumed_at();
                    let data = start + record.data.start..start + record.data.end;
                    self.batch.push(Record { data, ..record });
                    self.window.hold();
                }
                Ok(None) => break,
                Err(damage) => self.damage = Some(damage),
            }
        }
        self.frames += self.batch.len() as u64;
        !self.batch.is_empty()
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
