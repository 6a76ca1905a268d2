//! Causes in words, and how often nothing was wrong.

use tracer::verdict::Cause;

use super::groups::Group;

/// What a cause is called, for one and for several.
pub(super) const fn names(cause: Cause) -> [&'static str; 2] {
    match cause {
        Cause::NormalClose => ["normal close", "normal closes"],
        Cause::ClientGaveUp => ["client gave up", "clients gave up"],
        Cause::IdleTimeout => ["idle timeout", "idle timeouts"],
        Cause::RequestTimeout => ["request timeout", "request timeouts"],
        Cause::KeepaliveDeath => ["death by keepalive", "deaths by keepalive"],
        Cause::RetransmissionDeath => ["death by retransmission", "deaths by retransmission"],
        Cause::MaxConnectionAge => ["maximum connection age", "maximum connection ages"],
        Cause::StaleReuse => ["stale reuse", "stale reuses"],
        Cause::Refused => ["refused connection", "refused connections"],
        Cause::Unreachable => ["unreachable address", "unreachable addresses"],
        Cause::ClosedMidExchange => ["close in mid-exchange", "closes in mid-exchange"],
        Cause::HalfClose => ["half-close", "half-closes"],
        Cause::InjectedReset => ["injected reset", "injected resets"],
        Cause::ReceiverStalled => ["stalled receiver", "stalled receivers"],
        Cause::Overload => ["overload", "overloads"],
        Cause::TlsHandshakeFailed => ["failed TLS handshake", "failed TLS handshakes"],
        Cause::Open => ["still open", "still open"],
        Cause::Unknown => ["that cannot be told", "that cannot be told"],
    }
}

/// What raised no alarm, in a line; `alone` where nothing else did.
pub(super) fn calm(groups: &[Group<'_>], alone: bool) -> Option<String> {
    let mut counts: Vec<(Cause, usize)> = Vec::new();
    for group in groups {
        let cause = group.first().cause;
        match counts.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, count)) => *count += group.len(),
            None => counts.push((cause, group.len())),
        }
    }
    if counts.is_empty() {
        return None;
    }
    counts.sort();
    let told = |cause| counts.iter().all(|(known, _)| *known != cause);
    let begins = match (alone, told(Cause::Unknown)) {
        (true, true) => "nothing is wrong",
        (true, false) => "nothing is known to be wrong",
        (false, _) => "no alarm beside that",
    };
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(cause, count)| format!("{count} {}", names(cause)[usize::from(count > 1)]))
        .collect();
    Some(format!("{begins}: {}", counts.join(", ")))
}

/// What speaks against it: what it is not, without the `not` that the label says, and the rest.
pub(super) fn against(items: &[String]) -> (Vec<String>, Vec<String>) {
    let (not, but): (Vec<&String>, Vec<&String>) =
        items.iter().partition(|item| item.starts_with("not "));
    let bare = |item: &String| item.trim_start_matches("not ").to_owned();
    (
        not.into_iter().map(bare).collect(),
        but.into_iter().cloned().collect(),
    )
}
