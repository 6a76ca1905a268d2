//! Where the ends of hops are, and which of them may be one proxy's.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::flow::{Side, Sides};
use crate::hop::{Hop, Hops};
use crate::scene::Scene;
use crate::segment::Endpoint;

/// Where the two ends of every hop were seen.
#[derive(Debug)]
pub(super) struct Places {
    /// The vantage at or nearest to each end of each hop; `None` where the only ones are known to be
    /// at its other end.
    pub(super) ends: Vec<Sides<Option<usize>>>,
    /// Which vantages are of one network stack: each points to another, or to itself.
    parent: Vec<usize>,
    /// Stacks that a hop connects, and which are therefore two: the lower first.
    apart: HashSet<(usize, usize), RandomState>,
    /// Stacks from one of which turns go on to the other, as it seems.
    familiar: HashSet<(usize, usize), RandomState>,
    /// Hops of which all that comes by the one goes on by the other, as it seems, and nothing else does.
    bonds: Sides<HashMap<usize, usize, RandomState>>,
    /// The addresses of each hop, by numbers of their own, and its server's port.
    addresses: Vec<(u32, u32, u16)>,
    /// Addresses of which one connects to the other, and which are therefore of two stacks.
    peers: HashSet<(u32, u32), RandomState>,
}

/// How the server's end of a hop and the client's end of another are to each other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Nearness {
    /// Seen in one place.
    Same,
    /// Seen in two places of which it is not known that they are not one.
    Maybe,
    /// One of them was not seen.
    Unseen,
    /// Two places.
    Apart,
}

impl Places {
    pub(super) fn new(scene: &Scene<'_>, hops: &Hops) -> Self {
        let ends = hops.hops.iter().map(|hop| ends(scene, hop)).collect();
        let mut places = Self {
            ends,
            parent: (0..scene.vantages.len()).collect(),
            apart: HashSet::default(),
            familiar: HashSet::default(),
            bonds: Sides::default(),
            addresses: Vec::with_capacity(hops.hops.len()),
            peers: HashSet::default(),
        };
        places.number_addresses(hops);
        places.unite_namespaces(scene);
        places.unite_addresses(hops);
        places.part(hops);
        places
    }

    /// The first vantage of that vantage's stack.
    pub(super) fn stack(&self, vantage: usize) -> usize {
        let mut root = vantage;
        while self.parent[root] != root {
            root = self.parent[root];
        }
        root
    }

    /// How two stacks are to each other.
    pub(super) fn between(&self, one: usize, other: usize) -> Nearness {
        if one == other {
            Nearness::Same
        } else if self.apart.contains(&(one.min(other), one.max(other))) {
            Nearness::Apart
        } else {
            Nearness::Maybe
        }
    }

    /// How the server's end of `downstream` and the client's end of `upstream` are to each other.
    pub(super) fn nearness(&self, downstream: usize, upstream: usize) -> Nearness {
        match (self.ends[downstream].server, self.ends[upstream].client) {
            (Some(one), Some(other)) => self.between(self.stack(one), self.stack(other)),
            _ => Nearness::Unseen,
        }
    }

    /// Takes in that turns of one hop go on as those of another, where it is not known that they meet in
    /// one place. True where that is new.
    pub(super) fn meet(&mut self, downstream: usize, upstream: usize) -> bool {
        self.pair(downstream, upstream)
            .is_some_and(|pair| self.familiar.insert(pair))
    }

    /// Whether other turns go on from the one place to the other.
    pub(super) fn are_familiar(&self, downstream: usize, upstream: usize) -> bool {
        self.pair(downstream, upstream)
            .is_some_and(|pair| self.familiar.contains(&pair))
    }

    /// Takes in that all turns of one hop go on as those of another, and no others do.
    pub(super) fn bind(&mut self, downstream: usize, upstream: usize) {
        self.bonds.server.insert(downstream, upstream);
        self.bonds.client.insert(upstream, downstream);
    }

    /// Whether one of two hops is bound to another.
    pub(super) fn are_bound_elsewhere(&self, downstream: usize, upstream: usize) -> bool {
        let elsewhere = |bound: Option<&usize>, here| bound.is_some_and(|hop| *hop != here);
        elsewhere(self.bonds.server.get(&downstream), upstream)
            || elsewhere(self.bonds.client.get(&upstream), downstream)
    }

    /// The stacks at the server's end of `downstream` and at the client's end of `upstream`.
    pub(super) fn pair(&self, downstream: usize, upstream: usize) -> Option<(usize, usize)> {
        let (one, other) = (self.ends[downstream].server?, self.ends[upstream].client?);
        Some((self.stack(one), self.stack(other)))
    }

    /// What `downstream` carries cannot go on as `upstream`, whatever they look like: they are one hop,
    /// or come from one client to which the server of the first is another host, or the client of the
    /// second talks to the server of the first as to another host.
    pub(super) fn strangers(&self, downstream: usize, upstream: usize) -> bool {
        let (client, server, port) = self.addresses[downstream];
        let (from, to, to_port) = self.addresses[upstream];
        downstream == upstream
            || (client == from && ((server, port) == (to, to_port) || server != from))
            || self.are_peers(from, server)
    }

    /// The number of the address of a hop's client.
    pub(super) fn client(&self, hop: usize) -> u32 {
        self.addresses[hop].0
    }

    /// The number of the address of a hop's server.
    pub(super) fn server(&self, hop: usize) -> u32 {
        self.addresses[hop].1
    }

    /// From which address to which address and port a hop goes.
    pub(super) fn way(&self, hop: usize) -> (u32, u32, u16) {
        self.addresses[hop]
    }

    /// Whether an address connects to another, so that the two are not of one stack.
    pub(super) fn are_peers(&self, client: u32, server: u32) -> bool {
        self.peers.contains(&(client, server))
    }

    fn number_addresses(&mut self, hops: &Hops) {
        let mut numbers: HashMap<IpAddr, u32, RandomState> = HashMap::default();
        let mut number = |address: IpAddr| -> u32 {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            *numbers.entry(address).or_insert(next)
        };
        for hop in &hops.hops {
            let (client, server) = (hop.client.address(), hop.server.address());
            let numbers = (number(client), number(server));
            let one_host = hop.at.client.is_some() && hop.at.client == hop.at.server;
            if !one_host && numbers.0 != numbers.1 && !client.is_loopback() {
                self.peers.insert(numbers);
            }
            self.addresses
                .push((numbers.0, numbers.1, hop.server.port()));
        }
    }

    /// Both hops end at one proxy.
    pub(super) fn share(&mut self, downstream: usize, upstream: usize) {
        if let (Some(one), Some(other)) = (self.ends[downstream].server, self.ends[upstream].client)
        {
            self.unite(one, other);
        }
    }

    /// After stacks were united: which of them are known to be two.
    pub(super) fn part(&mut self, hops: &Hops) {
        let connected = hops.hops.iter().filter_map(|hop| {
            let (client, server) = (self.stack(hop.at.client?), self.stack(hop.at.server?));
            (client != server).then_some((client.min(server), client.max(server)))
        });
        self.apart = connected.collect();
    }

    fn unite(&mut self, one: usize, other: usize) {
        let (one, other) = (self.stack(one), self.stack(other));
        self.parent[one.max(other)] = one.min(other);
    }

    fn unite_namespaces(&mut self, scene: &Scene<'_>) {
        let mut first: HashMap<String, usize, RandomState> = HashMap::default();
        for (place, seeing) in scene.vantages.iter().enumerate() {
            let Some(namespace) = &seeing.vantage.namespace else {
                continue;
            };
            let name = seeing.source.namespace(namespace);
            let known = *first.entry(name).or_insert(place);
            self.unite(known, place);
        }
    }

    /// Who has an address has it in one stack; but for loopback addresses, which everybody has.
    fn unite_addresses(&mut self, hops: &Hops) {
        let mut first: HashMap<IpAddr, usize, RandomState> = HashMap::default();
        for hop in &hops.hops {
            for (vantage, endpoint) in [(hop.at.client, hop.client), (hop.at.server, hop.server)] {
                let address = endpoint.address();
                let Some(vantage) = vantage.filter(|_| !address.is_loopback()) else {
                    continue;
                };
                let known = *first.entry(address).or_insert(vantage);
                self.unite(known, vantage);
            }
        }
    }
}

fn ends(scene: &Scene<'_>, hop: &Hop) -> Sides<Option<usize>> {
    let nearest = |side: Side| {
        let sight = match side {
            Side::Client => hop.sights.first()?,
            Side::Server => hop.sights.last()?,
        };
        let vantage = scene.flows[sight.flow].vantage;
        let elsewhere = hop.at[side.other()] == Some(vantage) && hop.at[side].is_none();
        (!elsewhere).then_some(vantage)
    };
    Sides {
        client: hop.at.client.or_else(|| nearest(Side::Client)),
        server: hop.at.server.or_else(|| nearest(Side::Server)),
    }
}

/// The endpoints of a hop as its first or last sight shows them: as the stack at that end does, unless
/// something between them translates addresses.
pub(super) fn endpoints(scene: &Scene<'_>, hop: &Hop, end: Side) -> Option<Sides<Endpoint>> {
    let sight = match end {
        Side::Client => hop.sights.first()?,
        Side::Server => hop.sights.last()?,
    };
    let flow = scene.flows[sight.flow].flow;
    let (client, server) = (flow.endpoint(Side::Client), flow.endpoint(Side::Server));
    Some(if sight.swapped {
        Sides {
            client: server,
            server: client,
        }
    } else {
        Sides { client, server }
    })
}
