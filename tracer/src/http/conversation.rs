//! Both directions of a connection.

use super::Heading;
use super::alert::HandshakeFailure;
use super::handshake::{Handshake, Handshaking};
use super::stream::{Found, Piece, Stream};
use crate::flow::{Side, Sides};

/// What is read of a connection, piece by piece.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    streams: Sides<Stream>,
    /// It speaks HTTP/2.
    http2: bool,
    /// What the client asked for last is a tunnel.
    connects: bool,
    /// It speaks TLS.
    tls: Option<Box<Handshake>>,
}

impl Conversation {
    /// Takes in bytes that a side sent for the first time, and tells what is found.
    pub(crate) fn read(&mut self, by: Side, piece: Piece<'_>, mut tell: impl FnMut(Found<'_>)) {
        let Self {
            streams,
            http2,
            connects,
            ..
        } = self;
        let mut tunnel = false;
        streams[by].read(piece, http2, &mut |found| {
            if let Found::Heading(heading, _) = &found {
                match heading {
                    Heading::Request(request) => *connects = request.method == "CONNECT",
                    Heading::Status(status) => tunnel |= *connects && status.is_success(),
                    _ => {}
                }
            }
            tell(found);
        });
        if tunnel {
            streams.client.tunnel();
            streams.server.tunnel();
        }
        if self.streams[by].is_opaque() {
            self.tls.get_or_insert_default().read(by, piece);
        }
    }

    /// Nothing more comes of a side: what is there of an incomplete head is told.
    pub(crate) fn finish(&mut self, by: Side, mut tell: impl FnMut(Found<'_>)) {
        self.streams[by].finish(&mut tell);
    }

    /// Turns that hold nothing but a handshake of TLS, and how it failed; nothing more comes of either
    /// side. `sent` tells of each turn the frame that it begins with, whose it is, and how many bytes it had
    /// in all.
    pub(crate) fn handshakes(
        &mut self,
        sent: &[(u64, Side, u64)],
    ) -> (Vec<Handshaking>, Option<HandshakeFailure>) {
        let Some(tls) = self.tls.take() else {
            return Default::default();
        };
        let failure = tls.failure(sent);
        (tls.finish(sent), failure)
    }

    /// It spoke TLS.
    pub(crate) const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads a little of both sides.
    #[inline]
    pub(crate) fn touch(&self) -> u64 {
        u64::from(self.streams.client.touch() ^ self.streams.server.touch())
    }

    /// Client and server are the other way round.
    pub(crate) fn swap_sides(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.swap_sides();
        }
        self.streams.swap();
    }
}
