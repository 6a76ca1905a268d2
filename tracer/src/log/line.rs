//! Which format a line has. `kubectl logs --prefix --timestamps`, syslog and container runtimes write
//! something before it, so that it may begin anywhere.

use super::{Entry, envoy, haproxy, json};

/// Places where an entry may begin that are tried.
const TRIED: usize = 12;

/// What a line says; `None` where it is no entry of any known format.
pub(super) fn parse(line: &str) -> Option<Entry> {
    brackets(line).find_map(|place| at(line, place, true))
}

/// What the line within a line says: container runtimes wrap lines in JSON of their own.
pub(super) fn wrapped(line: &str) -> Option<Entry> {
    brackets(line).find_map(|place| at(line, place, false))
}

/// Every format has its first bracket early: JSON's object, the times of Envoy and HAProxy.
fn brackets(line: &str) -> impl Iterator<Item = usize> {
    let begins = |place: &usize| *place == 0 || line.as_bytes()[place - 1].is_ascii_whitespace();
    line.match_indices(['{', '['])
        .map(|(place, _)| place)
        .filter(begins)
        .take(TRIED)
}

fn at(line: &str, place: usize, may_wrap: bool) -> Option<Entry> {
    let (before, rest) = line.split_at(place);
    if rest.starts_with('{') {
        return json::parse(rest, may_wrap);
    }
    let (time, rest) = rest[1..].split_once("] ")?;
    haproxy::parse(before, time, rest).or_else(|| envoy::parse(time, rest))
}
