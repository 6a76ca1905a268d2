//! A request, what it was answered, over how many hops, and what became of it: one expectation each.

use super::super::subject::View;
use super::super::test::{Test, Value, Wants};
use super::draft::{Draft, quoted};
use super::facts::{Asked, Table};
use crate::report::ChainReport;

const OF_CHAINS: &[Asked] = &[
    Asked("status", "what the client was answered"),
    Asked("answered", "whether the answer came whole"),
    Asked("hop_count", "connections that it went over"),
    Asked("tried", "connections that were tried before"),
    Asked("ambiguous", "whether other hops could be meant as well"),
    Asked("cause", "what verdicts on it say"),
];

/// Requests that are told apart; where there are more, parts of their paths are left open.
const MOST_REQUESTS: usize = 8;

/// Expectations of chains: how many there are, and what became of each kind of request.
pub(super) fn drafts(view: &View<'_>) -> Vec<Draft> {
    let chains = &view.report.chains;
    if chains.is_empty() {
        return Vec::new();
    }
    let unread = |chain: &ChainReport| matches!(chain.request_value(), Some(Value::Unknown(_)));
    let any_unread = chains.iter().any(unread);
    let patterns = patterns(chains);
    let everything: Vec<&ChainReport> = chains.iter().collect();
    let mut whole = Draft::new("requests", "chains = \"all\"");
    whole.count(chains.len(), "so many, also those that were never sent");
    if patterns.is_empty() {
        let table = Table::new(view, &everything, OF_CHAINS);
        return table.drafts(whole, "requests", "chains = \"all\"");
    }
    let mut drafts = vec![whole];
    for pattern in patterns {
        drafts.extend(of_request(view, &pattern, any_unread));
    }
    drafts
}

/// What became of requests of one kind. What could not be read may be one of them, too: then nothing
/// can be said of how many there are.
fn of_request(view: &View<'_>, pattern: &str, any_unread: bool) -> Vec<Draft> {
    let Ok(test) = Wants::Request.text(pattern) else {
        return Vec::new();
    };
    let chains: Vec<&ChainReport> = view
        .report
        .chains
        .iter()
        .filter(|chain| is_one(chain, &test))
        .collect();
    let about = format!("chains = {{ request = {} }}", quoted(pattern));
    let table = Table::new(view, &chains, OF_CHAINS);
    let mut main = Draft::new(pattern, &about);
    if any_unread {
        table.bounds(&mut main);
        return vec![main];
    }
    main.count(chains.len(), "so many requests");
    taken(view, &chains, &mut main);
    table.drafts(main, pattern, &about)
}

/// How long answers took, where that is long enough to tell something.
fn taken(view: &View<'_>, chains: &[&ChainReport], main: &mut Draft) {
    const LONG_S: f64 = 1.0;
    let long = chains.iter().all(|chain| match (chain.began, chain.done) {
        (Some(began), Some(done)) => done.since(began).as_secs_f64() >= LONG_S,
        _ => false,
    });
    if long {
        let took = Asked("took", "first byte of the request to last of the answer");
        Table::new(view, chains, &[took]).bounds(main);
    }
}

fn is_one(chain: &ChainReport, test: &Test) -> bool {
    chain
        .request_value()
        .is_some_and(|value| test.holds(&value))
}

/// Every request, as few as a person would write: without its query, and where there are many, with
/// `*` for what is in its place of numbers and ids, for all but the first part of its path, or for all
/// of it.
fn patterns(chains: &[ChainReport]) -> Vec<String> {
    let shapes: [fn(&str) -> String; 4] = [plain, numberless, first_part, method];
    let mut patterns = Vec::new();
    for shape in shapes {
        patterns = chains
            .iter()
            .filter_map(|chain| chain.request.as_deref())
            .map(shape)
            .collect();
        patterns.sort();
        patterns.dedup();
        if patterns.len() <= MOST_REQUESTS {
            return patterns;
        }
    }
    patterns.truncate(MOST_REQUESTS);
    patterns
}

fn plain(request: &str) -> String {
    request[..request.find('?').unwrap_or(request.len())].to_owned()
}

fn numberless(request: &str) -> String {
    let plain = plain(request);
    let parts = plain.split('/').map(|part| {
        let has_digit = part.bytes().any(|byte| byte.is_ascii_digit());
        if has_digit { "*" } else { part }
    });
    parts.collect::<Vec<_>>().join("/")
}

fn first_part(request: &str) -> String {
    let plain = plain(request);
    let mut parts = plain.split('/');
    let (method, first) = (parts.next().unwrap_or_default(), parts.next());
    match (first, parts.next()) {
        (Some(first), Some(_)) => format!("{method}/{first}/*"),
        _ => plain,
    }
}

fn method(request: &str) -> String {
    let method = request.split(' ').next().unwrap_or_default();
    format!("{method} *")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_are_left_open() {
        assert_eq!(plain("GET /a?b=c"), "GET /a");
        assert_eq!(numberless("GET /orders/17/items?x"), "GET /orders/*/items");
        assert_eq!(first_part("GET /static/a/b.css"), "GET /static/*");
        assert_eq!(first_part("GET /a"), "GET /a");
        assert_eq!(method("GET /a"), "GET *");
    }
}
