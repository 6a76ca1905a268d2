//! What the kernel tells beside segments: sockets, who closed them, resets and their reasons.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::segment::Endpoint;
use crate::socket::{Process, Socket};
use crate::time::Time;

/// Something that the kernel told, about a socket of a namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: Time,
    /// Name of the namespace, as vantages are named after it.
    pub namespace: Arc<str>,
    /// What.
    pub what: What,
}

/// What the kernel told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A socket as it was at that time.
    Socket {
        /// Why it was looked at.
        moment: Moment,
        /// The socket.
        socket: Arc<Socket>,
    },
    /// A process called close, shutdown or exited: the socket's FIN (or RST) is its doing.
    Closed {
        /// The socket.
        socket: SocketId,
        /// Who.
        by: Process,
    },
    /// A stack sent a RST.
    ResetSent {
        /// The socket; without cookie where the segment that was answered belonged to none.
        socket: SocketId,
        /// The kernel's own word for it, from 6.10 on: `KEEPALIVE_TIMEOUT`, `NO_SOCKET` ...
        reason: Option<String>,
    },
    /// A socket took in a RST.
    ResetReceived {
        /// The socket.
        socket: SocketId,
    },
    /// A socket sent a segment again.
    Retransmitted {
        /// The socket.
        socket: SocketId,
    },
    /// A socket got an error that its process will see.
    Error {
        /// The socket.
        socket: SocketId,
        /// errno: 110 is ETIMEDOUT.
        errno: i32,
    },
}

/// When in its life a socket was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// It was there when watching began.
    Found,
    /// It was just established.
    Established,
    /// It was about to be closed, by whichever side.
    Closing,
    /// It was there when watching ended.
    Left,
}

/// Names a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketId {
    /// The kernel's cookie, unique until reboot.
    pub cookie: Option<u64>,
    /// Its own end.
    pub local: Endpoint,
    /// The other end.
    pub peer: Endpoint,
}
