//! The exchanges that one flow shows.

use std::sync::Arc;
use std::time::Duration;

use super::turn::{Seen, Turn, Views};
use crate::flow::{Ending, Event, Flow, Side, Trail, What};
use crate::hop::Sight;
use crate::http::{Heading, Request, Status};
use crate::scene::Scene;
use crate::segment::Endpoint;
use crate::seq::Seq;
use crate::time::Time;

/// A turn of a flow.
pub(super) struct Told {
    pub(super) seen: Seen,
    /// Where in the client's bytes it begins.
    pub(super) position: Option<Seq>,
    pub(super) bytes: (u64, u64),
    pub(super) request: Option<Arc<Request>>,
    pub(super) status: Option<Arc<Status>>,
    pub(super) proxied: Option<Endpoint>,
}

/// The exchanges that one flow shows.
pub(super) fn of_sight(scene: &Scene<'_>, sight: Sight) -> Vec<Told> {
    let seen = &scene.flows[sight.flow];
    let mut exchanges: Vec<Told> = Vec::new();
    let headings = &seen.trail.headings;
    let http2 = headings.iter().any(|turn| turn.heading == Heading::Http2);
    for event in &seen.trail.events {
        let What::Data {
            bytes,
            until,
            before_fin,
            ..
        } = event.what
        else {
            continue;
        };
        if seen.trail.is_aside(event) {
            continue;
        }
        // What answers a close asks for nothing.
        let asked = before_fin.map_or(until, |before| before.until);
        let by = if sight.swapped {
            event.by.other()
        } else {
            event.by
        };
        let said = Said::of(seen.trail, event);
        let control = http2 && said.is_control(bytes);
        match (by, exchanges.last_mut()) {
            (Side::Client, Some(last)) if control && (said.ping || last.is_answered()) => {
                last.bytes.0 += bytes;
            }
            // What the server said between is about the connection, and answers nothing.
            (Side::Client, Some(last))
                if control || last.goes_on(&said) || (http2 && last.bytes.1 == 0) =>
            {
                last.ask(bytes, asked, said);
            }
            (Side::Client, _) => {
                exchanges.push(Told::asked(sight, event, (bytes, asked), said));
            }
            (Side::Server, Some(last)) => last.answer(event.at, bytes, until, said),
            // An answer that nobody asked for, or whose request was sent before the capture.
            (Side::Server, None) => {
                let nothing = (0, event.at);
                let mut told = Told::asked(sight, event, nothing, Said::default());
                told.position = event.head.map(|head| head.ack);
                told.answer(event.at, bytes, until, said);
                exchanges.push(told);
            }
        }
    }
    let accepted = seen.trail.events.iter();
    let accepted = accepted.map(|event| (event.what == What::SynAck).then_some(event.at));
    if let (Some(first), Some(accepted)) = (exchanges.first_mut(), accepted.flatten().next()) {
        first.seen.since = accepted.min(first.seen.began);
    }
    let asker = if sight.swapped {
        Side::Server
    } else {
        Side::Client
    };
    finish(seen.flow, asker, &mut exchanges);
    for told in &mut exchanges {
        told.seen.http2 = http2;
    }
    exchanges
}

/// What each exchange came to, where the connection ended first.
fn finish(flow: &Flow, asker: Side, exchanges: &mut [Told]) {
    let Some(last) = exchanges.last_mut() else {
        return;
    };
    let seen = &mut last.seen;
    if let Some(answered) = seen.answered
        && (flow.closed_at().is_some_and(|over| over < answered) || refused(flow, answered))
    {
        // What comes after both sides closed, or one reset, nobody takes in.
        (seen.answered, seen.done) = (None, None);
        last.status = None;
        last.bytes.1 = 0;
    }
    seen.late = is_late(flow, asker, seen.began);
    seen.unheard = last.bytes.1 > 0
        && flow
            .unacknowledged(asker.other())
            .is_some_and(|bytes| u64::from(bytes) >= last.bytes.1);
    seen.ended = ended(flow).map(|ended| ended.max(seen.began));
    let over = if seen.late {
        // Both directions closed still hold what was sent before; a RST throws it away (RFC 9293 section
        // 3.10.7.4).
        let mut rsts = flow.rsts().iter().map(|rst| rst.at);
        rsts.find(|at| *at >= seen.began)
    } else {
        over(flow, asker)
    };
    seen.over = over.map(|over| over.max(seen.began));
    seen.failed = seen.answered.is_none() && seen.ended.is_some();
}

/// Whether the other side had closed its direction, and no more than that, before anything was asked.
fn is_late(flow: &Flow, asker: Side, began: Time) -> bool {
    let half = matches!(flow.ending(), Some(Ending::Fin(fin)) if fin.by != asker && fin.at < began);
    half && flow.closed_at().is_none_or(|closed| closed >= began)
}

pub(super) fn ended(flow: &Flow) -> Option<Time> {
    flow.ending().map(|ending| ending.closing().at)
}

/// Since when nobody can answer on a flow any more.
fn over(flow: &Flow, asker: Side) -> Option<Time> {
    match flow.ending()? {
        Ending::Fin(fin) if fin.by == asker => flow.closed_at(),
        ending => Some(ending.closing().at),
    }
}

/// A RST that answers data comes within a round trip of it.
const ROUND_TRIP: Duration = Duration::from_millis(500);

/// Whether whoever asked had let go of the connection altogether before the answer came, rather than
/// closed its own direction alone: its stack had forgotten the connection by then.
fn refused(flow: &Flow, answered: Time) -> bool {
    let Some(fin) = flow.fins().first().filter(|fin| fin.at < answered) else {
        return false;
    };
    let rsts = flow.rsts().iter().filter(|rst| rst.forgot(fin));
    let mut after = rsts.filter(|rst| rst.at >= answered);
    after.any(|rst| rst.at.since(answered) <= ROUND_TRIP)
}

/// What the first bytes of a turn say.
#[derive(Default)]
struct Said {
    request: Option<Arc<Request>>,
    status: Option<Arc<Status>>,
    proxied: Option<Endpoint>,
    /// When the request began behind a PROXY protocol header, which a proxy may send as soon as the
    /// connection is open: long before it is asked for anything.
    asked: Option<Time>,
    /// It begins with a PING of HTTP/2.
    ping: bool,
}

/// Length of a frame of HTTP/2 without payload (RFC 9113 section 4.1), as which SETTINGS are
/// acknowledged (section 6.5).
const FRAME: u64 = 9;

/// Length of a PING (RFC 9113 section 6.7).
const PING: u64 = FRAME + 8;

/// What a server says at most before it answers anything: SETTINGS with all eight that there were when
/// RFC 9113 was written or soon after, a WINDOW_UPDATE, and the client's SETTINGS acknowledged.
const GREETING: u64 = (FRAME + 8 * 6) + (FRAME + 4) + FRAME;

impl Said {
    /// These bytes of HTTP/2 are about the connection and ask for nothing.
    const fn is_control(&self, bytes: u64) -> bool {
        bytes == FRAME || (bytes == PING && self.ping)
    }

    fn of(trail: &Trail, event: &Event) -> Self {
        let mut said = Self::default();
        let first = trail
            .headings
            .partition_point(|turn| turn.frame < event.frame);
        let of_turn = trail.headings[first..].iter();
        for turn in of_turn.take_while(|turn| turn.frame == event.frame) {
            match &turn.heading {
                Heading::Request(request) => {
                    said.asked = said.proxied.map(|_| turn.at);
                    said.request = Some(Arc::clone(request));
                }
                Heading::Status(status) => said.status = Some(Arc::clone(status)),
                Heading::Proxied { source, .. } => {
                    said.proxied = Some(Endpoint::new(source.ip(), source.port()));
                }
                Heading::Ping { .. } => said.ping = true,
                _ => {}
            }
        }
        said
    }
}

impl Told {
    fn asked(sight: Sight, event: &Event, (bytes, until): (u64, Time), said: Said) -> Self {
        Self {
            bytes: (bytes, 0),
            request: said.request,
            status: None,
            proxied: said.proxied,
            position: event.head.map(|head| head.seq),
            seen: Seen {
                began: said.asked.unwrap_or(event.at),
                since: event.at,
                asked: until,
                answered: None,
                done: None,
                http2: false,
                ended: None,
                over: None,
                failed: false,
                late: false,
                unheard: false,
                flow: sight.flow,
                frame: event.frame,
            },
        }
    }

    pub(super) fn turn(self, hop: usize, views: impl FnOnce(Seen) -> Views) -> Turn {
        Turn {
            hop,
            number: None,
            seen: views(self.seen),
            bytes: self.bytes,
            request: self.request,
            status: self.status,
            proxied: self.proxied,
        }
    }

    /// What the client sends now belongs to this exchange: it had only been told to go on (RFC 9110
    /// section 15.2), and begins no request. Where what it was told was not captured, the length that the
    /// request announced tells.
    fn goes_on(&self, said: &Said) -> bool {
        let whole = self.request.as_ref().and_then(|request| request.whole);
        let unfinished = whole.is_some_and(|whole| self.bytes.0 < whole);
        let told_to = match &self.status {
            Some(status) => status.is_interim(),
            None => unfinished && self.bytes.1 == 0,
        };
        told_to && said.request.is_none()
    }

    /// More came back over HTTP/2 than servers say of themselves: the client acknowledges SETTINGS as
    /// late as it likes, also after it was answered.
    const fn is_answered(&self) -> bool {
        self.bytes.1 > GREETING
    }

    fn ask(&mut self, bytes: u64, until: Time, said: Said) {
        self.bytes.0 += bytes;
        self.request = self.request.take().or(said.request);
        self.status = None;
        self.seen.asked = until;
        (self.seen.answered, self.seen.done) = (None, None);
    }

    fn answer(&mut self, at: Time, bytes: u64, until: Time, said: Said) {
        self.bytes.1 += bytes;
        self.status = self.status.take().or(said.status);
        self.seen.answered.get_or_insert(at);
        self.seen.done = Some(until);
    }
}
