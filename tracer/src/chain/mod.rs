//! Chains: hops joined through the proxies between them, one exchange each.

mod accounts;
mod build;
mod candidate;
mod clock;
mod context;
mod crossing;
mod evidence;
mod exchange;
mod index;
mod matching;
pub(crate) mod nodes;
mod passages;
mod place;
mod proxied;
mod sessions;
mod strangers;
mod ties;
mod told;
mod tried;
mod turn;
mod usage;

use std::sync::Arc;

use self::context::{Context, Found};
use self::place::Places;
use self::turn::Turns;
pub use self::usage::{Share, Usage};
use crate::hop::Hops;
use crate::http::{Request, Status};
use crate::log::AccessLog;
use crate::scene::Scene;
use crate::time::Time;

/// Hops in order, joined for one exchange; or for a connection's whole life, where it had none.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// Downstream first.
    pub links: Vec<Link>,
    /// How each link is joined to the one before, one fewer than there are.
    pub joins: Vec<Join>,
    /// Exchanges of the same hop that this chain stands for beside its own: each was answered, and
    /// joined to nothing. Zero unless there are very many.
    pub more: u64,
}

/// What a chain has of a hop.
#[derive(Clone, Debug, Default)]
pub struct Link {
    /// The hop, by its place.
    pub hop: usize,
    /// The exchange; `None` where the hop had none, or it is not known which.
    pub exchange: Option<Exchange>,
    /// Hops that were tried before it for the same exchange, in order: connections that were refused,
    /// not answered, or reset before they answered. Where none succeeded, the last of them is the
    /// link itself.
    pub tried: Vec<usize>,
    /// What access logs of the proxy at its server's end say of it: log and entry by their places.
    pub entries: Vec<(usize, usize)>,
}

/// One request and its answer on a hop; or an answer without a request, which then has no bytes.
///
/// The times are those of the sight nearest to the client that saw it.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    /// Its number on the hop, from 0.
    pub number: u64,
    /// The first byte of the request.
    pub began: Time,
    /// The last byte of the request.
    pub asked: Time,
    /// The first byte of the answer; `None` while it is owed, and where it came after the end of the
    /// connection, so that nobody took it in.
    pub answered: Option<Time>,
    /// The last byte of the answer that was seen.
    pub done: Option<Time>,
    /// The same as seen nearest to the server; `None` where that end did not see it.
    pub at_server: Option<Moments>,
    /// Payload bytes of the request and of the answer.
    pub bytes: (u64, u64),
    /// What the request says, where it is readable.
    pub request: Option<Arc<Request>>,
    /// What the answer says, where it is readable.
    pub status: Option<Arc<Status>>,
    /// The flow and frame that the request begins with; the flow by its place in the scene.
    pub frame: Option<(usize, u64)>,
}

/// When an exchange was where, by the common clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moments {
    /// The first byte of the request.
    pub began: Time,
    /// The last byte of the request.
    pub asked: Time,
    /// The first byte of the answer.
    pub answered: Option<Time>,
    /// The last byte of the answer that was seen.
    pub done: Option<Time>,
    /// The flow and frame that the request begins with; the flow by its place in the scene.
    pub frame: Option<(usize, u64)>,
}

/// How two hops are joined through a proxy.
#[derive(Clone, Debug)]
pub struct Join {
    /// By what, the strongest of what is there.
    pub by: Strength,
    /// The evidence, in words.
    pub evidence: Vec<String>,
    /// What else it could be, as likely: hops by their places, before or behind the proxy. Not empty
    /// where it is ambiguous.
    pub others: Vec<usize>,
    /// The vantages known to be at the proxy, by their places in the scene.
    pub vantages: Vec<usize>,
    /// One proxy is between them: both were seen in one place, or it says so itself. Else there may
    /// be more than one, and hops that nobody saw.
    pub adjacent: bool,
}

/// By what hops are joined, the strongest first.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// An access log names both connections.
    AccessLog,
    /// A PROXY protocol header on one names the other.
    ProxyProtocol,
    /// The same `x-request-id` on both.
    RequestId,
    /// The same bytes on both.
    ForwardedBytes,
    /// One process owns the sockets of both.
    Process,
    /// The only match in time and size.
    TimeAndSize,
}

/// What the first bytes of two turns have in common, the more telling first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Content {
    /// The same `x-request-id`.
    SameId,
    /// The same request line.
    SameRequest,
    /// One of them cannot be read.
    Unreadable,
    /// Other request lines, as where a proxy rewrites paths.
    Different,
}

/// Chains, and how connections are used.
#[derive(Clone, Debug, Default)]
pub struct Chains {
    /// By the time they began.
    pub chains: Vec<Chain>,
    /// By who opens connections and to which port.
    pub usage: Vec<Usage>,
}

/// Joins hops. Every hop is in a chain, or among what was tried in one. What passes through a proxy
/// tells of the clocks on both sides of it, which is added to what is known of them.
#[must_use]
pub fn join(scene: &Scene<'_>, hops: &mut Hops, logs: &[AccessLog]) -> Chains {
    let mut context = Context {
        scene,
        hops,
        turns: Turns::new(scene, hops),
        places: Places::new(scene, hops),
    };
    let mut found = Found::new(&context.turns);
    told::join(&mut context, &mut found, logs);
    proxied::join(&mut context, &mut found);
    let mut candidates = matching::join(&context, &mut found);
    if matching::learn(&mut context, &mut found) {
        candidates = matching::join(&context, &mut found);
    }
    crossing::undo(&context, &mut found, &candidates);
    tried::join(&context, &mut found, &candidates);
    told::by_request_id(&context, &mut found, logs);
    sessions::tell(&context, &mut found, logs);
    let ties = ties::of(&context, &found);
    let Context { turns, places, .. } = context;
    ties::link(&mut hops.clocks, ties);
    let context = Context {
        scene,
        hops,
        turns,
        places,
    };
    let chains = build::chains(&context, &found, logs);
    let usage = usage::usage(scene, context.hops, &context.turns, &chains);
    Chains { chains, usage }
}
