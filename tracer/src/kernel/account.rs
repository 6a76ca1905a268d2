//! What was told of one socket.

use std::sync::Arc;

use crate::note::{Moment, Note, SocketId, What};
use crate::segment::Endpoint;
use crate::socket::{Process, Socket, State};
use crate::time::Time;

/// ETIMEDOUT, on all architectures that eBPF is there for but MIPS and SPARC
/// (include/uapi/asm-generic/errno.h).
pub(crate) const TIMED_OUT: i32 = 110;

/// What was told of one socket, or of segments that belong to none.
#[derive(Clone, Debug)]
pub struct Account {
    /// In the order in which sockets were first told of.
    pub(super) number: u64,
    /// It counts among those that are gone.
    pub(super) gone: bool,
    /// Name of its namespace.
    pub namespace: Arc<str>,
    /// The kernel's number for it; `None` where there is no socket.
    pub cookie: Option<u64>,
    /// Its own end.
    pub local: Endpoint,
    /// The other end; `None` for a listener.
    pub peer: Option<Endpoint>,
    /// What it was like, at most once for each [`Moment`], by time.
    pub seen: Vec<Seen>,
    /// What befell it, by time.
    pub facts: Vec<Fact>,
}

/// A socket as it was at that time.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// When.
    pub at: Time,
    /// Why it was looked at.
    pub moment: Moment,
    /// The socket.
    pub socket: Arc<Socket>,
}

/// Something that befell a socket, perhaps several times in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The first time.
    pub at: Time,
    /// The last time.
    pub until: Time,
    /// How often.
    pub times: u64,
    /// What.
    pub kind: FactKind,
}

/// What befell a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FactKind {
    /// A process called close or shutdown, or exited.
    Closed(Process),
    /// It sent a RST, for this reason of the kernel's.
    ResetSent(Option<String>),
    /// It took in a RST.
    ResetReceived,
    /// It sent a segment again.
    Retransmitted,
    /// It got this error (errno).
    Error(i32),
}

/// Whom a note is about.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) cookie: Option<u64>,
    pub(super) local: Endpoint,
    pub(super) peer: Option<Endpoint>,
}

impl Told {
    pub(super) fn of(what: &What) -> Self {
        let id = match what {
            What::Socket { socket, .. } => {
                return Self {
                    cookie: socket.cookie,
                    local: socket.local,
                    peer: socket.peer,
                };
            }
            What::Closed { socket, .. }
            | What::ResetSent { socket, .. }
            | What::ResetReceived { socket }
            | What::Retransmitted { socket }
            | What::Error { socket, .. } => socket,
        };
        let SocketId {
            cookie,
            local,
            peer,
        } = *id;
        Self {
            cookie,
            local,
            peer: Some(peer),
        }
    }
}

impl Account {
    pub(super) fn new(number: u64, namespace: Arc<str>, told: Told) -> Self {
        Self {
            number,
            gone: false,
            namespace,
            cookie: told.cookie,
            local: told.local,
            peer: told.peer,
            seen: Vec::new(),
            facts: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, note: &Note, told: Told) {
        // A socket gets its port when it connects, and the kernel takes it back at the end.
        if told.local.port() != 0 {
            self.local = told.local;
        }
        if told.peer.is_some_and(|peer| peer.port() != 0) {
            self.peer = told.peer;
        }
        match &note.what {
            What::Socket { moment, socket } => self.see(note.at, *moment, socket),
            What::Closed { by, .. } => self.befall(note.at, FactKind::Closed(by.clone())),
            What::ResetSent { reason, .. } => {
                self.befall(note.at, FactKind::ResetSent(reason.clone()));
            }
            What::ResetReceived { .. } => self.befall(note.at, FactKind::ResetReceived),
            What::Retransmitted { .. } => self.befall(note.at, FactKind::Retransmitted),
            What::Error { errno, .. } => self.befall(note.at, FactKind::Error(*errno)),
        }
    }

    /// Of several times for one reason the first counts: when closing began, what it was like then.
    fn see(&mut self, at: Time, moment: Moment, socket: &Arc<Socket>) {
        // What was found shortly after watching began may have been opened in between, and told later.
        match moment {
            Moment::Established => self.seen.retain(|seen| seen.moment != Moment::Found),
            Moment::Found if self.at(Moment::Established).is_some() => return,
            _ => {}
        }
        if self.at(moment).is_none() {
            let socket = Arc::clone(socket);
            let place = self.seen.partition_point(|seen| seen.at <= at);
            self.seen.insert(place, Seen { at, moment, socket });
        }
    }

    fn befall(&mut self, at: Time, kind: FactKind) {
        match self.facts.last_mut() {
            Some(last) if last.kind == kind => {
                last.at = last.at.min(at);
                last.until = last.until.max(at);
                last.times += 1;
            }
            _ => self.facts.push(Fact {
                at,
                until: at,
                times: 1,
                kind,
            }),
        }
    }

    /// A socket listened on its own end when sockets were looked at, or none did.
    pub(crate) fn accepted(&self) -> Option<bool> {
        self.seen.iter().find_map(|seen| seen.socket.accepted)
    }

    /// What it was like at that moment.
    #[must_use]
    pub fn at(&self, moment: Moment) -> Option<&Seen> {
        self.seen.iter().find(|seen| seen.moment == moment)
    }

    /// The process that closed it, and when it first did.
    #[must_use]
    pub fn closed_by(&self) -> Option<(Time, &Process)> {
        self.facts.iter().find_map(|fact| match &fact.kind {
            FactKind::Closed(by) => Some((fact.at, by)),
            _ => None,
        })
    }

    /// Closing was told, or it is over.
    pub(super) fn is_closing(&self) -> bool {
        let closed = |seen: &Seen| seen.socket.state == State::Closed;
        self.at(Moment::Closing).is_some() || self.seen.last().is_some_and(closed)
    }

    /// The times between which it existed, as far as was told.
    #[must_use]
    pub fn life(&self) -> (Option<Time>, Option<Time>) {
        let first = self.seen.first();
        let began = first.filter(|seen| seen.moment == Moment::Established);
        let seen = self.seen.iter().map(|seen| seen.at);
        let last = seen.chain(self.facts.iter().map(|fact| fact.until)).max();
        (
            began.map(|seen| seen.at),
            last.filter(|_| self.is_closing()),
        )
    }
}
