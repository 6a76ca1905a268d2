//! What access logs say: which connections served a request.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Strength;
use super::candidate::contents;
use super::clock::LogClock;
use super::context::{Context, Found, Joined};
use super::place::{Nearness, endpoints};
use crate::flow::Side;
use crate::log::{AccessLog, Entry};
use crate::segment::Endpoint;
use crate::time::Time;

/// A log and packets may miss each other by this: proxies begin to count when they have read the
/// head of a request, and cut times to milliseconds.
pub(super) const SLACK: Duration = Duration::from_secs(1);

/// Hops by the endpoint of their client, as the proxy sees it.
pub(super) struct Ends {
    /// Of those that a proxy accepted.
    pub(super) downstream: HashMap<Endpoint, Vec<usize>, RandomState>,
    /// Of those that it opened.
    pub(super) upstream: HashMap<Endpoint, Vec<usize>, RandomState>,
    /// Of those whose PROXY protocol header names a client, by that client.
    proxied: HashMap<Endpoint, Vec<usize>, RandomState>,
}

/// What one log says of one downstream connection.
#[derive(Default)]
struct Account {
    /// Entries by their places, by time, and the upstream connection of each.
    entries: Vec<(usize, Option<usize>)>,
}

/// What one log says, by the downstream connection.
type Accounts = BTreeMap<usize, Account>;

/// Joins what the logs name.
pub(super) fn join(context: &mut Context<'_>, found: &mut Found, logs: &[AccessLog]) {
    if logs.is_empty() {
        return;
    }
    let ends = Ends::new(context);
    let clocks: Vec<LogClock> = logs
        .iter()
        .map(|log| LogClock::new(context, &ends, log))
        .collect();
    let told = logs.iter().zip(&clocks);
    let mut told: Vec<Accounts> = told
        .map(|(log, clock)| accounts(context, &ends, log, clock))
        .collect();
    behind_others(context, &mut told);
    for (number, accounts) in told.iter().enumerate() {
        for (hop, account) in accounts {
            for upstream in account.entries.iter().filter_map(|(_, upstream)| *upstream) {
                context.places.share(*hop, upstream);
            }
            let log = (number, &logs[number]);
            assign(context, found, log, &clocks[number], (*hop, account));
        }
    }
    context.places.part(context.hops);
}

impl Ends {
    fn new(context: &Context<'_>) -> Self {
        let mut ends = Self {
            downstream: HashMap::default(),
            upstream: HashMap::default(),
            proxied: HashMap::default(),
        };
        for turn in &context.turns.all {
            if let Some(client) = turn.proxied {
                let hops = ends.proxied.entry(client).or_default();
                if hops.last() != Some(&turn.hop) {
                    hops.push(turn.hop);
                }
            }
        }
        for (number, hop) in context.hops.hops.iter().enumerate() {
            if let Some(at) = endpoints(context.scene, hop, Side::Server) {
                ends.downstream.entry(at.client).or_default().push(number);
            }
            if let Some(at) = endpoints(context.scene, hop, Side::Client) {
                ends.upstream.entry(at.client).or_default().push(number);
            }
        }
        ends
    }
}

/// The entries of a log, by the downstream connection that they speak of.
fn accounts(context: &Context<'_>, ends: &Ends, log: &AccessLog, clock: &LogClock) -> Accounts {
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
fn behind_others(context: &Context<'_>, told: &mut [Accounts]) {
    let mut moved: Vec<(usize, Option<usize>, (usize, usize))> = Vec::new();
    for (number, accounts) in told.iter().enumerate() {
        for (hop, account) in accounts {
            for &(place, upstream) in &account.entries {
                let Some(upstream) = upstream else {
                    continue;
                };
                let others = told.iter().enumerate();
                let others = others.filter(|(other, _)| *other != number);
                let others = others.filter_map(|(_, other)| other.get(hop));
                let onward = others.flat_map(|account| &account.entries);
                let onward = onward.filter_map(|(_, onward)| *onward);
                let mut between: Vec<usize> = onward
                    .filter(|onward| {
                        *onward != upstream
                            && context.places.nearness(*onward, upstream) == Nearness::Same
                    })
                    .collect();
                between.sort_unstable();
                between.dedup();
                let apart = context.places.nearness(*hop, upstream) == Nearness::Apart;
                if apart || !between.is_empty() {
                    let only = between.first().filter(|_| between.len() == 1);
                    moved.push((number, only.copied(), (place, *hop)));
                }
            }
        }
    }
    for (number, to, (place, from)) in moved {
        let accounts = &mut told[number];
        let entries = accounts.get_mut(&from).map(|account| &mut account.entries);
        let Some(entries) = entries else {
            continue;
        };
        let Some(at) = entries.iter().position(|(entry, _)| *entry == place) else {
            continue;
        };
        let entry = entries.remove(at);
        if let Some(to) = to {
            accounts.entry(to).or_default().entries.push(entry);
        }
    }
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

/// Joins the turns of a connection as its entries say.
fn assign(
    context: &Context<'_>,
    found: &mut Found,
    (number, log): (usize, &AccessLog),
    clock: &LogClock,
    (hop, account): (usize, &Account),
) {
    let turns = context.turns.of[hop].clone();
    let mut next = turns.start;
    let as_many = account.entries.len() == turns.len();
    for &(place, upstream) in &account.entries {
        let entry = &log.entries[place];
        // An entry without a request speaks of the connection as a whole.
        let Some(request) = &entry.request else {
            for down in turns.clone() {
                found.entries[down].push((number, place));
            }
            if let Some(upstream) = upstream {
                in_order(context, found, hop, upstream, Strength::AccessLog);
            }
            continue;
        };
        let mut fitting = (next..turns.end).filter(|down| same(context, *down, request));
        let down = if as_many {
            fitting.next()
        } else {
            fitting
                .filter_map(|down| Some((clock.apart(context, down, entry)?, down)))
                .filter(|(apart, _)| *apart <= SLACK)
                .min()
                .map(|(_, down)| down)
        };
        let Some(down) = down else {
            continue;
        };
        next = down + 1;
        found.entries[down].push((number, place));
        let onward = upstream.and_then(|upstream| during(context, found, down, upstream));
        if let Some(to) = onward {
            found.join(down, told(context, down, to, Strength::AccessLog));
        }
    }
}

fn told(context: &Context<'_>, down: usize, to: usize, by: Strength) -> Joined {
    let turns = &context.turns.all;
    Joined {
        to,
        by,
        content: contents(&turns[down], &turns[to]),
        weight: 0,
        held: 0,
        others: Vec::new(),
    }
}

/// Whether a turn's request is the one of the log, as far as that can be read.
fn same(context: &Context<'_>, down: usize, request: &str) -> bool {
    let said = &context.turns.all[down].request;
    said.as_ref().is_none_or(|said| {
        let (method, target) = request.split_once(' ').unwrap_or((request, ""));
        // Logs may write the path alone where the request names the whole URL, and cut it.
        said.method == method
            && (said.target.ends_with(target)
                || target.starts_with(&*said.target)
                || said.target.starts_with(target.trim_end_matches('.')))
    })
}

/// The turn of an upstream connection that a turn went on as, where it is known that it is on that
/// connection.
fn during(context: &Context<'_>, found: &Found, down: usize, upstream: usize) -> Option<usize> {
    let seen = context.view(&context.turns.all[down], Side::Server)?;
    let jitter = Duration::from_millis(2);
    context.turns.of[upstream].clone().find(|up| {
        let onward = context.view(&context.turns.all[*up], Side::Client);
        found.before[*up].is_none()
            && onward.is_some_and(|onward| {
                let whole = context.turns.all[*up].number.is_none();
                // A connection is opened before anything is sent on it.
                (whole || seen.began.since(onward.began) <= jitter)
                    && seen
                        .worked_on()
                        .is_none_or(|until| onward.began.since(until) <= jitter)
            })
    })
}

/// Joins the turns of two connections of which one carries what the other does: each to the next that
/// began before the one after it did.
pub(super) fn in_order(
    context: &Context<'_>,
    found: &mut Found,
    downstream: usize,
    upstream: usize,
    by: Strength,
) {
    let began = |turn: usize, end| {
        let seen = context.view(&context.turns.all[turn], end);
        seen.map(|seen| seen.began)
    };
    let downs = context.turns.of[downstream].clone();
    let mut ups = context.turns.of[upstream].clone().peekable();
    for down in downs.clone() {
        let (Some(at), after) = (began(down, Side::Server), began(down + 1, Side::Server)) else {
            continue;
        };
        let after = after.filter(|_| downs.contains(&(down + 1)));
        let whole = context.turns.all[down].number.is_none();
        while let Some(&up) = ups.peek() {
            let Some(onward) = began(up, Side::Client) else {
                ups.next();
                continue;
            };
            let jitter = Duration::from_millis(1);
            // The first bytes may be the proxy's own, as a PROXY protocol header is.
            let last = context.view(&context.turns.all[up], Side::Client);
            let early = last.is_some_and(|seen| at.since(seen.asked) > jitter);
            if early && !whole && context.turns.all[up].number.is_some() {
                ups.next();
                continue;
            }
            if after.is_none_or(|after| onward < after) {
                found.join(down, told(context, down, up, by));
                ups.next();
            }
            break;
        }
    }
}
