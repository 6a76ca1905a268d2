//! Keepalive probes of one side: recognised, matched with their answers, measured.
//!
//! A Linux probe is an ACK without payload whose sequence number is one below SND.NXT
//! (`tcp_xmit_probe_skb`, net/ipv4/tcp_output.c); other stacks may send one garbage byte there
//! (RFC 9293 section 3.8.4, RFC 1122 section 4.2.3.6). It is sent only while nothing is
//! unacknowledged (`tcp_keepalive_timer`, net/ipv4/tcp_timer.c). What looks like one and is not:
//!
//! - a zero-window probe: the same bytes; see [`super::zero_window`];
//! - the retransmission of a last segment of one byte: still unacknowledged, or soon after it;
//! - an acknowledgment overtaken by one byte of data: comes at once;
//! - the same probe captured twice: never gets here (see [`super::duplicate`]).

use std::time::Duration;

use super::direction::Direction;
use super::event::What;
use super::probe::{Probe, RunEnd, Wait};
use super::zero_window::{self, Seen};
use crate::segment::Segment;
use crate::time::Time;

/// A side that sent data less than this before does not probe: shorter than any probe timer
/// (keepalive: 1 s on Linux; zero window: 200 ms), longer than segments get reordered.
const SHORTEST_QUIET: Duration = Duration::from_millis(50);

/// Where acknowledgments were not seen, having sent no data for long has to stand in for them: the
/// shortest keepalive time of Linux is 1 s.
const TELLING_QUIET: Duration = Duration::from_millis(900);

/// An answer that comes before its probe by less than this was captured in the wrong order.
const MISORDERED_WITHIN: Duration = Duration::from_millis(1);

/// Most segments without data remembered while a capture that begins in the middle of a connection
/// does not yet tell whether they were probes.
const CANDIDATES: usize = 64;

/// What became of a probing direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Probing {
    pub(super) probes: Vec<Probe>,
    pub(super) window_probes: u32,
    pub(super) ended: Option<RunEnd>,
    episode: Option<Episode>,
    /// Segments that would be probes if the sequence number of this side were one higher than
    /// known.
    candidates: Vec<(Time, u64)>,
}

/// Probes with nothing but their answers between them.
#[derive(Clone, Debug, Default)]
struct Episode {
    heard: Option<Time>,
    /// The peer's window was zero, or is so in an answer.
    zero_window: bool,
    /// Probes of the kind that carries a byte beyond the window.
    beyond_window: bool,
    seen: Vec<Seen>,
    /// How many of them were told as what they are.
    told: usize,
    /// The last of them surely probes the window, and so will all that follow.
    persisting: bool,
    /// That they are probes was found out later.
    promoted: bool,
}

impl Episode {
    /// What the prober had waited for before that probe.
    fn wait(&self, index: usize) -> Wait {
        let at = self.seen[index].at;
        let before = index.checked_sub(1).map(|index| self.seen[index]);
        match (before, self.heard) {
            (
                Some(Seen {
                    answered: Some(answer),
                    ..
                }),
                _,
            ) => Wait::AfterAnswer(at.since(answer)),
            (Some(before), _) => Wait::Interval(at.since(before.at)),
            (None, Some(heard)) => Wait::Idle(at.since(heard)),
            (None, None) => Wait::Unknown,
        }
    }
}

/// An acknowledgment that said nothing new: an answer to a probe looks like that, and may have
/// been captured before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct BareAck {
    pub(super) at: Time,
    pub(super) frame: u64,
    /// When the same side had been heard before.
    pub(super) heard_before: Option<Time>,
}

/// When it is known what something is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// As it happens.
    Now,
    /// As it happens, and not all of it, or not to be relied on: it will be told again.
    InPart,
    /// After what came later.
    Late,
}

/// Takes what is found out: how it is known, when it was, which frame, what.
pub(super) trait Tell: FnMut(Known, Time, u64, What) {}

impl<F: FnMut(Known, Time, u64, What)> Tell for F {}

/// The way a segment is a probe.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// At SND.NXT-1.
    Below,
    /// One byte at SND.NXT against a window of zero: how BSD and Windows probe windows.
    BeyondWindow,
}

/// Whether `segment` of the side `me` has the form of a probe, at the right moment.
#[inline]
pub(super) fn shape(me: &Direction, peer: &Direction, segment: &Segment<'_>) -> Option<Shape> {
    if segment.len > 1 || !segment.flags.is_plain_ack() || !me.known {
        return None;
    }
    let ahead = segment.seq.distance_from(me.next);
    if ahead != -1 && (ahead != 0 || segment.len == 0) {
        return None;
    }
    let quiet = me.quiet(segment.at);
    let longer_than = |time| quiet.is_none_or(|quiet| quiet >= time);
    if !longer_than(SHORTEST_QUIET) {
        return None;
    }
    let is_probe = match (ahead, segment.len) {
        (0, _) => return (peer.window() == Some(0)).then_some(Shape::BeyondWindow),
        (_, 0) => me.all_acked() || longer_than(TELLING_QUIET),
        _ => {
            let heard = peer.heard_at.map(|heard| segment.at.since(heard));
            me.all_acked()
                && !me.may_repeat_one_byte(quiet)
                && !me.misses(segment.seq, segment.at)
                && heard.is_none_or(|heard| heard >= TELLING_QUIET)
        }
    };
    is_probe.then_some(Shape::Below)
}

impl Probing {
    /// A probe was sent. It is told at once; where only what follows will show its kind, as a probe.
    pub(super) fn probe(
        &mut self,
        segment: &Segment<'_>,
        shape: Shape,
        peer: &Direction,
        bare_ack: Option<BareAck>,
        mut tell: impl Tell,
    ) {
        let bare_ack = bare_ack.filter(|bare| segment.at.apart(bare.at) <= MISORDERED_WITHIN);
        let misordered = bare_ack.map(|bare| bare.at);
        let heard = bare_ack.map_or(peer.heard_at, |bare| bare.heard_before);
        // What the prober does not acknowledge it has not heard: nobody knows since when.
        let heard = heard.filter(|_| !segment.ack.is_before(peer.next));
        let episode = self.episode.get_or_insert_with(|| Episode {
            heard,
            zero_window: peer.window() == Some(0)
                || (misordered.is_some() && misordered == peer.opened_at()),
            ..Episode::default()
        });
        episode.beyond_window |= shape == Shape::BeyondWindow;
        episode.seen.push(Seen {
            at: segment.at,
            frame: segment.frame,
            answered: misordered,
            answer_frame: bare_ack.map_or(0, |bare| bare.frame),
        });
        if !episode.zero_window && peer.window().is_some() {
            self.tell_keepalives(Known::Now, tell);
            return;
        }
        episode.persisting = episode.persisting
            || episode.beyond_window
            || (episode.zero_window && zero_window::persists(episode.heard, &episode.seen));
        let what = if episode.persisting {
            What::ZeroWindowProbe
        } else {
            What::Probe
        };
        tell(Known::InPart, segment.at, segment.frame, what);
    }

    /// Tells the keepalive probes of this episode that were not told yet; `last` is how the last one is
    /// known.
    fn tell_keepalives(&mut self, last: Known, mut tell: impl Tell) {
        let Some(episode) = &mut self.episode else {
            return;
        };
        for index in episode.told..episode.seen.len() {
            let Seen {
                at,
                frame,
                answered,
                answer_frame,
            } = episode.seen[index];
            let number = u32::try_from(self.probes.len() + index + 1).unwrap_or(u32::MAX);
            let after = episode.wait(index).duration();
            let known = if index + 1 < episode.seen.len() {
                Known::Late
            } else {
                last
            };
            tell(known, at, frame, What::KeepaliveProbe { number, after });
            if let Some(answer) = answered {
                tell(
                    known,
                    answer,
                    answer_frame,
                    What::KeepaliveAnswer {
                        after: answer.since(at),
                    },
                );
            }
        }
        episode.told = episode.seen.len();
    }

    /// The peer acknowledged everything and said nothing else.
    pub(super) fn answer(&mut self, segment: &Segment<'_>, mut tell: impl Tell) {
        let Some(episode) = &mut self.episode else {
            return;
        };
        episode.zero_window |= segment.window == 0;
        let told = episode.told == episode.seen.len();
        if let Some(last) = episode
            .seen
            .last_mut()
            .filter(|seen| seen.answered.is_none())
        {
            last.answered = Some(segment.at);
            last.answer_frame = segment.frame;
            if told {
                let after = segment.at.since(last.at);
                let answer = What::KeepaliveAnswer { after };
                tell(Known::Now, segment.at, segment.frame, answer);
            } else if episode.promoted && !episode.zero_window {
                self.tell_keepalives(Known::Now, tell);
            }
        }
    }

    /// The prober sends data: nothing it sends from here on belongs to what it sent before.
    pub(super) fn own_data(
        &mut self,
        how: RunEnd,
        at: Time,
        window_opened: Option<Time>,
        tell: impl Tell,
    ) {
        if self.episode.is_some() {
            self.close(how, zero_window::sent_at_once(at, window_opened), tell);
        }
    }

    /// The peer sends data. It does not end the probing of a window, which goes on until the
    /// prober could send.
    pub(super) fn peer_data(&mut self, how: RunEnd, tell: impl Tell) {
        if self
            .episode
            .as_ref()
            .is_some_and(|episode| !episode.zero_window)
        {
            self.close(how, false, tell);
        }
    }

    /// The connection, or the capture, ended.
    pub(super) fn end(&mut self, how: RunEnd, at: Time, tell: impl Tell) {
        if how == RunEnd::ResetByPeer
            && let Some(episode) = self.episode.as_mut()
            && let Some(last) = episode.seen.last_mut()
            && last.answered.is_none()
        {
            last.answered = Some(at);
        }
        if self.episode.is_some() {
            self.close(how, false, tell);
        }
    }

    /// The RST that seemed to end the last run ended nothing.
    pub(super) fn outlive_reset(&mut self) {
        self.ended = self
            .ended
            .filter(|end| !matches!(end, RunEnd::ResetByProber | RunEnd::ResetByPeer));
    }

    fn close(&mut self, how: RunEnd, sent_at_once: bool, mut tell: impl Tell) {
        let Some(episode) = &mut self.episode else {
            return;
        };
        let keepalives = if episode.beyond_window {
            0
        } else if episode.zero_window {
            zero_window::keepalives(episode.heard, &episode.seen, sent_at_once)
        } else {
            episode.seen.len()
        };
        let window = episode.seen.split_off(keepalives);
        self.window_probes += u32::try_from(window.len()).unwrap_or(u32::MAX);
        self.tell_keepalives(Known::Late, &mut tell);
        window
            .iter()
            .for_each(|seen| tell(Known::Late, seen.at, seen.frame, What::ZeroWindowProbe));
        let Some(episode) = self.episode.take() else {
            return;
        };
        for (index, seen) in episode.seen.iter().enumerate() {
            let Seen {
                at,
                frame,
                answered,
                ..
            } = *seen;
            self.probes.push(Probe {
                at,
                frame,
                answered,
                wait: episode.wait(index),
            });
        }
        if keepalives > 0 {
            self.ended = Some(how);
        }
    }

    /// Remembers a segment without data whose sequence number may be one below the true one.
    pub(super) fn candidate(&mut self, segment: &Segment<'_>) {
        if self.candidates.len() < CANDIDATES {
            self.candidates.push((segment.at, segment.frame));
        }
    }

    /// It was: the segments remembered were probes. False where there are none.
    pub(super) fn promote(&mut self, zero_window: bool) -> bool {
        if self.candidates.is_empty() {
            return false;
        }
        let seen = std::mem::take(&mut self.candidates)
            .into_iter()
            .map(|(at, frame)| Seen {
                at,
                frame,
                answered: None,
                answer_frame: 0,
            })
            .collect();
        self.episode = Some(Episode {
            zero_window,
            seen,
            promoted: true,
            ..Episode::default()
        });
        true
    }

    /// It was not.
    pub(super) fn dismiss(&mut self) {
        self.candidates = Vec::new();
    }
}
