//! What a verdict is about: the hops of a chain from the client to the server, or one hop that is in
//! no chain; and who stands between them.

use std::time::Duration;

use super::digest::{Cite, Digest, Mark, Turn};
use super::habits::Habits;
use super::origin::Origin;
use super::timeouts::Timeouts;
use super::words;
use crate::chain::{Exchange, Join};
use crate::flow::Side;
use crate::hop::{Hop, Hops};
use crate::http::{Print, Status};
use crate::log::{AccessLog, Entry};
use crate::scene::Scene;
use crate::segment::Passage;
use crate::time::Time;

/// What all cases share.
pub(super) struct World<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) hops: &'a Hops,
    pub(super) digests: &'a [Digest],
    pub(super) logs: &'a [AccessLog],
    pub(super) timeouts: &'a Timeouts,
    pub(super) habits: &'a Habits,
    /// Vantages that see connections go on from a proxy.
    pub(super) upstreams: &'a [bool],
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

/// What a case has of a hop.
pub(super) struct Leg<'a> {
    pub(super) digest: &'a Digest,
    pub(super) hop: &'a Hop,
    pub(super) exchange: Option<&'a Exchange>,
    /// Hops that were tried before.
    pub(super) tried: Vec<&'a Digest>,
    /// Its hop served no other exchange afterwards: how the hop ended concerns the case.
    pub(super) is_last: bool,
}

/// Bodies of Envoy's own error answers that never went upstream or were not waited for
/// (source/common/router/router.cc and `ResponseCodeDetails`, envoy/http/codes.h).
pub(super) const OVERFLOW: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: overflow";
pub(super) const NO_HEALTHY: &str = "no healthy upstream";
pub(super) const NOT_IN_TIME: &str = "upstream request timeout";
const OWN_WORDS: [&str; 3] = [OVERFLOW, NO_HEALTHY, NOT_IN_TIME];

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

impl<'a> Leg<'a> {
    pub(super) fn new(
        world: &'a World<'a>,
        hop: usize,
        exchange: Option<&'a Exchange>,
        tried: &[usize],
    ) -> Self {
        let digest = &world.digests[hop];
        let tried = tried.iter().filter_map(|hop| world.digests.get(*hop));
        let last_asked = digest.turns.iter().rfind(|turn| turn.by == Side::Client);
        // Times of an exchange and of turns may come from different vantages.
        let later = |exchange: &Exchange| {
            last_asked.is_some_and(|turn| turn.at > exchange.done.unwrap_or(exchange.asked))
        };
        Self {
            digest,
            hop: &world.hops.hops[hop],
            exchange,
            tried: tried.collect(),
            is_last: !exchange.is_some_and(later),
        }
    }

    /// What ended the hop, where that concerns the case.
    pub(super) fn first(&self) -> Option<&'a Mark> {
        self.digest.first.as_ref().filter(|_| self.is_last)
    }

    /// The server owed an answer when the hop ended, or at the end of what was seen.
    pub(super) fn owed(&self) -> bool {
        if let Some(exchange) = self.exchange {
            let answered = exchange.answered;
            return answered.is_none_or(|answered| self.came_too_late(answered))
                || self.cut_short().is_some();
        }
        let until = self.digest.first.map_or(self.digest.last, |mark| mark.at);
        let last = self.digest.last_turn(until);
        last.is_some_and(|turn| turn.by == Side::Client)
    }

    /// How many bytes of the answer were sent of how many that it announced, where it ended before.
    pub(super) fn cut_short(&self) -> Option<(u64, u64)> {
        let exchange = self.exchange?;
        let head = exchange
            .request
            .as_ref()
            .is_some_and(|request| request.method == "HEAD");
        let whole = exchange.status.as_ref()?.whole?;
        let sent = exchange.bytes.1;
        let told = !head && self.digest.is_whole && self.first().is_some();
        (told && sent < whole).then_some((sent, whole))
    }

    /// Nobody took in an answer of that time: the client had closed before, and reset it.
    fn came_too_late(&self, answered: Time) -> bool {
        let closed = self.first().filter(|first| first.by == Side::Client);
        let marks = &self.digest.marks;
        closed.is_some_and(|closed| closed.at < answered)
            && marks
                .iter()
                .any(|mark| mark.rst && mark.by == Side::Client && mark.at >= answered)
    }

    /// It was asked something, and answered.
    pub(super) fn answered(&self) -> bool {
        self.asked().is_some() && !self.owed()
    }

    /// When the last byte of the request was sent.
    pub(super) fn asked(&self) -> Option<Time> {
        if let Some(exchange) = self.exchange {
            return Some(exchange.asked);
        }
        self.request().map(|turn| turn.until)
    }

    /// The last turn of the client before it ended.
    fn request(&self) -> Option<&'a Turn> {
        let until = self.digest.first.map_or(self.digest.last, |mark| mark.at);
        let turns = self.digest.turns.iter().rev();
        turns
            .filter(|turn| turn.at <= until)
            .find(|turn| turn.by == Side::Client)
    }

    /// When the first byte of the answer was sent.
    pub(super) fn answered_at(&self) -> Option<Time> {
        if let Some(exchange) = self.exchange {
            let there = exchange.at_server.and_then(|moments| moments.answered);
            return there.or(exchange.answered);
        }
        let asked = self.request()?.at;
        let mut turns = self.digest.turns.iter();
        let answer = turns.find(|turn| turn.by == Side::Server && turn.at >= asked)?;
        Some(answer.at)
    }

    /// The flow that shows the answer at the server's end, by its place in the scene.
    pub(super) fn answered_in(&self) -> Option<usize> {
        self.hop.sights.last().map(|sight| sight.flow)
    }

    /// The HTTP status answered, where it was readable.
    pub(super) fn status(&self) -> Option<u16> {
        self.head().map(|status| status.code)
    }

    /// The head of the answer, where it was readable.
    fn head(&self) -> Option<&'a Status> {
        match self.exchange {
            Some(exchange) => exchange.status.as_ref(),
            None => self.digest.answers.last().map(|answer| &answer.status),
        }
    }

    /// The request has headers that proxies add to what they pass on (Envoy: `x-request-id` and its own).
    pub(super) fn asked_by_proxy(&self) -> bool {
        let request = self.exchange.and_then(|exchange| exchange.request.as_ref());
        request.is_some_and(|request| {
            request.timeout_ms.is_some()
                || request.attempt.is_some()
                || request.request_id.is_some()
        })
    }

    /// What a proxy says in the body of its own error answer.
    pub(super) fn own_words(&self) -> Option<&'static str> {
        let asked = self.asked()?;
        let mut answers = self.digest.answers.iter();
        let answer = answers.find(|answer| answer.at >= asked)?;
        let body = answer.body?;
        OWN_WORDS.into_iter().find(|words| {
            let mut print = Print::default();
            print.add(words.as_bytes());
            print == body
        })
    }

    /// How long nothing had moved the hop on when that happened.
    pub(super) fn silence(&self, at: Time) -> Duration {
        at.since(self.digest.quiet_since(at))
    }
}

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

    /// Who made the answer of a leg, as far as it says so.
    pub(super) fn author(&self, leg: usize) -> Author {
        let Some(status) = self.legs[leg].head() else {
            return Author::Unknown;
        };
        let envoy = status
            .server
            .as_deref()
            .is_some_and(|server| server.contains("envoy"));
        if status.upstream_ms.is_some() {
            Author::Upstream
        } else if envoy || self.is_proxy(leg, Side::Server) {
            Author::Gateway
        } else if self.at(leg, Side::Server).is_some() {
            Author::Server
        } else {
            Author::Unknown
        }
    }

    /// Whether somebody at a vantage there takes connections and makes others.
    pub(super) fn is_proxy(&self, leg: usize, side: Side) -> bool {
        let at = self.legs[leg].hop.at;
        if at.client == at.server {
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
