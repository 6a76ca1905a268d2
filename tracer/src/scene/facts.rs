//! Which flow a socket's segments are: by the cookie that frames carry, else by namespace, endpoints
//! and time.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::flow::{Flow, Side, Sides};
use crate::kernel::{Account, Fact};
use crate::segment::Endpoint;
use crate::time::Time;
use crate::vantage::Gathered;

/// A socket's life and a flow's may miss each other by so many nanoseconds and still be one
/// connection's: notes and frames are stamped at different places.
const SLACK: i64 = 1_000_000_000;

/// From a note that a socket sends, to the frame, in nanoseconds.
const SENT_WITHIN: i64 = 10_000_000;

/// What the kernel told, as far as it is known of which flow.
#[derive(Debug, Default)]
pub(crate) struct Joined<'a> {
    /// For every flow, in their order.
    pub(crate) flows: Vec<FlowFacts<'a>>,
    /// What belongs to no flow that was seen.
    pub(crate) unjoined: Vec<(&'a Account, &'a Fact)>,
}

/// What the kernel told of a flow.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlowFacts<'a> {
    /// The sockets at its ends.
    pub(crate) sockets: Sides<Option<&'a Account>>,
    /// What befell them, and whose side's, by time.
    pub(crate) facts: Vec<(Side, &'a Fact)>,
}

/// Flows by namespace and endpoints, the lower first.
type Index<'a> = HashMap<(&'a str, [Endpoint; 2]), Vec<usize>, RandomState>;

/// Joins what the kernel told to flows.
pub(crate) fn join(gathered: &Gathered) -> Joined<'_> {
    let accounts = gathered.kernel.accounts();
    let mut joined = Joined {
        flows: vec![FlowFacts::default(); gathered.flows.len()],
        unjoined: Vec::new(),
    };
    if accounts.is_empty() {
        return joined;
    }
    let index = index(gathered);
    let mut places: Vec<Vec<(usize, Side)>> = vec![Vec::new(); accounts.len()];
    for (flow, side, account) in sockets(gathered, &accounts, &index) {
        joined.flows[flow].sockets[side] = Some(accounts[account]);
        places[account].push((flow, side));
    }
    for (account, mut places) in accounts.into_iter().zip(places) {
        let by_ends = account.cookie.is_none();
        if by_ends {
            places = flows_between(gathered, &index, account);
        }
        for fact in &account.facts {
            let near = |place: &&(usize, Side)| {
                !by_ends || touches(&gathered.flows[place.0], (Some(fact.at), Some(fact.until)))
            };
            let found = latest(gathered, places.iter().filter(near), fact.at);
            for &(flow, side) in &found {
                joined.flows[flow].facts.push((side, fact));
            }
            if found.is_empty() {
                joined.unjoined.push((account, fact));
            }
        }
    }
    for flow in &mut joined.flows {
        flow.facts.sort_by_key(|(_, fact)| fact.at);
    }
    joined.unjoined.sort_by_key(|(_, fact)| fact.at);
    joined
}

fn index(gathered: &Gathered) -> Index<'_> {
    let mut index = Index::default();
    for (place, flow) in gathered.flows.iter().enumerate() {
        if let Some(namespace) = namespace(gathered, flow) {
            let ends = sorted([flow.endpoint(Side::Client), flow.endpoint(Side::Server)]);
            index.entry((namespace, ends)).or_default().push(place);
        }
    }
    index
}

/// The sockets at the ends of flows, by their places: one for each end at most.
fn sockets(
    gathered: &Gathered,
    accounts: &[&Account],
    index: &Index<'_>,
) -> Vec<(usize, Side, usize)> {
    let mut best: HashMap<(usize, bool), (i64, usize), RandomState> = HashMap::default();
    let mut by_cookie: HashMap<(&str, u64), usize, RandomState> = HashMap::default();
    for (number, account) in accounts.iter().enumerate() {
        let Some(cookie) = account.cookie else {
            continue;
        };
        by_cookie.insert((&account.namespace, cookie), number);
        for (place, side) in flows_between(gathered, index, account) {
            let Some(shared) = overlap(&gathered.flows[place], account.life()) else {
                continue;
            };
            let end = best
                .entry((place, side == Side::Client))
                .or_insert((shared, number));
            if shared >= end.0 {
                *end = (shared, number);
            }
        }
    }
    let mut found = Vec::new();
    for (place, flow) in gathered.flows.iter().enumerate() {
        for side in [Side::Client, Side::Server] {
            let told = namespace(gathered, flow).and_then(|namespace| {
                let way = [flow.endpoint(side), flow.endpoint(side.other())];
                let during = [flow.first_at(), flow.last_at()];
                let mut cookies = gathered.kernel.senders(flow.vantage(), way, during);
                // One that was not told of may be the kernel's own, which answers segments of no
                // connection or in TIME-WAIT (`tcp_v4_send_reset`, `tcp_v4_send_ack`,
                // net/ipv4/tcp_ipv4.c).
                cookies.find_map(|cookie| by_cookie.get(&(namespace, cookie)))
            });
            let by_ends = best.get(&(place, side == Side::Client));
            let account = told.or(by_ends.map(|(_, number)| number));
            found.extend(account.map(|number| (place, side, *number)));
        }
    }
    found
}

/// The flows between a socket's ends, and which side it is of.
fn flows_between(gathered: &Gathered, index: &Index<'_>, account: &Account) -> Vec<(usize, Side)> {
    let Some(peer) = account.peer else {
        return Vec::new();
    };
    let ends = sorted([account.local, peer]);
    let side = |place: usize| {
        if gathered.flows[place].endpoint(Side::Client) == account.local {
            Side::Client
        } else {
            Side::Server
        }
    };
    let known = index.get(&(&*account.namespace, ends));
    let places = known.into_iter().flatten();
    places.map(|&place| (place, side(place))).collect()
}

/// One flow at each vantage: the latest that had begun by then, or the first.
fn latest<'p>(
    gathered: &Gathered,
    places: impl Iterator<Item = &'p (usize, Side)>,
    at: Time,
) -> Vec<(usize, Side)> {
    let mut found: Vec<(usize, Side)> = Vec::new();
    for &(place, side) in places {
        let flow = &gathered.flows[place];
        let same = |known: &&mut (usize, Side)| {
            gathered.flows[known.0].vantage() == flow.vantage() && known.1 == side
        };
        match found.iter_mut().find(same) {
            None => found.push((place, side)),
            Some(known) if began_by(flow, at) => known.0 = place,
            Some(_) => {}
        }
    }
    found
}

fn namespace<'a>(gathered: &'a Gathered, flow: &Flow) -> Option<&'a str> {
    let vantage = gathered.vantages.get(flow.vantage() as usize)?;
    vantage.namespace.as_deref()
}

/// Whether a flow had begun by then. A socket is told of when it sends, so before the frame is seen.
fn began_by(flow: &Flow, at: Time) -> bool {
    flow.first_at().as_nanos() <= at.as_nanos().saturating_add(SENT_WITHIN)
}

fn sorted([one, other]: [Endpoint; 2]) -> [Endpoint; 2] {
    [one.min(other), one.max(other)]
}

fn touches(flow: &Flow, life: (Option<Time>, Option<Time>)) -> bool {
    overlap(flow, life).is_some()
}

/// How long a flow and a socket existed together, in nanoseconds; less than zero where they missed
/// each other, and `None` where they did by more than the slack.
fn overlap(flow: &Flow, (began, ended): (Option<Time>, Option<Time>)) -> Option<i64> {
    let (first, last) = (flow.first_at(), flow.last_at());
    let from = began.map_or(first, |began| began.max(first)).as_nanos();
    let to = ended.map_or(last, |ended| ended.min(last)).as_nanos();
    Some(to.saturating_sub(from)).filter(|shared| *shared >= -SLACK)
}
