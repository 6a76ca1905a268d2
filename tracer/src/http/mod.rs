//! What the first bytes of a turn say, where they are readable: HTTP/1.1, HTTP/2, the PROXY protocol.
//! They are foreign bytes, and nothing is believed because of them alone.

mod alert;
mod conversation;
mod frame;
mod handshake;
mod head;
mod print;
mod proxied;
mod record;
mod stream;
mod tls;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use self::alert::{Alert, Failing, HandshakeFailure};
pub(crate) use self::conversation::Conversation;
pub(crate) use self::frame::{Does, Framed};
pub use self::handshake::Handshaking;
pub use self::print::Print;
pub(crate) use self::proxied::{ProxiedHeader, header as proxied_header};
pub(crate) use self::stream::{Found, Piece, Place};

/// What the first bytes of a turn say. Heads are shared with whatever is made of them: there are as
/// many as exchanges.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Heading {
    /// An HTTP/1 request.
    Request(Arc<Request>),
    /// The head of an HTTP/1 answer, interim ones (100 to 199) included.
    Status(Arc<Status>),
    /// The preface of an HTTP/2 connection (RFC 9113 section 3.4).
    Http2,
    /// A GOAWAY frame of HTTP/2: whoever sends it is about to end the connection.
    GoAway(GoAway),
    /// A PING frame of HTTP/2 (RFC 9113 section 6.7): a keepalive probe of the application.
    Ping {
        /// It answers one.
        answer: bool,
    },
    /// A RST_STREAM frame of HTTP/2 (RFC 9113 section 6.4): one request is given up.
    ResetStream {
        /// Which.
        stream: u32,
        /// Its error code (RFC 9113 section 7).
        error: u32,
    },
    /// A PROXY protocol header: the connection whose bytes follow.
    Proxied {
        /// Its client.
        source: SocketAddr,
        /// Its server.
        destination: SocketAddr,
    },
    /// The first TLS record of a side: what follows is encrypted.
    Tls,
}

/// In few words: `GET /report`, `200`, `GOAWAY NO_ERROR, last stream 7`.
impl fmt::Display for Heading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(request) => {
                let more = if request.target_cut { "..." } else { "" };
                write!(f, "{} {}{more}", request.method, request.target)
            }
            Self::Status(status) => write!(f, "{}", status.code),
            Self::Http2 => f.write_str("HTTP/2"),
            Self::GoAway(goaway) => write!(f, "GOAWAY {goaway}"),
            Self::Ping { answer: false } => f.write_str("PING"),
            Self::Ping { answer: true } => f.write_str("PING answered"),
            Self::ResetStream { stream, .. } => write!(f, "RST_STREAM of stream {stream}"),
            Self::Proxied { source, .. } => write!(f, "PROXY {source}"),
            Self::Tls => f.write_str("TLS"),
        }
    }
}

/// A GOAWAY frame (RFC 9113 section 6.8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoAway {
    /// The last stream that is still served; 2^31 - 1 where the end is only announced.
    pub last_stream: u32,
    /// Why (RFC 9113 section 7): 0 for no error.
    pub error: u32,
    /// What it says beside, where that was captured and is in plain ASCII: `too_many_pings`.
    pub debug: Option<Box<str>>,
}

/// `NO_ERROR, last stream 7`.
impl fmt::Display for GoAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "error {}", self.error)?,
        }
        match self.last_stream {
            0x7fff_ffff => f.write_str(", announced"),
            stream => write!(f, ", last stream {stream}"),
        }
    }
}

impl GoAway {
    /// The name of its error code (RFC 9113 section 7).
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        const NAMES: [&str; 14] = [
            "NO_ERROR",
            "PROTOCOL_ERROR",
            "INTERNAL_ERROR",
            "FLOW_CONTROL_ERROR",
            "SETTINGS_TIMEOUT",
            "STREAM_CLOSED",
            "FRAME_SIZE_ERROR",
            "REFUSED_STREAM",
            "CANCEL",
            "COMPRESSION_ERROR",
            "CONNECT_ERROR",
            "ENHANCE_YOUR_CALM",
            "INADEQUATE_SECURITY",
            "HTTP_1_1_REQUIRED",
        ];
        NAMES.get(self.error as usize).copied()
    }
}

/// An HTTP/1 request line and what matters of its header. Headers that were not captured whole are
/// not told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// `/report?year=2026`.
    pub target: String,
    /// `target` is only how it begins: it is very long, or was not captured whole.
    pub target_cut: bool,
    /// `host`.
    pub host: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// The connection is to end after the answer: `connection: close`, or HTTP/1.0 without
    /// `keep-alive` (RFC 9112 section 9.3).
    pub closes: bool,
    /// `x-envoy-expected-rq-timeout-ms`: how many milliseconds the Envoy that sends it will wait.
    pub timeout_ms: Option<u64>,
    /// `x-envoy-attempt-count`: which try of an Envoy it is, from 1.
    pub attempt: Option<u64>,
    /// Bytes of head and body, where there is a body and the head tells how long it is
    /// (`content-length`).
    pub whole: Option<u64>,
    /// Its head had not ended when the last of it was captured that there is: bytes of it until then.
    /// `None` as well where something of it was not captured.
    pub unended: Option<u64>,
}

/// The head of an HTTP/1 answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// `200`.
    pub code: u16,
    /// The connection is to end after it: `connection: close`, or HTTP/1.0 without `keep-alive`
    /// (RFC 9112 section 9.3).
    pub closes: bool,
    /// `server`.
    pub server: Option<String>,
    /// `via`.
    pub via: Option<String>,
    /// `keep-alive: timeout=5`: after how many seconds of idleness the server says it will close.
    pub idle_timeout_s: Option<u64>,
    /// `x-envoy-upstream-service-time`: how many milliseconds the upstream of the Envoy that sends it
    /// took. Answers that Envoy makes itself do not have it.
    pub upstream_ms: Option<u64>,
    /// Bytes of head and body, where the head tells how many these are (`content-length`, which an
    /// answer to HEAD has without a body).
    pub whole: Option<u64>,
    /// Its body comes in chunks, the last of which says that it is the last (RFC 9112 section 7.1).
    pub chunked: bool,
    /// Its body is all that comes until its sender closes: the head tells neither a length nor chunks (RFC 9112
    /// section 6.3). An answer to HEAD has no body all the same.
    pub until_close: bool,
    /// The last chunk had not come when its sender said the last that it said: bytes of head and body
    /// until then. `None` as well where something of it was not captured.
    pub unended: Option<u64>,
}

impl Status {
    /// What was asked for was done (RFC 9110 section 15.3).
    pub(crate) const fn is_success(&self) -> bool {
        self.code >= 200 && self.code < 300
    }

    /// The answer is still to come (RFC 9110 section 15.2); after 101 another protocol speaks.
    pub(crate) const fn is_interim(&self) -> bool {
        self.code >= 100 && self.code < 200 && self.code != 101
    }
}

#[cfg(test)]
mod tests;
