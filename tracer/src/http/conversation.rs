//! Both directions of a connection.

use super::stream::{Found, Piece, Stream};
use crate::flow::{Side, Sides};

/// What is read of a connection, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    streams: Sides<Stream>,
    /// It speaks HTTP/2.
    http2: bool,
}

impl Conversation {
    /// Takes in bytes that a side sent for the first time, and tells what is found.
    pub(crate) fn read(&mut self, by: Side, piece: Piece<'_>, mut tell: impl FnMut(Found<'_>)) {
        self.streams[by].read(piece, &mut self.http2, &mut tell);
    }

    /// Nothing more comes of a side: what is there of an incomplete head is told.
    pub(crate) fn finish(&mut self, by: Side, mut tell: impl FnMut(Found<'_>)) {
        self.streams[by].give_up(&mut tell);
    }

    /// Client and server are the other way round.
    pub(crate) fn swap_sides(&mut self) {
        self.streams.swap();
    }
}
