//! Access logs of proxies: which connections served a request, as the proxy itself says.

use crate::segment::Endpoint;
use crate::time::Time;

/// The access log of one proxy.
#[derive(Clone, Debug, Default)]
pub struct AccessLog {
    /// What it was called on the command line: a vantage at the proxy, or any other name.
    pub name: String,
    /// What it says, in its order.
    pub entries: Vec<Entry>,
    /// Lines that are no entry.
    pub unread: u64,
    /// The first of them: its number, and its text.
    pub first_unread: Option<(u64, String)>,
}

/// What an access log says of one request or session.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Entry {
    /// Number of the line, from 1.
    pub line: u64,
    /// When it began, by the proxy's clock.
    pub began: Option<Time>,
    /// How long it took, in nanoseconds.
    pub took: Option<u64>,
    /// The client's endpoint on the downstream connection, as the proxy sees it.
    pub downstream_remote: Option<Endpoint>,
    /// The proxy's endpoint on the downstream connection.
    pub downstream_local: Option<Endpoint>,
    /// The proxy's endpoint on the upstream connection; `None` where there was none.
    pub upstream_local: Option<Endpoint>,
    /// The upstream's endpoint.
    pub upstream_remote: Option<Endpoint>,
    /// `GET /report`, where it speaks HTTP.
    pub request: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// HTTP status answered to the client; `None` where none was, or it speaks TCP.
    pub status: Option<u16>,
    /// Envoy's response flags or HAProxy's termination state, as written; `None` for `-` and `--`.
    pub flags: Option<String>,
    /// Envoy's response code details.
    pub details: Option<String>,
    /// Connections that were tried.
    pub attempts: Option<u64>,
    /// Payload bytes received from the client and sent to it, where the log tells.
    pub bytes: Option<(u64, u64)>,
}
