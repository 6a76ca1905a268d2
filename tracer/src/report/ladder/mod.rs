//! A chain as a ladder: who stands where, and what each told the next, by the common clock.

mod glance;
mod steps;

use std::collections::HashMap;

use foldhash::fast::RandomState;
use schemars::JsonSchema;
use serde::Serialize;

use crate::chain::nodes;
use crate::chain::{Chain, Exchange};
use crate::flow::{FlowId, Side};
use crate::hop::Hops;
use crate::scene::Scene;
use crate::time::Time;
use crate::verdict::Verdict;

/// So many chains with alarms get a ladder without being asked for: a thousand that died alike need
/// no thousand ladders.
const UNASKED: usize = 16;

/// Steps kept of a ladder's beginning, and as many of its end.
const KEPT: usize = 500;

/// What happened on a chain, or on a hop that is in none.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct LadderReport {
    /// The chain; null where it is of a hop that is in none.
    pub chain: Option<u64>,
    /// Its hops, downstream first.
    pub hops: Vec<u64>,
    /// Names of those between whom the hops are, one more than there are hops: vantages where there
    /// are any, else addresses.
    pub nodes: Vec<String>,
    /// What happened, by time, the exchange of the chain only.
    pub steps: Vec<StepReport>,
    /// Steps between the first and the last that are left out of `steps`.
    pub left_out: u64,
}

/// Something that one side of a hop told the other.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StepReport {
    /// When, by the clock of the first vantage, as seen nearest to who did it.
    pub at: Time,
    /// When the last of it was sent, for data.
    pub until: Option<Time>,
    /// The place of the hop among the ladder's, from 0. Hops that were tried in vain stand in the place
    /// of the one that was used at last.
    pub place: u64,
    /// The hop.
    pub hop: u64,
    /// Who did it.
    pub by: Side,
    /// What.
    pub what: StepName,
    /// `GET /report` or `200`, where it is readable.
    pub text: Option<String>,
    /// Payload bytes.
    pub bytes: u64,
    /// Whether it was answered; null for what asks for no answer.
    pub answered: Option<bool>,
    /// Whether it came through to the vantage nearest to the other side; null where that cannot be
    /// told.
    pub arrived: Option<bool>,
    /// When it did.
    pub arrived_at: Option<Time>,
    /// Something on the way made it: the side that it claims to come from never sent it.
    pub made: bool,
    /// The flow that shows it.
    pub flow: FlowId,
    /// Its frame.
    pub frame: u64,
}

/// What a step of a ladder is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// Asked for a connection.
    Syn,
    /// Asked for it again.
    SynAgain,
    /// Sent data.
    Data,
    /// Announced the end of an HTTP/2 connection, amid other data.
    Goaway,
    /// Sent a keepalive probe.
    KeepaliveProbe,
    /// Advertised a window of zero.
    ZeroWindow,
    /// Probed a window of zero.
    ZeroWindowProbe,
    /// Opened a window of zero.
    WindowOpened,
    /// Sent again what it had sent before.
    Retransmission,
    /// Closed its direction.
    Fin,
    /// Reset the connection.
    Rst,
}

/// A hop in a ladder: which part of it, and where it stands.
#[derive(Clone, Copy)]
struct Part {
    place: usize,
    hop: usize,
    /// By the common clock.
    from: Option<Time>,
    /// By the common clock; what comes then is the next exchange's.
    before: Option<Time>,
}

/// Makes ladders.
pub(super) struct Ladders<'a> {
    scene: &'a Scene<'a>,
    hops: &'a Hops,
    chains: &'a [Chain],
    /// When each exchange began, by hop and number.
    began: HashMap<(usize, u64), Time, RandomState>,
}

impl<'a> Ladders<'a> {
    pub(super) fn new(scene: &'a Scene<'a>, hops: &'a Hops, chains: &'a [Chain]) -> Self {
        let links = chains.iter().flat_map(|chain| &chain.links);
        let began = links.filter_map(|link| {
            let exchange = link.exchange.as_ref()?;
            Some(((link.hop, exchange.number), exchange.began))
        });
        Self {
            scene,
            hops,
            chains,
            began: began.collect(),
        }
    }

    /// Those of the first alarms, and those asked for by the number of the chain, each once.
    pub(super) fn of(&self, verdicts: &[Verdict], asked: &[u64]) -> Vec<LadderReport> {
        let mut subjects: Vec<(Option<usize>, Option<usize>)> = Vec::new();
        for verdict in verdicts.iter().filter(|verdict| verdict.alarm) {
            let subject = match verdict.chain {
                Some(chain) => (Some(chain), None),
                None => (None, verdict.hop),
            };
            if subjects.len() < UNASKED && !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        for chain in asked {
            let subject = (usize::try_from(*chain).ok(), None);
            if !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
        subjects
            .into_iter()
            .filter_map(|(chain, hop)| match (chain, hop) {
                (Some(chain), _) => self.of_chain(chain),
                (None, hop) => self.of_hop(hop?),
            })
            .collect()
    }

    fn of_chain(&self, number: usize) -> Option<LadderReport> {
        let chain = self.chains.get(number)?;
        let mut parts = Vec::new();
        for (place, link) in chain.links.iter().enumerate() {
            let (from, before) = self.span(link.hop, link.exchange.as_ref());
            for hop in &link.tried {
                parts.push(Part {
                    place,
                    hop: *hop,
                    from: None,
                    before: None,
                });
            }
            parts.push(Part {
                place,
                hop: link.hop,
                from,
                before,
            });
        }
        let hops: Vec<usize> = chain.links.iter().map(|link| link.hop).collect();
        Some(LadderReport {
            chain: Some(number as u64),
            nodes: nodes::of(self.scene, self.hops, &hops, &chain.joins),
            hops: hops.iter().map(|hop| *hop as u64).collect(),
            ..self.climb(&parts)
        })
    }

    fn of_hop(&self, hop: usize) -> Option<LadderReport> {
        self.hops.hops.get(hop)?;
        let part = Part {
            place: 0,
            hop,
            from: None,
            before: None,
        };
        Some(LadderReport {
            hops: vec![hop as u64],
            nodes: nodes::of(self.scene, self.hops, &[hop], &[]),
            ..self.climb(&[part])
        })
    }

    /// From when to when a hop served an exchange: from its first byte, or from the SYN for the first
    /// one, until the next began.
    fn span(&self, hop: usize, exchange: Option<&Exchange>) -> (Option<Time>, Option<Time>) {
        let Some(exchange) = exchange else {
            return (None, None);
        };
        let from = (exchange.number > 0).then_some(exchange.began);
        let next = self.began.get(&(hop, exchange.number + 1)).copied();
        // Where requests are sent without waiting for answers there is no line between them.
        (from, next.filter(|next| *next > exchange.began))
    }

    fn climb(&self, parts: &[Part]) -> LadderReport {
        let mut all = Vec::new();
        for part in parts {
            steps::of(self.scene, self.hops, part, &mut all);
        }
        all.sort_by_key(|step: &StepReport| (step.at, step.place, step.frame));
        let left_out = all.len().saturating_sub(2 * KEPT);
        if left_out > 0 {
            all.drain(KEPT..KEPT + left_out);
        }
        LadderReport {
            steps: all,
            left_out: left_out as u64,
            ..LadderReport::default()
        }
    }
}
