//! What the first bytes of a turn say, where they are readable: HTTP/1.1, HTTP/2, the PROXY protocol.
//! They are foreign bytes, and nothing is believed because of them alone.

use std::net::SocketAddr;

/// What the first bytes of a turn say.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Heading {
    /// An HTTP/1 request.
    Request(Box<Request>),
    /// The head of an HTTP/1 answer.
    Status(Status),
    /// The preface of an HTTP/2 connection (RFC 9113 section 3.4).
    Http2,
    /// A GOAWAY frame of HTTP/2 (RFC 9113 section 6.8), by its error code.
    GoAway(u32),
    /// A PROXY protocol header: the connection whose bytes follow.
    Proxied {
        /// Its client.
        source: SocketAddr,
        /// Its server.
        destination: SocketAddr,
    },
    /// A TLS record: what it says is encrypted.
    Tls,
}

/// An HTTP/1 request line and what matters of its header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// `/report?year=2026`, cut where it is very long.
    pub target: String,
    /// `host`.
    pub host: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// `connection: close`.
    pub closes: bool,
}

/// The head of an HTTP/1 answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// `200`.
    pub code: u16,
    /// `connection: close`.
    pub closes: bool,
    /// `server`.
    pub server: Option<String>,
}

/// Reads the first bytes of a turn as they come.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    done: bool,
}

impl Reader {
    /// Takes in the next bytes; `cut` where more were sent than captured. What is found out.
    pub(crate) fn read(&mut self, _bytes: &[u8], cut: bool) -> Option<Heading> {
        self.done |= cut;
        None
    }

    /// Nothing more will be found out.
    pub(crate) const fn is_done(&self) -> bool {
        self.done
    }
}
