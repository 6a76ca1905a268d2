//! How likely it is that one turn went through a proxy and on as another.

use std::time::Duration;

use super::context::Context;
use super::place::Nearness;
use super::turn::{Seen, Turn};
use super::{Content, Strength};
use crate::flow::Side;
use crate::time::Time;

/// Two turns that may be one, before and behind a proxy.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) down: usize,
    pub(super) up: usize,
    pub(super) by: Strength,
    pub(super) content: Content,
    /// The time that the proxy would have held the request and the answer, in nanoseconds, and more
    /// for what does not fit.
    pub(super) weight: u64,
    /// That time alone.
    pub(super) held: u64,
}

/// A proxy passes a request or an answer on within this time, or it queues or works on it.
pub(super) const SOON: u64 = 100_000_000;

/// ... where it is not known that both hops end in one place.
const AT_ONCE: u64 = 20_000_000;

/// Where a request waited before it went on, its answer goes back within this time.
const QUEUED: u64 = 5_000_000;

/// Stamps of two captures of one machine are in order but for this.
pub(super) const JITTER: u64 = 50_000;

/// A proxy adds and removes so many bytes of headers at most, and this part of what it passes on
/// (chunks and frames of other lengths).
const HEADERS: u64 = 4096;
const PART: u64 = 20;

/// What is added to every weight, so that captures stamped in one instant are as likely.
const GRAIN: u64 = 20_000;

/// What the weight is multiplied by where two processes own the sockets at both ends, of which one
/// would have had to hand the connection to the other; and where all else of the one connection goes on
/// by a third one.
const STRANGERS: u64 = 20;

/// How sizes of two turns compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Exact,
    Near,
    Far,
}

/// Weighs two turns; `None` where they cannot be one.
pub(super) fn weigh(context: &Context<'_>, down: usize, up: usize) -> Option<Candidate> {
    let (before, behind) = (&context.turns.all[down], &context.turns.all[up]);
    if before.number.is_some() != behind.number.is_some()
        || context.places.strangers(before.hop, behind.hop)
    {
        return None;
    }
    let nearness = context.places.nearness(before.hop, behind.hop);
    let (seen, onward) = match nearness {
        Nearness::Apart => return None,
        Nearness::Unseen => (
            in_common(context, before, Side::Server)?,
            in_common(context, behind, Side::Client)?,
        ),
        Nearness::Same | Nearness::Maybe => (
            context.view(before, Side::Server)?,
            context.view(behind, Side::Client)?,
        ),
    };
    // One capture is in order; of two, what seems to go on before it came is less likely.
    let vantage = |seen: &Seen| context.scene.flows[seen.flow].vantage;
    let one_capture = vantage(&seen) == vantage(&onward);
    if !within(&seen, &onward, if one_capture { 0 } else { JITTER }) {
        return None;
    }
    let pair = Pair {
        nearness,
        familiar: context.places.are_familiar(before.hop, behind.hop),
        content: contents(before, behind),
        fit: fit(before, behind),
        gaps: Gaps::new(&seen, &onward),
    };
    if !pair.is_plausible(before.number.is_none()) {
        return None;
    }
    let owners = owners(context, before, behind);
    let strangers =
        owners == Some(false) || context.places.are_bound_elsewhere(before.hop, behind.hop);
    let time = pair.gaps.both();
    let weight = time
        .saturating_add(GRAIN)
        .saturating_mul(pair.factor())
        .saturating_mul(if strangers { STRANGERS } else { 1 });
    Some(Candidate {
        down,
        up,
        by: pair.strength(owners, same_host(before, behind)),
        content: pair.content,
        held: time,
        weight,
    })
}

/// What two turns have in common.
struct Pair {
    nearness: Nearness,
    /// Other turns go on from the one place to the other.
    familiar: bool,
    content: Content,
    fit: Fit,
    gaps: Gaps,
}

impl Pair {
    /// What the weight is multiplied by for what does not fit or is not known.
    const fn factor(&self) -> u64 {
        let place = match self.nearness {
            Nearness::Same => 1,
            Nearness::Maybe => 10,
            Nearness::Unseen | Nearness::Apart => 100,
        };
        let content = match self.content {
            Content::SameId => 1,
            Content::SameRequest => 30,
            Content::Unreadable => 60,
            Content::Different => 900,
        };
        let size = match self.fit {
            Fit::Exact => 1,
            Fit::Near => 2,
            Fit::Far => 20,
        };
        place * content * size
    }

    fn strength(&self, owners: Option<bool>, same_host: bool) -> Strength {
        if self.content == Content::SameId {
            Strength::RequestId
        } else if self.content == Content::SameRequest && self.fit == Fit::Exact && same_host {
            Strength::ForwardedBytes
        } else if owners == Some(true) {
            Strength::Process
        } else {
            Strength::TimeAndSize
        }
    }

    /// Whether they fit well enough to be one rather than strangers that met.
    fn is_plausible(&self, whole_connection: bool) -> bool {
        if self.content == Content::SameId {
            return true;
        }
        let gaps = &self.gaps;
        let (soon, late) = match gaps.answer {
            Some(answer) => (gaps.request.min(answer), gaps.request.max(answer)),
            None => (gaps.request, gaps.request),
        };
        let same_request = self.content == Content::SameRequest;
        match self.nearness {
            Nearness::Unseen | Nearness::Apart => false,
            // A request may wait for a connection; then its answer tells.
            Nearness::Maybe if same_request && self.familiar => soon <= SOON && self.fit < Fit::Far,
            Nearness::Maybe => {
                // One time alone tells less than two.
                let at_once = gaps.answer.map_or(QUEUED, |_| AT_ONCE);
                let in_time = late <= at_once
                    || (soon <= AT_ONCE && self.familiar)
                    || (soon <= AT_ONCE && late <= SOON && same_request);
                in_time && self.fit < Fit::Far && self.content < Content::Different
            }
            Nearness::Same if whole_connection => late <= AT_ONCE,
            Nearness::Same if same_request => soon <= SOON,
            Nearness::Same if self.fit == Fit::Far => false,
            Nearness::Same => late <= SOON || gaps.answer.is_some_and(|answer| answer <= QUEUED),
        }
    }
}

fn in_common(context: &Context<'_>, turn: &Turn, end: Side) -> Option<Seen> {
    let seen = turn.seen(end).or(turn.seen(end.other()))?;
    let common = |at| context.common(&seen, at);
    Some(Seen {
        began: common(seen.began),
        since: common(seen.since),
        asked: common(seen.asked),
        answered: seen.answered.map(common),
        done: seen.done.map(common),
        ended: seen.ended.map(common),
        over: seen.over.map(common),
        ..seen
    })
}

/// The request goes on after it came, and before the answer did; the answer comes before it goes on.
fn within(seen: &Seen, onward: &Seen, slack: u64) -> bool {
    let slack = Duration::from_nanos(slack);
    let after = |late: Time, early: Time| late.since(early) > slack;
    // The first bytes on a connection may be the proxy's own, as a PROXY protocol header is.
    let own = !after(seen.began, onward.asked);
    let begins = if own && onward.since < onward.began {
        seen.since
    } else {
        seen.began
    };
    if after(begins, onward.began) && !(own && onward.http2) {
        return false;
    }
    // What is sent into a connection that a proxy had closed goes on, if at all, by one that had been
    // closed in the same way: it had only passed on that close.
    if seen.late && !onward.late {
        return false;
    }
    if seen
        .worked_on()
        .is_some_and(|until| after(onward.began, until))
    {
        return false;
    }
    match (seen.knew(), onward.answered) {
        (Some(passed_on), Some(came)) => !after(came, passed_on),
        // The answer came while the request was still waited for, and was not passed on.
        (None, Some(came)) if !onward.unheard => {
            seen.ended.is_none_or(|finish| !after(finish, came))
        }
        _ => true,
    }
}

/// How long the proxy would have held what came, in nanoseconds.
struct Gaps {
    request: u64,
    /// `None` where one of them is still open.
    answer: Option<u64>,
}

impl Gaps {
    /// Both; where there is no answer, it is taken to be held as long as the request.
    fn both(&self) -> u64 {
        let answer = self.answer.unwrap_or(self.request);
        self.request.saturating_add(answer)
    }

    fn new(seen: &Seen, onward: &Seen) -> Self {
        let apart = |one: Time, other| nanos(one.apart(other));
        // Some pass on bytes as they come, some whole requests and answers.
        let request = apart(seen.began, onward.began).min(apart(seen.asked, onward.began));
        let request = request.min(apart(seen.asked, onward.asked));
        let answer = match (seen.answered, onward.answered) {
            (Some(passed_on), Some(came)) => {
                let whole = onward.done.map_or(u64::MAX, |done| apart(passed_on, done));
                Some(apart(passed_on, came).min(whole))
            }
            // Who need not wait for an answer any more lets go of the connection that it was to come
            // from, and who has none to wait for answers something else.
            _ => first(seen)
                .zip(onward.came().into_iter().chain(onward.ended).min())
                .map(|(one, other)| apart(one, other)),
        };
        let early = if onward.asked < seen.began {
            2 * JITTER
        } else {
            0
        };
        Self {
            request: request + early,
            answer,
        }
    }
}

/// The answer or the first FIN or RST.
fn first(seen: &Seen) -> Option<Time> {
    seen.answered.into_iter().chain(seen.ended).min()
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(super) fn contents(before: &Turn, behind: &Turn) -> Content {
    let (Some(one), Some(other)) = (&before.request, &behind.request) else {
        return Content::Unreadable;
    };
    if one.request_id.is_some() && one.request_id == other.request_id {
        Content::SameId
    } else if one.method == other.method && one.target == other.target {
        Content::SameRequest
    } else {
        Content::Different
    }
}

/// Whether two turns may carry one request, as far as it can be read.
pub(super) fn same_request(before: &Turn, behind: &Turn) -> bool {
    contents(before, behind) < Content::Different && fit(before, behind) < Fit::Far
}

fn fit(before: &Turn, behind: &Turn) -> Fit {
    let size = |one: u64, other: u64| {
        let near = HEADERS + one.max(other) / PART;
        match one.abs_diff(other) {
            0 => Fit::Exact,
            apart if apart <= near => Fit::Near,
            _ => Fit::Far,
        }
    };
    let request = size(before.bytes.0, behind.bytes.0);
    // What of an answer got through says nothing where one of them was cut short.
    let whole = |turn: &Turn| turn.first_seen().is_some_and(|seen| seen.done.is_some());
    if whole(before) && whole(behind) {
        request.max(size(before.bytes.1, behind.bytes.1))
    } else {
        request
    }
}

fn same_host(before: &Turn, behind: &Turn) -> bool {
    let host = |turn: &Turn| turn.request.as_ref().map(|request| request.host.clone());
    host(before) == host(behind)
}

/// Whether one process owns the sockets at both ends; `None` where that is not known.
fn owners(context: &Context<'_>, before: &Turn, behind: &Turn) -> Option<bool> {
    let one = owner(context, before.hop, Side::Server)?;
    let other = owner(context, behind.hop, Side::Client)?;
    Some(one == other)
}

/// Namespace and process id of who holds the socket at that end of a hop.
fn owner<'a>(context: &Context<'a>, hop: usize, end: Side) -> Option<(&'a str, u32)> {
    let hop = &context.hops.hops[hop];
    let sight = match end {
        Side::Client => hop.sights.first()?,
        Side::Server => hop.sights.last()?,
    };
    let side = if sight.swapped { end.other() } else { end };
    let account = context.scene.flows[sight.flow].facts.sockets[side]?;
    let held = account
        .seen
        .iter()
        .find_map(|seen| seen.socket.owner.as_ref())?;
    Some((&account.namespace, held.pid))
}
