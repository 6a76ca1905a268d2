//! Which connections the entries of access logs speak of.

use std::collections::{BTreeMap, HashMap};

use super::clock::LogClock;
use super::context::Context;
use super::place::{Nearness, endpoints};
use super::told::{Ends, SLACK};
use crate::flow::Side;
use crate::log::{AccessLog, Entry};
use crate::segment::Endpoint;
use crate::time::Time;

/// What one log says of one downstream connection.
#[derive(Default)]
pub(super) struct Account {
    /// Entries by their places, by time, and the upstream connection of each.
    pub(super) entries: Vec<(usize, Option<usize>)>,
}

/// What one log says, by the downstream connection.
pub(super) type Accounts = BTreeMap<usize, Account>;

/// The entries of a log, by the downstream connection that they speak of.
pub(super) fn accounts(
    context: &Context<'_>,
    ends: &Ends,
    log: &AccessLog,
    clock: &LogClock,
) -> Accounts {
    let mut accounts = Accounts::new();
    let mut order: Vec<usize> = (0..log.entries.len()).collect();
    order.sort_by_key(|place| log.entries[*place].began);
    for place in order {
        let entry = &log.entries[place];
        let during = clock.during(entry);
        // It has a time, and nobody knows by which clock.
        if entry.began.is_some() && during.is_none() {
            continue;
        }
        let pick = |map: &HashMap<_, Vec<usize>, _>, end, client: Option<_>, server| {
            let hops = map.get(&client?)?;
            one_of(context, hops, end, server, during)
        };
        let from = entry.upstream_local;
        let upstream = pick(&ends.upstream, Side::Client, from, entry.upstream_remote);
        let mut from = [entry.downstream_direct, entry.downstream_remote].into_iter();
        let downstream = upstream
            .and_then(|upstream| behind_header(context, ends, entry, upstream, during))
            .or_else(|| {
                from.find_map(|from| {
                    pick(&ends.downstream, Side::Server, from, entry.downstream_local)
                })
            });
        if let Some(downstream) = downstream {
            let account = accounts.entry(downstream).or_default();
            let upstream = upstream.filter(|upstream| *upstream != downstream);
            account.entries.push((place, upstream));
        }
    }
    accounts
}

/// Where a proxy behind another logs the client that a PROXY protocol header names, and no header can
/// be read, two logs name one client: what the second has is the upstream connection of the first,
/// that ends where the second's upstream begins. What ends elsewhere and no log leads on from was
/// never this proxy's.
pub(super) fn behind_others(context: &Context<'_>, told: &mut [Accounts]) {
    let mut moved: Vec<(usize, usize, usize, Option<usize>)> = Vec::new();
    for (log, accounts) in told.iter().enumerate() {
        for (hop, account) in accounts {
            let entries = account.entries.iter();
            let entries = entries.filter_map(|(place, upstream)| Some((*place, (*upstream)?)));
            for (place, upstream) in entries {
                let between = between(context, told, (log, *hop), upstream);
                let apart = context.places.nearness(*hop, upstream) == Nearness::Apart;
                if apart || !between.is_empty() {
                    let only = between.first().filter(|_| between.len() == 1);
                    moved.push((log, *hop, place, only.copied()));
                }
            }
        }
    }
    for (log, from, place, to) in moved {
        let Some(account) = told[log].get_mut(&from) else {
            continue;
        };
        let mut entries = account.entries.iter();
        let Some(at) = entries.position(|(entry, _)| *entry == place) else {
            continue;
        };
        let entry = account.entries.remove(at);
        if let Some(to) = to {
            told[log].entry(to).or_default().entries.push(entry);
        }
    }
}

/// What other logs have a connection go on as that ends where `upstream` begins.
fn between(
    context: &Context<'_>,
    told: &[Accounts],
    (log, hop): (usize, usize),
    upstream: usize,
) -> Vec<usize> {
    let others = told.iter().enumerate().filter(|(other, _)| *other != log);
    let accounts = others.filter_map(|(_, other)| other.get(&hop));
    let onward = accounts.flat_map(|account| &account.entries);
    let mut between: Vec<usize> = onward
        .filter_map(|(_, onward)| *onward)
        .filter(|onward| {
            *onward != upstream && context.places.nearness(*onward, upstream) == Nearness::Same
        })
        .collect();
    between.sort_unstable();
    between.dedup();
    between
}

/// The connection whose PROXY protocol header names the client that an entry names: the proxy takes it
/// for its own downstream's, which the client never had with it.
fn behind_header(
    context: &Context<'_>,
    ends: &Ends,
    entry: &Entry,
    upstream: usize,
    during: Option<(Time, Time)>,
) -> Option<usize> {
    let hops = ends.proxied.get(&entry.downstream_remote?)?.iter().copied();
    let mut fitting = hops.filter(|hop| {
        *hop != upstream
            && context.places.nearness(*hop, upstream) != Nearness::Apart
            && during.is_none_or(|during| lives(context, *hop, Side::Server, during))
    });
    fitting.next().filter(|_| fitting.next().is_none())
}

/// The one of these hops that an entry names. A port may be used again and again: the time tells, and
/// then the other endpoint, which need not be that of the wire (a service's address, a redirected
/// port).
fn one_of(
    context: &Context<'_>,
    hops: &[usize],
    end: Side,
    server: Option<Endpoint>,
    during: Option<(Time, Time)>,
) -> Option<usize> {
    let lives = |hop: &&usize| during.is_none_or(|during| lives(context, **hop, end, during));
    let alive: Vec<usize> = hops.iter().filter(lives).copied().collect();
    if let [hop] = *alive {
        return Some(hop);
    }
    let exact = |hop: &usize| {
        let at = endpoints(context.scene, &context.hops.hops[*hop], end);
        at.is_some_and(|at| Some(at.server) == server)
    };
    let mut exact = alive.into_iter().filter(exact);
    exact.next().filter(|_| exact.next().is_none())
}

/// Whether a hop was there at that time.
fn lives(context: &Context<'_>, hop: usize, end: Side, (from, to): (Time, Time)) -> bool {
    let sights = &context.hops.hops[hop].sights;
    let sight = match end {
        Side::Client => sights.first(),
        Side::Server => sights.last(),
    };
    sight.is_some_and(|sight| {
        let flow = context.scene.flows[sight.flow].flow;
        flow.first_at().since(to) <= SLACK && from.since(flow.last_at()) <= SLACK
    })
}
