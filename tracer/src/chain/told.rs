//! What access logs say: which connections served a request.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::Strength;
use super::accounts::{Account, Accounts, accounts, behind_others};
use super::candidate::contents;
use super::clock::LogClock;
use super::context::{Context, Found, Joined};
use super::place::endpoints;
use crate::flow::Side;
use crate::log::{AccessLog, Entry};
use crate::segment::Endpoint;

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
    pub(super) proxied: HashMap<Endpoint, Vec<usize>, RandomState>,
}

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

/// Entries that name no connection of the proxy's own, as those of Envoy's default text format: the
/// `x-request-id` that the log tells is that of one request to the upstream that it names, and what that
/// is part of served the entry. Only where it is one: a request that was sent again has the same.
pub(super) fn by_request_id(context: &Context<'_>, found: &mut Found, logs: &[AccessLog]) {
    let nameless = |entry: &Entry| {
        entry.downstream_remote.is_none()
            && entry.downstream_direct.is_none()
            && entry.upstream_local.is_none()
    };
    if !logs.iter().flat_map(|log| &log.entries).any(nameless) {
        return;
    }
    let mut carriers: HashMap<(&str, Endpoint), Vec<usize>, RandomState> = HashMap::default();
    for (up, turn) in context.turns.all.iter().enumerate() {
        let id = turn
            .request
            .as_ref()
            .and_then(|of| of.request_id.as_deref());
        let at = endpoints(context.scene, &context.hops.hops[turn.hop], Side::Client);
        if let Some((id, at)) = id.zip(at) {
            carriers.entry((id, at.server)).or_default().push(up);
        }
    }
    for (number, log) in logs.iter().enumerate() {
        for (place, entry) in log.entries.iter().enumerate() {
            let key = entry.request_id.as_deref().zip(entry.upstream_remote);
            let Some([up]) = key.and_then(|key| carriers.get(&key)).map(Vec::as_slice) else {
                continue;
            };
            let same = entry
                .request
                .as_ref()
                .is_none_or(|request| same(context, *up, request));
            if let Some(down) = found.before[*up].filter(|_| nameless(entry) && same) {
                found.tell(down, (number, place));
            }
        }
    }
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
                found.tell(down, (number, place));
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
        found.tell(down, (number, place));
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
        let Some(at) = began(down, Side::Server) else {
            continue;
        };
        let next = Some(down + 1).filter(|next| downs.contains(next));
        let after = next.and_then(|next| began(next, Side::Server));
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
