//! Why hops are joined, in words.

use super::context::{Context, Found, Joined};
use super::place::endpoints;
use super::turn::Seen;
use super::{Content, Strength};
use crate::flow::Side;
use crate::log::{AccessLog, Entry};

/// What speaks for a join, the strongest first.
pub(super) fn of(
    context: &Context<'_>,
    found: &Found,
    logs: &[AccessLog],
    down: usize,
    joined: &Joined,
) -> Vec<String> {
    let turns = &context.turns.all;
    let (before, behind) = (&turns[down], &turns[joined.to]);
    let mut evidence = Vec::new();
    if joined.by == Strength::AccessLog {
        evidence.extend(entries(context, found, logs, down));
    }
    if joined.by == Strength::ProxyProtocol
        && let Some(client) = behind.proxied
    {
        evidence.push(format!(
            "the PROXY protocol header on it names the client {client}"
        ));
    }
    let request = behind.request.as_ref();
    match (joined.content, request) {
        (Content::SameId, Some(request)) => evidence.extend(
            request
                .request_id
                .as_ref()
                .map(|id| format!("both bear the x-request-id {id}")),
        ),
        (Content::SameRequest, Some(request)) => {
            let line = format!("{} {}", request.method, request.target);
            evidence.push(match joined.by {
                Strength::ForwardedBytes => {
                    format!("both carry `{line}` in {} bytes", behind.bytes.0)
                }
                _ => format!("both carry `{line}`"),
            });
        }
        _ => {}
    }
    if joined.by == Strength::Process {
        evidence.push("one process owns both sockets".to_owned());
    }
    let seen = context.view(before, Side::Server);
    let onward = context.view(behind, Side::Client);
    if let (Some(seen), Some(onward)) = (seen, onward) {
        evidence.extend(times(context, &seen, &onward, behind.number.is_none()));
    }
    evidence
}

/// The lines of access logs that name both connections, or the second and who is behind the first.
fn entries(context: &Context<'_>, found: &Found, logs: &[AccessLog], down: usize) -> Vec<String> {
    let hop = &context.hops.hops[context.turns.all[down].hop];
    let at = endpoints(context.scene, hop, Side::Server);
    let told = found.entries.get(&down).into_iter().flatten();
    // What names neither joined nothing.
    let clients = |entry: &Entry| [entry.downstream_direct, entry.downstream_remote];
    let told = told
        .map(|&(log, entry)| (log, &logs[log].entries[entry]))
        .filter(|(_, entry)| clients(entry).iter().any(Option::is_some));
    let lines = told.map(|(log, entry)| {
        let clients = clients(entry);
        let both = at.is_some_and(|at| clients.contains(&Some(at.client)));
        let names = match entry.downstream_remote.filter(|_| !both) {
            Some(client) => format!("names the second and {client}, whose bytes the first carries"),
            None => "names both".to_owned(),
        };
        format!(
            "line {} of the access log {} {names}",
            entry.line, logs[log].name
        )
    });
    lines.collect()
}

/// What the proxy did when.
fn times(context: &Context<'_>, seen: &Seen, onward: &Seen, whole: bool) -> Vec<String> {
    let frame = |seen: &Seen| {
        let name = context.scene.name(context.scene.flows[seen.flow].vantage);
        match seen.frame {
            0 => name.to_owned(),
            frame => format!("{name} #{frame}"),
        }
    };
    let (from, to) = (frame(seen), frame(onward));
    let milliseconds = |time: std::time::Duration| format!("{:.3} ms", time.as_secs_f64() * 1e3);
    // What it begins with may be about the connection alone.
    let came = if seen.http2 {
        seen.asked.min(onward.began)
    } else {
        seen.began
    };
    let went_on = if onward.began < came {
        onward.asked
    } else {
        onward.began
    };
    let after = milliseconds(went_on.since(came));
    let mut times = vec![if whole {
        format!("{to}: opened {after} after {from}")
    } else {
        format!("{to}: the request went on {after} after it came in {from}")
    }];
    if let (Some(came), Some(passed_on)) = (onward.answered, seen.answered)
        && came <= passed_on
    {
        let after = milliseconds(passed_on.since(came));
        times.push(format!("the answer went back {after} after it came"));
    }
    times
}
