//! Hops and chains in the report.

use schemars::JsonSchema;
use serde::Serialize;

use crate::chain::nodes;
use crate::chain::{Chain, Strength};
use crate::flow::{FlowId, Side, Sides};
use crate::hop::{Hop, Hops, Likeness};
use crate::scene::Scene;
use crate::time::Time;

/// One TCP connection, whatever address translation did to it on the way.
///
/// Times are by the clock of the first vantage of the report, as far as it is known how far the
/// others' are off.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HopReport {
    /// Its number in this report.
    pub id: u64,
    /// The flows that are this connection, from the client to the server.
    pub flows: Vec<FlowId>,
    /// How each of them is known to be this connection; null for the first that was found.
    pub joined_by: Vec<Option<Likeness>>,
    /// `ip:port` as seen nearest to the client.
    pub client: String,
    /// `ip:port` as seen nearest to the server.
    pub server: String,
    /// Names of the vantages at either end; null where none is.
    pub at: Sides<Option<String>>,
    /// Whether that is proved: by the kernel, or by which way segments passed the capturing host.
    /// Otherwise it is likely, as that vantage is the nearest to that side.
    pub at_proved: Sides<bool>,
    /// Segments that were lost between its vantages, by the side that sent them, as far as they stand
    /// out: handshakes, closes, probes, and what was sent again. Null where that cannot be told.
    pub lost: Sides<Option<u64>>,
    /// FINs and RSTs that something on the way made, or may have made.
    pub made: Vec<MadeReport>,
}

/// A FIN or RST that the side it claims to come from never sent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct MadeReport {
    /// When.
    pub at: Time,
    /// In whose name.
    pub by: Side,
    /// It was a RST, not a FIN.
    pub rst: bool,
    /// The flow that shows it.
    pub flow: FlowId,
    /// Its frame.
    pub frame: u64,
    /// Its TTL or hop limit.
    pub ttl: u8,
    /// What the other segments of that side have there.
    pub usual_ttl: Option<u8>,
    /// A vantage nearer to that side was watching and did not see it, and its TTL is unlike or that side
    /// went on as if it had not sent it; or the host of this one sent it; or its socket outlived it.
    /// Otherwise only its TTL tells.
    pub proved: bool,
    /// The host of the vantage that shows it made it: it left that host without having come in.
    pub here: bool,
    /// The kernel's socket of that side was there long after it, as none is that has sent a RST.
    pub outlived: bool,
}

/// Hops joined through proxies, for one exchange.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ChainReport {
    /// Its number in this report.
    pub id: u64,
    /// Numbers of its hops, downstream first.
    pub hops: Vec<u64>,
    /// Names of those between whom the hops are, one more than there are hops: vantages where there
    /// are any, else addresses.
    pub nodes: Vec<String>,
    /// How each is joined to the one before, one fewer than there are hops.
    pub joined_by: Vec<Strength>,
    /// What else could have been joined, for each join: numbers of hops. Not empty where it is
    /// ambiguous.
    pub others: Vec<Vec<u64>>,
    /// Why, for each join, in words.
    pub evidence: Vec<Vec<String>>,
    /// Names of the vantages known to be at the proxy, for each join.
    pub proxies: Vec<Vec<String>>,
    /// Whether one proxy is between the hops of each join: both were seen in one place, or it says so
    /// itself. Else there may be more than one, and hops that nobody saw.
    pub adjacent: Vec<bool>,
    /// Hops that were tried before, for each of `hops`.
    pub tried: Vec<Vec<u64>>,
    /// The number of the exchange on each of `hops`, from 0; null where there was none.
    pub exchanges: Vec<Option<u64>>,
    /// `GET /report`, where it is readable.
    pub request: Option<String>,
    /// HTTP status that the client got, where it is readable.
    pub status: Option<u16>,
    /// First byte of the request, seen nearest to the client; null where there was none.
    pub began: Option<Time>,
    /// Last byte of the answer, seen nearest to the client; null where it is owed.
    pub done: Option<Time>,
    /// Exchanges of the same hop that this stands for beside its own, each answered and joined to
    /// nothing; zero unless there are very many.
    pub more: u64,
}

impl HopReport {
    pub(super) fn new(scene: &Scene<'_>, hops: &Hops, id: usize, hop: &Hop) -> Self {
        let name = |vantage: usize| scene.name(vantage).to_owned();
        let sum = |side: Side| {
            let mut lost = hop.ways.iter().map(|way| way.lost[side]);
            lost.try_fold(0, |sum: u64, lost| Some(sum + lost?))
                .filter(|_| !hop.ways.is_empty())
        };
        let made = hop.made();
        Self {
            id: id as u64,
            flows: hop
                .sights
                .iter()
                .map(|sight| scene.flows[sight.flow].id)
                .collect(),
            joined_by: hop.sights.iter().map(|sight| sight.by).collect(),
            client: hop.client.to_string(),
            server: hop.server.to_string(),
            at: hop.at.map(|vantage| vantage.map(name)),
            at_proved: hop.proved,
            lost: Sides {
                client: sum(Side::Client),
                server: sum(Side::Server),
            },
            made: made
                .map(|made| MadeReport {
                    at: hops.clocks.common(scene.flows[made.flow].vantage, made.at),
                    by: made.by,
                    rst: made.rst,
                    flow: scene.flows[made.flow].id,
                    frame: made.frame,
                    ttl: made.ttl.0,
                    usual_ttl: made.ttl.1,
                    proved: made.proved,
                    here: made.here,
                    outlived: made.outlived,
                })
                .collect(),
        }
    }
}

impl ChainReport {
    pub(super) fn new(scene: &Scene<'_>, hops: &Hops, id: usize, chain: &Chain) -> Self {
        let joins = chain.joins.iter();
        let numbers = |hops: &[usize]| hops.iter().map(|hop| *hop as u64).collect();
        let first = chain.links.first().and_then(|link| link.exchange.as_ref());
        let places: Vec<usize> = chain.links.iter().map(|link| link.hop).collect();
        let request = first.and_then(|exchange| exchange.request.as_ref());
        let status = first.and_then(|exchange| exchange.status.as_ref());
        Self {
            id: id as u64,
            hops: numbers(&places),
            nodes: nodes::of(scene, hops, &places, &chain.joins),
            joined_by: joins.clone().map(|join| join.by).collect(),
            others: joins.clone().map(|join| numbers(&join.others)).collect(),
            evidence: joins.clone().map(|join| join.evidence.clone()).collect(),
            adjacent: joins.clone().map(|join| join.adjacent).collect(),
            proxies: joins
                .map(|join| {
                    let vantages = join.vantages.iter();
                    vantages
                        .map(|place| scene.name(*place).to_owned())
                        .collect()
                })
                .collect(),
            tried: chain
                .links
                .iter()
                .map(|link| numbers(&link.tried))
                .collect(),
            exchanges: chain
                .links
                .iter()
                .map(|link| link.exchange.as_ref().map(|exchange| exchange.number))
                .collect(),
            request: request.map(|request| format!("{} {}", request.method, request.target)),
            status: status.map(|status| status.code),
            began: first.map(|exchange| exchange.began),
            done: first.and_then(|exchange| exchange.done),
            more: chain.more,
        }
    }
}
