//! What can be expected of a socket and its options in effect.

use std::sync::LazyLock;

use super::super::subject::{Key, Subject, View};
use super::super::test::{Value, Wants};
use super::{port, text, word};
use crate::report::{FlowReport, OptionsReport, Report, SocketReport};
use crate::socket::State;

pub(super) const STATES: &[&str] = &[
    "ESTABLISHED",
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
];

const NO_PEER: &str = "it is a listener";

impl Subject for SocketReport {
    fn keys() -> &'static [Key<Self>] {
        &KEYS
    }

    fn all(report: &Report) -> &[Self] {
        &report.sockets
    }

    fn told(&self) -> String {
        let peer = self.peer.as_deref().unwrap_or("*");
        let vantage = match self.vantage.as_str() {
            "" => "this namespace",
            name => name,
        };
        format!("socket {} -> {peer} in {vantage}", self.local)
    }

    fn flows<'a>(&self, _: &View<'a>) -> Vec<&'a FlowReport> {
        Vec::new()
    }

    const CONSISTS_OF_FLOWS: bool = false;
}

/// Who holds it, and when it was looked at.
fn looks(_: &View<'_>, socket: &SocketReport) -> Vec<String> {
    let owner = match (&socket.comm, socket.pid) {
        (Some(comm), Some(pid)) => format!("held by {comm}/{pid}"),
        _ => "no process was seen to hold it".to_owned(),
    };
    let mut lines = vec![owner];
    if let Some(seen) = socket.seen.last() {
        lines.push(format!("last looked at {}", seen.at));
    }
    lines.extend(
        socket
            .options_not_read
            .iter()
            .map(|(option, why)| format!("{option} was not read: {why}")),
    );
    lines
}

/// An option's value, for a key of the same name without its unit.
fn option(
    name: &'static str,
    wants: Wants,
    value: fn(&OptionsReport) -> Option<Value>,
) -> Key<SocketReport> {
    Key::new(name, wants, looks, move |_, socket: &SocketReport| {
        vec![value(&socket.options).unwrap_or(Value::Unknown("it was not read"))]
    })
}

/// SO_LINGER is off, or a time, or it was not read.
fn linger(socket: &SocketReport) -> Vec<Value> {
    let value = match socket.options.so_linger_s {
        Some(seconds) => Value::Seconds(seconds),
        None if socket.options_origin.contains_key("so_linger_s") => Value::None("it is off"),
        None => Value::Unknown("it was not read"),
    };
    vec![value]
}

static KEYS: LazyLock<Vec<Key<SocketReport>>> = LazyLock::new(|| {
    let mut keys = Vec::new();
    let mut key = |name: &str, wants, find: fn(&SocketReport) -> Vec<Value>| {
        keys.push(Key::new(name, wants, looks, move |_, socket| find(socket)));
    };
    key("vantage", Wants::Vantage, |socket| text(&socket.vantage));
    key("local", Wants::Address, |socket| text(&socket.local));
    key("local_port", Wants::Port, |socket| port(&socket.local));
    key("peer", Wants::Address, |socket| {
        vec![
            socket
                .peer
                .clone()
                .map_or(Value::None(NO_PEER), Value::Text),
        ]
    });
    key("peer_port", Wants::Port, |socket| {
        socket
            .peer
            .as_deref()
            .map_or(vec![Value::None(NO_PEER)], port)
    });
    key("state", Wants::Word(STATES), |socket| {
        vec![word(&socket.state)]
    });
    key("owner", Wants::Text, |socket| {
        let owner = socket.comm.clone();
        vec![owner.map_or(
            Value::Unknown("no process was seen to hold it"),
            Value::Text,
        )]
    });
    key("closed_by", Wants::Text, |socket| {
        let closer = socket.closed_by.as_ref().map(|by| by.comm.clone());
        let none = match socket.state {
            State::Established | State::SynSent | State::Listen => Value::None("it is open"),
            _ => Value::Unknown("no process was seen to close it"),
        };
        vec![closer.map_or(none, Value::Text)]
    });
    key("so_linger", Wants::Set, linger);
    keys.extend([
        option("so_keepalive", Wants::Flag, |of| {
            of.so_keepalive.map(Value::Flag)
        }),
        option("tcp_nodelay", Wants::Flag, |of| {
            of.tcp_nodelay.map(Value::Flag)
        }),
        option("tcp_keepidle", Wants::Set, |of| {
            of.tcp_keepidle_s.map(Value::Seconds)
        }),
        option("tcp_keepintvl", Wants::Set, |of| {
            of.tcp_keepintvl_s.map(Value::Seconds)
        }),
        option("tcp_keepcnt", Wants::Count, |of| {
            of.tcp_keepcnt.map(|count| Value::Count(count.into()))
        }),
        option("tcp_user_timeout", Wants::Set, |of| {
            of.tcp_user_timeout_s.map(Value::Seconds)
        }),
        option("tcp_defer_accept", Wants::Set, |of| {
            of.tcp_defer_accept_s.map(Value::Seconds)
        }),
        option("tcp_congestion", Wants::Text, |of| {
            of.tcp_congestion.clone().map(Value::Text)
        }),
    ]);
    keys
});
