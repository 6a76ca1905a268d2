//! From trace events to sockets: who closed first as this socket lived it, and how many probes
//! this socket sent.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use super::trace::{Event, What};

/// Bytes within which a timer belongs to the socket that begins before it. Both timers lie in the
/// first half of a `tcp_sock`, and sockets lie side by side: a larger number would take the timer of
/// a neighbour that another lab opened before this one began to trace.
const SOCKET_SIZE: u64 = 2048;

/// A FIN or a RST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// FIN.
    Fin,
    /// RST.
    Rst,
}

/// The first FIN or RST, as one socket lived it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Close {
    /// When.
    pub at: f64,
    /// Which.
    pub kind: Kind,
    /// Whether this socket sent it (else it received it).
    pub own: bool,
}

/// One socket of one namespace, from birth to death.
#[derive(Debug, Clone)]
pub struct Socket {
    address: u64,
    born: f64,
    died: f64,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// Whether it connected (else it was accepted).
    pub connected: bool,
    /// Whether the handshake was completed.
    pub established: bool,
    /// Whether a RST answered its SYN.
    pub refused: bool,
    /// Whether it took in a RST.
    reset: bool,
    /// The thread that connected or listened.
    pub comm: String,
    /// The first FIN or RST sent or received.
    pub first_close: Option<Close>,
    /// A call closed it, or something to be told from a call by its error only.
    closing: Option<Closing>,
    /// The error number it got, if any.
    pub error: Option<i32>,
    /// When it sent keepalive probes.
    pub keepalives: Vec<f64>,
    /// When it sent zero-window probes.
    pub window_probes: Vec<f64>,
    /// Segments it sent once more.
    pub retransmissions: u64,
}

/// How a socket left the states in which data flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// With a FIN of its own, which only a call sends.
    Fin,
    /// At once: by a call with unread data or without lingering, or for an error.
    Gone,
}

impl Socket {
    /// Whether a call closed it, or the end of its process: not a timer, and not what it received.
    #[must_use]
    pub fn closed_by_process(&self) -> bool {
        match self.closing {
            Some(Closing::Fin) => true,
            Some(Closing::Gone) => self.error.is_none() && !self.reset,
            None => false,
        }
    }

    fn closes(&mut self, at: f64, kind: Kind, own: bool) {
        if self.first_close.is_none() {
            self.first_close = Some(Close { at, kind, own });
        }
    }
}

/// What a timer did between its start and its end on one processor.
struct Running {
    timer: u64,
    keepalive: bool,
    sent: bool,
    other: bool,
}

/// Reads the events of a trace.
#[derive(Debug, Default)]
pub struct Sockets {
    all: Vec<Socket>,
    /// The living: address in the kernel to place in `all`.
    live: HashMap<u64, usize>,
    /// By port: other labs at the same time listen at the same ones.
    listeners: HashMap<u16, String>,
    /// The processes of this lab's servers.
    servers: HashSet<u32>,
}

impl Sockets {
    /// All sockets that connected or were accepted, in order of birth; `servers` are the processes of
    /// this lab that listen.
    #[must_use]
    pub fn read(events: &[Event], servers: HashSet<u32>) -> Vec<Socket> {
        let mut sockets = Self {
            servers,
            ..Self::default()
        };
        let mut running: HashMap<u32, Running> = HashMap::new();
        for event in events {
            sockets.timers(event, &mut running);
            sockets.event(event);
        }
        sockets.all
    }

    fn event(&mut self, event: &Event) {
        match &event.what {
            What::State {
                local,
                remote,
                old,
                new,
            } => self.state(event, (*local, *remote), old, new),
            What::SentReset { local, remote, .. } => {
                if let Some(socket) = self.find(event, *local, *remote) {
                    socket.closes(event.at, Kind::Rst, true);
                }
            }
            What::ReceivedReset => {
                if let Some(socket) = self.live(event.socket) {
                    socket.refused = !socket.established;
                    socket.reset = true;
                    socket.closes(event.at, Kind::Rst, false);
                }
            }
            What::Error {
                local,
                remote,
                number,
            } => {
                if let Some(socket) = self.find(event, *local, *remote) {
                    socket.error.get_or_insert(*number);
                }
            }
            What::Retransmit => {
                if let Some(socket) = self.live(event.socket) {
                    socket.retransmissions += 1;
                }
            }
            What::TimerStart { .. } | What::TimerEnd(_) | What::Sent | What::Mark(_) => {}
        }
    }

    fn state(&mut self, event: &Event, ends: (SocketAddr, SocketAddr), old: &str, new: &str) {
        let (local, remote) = ends;
        if new == "LISTEN" {
            if self.servers.contains(&event.pid) {
                self.listeners.insert(local.port(), event.comm.clone());
            }
            return;
        }
        let born = matches!((old, new), ("CLOSE", "SYN_SENT") | ("LISTEN", "SYN_RECV"));
        if born {
            let connected = new == "SYN_SENT";
            let comm = if connected {
                event.comm.clone()
            } else {
                self.listeners
                    .get(&local.port())
                    .cloned()
                    .unwrap_or_default()
            };
            self.live.insert(event.socket, self.all.len());
            self.all.push(Socket {
                address: event.socket,
                born: event.at,
                died: f64::INFINITY,
                local,
                remote,
                connected,
                established: false,
                refused: false,
                reset: false,
                comm,
                first_close: None,
                closing: None,
                error: None,
                keepalives: Vec::new(),
                window_probes: Vec::new(),
                retransmissions: 0,
            });
            return;
        }
        let Some(socket) = self.live(event.socket) else {
            return;
        };
        // The port of a connecting socket is chosen after it has entered SYN_SENT.
        socket.local = local;
        match (old, new) {
            (_, "FIN_WAIT1" | "LAST_ACK") => socket.closing = Some(Closing::Fin),
            ("ESTABLISHED" | "CLOSE_WAIT", "CLOSE") => socket.closing = Some(Closing::Gone),
            _ => {}
        }
        match new {
            "ESTABLISHED" => socket.established = true,
            "FIN_WAIT1" => socket.closes(event.at, Kind::Fin, true),
            "CLOSE_WAIT" => socket.closes(event.at, Kind::Fin, false),
            _ => {}
        }
        if new == "CLOSE" || new == "TIME_WAIT" {
            socket.died = event.at;
            self.live.remove(&event.socket);
        }
    }

    fn live(&mut self, address: u64) -> Option<&mut Socket> {
        let index = *self.live.get(&address)?;
        self.all.get_mut(index)
    }

    /// The socket of an event; where none is named or it is gone already, its ends tell.
    fn find(
        &mut self,
        event: &Event,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<&mut Socket> {
        if self.live.contains_key(&event.socket) {
            return self.live(event.socket);
        }
        let same = |socket: &&mut Socket| socket.local == local && socket.remote == remote;
        self.all.iter_mut().rev().find(same)
    }

    /// A probe is what the timer's function sends: a packet given to a device between its start and
    /// its end on one processor, and neither a RST nor a retransmission.
    fn timers(&mut self, event: &Event, running: &mut HashMap<u32, Running>) {
        match event.what {
            What::TimerStart { timer, keepalive } => {
                let new = Running {
                    timer,
                    keepalive,
                    sent: false,
                    other: false,
                };
                running.insert(event.cpu, new);
            }
            What::Sent => {
                if let Some(running) = running.get_mut(&event.cpu) {
                    running.sent = true;
                }
            }
            What::SentReset { .. } | What::Retransmit => {
                if let Some(running) = running.get_mut(&event.cpu) {
                    running.other = true;
                }
            }
            What::TimerEnd(timer) => {
                if running.get(&event.cpu).is_none_or(|run| run.timer != timer) {
                    return;
                }
                let Some(run) = running.remove(&event.cpu) else {
                    return;
                };
                if run.sent && !run.other {
                    self.probe(run.timer, run.keepalive, event.at);
                }
            }
            _ => {}
        }
    }

    fn probe(&mut self, timer: u64, keepalive: bool, at: f64) {
        let owner = self
            .all
            .iter_mut()
            .filter(|socket| socket.address <= timer && socket.born <= at && at <= socket.died)
            .max_by_key(|socket| socket.address)
            .filter(|socket| timer - socket.address < SOCKET_SIZE);
        if let Some(socket) = owner {
            if keepalive {
                socket.keepalives.push(at);
            } else {
                socket.window_probes.push(at);
            }
        }
    }
}
