//! What hopscope recorded beside frames.

use std::sync::Arc;

use super::{Mapping, Settings};
use crate::note::{Note, SocketId, What};
use crate::segment::Endpoint;
use crate::socket::{Process, Socket};
use crate::tally::{FlowTally, Tally};

impl Mapping {
    /// What becomes of something that the kernel told. Cookies, process ids and options stay: they
    /// are numbers of a kernel that is not named.
    pub(super) fn note(&mut self, note: &Note, settings: Settings) -> Note {
        Note {
            at: note.at,
            namespace: Arc::from(self.kept_or_mapped(&note.namespace, settings)),
            what: self.what(&note.what, settings),
        }
    }

    /// A name, where names are mapped.
    pub(super) fn kept_or_mapped(&self, name: &str, settings: Settings) -> String {
        if settings.keep_names {
            name.to_owned()
        } else {
            self.name(name)
        }
    }

    fn what(&mut self, what: &What, settings: Settings) -> What {
        match what {
            What::Socket { moment, socket } => What::Socket {
                moment: *moment,
                socket: Arc::new(self.socket(socket, settings)),
            },
            What::Closed { socket, by } => What::Closed {
                socket: self.socket_id(socket),
                by: self.process(by, settings),
            },
            What::ResetSent { socket, reason } => What::ResetSent {
                socket: self.socket_id(socket),
                reason: reason.clone(),
            },
            What::ResetReceived { socket } => What::ResetReceived {
                socket: self.socket_id(socket),
            },
            What::Retransmitted { socket } => What::Retransmitted {
                socket: self.socket_id(socket),
            },
            What::Error { socket, errno } => What::Error {
                socket: self.socket_id(socket),
                errno: *errno,
            },
        }
    }

    fn socket(&mut self, socket: &Socket, settings: Settings) -> Socket {
        let owner = socket.owner.as_ref();
        Socket {
            local: self.endpoint(socket.local),
            peer: socket.peer.map(|peer| self.endpoint(peer)),
            owner: owner.map(|owner| self.process(owner, settings)),
            also_held_by: Vec::new(),
            ..socket.clone()
        }
    }

    fn socket_id(&mut self, socket: &SocketId) -> SocketId {
        SocketId {
            cookie: socket.cookie,
            local: self.endpoint(socket.local),
            peer: self.endpoint(socket.peer),
        }
    }

    fn process(&self, process: &Process, settings: Settings) -> Process {
        Process {
            pid: process.pid,
            comm: self.kept_or_mapped(&process.comm, settings),
        }
    }

    /// What becomes of a flow's last tally.
    pub(super) fn rest(&mut self, rest: &FlowTally) -> FlowTally {
        let [lower, higher] = rest.endpoints.map(|endpoint| self.endpoint(endpoint));
        FlowTally {
            interface: rest.interface,
            endpoints: [lower.min(higher), lower.max(higher)],
            tally: self.tally(&rest.tally, rest.endpoints),
        }
    }

    /// What becomes of the tally of a flow between these endpoints: it tells of the lower one first,
    /// and mapped, the other one may be that.
    pub(super) fn tally(&mut self, tally: &Tally, between: [Endpoint; 2]) -> Tally {
        let [one, other] = between;
        let before = one < other;
        let after = self.endpoint(one) < self.endpoint(other);
        if before == after {
            return *tally;
        }
        let [lower, higher] = tally.sent;
        Tally {
            sent: [higher, lower],
            turn: tally.turn.map(|turn| 1 - turn.min(1)),
            ..*tally
        }
    }
}
