//! What a verdict is about: the hops of a chain from the client to the server, or one hop that is in
//! no chain; and who stands between them.

use std::time::Duration;

use super::attempts::Attempts;
use super::digest::{Cite, Digest, FailedHandshake, Mark};
use super::gaps::Gaps;
use super::habits::Habits;
use super::leg::Leg;
use super::origin::Origin;
use super::relay::Passed;
use super::timeouts::Timeouts;
use super::together::Together;
use super::words;
use crate::chain::{Exchange, Join};
use crate::flow::Side;
use crate::hop::Hops;
use crate::http::Failing;
use crate::log::{AccessLog, Entry};
use crate::scene::Scene;
use crate::segment::Passage;

/// What all cases share.
pub(super) struct World<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) hops: &'a Hops,
    pub(super) digests: &'a [Digest],
    pub(super) logs: &'a [AccessLog],
    pub(super) timeouts: &'a Timeouts,
    pub(super) habits: &'a Habits,
    pub(super) attempts: &'a Attempts,
    /// Vantages that see connections go on from a proxy.
    pub(super) upstreams: &'a [bool],
    pub(super) gaps: &'a Gaps,
    pub(super) passed: &'a Passed,
    pub(super) together: &'a Together,
    /// Hops of which a reader that was watched stalled, by their place.
    pub(super) stalled: &'a [usize],
}

/// What a verdict is about.
pub(super) struct Case<'a> {
    pub(super) world: &'a World<'a>,
    /// The chain, by its place; `None` for a hop in no chain.
    pub(super) chain: Option<usize>,
    /// Names of those between whom the hops are, the client's first.
    pub(super) nodes: Vec<String>,
    /// Hops, downstream first.
    pub(super) legs: Vec<Leg<'a>>,
    /// How each is joined to the one before.
    pub(super) joins: &'a [Join],
    /// Closes that nobody had announced, the first first.
    pub(super) origins: Vec<Origin>,
    /// What access logs say of it.
    pub(super) entries: Vec<(&'a AccessLog, &'a Entry)>,
}

/// Who made an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Author {
    /// The gateway itself.
    Gateway,
    /// Somebody behind the gateway, as its header says (`x-envoy-upstream-service-time`).
    Upstream,
    /// The server that was asked, which is no gateway as far as was seen.
    Server,
    /// It does not say.
    Unknown,
}

/// Whoever stands at one end of a leg: 0 is the client of the first leg, 1 its server, which is the
/// client of the second, and so on.
pub(super) type Node = usize;

impl<'a> Case<'a> {
    /// The node at a side of a leg.
    pub(super) const fn node(leg: usize, side: Side) -> Node {
        match side {
            Side::Client => leg,
            Side::Server => leg + 1,
        }
    }

    pub(super) const fn last_node(&self) -> Node {
        self.legs.len()
    }

    /// The vantage at the node at that side of a leg: where that side's segments are sent.
    pub(super) fn at(&self, leg: usize, side: Side) -> Option<usize> {
        if let Some(vantage) = self.legs[leg].hop.at[side] {
            return Some(vantage);
        }
        let node = Self::node(leg, side);
        let join = node.checked_sub(1).and_then(|join| self.joins.get(join));
        if let Some(vantage) = join.and_then(|join| join.vantages.first()) {
            return Some(*vantage);
        }
        let (other, end) = match side {
            Side::Client => (leg.checked_sub(1)?, Side::Server),
            Side::Server => (leg + 1, Side::Client),
        };
        self.legs.get(other)?.hop.at[end]
    }

    /// The vantage at whoever sent or made this, as far as the capture itself says: it went out there and
    /// had not come in.
    pub(super) fn went_out_at(&self, mark: &Mark) -> Option<usize> {
        let out = mark.head?.passage == Some(Passage::Out);
        out.then(|| self.world.scene.flows[mark.cite.flow].vantage)
    }

    /// The node at that side of a leg, in words: `lb`, or `the server 10.0.0.2:80`.
    pub(super) fn who(&self, leg: usize, side: Side) -> String {
        if let Some(vantage) = self.at(leg, side) {
            let node = self.nodes.get(Self::node(leg, side));
            // Between two that are not next to each other others may stand.
            let node = node.filter(|name| !name.contains("..."));
            let own = self.world.scene.name(vantage);
            return node.map_or(own, String::as_str).to_owned();
        }
        let hop = self.legs[leg].hop;
        match side {
            Side::Client if leg > 0 => format!("the proxy {}", hop.client.address()),
            Side::Client => format!("the client {}", hop.client.address()),
            Side::Server if leg + 1 < self.legs.len() => format!("the proxy {}", hop.server),
            Side::Server => format!("the server {}", hop.server),
        }
    }

    /// The same with no words before an address.
    pub(super) fn name(&self, leg: usize, side: Side) -> String {
        let who = self.who(leg, side);
        who.strip_prefix("the ").map_or(who.clone(), str::to_owned)
    }

    /// A frame, as people find it: `lb #14`.
    pub(super) fn cite(&self, cite: Cite) -> String {
        let seen = &self.world.scene.flows[cite.flow];
        format!("{} #{}", self.world.scene.name(seen.vantage), cite.frame)
    }

    /// `lb #14: FIN from lb at 15:07:02.114`.
    pub(super) fn cite_mark(&self, leg: usize, mark: &Mark) -> String {
        format!(
            "{}: {} from {} at {}",
            self.cite(mark.cite),
            words::kind(mark.rst),
            self.name(leg, mark.by),
            words::clock(mark.at)
        )
    }

    /// What the answer of a leg may have been instead, where its records do not tell.
    pub(super) fn doubt(&self, leg: usize) -> Option<String> {
        let cite = self.legs[leg].doubtful()?;
        let server = self.name(leg, Side::Server);
        Some(format!(
            "the last that {server} sent ({}) is one encrypted record right after the handshake: if it is a session ticket of TLS and no answer, an answer was owed",
            self.cite(cite)
        ))
    }

    /// A handshake of TLS that failed, and the legs that it was between: those between pass it on.
    pub(super) fn handshake_failure(&self) -> Option<(FailedHandshake, [usize; 2])> {
        let failed = |leg: &Leg<'_>| {
            let failure = leg.digest.handshake_failure?;
            let closed = leg.first().is_some_and(|first| first.by == failure.by);
            let there = leg.is_last && (closed || failure.shown != Failing::LeftOff);
            there.then_some(failure)
        };
        let failures = self.legs.iter().map(failed).enumerate();
        let failures = failures.filter_map(|(leg, failure)| Some((leg, failure?)));
        let failures: Vec<(usize, FailedHandshake)> = failures.collect();
        let (_, first) = failures
            .iter()
            .min_by_key(|(leg, failure)| (failure.at, *leg))?;
        let same = failures
            .iter()
            .filter(|(_, failure)| failure.by == first.by && failure.shown == first.shown);
        let mut same = same.copied();
        let (from, near) = same.next()?;
        let (to, far) = same.next_back().unwrap_or((from, near));
        let nearest = match first.by {
            Side::Client => near,
            Side::Server => far,
        };
        Some((nearest, [from, to]))
    }

    /// The first entry of a log whose flags or details are such.
    pub(super) fn logged(&self, is: impl Fn(&Entry) -> bool) -> Option<(&'a AccessLog, &'a Entry)> {
        self.entries.iter().copied().find(|(_, entry)| is(entry))
    }

    /// A proxy's log says that an upstream broke off an answer that it had begun (Envoy's details).
    pub(super) fn broken_off(&self) -> Option<(&'a AccessLog, &'a Entry)> {
        self.logged(|entry| {
            let details = entry.details.as_deref().unwrap_or_default();
            details.starts_with("upstream_reset_after_response_started")
        })
    }

    /// How far times of two flows may be wrong against each other; `None` where nothing is known of
    /// their vantages' clocks.
    pub(super) fn error(&self, one: usize, other: usize) -> Option<Duration> {
        let flows = &self.world.scene.flows;
        let (one, other) = (flows[one].vantage, flows[other].vantage);
        if one == other {
            return Some(Duration::ZERO);
        }
        let error = self.world.hops.clocks.error(one, other)?;
        Some(Duration::from_nanos(error))
    }

    /// Whether what the server of a leg asked had closed when that answered, as far as clocks can be
    /// compared: what closed at about that time had closed before.
    pub(super) fn upstream_had_closed(&self, leg: usize) -> bool {
        let (own, next) = (&self.legs[leg], self.legs.get(leg + 1));
        let first = next.and_then(Leg::first);
        let (Some(first), Some(answered)) = (first, own.answered_at()) else {
            return false;
        };
        let flow = own.answered_in().unwrap_or(first.cite.flow);
        let error = self.error(first.cite.flow, flow);
        first.by == Side::Server && error.is_none_or(|error| first.at <= answered + error)
    }

    /// Whether what the server of a leg sends upstream would have been seen: its vantage shows
    /// connections that it makes, or all interfaces.
    pub(super) fn sees_upstream_of(&self, leg: usize) -> bool {
        let Some(vantage) = self.at(leg, Side::Server) else {
            return false;
        };
        let sights = self.legs[leg].hop.sights.iter();
        let flows = sights.map(|sight| &self.world.scene.flows[sight.flow]);
        // Only captures of all interfaces say which way segments passed.
        let mut heads = flows
            .filter(|seen| seen.vantage == vantage)
            .flat_map(|seen| &seen.trail.events)
            .filter_map(|event| event.head);
        self.is_proxy(leg, Side::Server) || heads.any(|head| head.passage.is_some())
    }

    /// Whether the capture at the server of a leg ran while the request was there: only then is what it
    /// does not show not there.
    pub(super) fn covers(&self, leg: usize) -> bool {
        let own = &self.legs[leg];
        let (Some(at), Some(answered)) = (self.at(leg, Side::Server), own.answered_at()) else {
            return false;
        };
        let scene = self.world.scene;
        let vantage = scene.vantages[at].vantage;
        let clocks = &self.world.hops.clocks;
        let common = |time| clocks.common(at, time);
        let (Some(first), Some(last)) = (vantage.first.map(common), vantage.last.map(common))
        else {
            return false;
        };
        let nearest = own.answered_in().map(|flow| scene.flows[flow].vantage);
        let error = nearest.and_then(|nearest| clocks.error(at, nearest));
        let error = Duration::from_nanos(error.unwrap_or_default());
        let asked = own.asked().unwrap_or(answered);
        first <= asked + error && answered <= last + error
    }

    /// Who made the answer of a leg, as far as it says so.
    pub(super) fn author(&self, leg: usize) -> Author {
        let Some(status) = self.legs[leg].head() else {
            return Author::Unknown;
        };
        // Where the request was not seen, what it became behind the server was not either.
        let unasked = |exchange: &Exchange| exchange.bytes.0 == 0;
        if self.legs[leg].exchange.is_some_and(unasked) {
            return Author::Unknown;
        }
        let envoy = status
            .server
            .as_deref()
            .is_some_and(|server| server.contains("envoy"));
        if status.upstream_ms.is_some() {
            Author::Upstream
        } else if envoy || self.is_proxy(leg, Side::Server) {
            Author::Gateway
        } else if self.at(leg, Side::Server).is_some() && self.covers(leg) {
            Author::Server
        } else {
            Author::Unknown
        }
    }

    /// Whether somebody at a vantage there takes connections and makes others.
    pub(super) fn is_proxy(&self, leg: usize, side: Side) -> bool {
        let at = self.legs[leg].hop.at;
        if at.client.is_some() && at.client == at.server {
            // On loopback the vantage is the other side's as well, and tells no more.
            return false;
        }
        let vantage = self.at(leg, side);
        vantage.is_some_and(|vantage| {
            self.world
                .upstreams
                .get(vantage)
                .copied()
                .unwrap_or_default()
        })
    }
}

/// Whether an entry has one of these response flags (Envoy writes them with commas between).
pub(super) fn has_flag(entry: &Entry, flags: &[&str]) -> bool {
    let written = entry.flags.as_deref().unwrap_or_default();
    written.split(',').any(|flag| flags.contains(&flag))
}
