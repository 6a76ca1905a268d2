//! What expectations are about, as it stands in a report.

use std::collections::HashMap;

use super::test::{Value, Wants};
use crate::flow::{FlowId, Trail};
use crate::report::{ChainReport, FlowReport, HopReport, Report, VerdictReport};
use crate::vantage::Gathered;

/// Kinds of things that can be expected something of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Connections as seen at one vantage.
    Flows,
    /// Connections, wherever they were seen.
    Hops,
    /// Requests on their way through proxies.
    Chains,
    /// What was found to be the cause.
    Verdicts,
    /// Sockets and their options.
    Sockets,
    /// Captures.
    Vantages,
}

/// All of them.
pub const KINDS: [Kind; 6] = [
    Kind::Flows,
    Kind::Hops,
    Kind::Chains,
    Kind::Verdicts,
    Kind::Sockets,
    Kind::Vantages,
];

impl Kind {
    /// As files name them.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flows => "flows",
            Self::Hops => "hops",
            Self::Chains => "chains",
            Self::Verdicts => "verdicts",
            Self::Sockets => "sockets",
            Self::Vantages => "vantages",
        }
    }

    pub(super) fn singular(self) -> &'static str {
        self.name().trim_end_matches('s')
    }
}

/// A report, and what it is looked up in for expectations.
pub(super) struct View<'a> {
    pub(super) report: &'a Report,
    trails: Vec<Option<&'a Trail>>,
    places: HashMap<FlowId, usize>,
    hops_of: HashMap<FlowId, Vec<u64>>,
}

impl<'a> View<'a> {
    pub(super) fn new(report: &'a Report, sources: &'a [Gathered]) -> Self {
        let trails = sources
            .iter()
            .flat_map(|source| (0..source.flows.len()).map(|place| source.trails.get(place)))
            .collect();
        let places = report.flows.iter().enumerate();
        let mut hops_of: HashMap<FlowId, Vec<u64>> = HashMap::new();
        for hop in &report.hops {
            for flow in &hop.flows {
                hops_of.entry(*flow).or_default().push(hop.id);
            }
        }
        Self {
            report,
            trails,
            places: places.map(|(place, flow)| (flow.id, place)).collect(),
            hops_of,
        }
    }

    pub(super) fn flow(&self, id: FlowId) -> Option<&'a FlowReport> {
        self.report.flows.get(*self.places.get(&id)?)
    }

    pub(super) fn hop(&self, id: u64) -> Option<&'a HopReport> {
        let place = usize::try_from(id).ok()?;
        self.report.hops.get(place).filter(|hop| hop.id == id)
    }

    /// What happened on a flow, where that was kept.
    pub(super) fn trail(&self, id: FlowId) -> Option<&'a Trail> {
        *self.trails.get(*self.places.get(&id)?)?
    }

    pub(super) fn hops_of(&self, flow: FlowId) -> &[u64] {
        self.hops_of.get(&flow).map_or(&[], Vec::as_slice)
    }

    /// Requests that went over any of these hops.
    pub(super) fn requests(&self, hops: &[u64]) -> Vec<Value> {
        let chains = self.report.chains.iter();
        chains
            .filter(|chain| chain.hops.iter().any(|hop| hops.contains(hop)))
            .filter_map(ChainReport::request_value)
            .collect()
    }

    /// Verdicts that these hold for.
    pub(super) fn verdicts<F: Fn(&VerdictReport) -> bool>(
        &self,
        about: F,
    ) -> impl Iterator<Item = &'a VerdictReport> + use<'a, F> {
        self.report
            .verdicts
            .iter()
            .filter(move |verdict| about(verdict))
    }
}

/// Says what shows a fact, a line each.
pub(super) type Evidence<T> = fn(&View<'_>, &T) -> Vec<String>;

/// Finds what is asked for: usually one value, and of what consists of several, one for each.
type Find<T> = Box<dyn Fn(&View<'_>, &T) -> Vec<Value> + Send + Sync>;

/// A key of an expectation.
pub(super) struct Key<T> {
    name: String,
    wants: Wants,
    find: Find<T>,
    evidence: Evidence<T>,
}

impl<T> Key<T> {
    pub(super) fn new(
        name: impl Into<String>,
        wants: Wants,
        evidence: Evidence<T>,
        find: impl Fn(&View<'_>, &T) -> Vec<Value> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            wants,
            find: Box::new(find),
            evidence,
        }
    }
}

/// What can be expected something of.
pub(super) trait Subject: Sized + 'static {
    /// What can be said of it itself.
    fn keys() -> &'static [Key<Self>];
    /// All that there are.
    fn all(report: &Report) -> &[Self];
    /// Which it is, for people.
    fn told(&self) -> String;
    /// The flows that it consists of: what is said of flows must hold for each.
    fn flows<'a>(&self, view: &View<'a>) -> Vec<&'a FlowReport>;
    /// Whether it says in a line all that people want to know of it.
    const TELLS_ALL: bool = false;
    /// Whether its keys are those of flows, too.
    const CONSISTS_OF_FLOWS: bool;
}

/// A key that a subject understands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Which {
    /// Of itself.
    Own(usize),
    /// Of each of its flows.
    OfFlows(usize),
}

/// Every key of a kind: its name, what it takes, and which it is.
pub(super) fn keys<T: Subject>() -> Vec<(&'static str, Wants, Which)> {
    let own = T::keys().iter().enumerate();
    let mut keys: Vec<_> = own
        .map(|(place, key)| (key.name.as_str(), key.wants, Which::Own(place)))
        .collect();
    if T::CONSISTS_OF_FLOWS {
        for (place, key) in FlowReport::keys().iter().enumerate() {
            if keys.iter().all(|(name, ..)| *name != key.name) {
                keys.push((key.name.as_str(), key.wants, Which::OfFlows(place)));
            }
        }
    }
    keys
}

/// What was found of a subject.
pub(super) struct Found {
    pub(super) value: Value,
    /// The part of it that shows it, where it is not the whole.
    pub(super) of: Option<String>,
    pub(super) evidence: Vec<String>,
}

/// All that is found for a key, without evidence.
pub(super) fn values<T: Subject>(view: &View<'_>, subject: &T, which: Which) -> Vec<Value> {
    match which {
        Which::Own(place) => (T::keys()[place].find)(view, subject),
        Which::OfFlows(place) => {
            let flows = subject.flows(view).into_iter();
            flows
                .flat_map(|flow| (FlowReport::keys()[place].find)(view, flow))
                .collect()
        }
    }
}

/// All that is found for a key, with what shows it.
pub(super) fn findings<T: Subject>(view: &View<'_>, subject: &T, which: Which) -> Vec<Found> {
    match which {
        Which::Own(place) => {
            let key = &T::keys()[place];
            let found = (key.find)(view, subject).into_iter();
            found
                .map(|value| Found {
                    value,
                    of: None,
                    evidence: (key.evidence)(view, subject),
                })
                .collect()
        }
        Which::OfFlows(place) => {
            let key = &FlowReport::keys()[place];
            let flows = subject.flows(view).into_iter();
            let found = flows.flat_map(|flow| {
                let values = (key.find)(view, flow).into_iter();
                values.map(move |value| Found {
                    value,
                    of: Some(flow.told()),
                    evidence: (key.evidence)(view, flow),
                })
            });
            found.collect()
        }
    }
}
