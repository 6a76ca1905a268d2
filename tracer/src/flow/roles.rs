//! Who is client and who server, where the handshake was not seen.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Flow, FlowId, FlowTable, Observer, Side};
use crate::segment::{Endpoint, Segment};

/// By what it is known who is client, from the weakest on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Roles {
    /// By nothing but port numbers, or who was seen to speak first.
    Guessed,
    /// By what was said, by other connections to the same endpoint, or by a system port that an ephemeral one
    /// is connected with: no caller is given that.
    Inferred,
    /// A kernel told which sockets listened.
    Told,
    /// By a handshake.
    Seen,
}

/// The side that sent `segment`, the first one seen of its flow, and by what that is known; `listens` knows
/// the endpoints that accepted connections before. The evidence, strongest first: a handshake flag, a known
/// listener, the first line of HTTP, the port numbers, who speaks.
pub(super) fn sender(segment: &Segment<'_>, listens: impl Fn(Endpoint) -> bool) -> (Side, Roles) {
    if segment.flags.syn() {
        let by = if segment.flags.ack() {
            Side::Server
        } else {
            Side::Client
        };
        return (by, Roles::Seen);
    }
    match (listens(segment.source), listens(segment.destination)) {
        (true, false) => return (Side::Server, Roles::Inferred),
        (false, true) => return (Side::Client, Roles::Inferred),
        _ => {}
    }
    if segment.payload.starts_with(b"HTTP/1.") {
        return (Side::Server, Roles::Inferred);
    }
    if is_request(segment.payload) {
        return (Side::Client, Roles::Inferred);
    }
    let by = match calls(segment.source, segment.destination) {
        Some(false) => Side::Server,
        // Where both have the same: a request comes before its answer.
        Some(true) | None => Side::Client,
    };
    let [source, destination] = [segment.source, segment.destination];
    let system = match by {
        Side::Server => source.is_system() && destination.is_ephemeral(),
        Side::Client => destination.is_system() && source.is_ephemeral(),
    };
    let roles = if system {
        Roles::Inferred
    } else {
        Roles::Guessed
    };
    (by, roles)
}

/// Whether the first of two calls the other: an ephemeral port calls one that is none; of two alike the higher
/// one, as far as numbers tell.
fn calls(one: Endpoint, other: Endpoint) -> Option<bool> {
    match (one.is_ephemeral(), other.is_ephemeral()) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ if one.port() == other.port() => None,
        _ => Some(one.port() > other.port()),
    }
}

fn is_request(payload: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] = [
        b"GET ",
        b"PUT ",
        b"HEAD ",
        b"POST ",
        b"PATCH ",
        b"TRACE ",
        b"DELETE ",
        b"OPTIONS ",
        b"CONNECT ",
    ];
    METHODS.iter().any(|method| payload.starts_with(method))
}

/// How many others each endpoint is connected with, as far as it matters: one, or several.
type Peers = HashMap<Endpoint, (Endpoint, bool), RandomState>;

impl<O: Observer> FlowTable<O> {
    /// Nothing more comes: who is client is settled by all that was seen, where no handshake tells it.
    /// `told` is the end at which a kernel says that a socket listened.
    pub(super) fn settle_roles(&mut self, told: impl Fn(&Flow) -> Option<Endpoint>) {
        let unsure = |flow: &&Flow| flow.roles < Roles::Told;
        if !self.flows.iter().any(|flow| unsure(&flow)) {
            return;
        }
        for flow in self.flows.iter().filter(|flow| flow.roles == Roles::Seen) {
            self.listeners.insert(flow.endpoints.server);
        }
        let peers = self.peers();
        for place in 0..self.flows.len() {
            let flow = &self.flows[place];
            let id = self.numbers.of(u32::try_from(place).unwrap_or(u32::MAX));
            let settled = match flow.roles {
                Roles::Seen | Roles::Told => None,
                _ => told(flow)
                    .map(|server| (server, Roles::Told))
                    .or_else(|| Some((self.by_others(flow, id, &peers)?, Roles::Inferred))),
            };
            if let Some((server, roles)) = settled {
                self.settle(place, id, server, roles);
            }
        }
    }

    fn settle(&mut self, place: usize, id: FlowId, server: Endpoint, roles: Roles) {
        let flow = &mut self.flows[place];
        flow.roles = roles;
        if flow.endpoints.server != server && flow.endpoints.client == server {
            flow.swap_roles();
            self.observer.sides_swapped(id);
        }
    }

    /// The server of a flow by what other flows and its own messages say.
    fn by_others(&self, flow: &Flow, id: FlowId, peers: &Peers) -> Option<Endpoint> {
        let (client, server) = (flow.endpoints.client, flow.endpoints.server);
        let only = |is: &dyn Fn(Endpoint) -> bool| match (is(client), is(server)) {
            (true, false) => Some(client),
            (false, true) => Some(server),
            _ => None,
        };
        let asked = || {
            let asks = self.observer.asks(id)?;
            Some(flow.endpoints[asks.other()])
        };
        let several = |end: Endpoint| peers.get(&end).is_some_and(|(_, several)| *several);
        let listens = |end: Endpoint| self.listeners.contains(&end);
        let guessed = flow.roles == Roles::Guessed;
        only(&listens)
            .or_else(asked)
            // Callers take a port of their own for each connection.
            .or_else(|| only(&several).filter(|_| guessed))
    }

    fn peers(&self) -> Peers {
        let mut peers = Peers::default();
        for flow in &self.flows {
            let (client, server) = (flow.endpoints.client, flow.endpoints.server);
            for (end, peer) in [(client, server), (server, client)] {
                let (first, several) = peers.entry(end).or_insert((peer, false));
                *several |= *first != peer;
            }
        }
        peers
    }
}
