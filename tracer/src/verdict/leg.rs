//! What a case has of a hop.

use std::time::Duration;

use super::case::World;
use super::digest::{Carries, Cite, Digest, Mark, Turn};
use crate::chain::Exchange;
use crate::flow::{End, Side};
use crate::hop::Hop;
use crate::http::{Print, Status};
use crate::time::Time;

/// What a case has of a hop.
pub(super) struct Leg<'a> {
    pub(super) digest: &'a Digest,
    pub(super) hop: &'a Hop,
    pub(super) exchange: Option<&'a Exchange>,
    /// Hops that were tried before.
    pub(super) tried: Vec<&'a Digest>,
    /// Its hop served no other exchange afterwards: how the hop ended concerns the case.
    pub(super) is_last: bool,
}

/// A request that its client did not finish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unfinished {
    /// Bytes of it that were sent.
    pub(super) sent: u64,
    /// Bytes that its head announced with it; `None` where the head itself did not end.
    pub(super) whole: Option<u64>,
}

/// `20053 of 50053 bytes of its request`.
impl std::fmt::Display for Unfinished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.whole {
            Some(whole) => write!(f, "{} of {whole} bytes of its request", self.sent),
            None => write!(
                f,
                "{} bytes of its request, whose head they do not end",
                self.sent
            ),
        }
    }
}

/// Bodies of Envoy's own error answers that never went upstream or were not waited for
/// (source/common/router/router.cc and `ResponseCodeDetails`, envoy/http/codes.h).
pub(super) const OVERFLOW: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: overflow";
pub(super) const NO_HEALTHY: &str = "no healthy upstream";
pub(super) const NOT_IN_TIME: &str = "upstream request timeout";
const OWN_WORDS: [&str; 3] = [OVERFLOW, NO_HEALTHY, NOT_IN_TIME];

/// How Envoy's error answer begins where a request that it sent upstream, or a connection that it made for
/// it, failed; and how that ends (`resetReasonToString`, source/common/http/utility.cc).
const FAILED: [&str; 2] = [
    "upstream connect error or disconnect/reset before headers. reset reason: ",
    "upstream connect error or disconnect/reset before headers. retried and the latest reset reason: ",
];
const FAILED_BY: [&str; 5] = [
    "connection termination",
    "remote connection failure",
    "local connection failure",
    "connection timeout",
    "remote reset",
];

/// Whoever waits for an answer waits longer.
const PATIENT: Duration = Duration::from_secs(1);

impl<'a> Leg<'a> {
    pub(super) fn new(
        world: &'a World<'a>,
        hop: usize,
        exchange: Option<&'a Exchange>,
        tried: &[usize],
    ) -> Self {
        let digest = &world.digests[hop];
        let tried = tried.iter().filter_map(|hop| world.digests.get(*hop));
        let last_asked = digest.turns.iter().rfind(|turn| turn.by == Side::Client);
        // Times of an exchange and of turns may come from different vantages.
        let later = |exchange: &Exchange| {
            last_asked.is_some_and(|turn| turn.at > exchange.done.unwrap_or(exchange.asked))
        };
        Self {
            digest,
            hop: &world.hops.hops[hop],
            exchange,
            tried: tried.collect(),
            is_last: !exchange.is_some_and(later),
        }
    }

    /// What ended the hop, where that concerns the case.
    pub(super) fn first(&self) -> Option<&'a Mark> {
        self.digest.first.as_ref().filter(|_| self.is_last)
    }

    /// Whether this attempt to connect was followed by another one, which was accepted.
    pub(super) fn made_up_for(&self, attempt: &Digest) -> bool {
        let accepted = !matches!(self.digest.end, End::Refused | End::Unanswered);
        attempt.place != self.digest.place && accepted
    }

    /// The server owed an answer when the hop ended, or at the end of what was seen.
    pub(super) fn owed(&self) -> bool {
        if self.parted() {
            return false;
        }
        if self.lost_calls() > 0 {
            return true;
        }
        if let Some(exchange) = self.exchange {
            // What the capture at the client lacks and the client acknowledged came through.
            let there = exchange.at_server.and_then(|moments| moments.answered);
            let through = there.filter(|_| self.digest.unseen > 0);
            let answered = exchange.answered.or(through);
            let interim = exchange.status.as_ref();
            return answered.is_none_or(|answered| self.came_too_late(answered))
                || interim.is_some_and(|status| status.is_interim())
                || self.cut_short().is_some()
                || self.unended().is_some()
                || self.reset_in_answer().is_some();
        }
        let until = self.digest.first.map_or(self.digest.last, |mark| mark.at);
        let last = self.digest.last_turn(until);
        last.is_some_and(|turn| turn.by == Side::Client)
    }

    /// What was asked is the rest of a request that had been answered before.
    pub(super) fn is_rest(&self) -> bool {
        let began = self.exchange.map(|exchange| exchange.began);
        began.is_some_and(|began| self.digest.rests.contains(&began))
    }

    /// What was asked came after its client had heard that the server had closed.
    pub(super) fn is_deaf(&self) -> bool {
        let began = self.exchange.map(|exchange| exchange.began);
        began.is_some_and(|began| self.digest.deaf_at(began).is_some())
    }

    /// What was asked last is no request: the client said it as it closed.
    pub(super) fn parted(&self) -> bool {
        if self.is_rest() || (self.is_deaf() && self.digest.carries != Carries::Http) {
            return true;
        }
        self.digest.parting.is_some_and(|parting| {
            let began = self.exchange.map(|exchange| exchange.began);
            began.map_or(!parting.alone, |began| began >= parting.at)
        })
    }

    /// How many bytes of the answer were sent of how many that it announced, where it ended before.
    pub(super) fn cut_short(&self) -> Option<(u64, u64)> {
        let exchange = self.exchange?;
        let head = exchange
            .request
            .as_ref()
            .is_some_and(|request| request.method == "HEAD");
        let whole = exchange.status.as_ref()?.whole?;
        // What was not captured may all be of this answer.
        let sent = exchange.bytes.1.saturating_add(self.digest.unseen);
        let sent = sent.saturating_sub(self.refused());
        let told = !head && self.first().is_some();
        (told && sent < whole).then_some((sent, whole))
    }

    /// How many bytes of an answer in chunks were sent, where its server closed before the last of them. A
    /// client that closes may have wanted no more of a stream.
    pub(super) fn unended(&self) -> Option<u64> {
        let exchange = self.exchange?;
        let head = exchange
            .request
            .as_ref()
            .is_some_and(|request| request.method == "HEAD");
        let closed = self.first().is_some_and(|first| first.by == Side::Server);
        let all = closed && !head && self.digest.unseen == 0;
        exchange.status.as_ref()?.unended.filter(|_| all)
    }

    /// Requests on streams of HTTP/2 that were begun and not ended when the connection ended, or that a server
    /// broke off which had announced that end. A client that closes may have wanted no more of an answer
    /// that had begun.
    pub(super) fn lost_calls(&self) -> usize {
        let (Some(closed), Some(calls)) = (self.first(), &self.digest.calls) else {
            return 0;
        };
        let said = self.digest.goaway;
        let announced = said.is_some_and(|said| said.by == Side::Server);
        let broken_off = if announced { calls.broken_off } else { 0 };
        broken_off
            + match closed.by {
                Side::Server => calls.open,
                Side::Client => calls.unanswered,
            }
    }

    /// Its answer had begun and was not complete, whoever closed, as far as its head or its last bytes tell.
    pub(super) fn is_broken_off(&self) -> bool {
        let Some(status) = self.head() else {
            return false;
        };
        let by_client = self.first().is_some_and(|first| first.by == Side::Client);
        let unended = status.unended.is_some() && self.digest.unseen == 0;
        // Only a close of the server ends an answer of no length (RFC 9112 section 6.3); of another one, more may
        // have come when nobody took it in any more.
        let mut turns = self.digest.turns.iter().rev();
        let last = turns.find(|turn| turn.by == Side::Server);
        let goes_on = last.is_some_and(|turn| turn.before_fin.is_some());
        self.cut_short().is_some() || unended || (by_client && (status.until_close || goes_on))
    }

    /// An answer came in chunks, its server closed, and whether the last of them had come was not captured.
    pub(super) fn is_end_unseen(&self) -> bool {
        let Some(exchange) = self.exchange else {
            return false;
        };
        let head = exchange
            .request
            .as_ref()
            .is_some_and(|request| request.method == "HEAD");
        let closed = self.first().is_some_and(|first| first.by == Side::Server);
        let chunked = exchange
            .status
            .as_ref()
            .is_some_and(|status| status.chunked);
        let mut turns = self.digest.turns.iter().rev();
        let last = turns.find(|turn| turn.by == Side::Server);
        closed && chunked && !head && last.is_some_and(|last| last.ends.is_none())
    }

    /// Bytes of an answer whose end only a close would have told, where its server reset the connection instead:
    /// it is incomplete (RFC 9112 section 8).
    pub(super) fn reset_in_answer(&self) -> Option<u64> {
        let exchange = self.exchange?;
        let bodiless = ["HEAD", "CONNECT"];
        let request = exchange.request.as_ref()?;
        let closed = self.first().filter(|first| first.by == Side::Server)?;
        let reset = closed.rst && !bodiless.contains(&request.method.as_str());
        let until_close = exchange.status.as_ref()?.until_close;
        (until_close && reset).then_some(exchange.bytes.1)
    }

    /// Bytes of the last answer that came after its client had closed, and that it reset.
    fn refused(&self) -> u64 {
        let Digest { turns, marks, .. } = self.digest;
        let last = turns.iter().rfind(|turn| turn.by == Side::Server);
        let reset = marks.iter().any(|mark| mark.rst && mark.by == Side::Client);
        let late = last
            .filter(|_| reset)
            .and_then(|turn| Some(turn.bytes - turn.before_fin?.bytes));
        late.unwrap_or_default()
    }

    /// What was sent of a request that the client did not finish.
    pub(super) fn unfinished(&self) -> Option<Unfinished> {
        let exchange = self.exchange?;
        let request = exchange.request.as_ref()?;
        let sent = exchange.bytes.0;
        if request.unended.is_some() {
            // Where more was sent than what was read, that may have ended it.
            let all = self.digest.is_asked_whole && request.unended == Some(sent);
            return all.then_some(Unfinished { sent, whole: None });
        }
        let whole = request.whole?;
        // After `100 Continue` the rest comes in another turn.
        let mut answers = self.digest.answers.iter();
        let interim = answers.any(|answer| answer.status.code < 200 && answer.at >= exchange.began);
        let less = self.digest.is_asked_whole && !interim && sent < whole;
        less.then_some(Unfinished {
            sent,
            whole: Some(whole),
        })
    }

    /// Nobody took in an answer of that time: the client had closed before, and reset it.
    fn came_too_late(&self, answered: Time) -> bool {
        let closed = self.first().filter(|first| first.by == Side::Client);
        let marks = &self.digest.marks;
        closed.is_some_and(|closed| closed.at < answered)
            && marks
                .iter()
                .any(|mark| mark.rst && mark.by == Side::Client && mark.at >= answered)
    }

    /// It was asked something, and answered.
    pub(super) fn answered(&self) -> bool {
        self.asked().is_some() && !self.owed()
    }

    /// When the last byte of the request was sent.
    pub(super) fn asked(&self) -> Option<Time> {
        if let Some(exchange) = self.exchange {
            return Some(exchange.asked);
        }
        self.request().map(|turn| turn.until)
    }

    /// How long after the request something was; `None` where the request was not seen, as where the
    /// capture began with its answer, or that was before it.
    pub(super) fn waited(&self, until: Time) -> Option<Duration> {
        let unseen = self.exchange.is_some_and(|exchange| exchange.bytes.0 == 0);
        let asked = self.asked().filter(|asked| !unseen && *asked <= until)?;
        Some(until.since(asked))
    }

    /// The last turn of the client before it ended.
    fn request(&self) -> Option<&'a Turn> {
        let until = self.digest.first.map_or(self.digest.last, |mark| mark.at);
        let turns = self.digest.turns.iter().rev();
        turns
            .filter(|turn| turn.at <= until)
            .find(|turn| turn.by == Side::Client)
    }

    /// When the first byte of the answer was sent.
    pub(super) fn answered_at(&self) -> Option<Time> {
        if let Some(exchange) = self.exchange {
            let there = exchange.at_server.and_then(|moments| moments.answered);
            return there.or(exchange.answered);
        }
        let asked = self.request()?.at;
        let mut turns = self.digest.turns.iter();
        let answer = turns.find(|turn| turn.by == Side::Server && turn.at >= asked)?;
        Some(answer.at)
    }

    /// The flow that shows the answer at the server's end, by its place in the scene.
    pub(super) fn answered_in(&self) -> Option<usize> {
        self.hop.sights.last().map(|sight| sight.flow)
    }

    /// The HTTP status answered, where it was readable.
    pub(super) fn status(&self) -> Option<u16> {
        self.head().map(|status| status.code)
    }

    /// The head of the answer, where it was readable.
    pub(super) fn head(&self) -> Option<&'a Status> {
        match self.exchange {
            Some(exchange) => exchange.status.as_deref(),
            None => self.digest.answers.last().map(|answer| &*answer.status),
        }
    }

    /// The request has headers that proxies add to what they pass on (Envoy: `x-request-id` and its own).
    pub(super) fn asked_by_proxy(&self) -> bool {
        let request = self.exchange.and_then(|exchange| exchange.request.as_ref());
        request.is_some_and(|request| {
            request.timeout_ms.is_some()
                || request.attempt.is_some()
                || request.request_id.is_some()
        })
    }

    /// What a proxy says in the body of its own error answer.
    pub(super) fn own_words(&self) -> Option<&'static str> {
        let body = self.body()?;
        OWN_WORDS.into_iter().find(|words| is_of(body, &[words]))
    }

    /// A proxy's own error answer says that something upstream failed: why.
    pub(super) fn upstream_failed(&self) -> Option<&'static str> {
        let body = self.body()?;
        let said = |why: &&str| FAILED.iter().any(|words| is_of(body, &[words, why]));
        FAILED_BY.into_iter().find(said)
    }

    /// How the body of the answer begins.
    fn body(&self) -> Option<Print> {
        let asked = self.asked()?;
        let mut answers = self.digest.answers.iter();
        answers.find(|answer| answer.at >= asked)?.body
    }

    /// What the server sent last may only be session tickets of TLS, and it was silent since: then an
    /// answer was owed. The frame that it begins with.
    pub(super) fn doubtful(&self) -> Option<Cite> {
        let ended = self.first()?;
        let silent = self.silence(ended.at) >= PATIENT;
        self.digest.doubt.filter(|_| silent && !self.owed())
    }

    /// How long nothing had moved the hop on when that happened.
    pub(super) fn silence(&self, at: Time) -> Duration {
        at.since(self.digest.quiet_since(at))
    }
}

/// Whether a print is of these words.
fn is_of(print: Print, words: &[&str]) -> bool {
    let mut own = Print::default();
    words.iter().for_each(|words| own.add(words.as_bytes()));
    own == print
}
