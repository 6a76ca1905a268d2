//! Access logs of proxies: which connections served a request, as the proxy itself says.
//!
//! Every line is recognised by itself, so that a log may be what `kubectl logs` prints, with whatever
//! else the proxy says in between. What is no entry is counted, never guessed.

mod envoy;
mod haproxy;
mod json;
mod line;
mod value;

use std::io::{self, BufRead, Read};

use crate::segment::Endpoint;
use crate::time::Time;

/// A line is read no farther: the longest header that Envoy lets pass is 60 KiB.
const LONGEST_LINE: u64 = 128 * 1024;

/// So many bytes of a line that is no entry are kept to be shown.
const SHOWN: usize = 200;

/// The access log of one proxy.
#[derive(Clone, Debug, Default)]
pub struct AccessLog {
    /// What it was called on the command line: a vantage at the proxy, or any other name.
    pub name: String,
    /// The file that it was read from.
    pub source: String,
    /// What it says, in its order.
    pub entries: Vec<Entry>,
    /// Lines that are no entry; empty ones do not count.
    pub unread: u64,
    /// The first of them: its number, and how its text begins.
    pub first_unread: Option<(u64, String)>,
}

/// What an access log says of one request or session.
///
/// Endpoints are those of connections: what has no address and port, such as a pipe, an internal
/// listener, or a client that Envoy knows from `x-forwarded-for` alone (its port is 0), is `None`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Entry {
    /// Number of the line, from 1.
    pub line: u64,
    /// When it began, by the proxy's clock. Proxies cut it to milliseconds.
    pub began: Option<Time>,
    /// `began` was written without a time zone and taken as UTC, as HAProxy's local times are.
    pub zoneless: bool,
    /// How long it took, in nanoseconds; proxies tell milliseconds.
    pub took: Option<u64>,
    /// The client's endpoint on the downstream connection, as the proxy sees it: where a PROXY protocol
    /// header or `x-forwarded-for` names somebody farther away, that may be named instead.
    pub downstream_remote: Option<Endpoint>,
    /// The endpoint that the downstream connection really comes from, where the log tells it apart.
    pub downstream_direct: Option<Endpoint>,
    /// The proxy's endpoint on the downstream connection.
    pub downstream_local: Option<Endpoint>,
    /// The proxy's endpoint on the upstream connection; `None` where there was none, or the format
    /// does not tell.
    pub upstream_local: Option<Endpoint>,
    /// The upstream's endpoint.
    pub upstream_remote: Option<Endpoint>,
    /// What the proxy calls the upstream: Envoy's cluster, HAProxy's `backend/server`.
    pub upstream: Option<String>,
    /// `GET /report`, where it speaks HTTP; cut where it is very long.
    pub request: Option<String>,
    /// `x-request-id`.
    pub request_id: Option<String>,
    /// HTTP status answered to the client; `None` where none was, or it speaks TCP.
    pub status: Option<u16>,
    /// Envoy's response flags or HAProxy's termination state, as written; `None` for `-` and `--`.
    pub flags: Option<String>,
    /// Envoy's response code details.
    pub details: Option<String>,
    /// Envoy's connection termination details.
    pub termination: Option<String>,
    /// Why there was no connection to the upstream (Envoy's transport failure reason).
    pub failure: Option<String>,
    /// Connections that were tried.
    pub attempts: Option<u64>,
    /// Payload bytes received from the client and sent to it, where the log tells. Of HTTP, Envoy
    /// counts bodies, HAProxy everything.
    pub bytes: (Option<u64>, Option<u64>),
}

impl AccessLog {
    /// Reads a log to its end.
    ///
    /// # Errors
    ///
    /// The log could not be read. Lines that make no sense are no error.
    pub fn read(name: &str, source: &str, mut log: impl BufRead) -> io::Result<Self> {
        let mut read = Self {
            name: name.to_owned(),
            source: source.to_owned(),
            ..Self::default()
        };
        let mut number = 0;
        let mut bytes = Vec::new();
        while next_line(&mut log, &mut bytes)? {
            number += 1;
            let text = String::from_utf8_lossy(&bytes);
            read.take(number, text.trim());
        }
        Ok(read)
    }

    fn take(&mut self, number: u64, line: &str) {
        if line.is_empty() {
            return;
        }
        if let Some(mut entry) = line::parse(line) {
            entry.line = number;
            self.entries.push(entry);
            return;
        }
        self.unread += 1;
        if self.first_unread.is_none() {
            self.first_unread = Some((number, value::beginning(line, SHOWN).to_owned()));
        }
    }
}

/// The next line, as far as it is read; false at the end.
fn next_line(log: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = log.by_ref().take(LONGEST_LINE).read_until(b'\n', line)?;
    if read > 0 && line.last() != Some(&b'\n') {
        log.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

#[cfg(test)]
mod tests;
