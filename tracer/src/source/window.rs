//! A window on a byte stream: the part of it that is in memory.

use std::io::{self, Read};

/// Small enough to stay in the second-level cache between the kernel's copy and our reading.
const CHUNK: usize = 256 * 1024;

/// Buffers a stream so that a record can be looked at whole, wherever reads cut it.
pub(super) struct Window {
    stream: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// The record taken last begins here; it ends at `start`.
    taken: usize,
    start: usize,
    end: usize,
    /// Bytes of the stream before `buffer[0]`.
    before: u64,
    /// What was consumed is still looked at: nothing may move.
    held: bool,
    starved: bool,
}

impl Window {
    pub(super) fn new(stream: Box<dyn Read + Send>) -> Self {
        Self {
            stream,
            buffer: vec![0; CHUNK],
            taken: 0,
            start: 0,
            end: 0,
            before: 0,
            held: false,
            starved: false,
        }
    }

    /// Makes at least `count` bytes available; false where the stream ends before.
    #[inline]
    pub(super) fn fill(&mut self, count: usize) -> io::Result<bool> {
        if self.end - self.start >= count {
            return Ok(true);
        }
        self.read_more(count)
    }

    #[cold]
    fn read_more(&mut self, count: usize) -> io::Result<bool> {
        if self.held {
            self.starved = true;
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.before += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        self.taken = 0;
        while self.end < count {
            if self.end == self.buffer.len() {
                // Grow with what arrives, not with what a damaged header promises.
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            match self.stream.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// What is available.
    #[inline]
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Moves past `count` available bytes, which [`Window::consumed`] shows until the next `fill`.
    #[inline]
    pub(super) fn consume(&mut self, count: usize) {
        self.taken = self.start;
        self.start = (self.start + count).min(self.end);
    }

    /// What the last `consume` moved past.
    #[inline]
    pub(super) fn consumed(&self) -> &[u8] {
        &self.buffer[self.taken..self.start]
    }

    /// Where it is in [`Window::all`].
    #[inline]
    pub(super) fn consumed_at(&self) -> usize {
        self.taken
    }

    /// Everything in memory.
    #[inline]
    pub(super) fn all(&self) -> &[u8] {
        &self.buffer[..self.end]
    }

    /// Keeps everything in its place: `fill` answers from what is in memory, and
    /// [`Window::starved`] tells whether that was too little.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Lets `fill` read again.
    pub(super) fn release(&mut self) {
        self.held = false;
        self.starved = false;
    }

    /// A `fill` failed only because of [`Window::hold`].
    #[inline]
    pub(super) fn starved(&self) -> bool {
        self.starved
    }

    /// Position of the next byte in the stream.
    pub(super) fn position(&self) -> u64 {
        self.before + self.start as u64
    }

    /// The stream again, from the next byte on.
    pub(super) fn into_reader(self) -> impl Read + Send + 'static {
        io::Cursor::new(self.buffer[self.start..self.end].to_vec()).chain(self.stream)
    }
}
