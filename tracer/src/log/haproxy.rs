//! HAProxy's TCP and HTTP log formats (its configuration manual, sections 8.2.2 and 8.2.3):
//!
//! ```text
//! CLIENT [21/Nov/2026:07:25:27.510] frontend backend/server Tw/Tc/Tt bytes state
//!     actconn/feconn/beconn/srvconn/retries srvqueue/backendqueue
//! CLIENT [21/Nov/2026:07:25:27.510] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes cookie cookie
//!     state actconn/feconn/beconn/srvconn/retries srvqueue/backendqueue {captured} "request"
//! ```

use super::{Entry, value};

/// What follows `[time] `, and stands before it.
pub(super) fn parse(before: &str, time: &str, rest: &str) -> Option<Entry> {
    let (began, zoneless) = value::common_log_time(time)?;
    let client = before.split_whitespace().next_back()?;
    // `unix:1` has no address.
    client.rsplit_once(':')?;
    let mut fields = rest.split_whitespace();
    let (_, upstream) = (fields.next()?, fields.next()?);
    let (_, server) = upstream.split_once('/')?;
    let timers = timers(fields.next()?)?;
    let mut entry = Entry {
        began: Some(began),
        zoneless,
        took: timers.last().and_then(|timer| value::span(timer)),
        downstream_remote: value::endpoint(client),
        upstream: value::text(upstream),
        ..Entry::default()
    };
    let http = timers.len() == 5;
    if http {
        entry.status = value::status(fields.next()?);
    }
    entry.bytes = (None, Some(value::number(fields.next()?)?));
    if http {
        // The cookies that were captured.
        fields.nth(1)?;
    }
    entry.flags = value::text(fields.next()?);
    let retries = fields.next()?.split('/').nth(4)?;
    // A line without its queues was cut.
    fields.next()?;
    let tried = !server.starts_with('<');
    let retries = value::number(retries)?;
    entry.attempts = Some(if tried { retries.saturating_add(1) } else { 0 });
    if http {
        let request = rest.split_once(" \"").map(|(_, request)| request);
        entry.request =
            request.and_then(|request| value::request(request.trim_end_matches('"').split(' ')));
    }
    Some(entry)
}

/// Three of TCP, five of HTTP; -1 where it did not come so far.
fn timers(text: &str) -> Option<Vec<&str>> {
    let timers: Vec<&str> = text.split('/').collect();
    let valid = |timer: &&str| **timer == *"-1" || value::number(timer).is_some();
    (matches!(timers.len(), 3 | 5) && timers.iter().all(valid)).then_some(timers)
}
