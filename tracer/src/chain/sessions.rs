//! Entries of access logs that tell of a TCP session and name no connection of the proxy's own, as those
//! of Envoy's default format: `"- - -" 0 - 42 130 8297 - ... "172.31.1.2:8080"` says when it began, how long
//! it took, its bytes and the upstream's address. A connection that fits all of that is the one where no
//! other does, and no other entry fits it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use foldhash::fast::RandomState;

use super::context::{Context, Found};
use super::place::{Nearness, endpoints};
use crate::flow::{Side, Sides};
use crate::log::{AccessLog, Entry};
use crate::segment::Endpoint;
use crate::time::Time;

/// A log and packets may miss each other by this: a proxy takes note of a connection, and of its end, a
/// little after the kernel did, and tells milliseconds. It is far less than for entries that name their
/// connections, because times are what tells here.
const SLACK: Duration = Duration::from_millis(20);

/// A connection that a proxy accepted, as its vantage shows it.
struct Session {
    hop: usize,
    accepted: Time,
    /// The first FIN or RST, and when both directions were closed.
    ended: (Time, Time),
    bytes: Sides<u64>,
    /// The stack that the proxy is in.
    stack: usize,
}

/// Sessions by the upstream that they went on to, and by the time that they were accepted.
type Sessions = HashMap<Endpoint, Vec<Session>, RandomState>;

/// Gives entries to the connections that they fit. Nothing is joined by them.
pub(super) fn tell(context: &Context<'_>, found: &mut Found, logs: &[AccessLog]) {
    let nameless = logs.iter().flat_map(|log| &log.entries).any(is_nameless);
    if !nameless {
        return;
    }
    let sessions = sessions(context, found);
    for (number, log) in logs.iter().enumerate() {
        let stack = stack_of(context, log);
        let mut told: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, entry) in log.entries.iter().enumerate() {
            if let Some(hop) = only(&sessions, stack, entry) {
                told.entry(hop).or_default().push(place);
            }
        }
        for (hop, places) in told {
            if let [place] = *places {
                for down in context.turns.of[hop].clone() {
                    found.tell(down, (number, place));
                }
            }
        }
    }
}

/// It tells of a TCP session and names neither connection.
fn is_nameless(entry: &Entry) -> bool {
    entry.request.is_none()
        && entry.downstream_remote.is_none()
        && entry.downstream_direct.is_none()
        && entry.upstream_local.is_none()
}

/// Where the proxy is that wrote a log, where it is called like a vantage.
fn stack_of(context: &Context<'_>, log: &AccessLog) -> Option<usize> {
    let mut vantages = 0..context.scene.vantages.len();
    let named = vantages.find(|vantage| context.scene.name(*vantage) == log.name);
    named.map(|vantage| context.places.stack(vantage))
}

/// Connections that went on, seen from their beginning to their end at the proxy, by one other
/// connection.
fn sessions(context: &Context<'_>, found: &Found) -> Sessions {
    let mut onward: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (down, joined) in found.next.iter().enumerate() {
        if let Some(joined) = joined {
            let hops = onward.entry(context.turns.all[down].hop).or_default();
            hops.push(context.turns.all[joined.to].hop);
        }
    }
    let mut sessions = Sessions::default();
    for (hop, mut onward) in onward {
        onward.dedup();
        if let [upstream] = *onward
            && let Some((to, session)) = session(context, hop, upstream)
        {
            sessions.entry(to).or_default().push(session);
        }
    }
    for list in sessions.values_mut() {
        list.sort_by_key(|session| session.accepted);
    }
    sessions
}

fn session(context: &Context<'_>, hop: usize, upstream: usize) -> Option<(Endpoint, Session)> {
    let near = context.places.nearness(hop, upstream) == Nearness::Same;
    let vantage = context.places.ends[hop].server.filter(|_| near)?;
    let hops = &context.hops.hops;
    let to = endpoints(context.scene, &hops[upstream], Side::Client)?.server;
    let sight = hops[hop].sights.last()?;
    let flow = context.scene.flows[sight.flow].flow;
    let bytes = |side: Side| {
        let side = sight.side(side);
        (flow.unseen_bytes(side) == 0).then(|| flow.bytes(side))
    };
    let session = Session {
        hop,
        accepted: flow.opened_at()?,
        ended: (flow.ending()?.closing().at, flow.closed_at()?),
        bytes: Sides {
            client: bytes(Side::Client)?,
            server: bytes(Side::Server)?,
        },
        stack: context.places.stack(vantage),
    };
    Some((to, session))
}

/// The one connection that an entry fits.
fn only(sessions: &Sessions, stack: Option<usize>, entry: &Entry) -> Option<usize> {
    let list = sessions.get(&entry.upstream_remote.filter(|_| is_nameless(entry))?)?;
    let began = entry.began?;
    let ended = began + Duration::from_nanos(entry.took?);
    let bytes = Sides {
        client: entry.bytes.0?,
        server: entry.bytes.1?,
    };
    let first = list.partition_point(|session| session.accepted + SLACK < began);
    let near = list[first..].iter();
    let near = near.take_while(|session| session.accepted <= began + SLACK);
    let mut fitting = near.filter(|session| {
        let (first, last) = session.ended;
        let in_time = first <= ended + SLACK && ended <= last + SLACK;
        in_time && session.bytes == bytes && stack.is_none_or(|stack| stack == session.stack)
    });
    let hop = fitting.next()?.hop;
    fitting.next().is_none().then_some(hop)
}
