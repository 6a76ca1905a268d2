//! Exchanges of hops: turns of both sides, as they are seen nearest to the client and nearest to the
//! server.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use std::vec::IntoIter;

use crate::flow::{End, Ending, Event, Flow, Side, Sides, Trail, What};
use crate::hop::{Hop, Hops, Sight};
use crate::http::{Heading, Request, Status};
use crate::scene::Scene;
use crate::segment::Endpoint;
use crate::seq::Seq;
use crate::time::Time;

/// What goes through a proxy, or does not: an exchange; or the whole connection where it had none.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// The hop, by its place.
    pub(super) hop: usize,
    /// The number of the exchange; `None` for a connection without.
    pub(super) number: Option<u64>,
    seen: Views,
    /// Payload bytes of the request and of the answer.
    pub(super) bytes: (u64, u64),
    pub(super) request: Option<Arc<Request>>,
    pub(super) status: Option<Arc<Status>>,
    /// The client that a PROXY protocol header names.
    pub(super) proxied: Option<Endpoint>,
}

/// A turn as seen at the ends of its hop. There may be millions, and most hops are seen at one vantage.
#[derive(Clone, Debug)]
enum Views {
    /// One flow shows it, for both ends.
    Both(Seen),
    /// As each end saw it; `None` where that end did not.
    Each(Box<Sides<Option<Seen>>>),
}

/// A turn as one flow shows it. Times are by the clock of its vantage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) began: Time,
    /// Since when anything may have been done for it: of the first of a connection, since that was
    /// accepted.
    pub(super) since: Time,
    pub(super) asked: Time,
    pub(super) answered: Option<Time>,
    pub(super) done: Option<Time>,
    /// It is of HTTP/2, where frames about the connection (SETTINGS acknowledged, WINDOW_UPDATE) may
    /// come long before the request that it seems to begin with.
    pub(super) http2: bool,
    /// The first FIN or RST after it began.
    pub(super) ended: Option<Time>,
    /// Since when nobody can answer it any more: a FIN of whoever asked closes its own direction alone,
    /// and is not that (RFC 9293 section 3.6).
    pub(super) over: Option<Time>,
    /// It got no answer before the connection ended.
    pub(super) failed: bool,
    /// It was sent after whoever was asked had closed its direction: that may read on and pass on what it
    /// reads, as a proxy at layer 4 does, but answer nothing any more.
    pub(super) late: bool,
    /// Whoever asked acknowledged nothing of the answer, as far as was captured: it may never have come.
    pub(super) unheard: bool,
    /// The flow, by its place in the scene.
    pub(super) flow: usize,
    /// The frame that it begins with; 0 where none shows it.
    pub(super) frame: u64,
}

/// All turns of all hops.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Hop by hop, and by time.
    pub(super) all: Vec<Turn>,
    /// Those of each hop: one at least.
    pub(super) of: Vec<Range<usize>>,
}

/// A turn of a flow.
struct Told {
    seen: Seen,
    /// Where in the client's bytes it begins.
    position: Option<Seq>,
    bytes: (u64, u64),
    request: Option<Arc<Request>>,
    status: Option<Arc<Status>>,
    proxied: Option<Endpoint>,
}

impl Turn {
    /// As seen at that end, by the clock there; `None` where that end did not see it.
    pub(super) fn seen(&self, end: Side) -> Option<Seen> {
        match &self.seen {
            Views::Both(seen) => Some(*seen),
            Views::Each(seen) => seen[end],
        }
    }

    /// As seen nearest to the client that saw it.
    pub(super) fn first_seen(&self) -> Option<Seen> {
        self.seen(Side::Client).or(self.seen(Side::Server))
    }
}

impl Seen {
    /// By then whoever answers knew what to answer: as it began to; but in HTTP/2 frames of the
    /// connection's may come before.
    pub(super) fn knew(&self) -> Option<Time> {
        if self.http2 { self.done } else { self.answered }
    }

    /// When the answer came to whoever asked, where nothing speaks against that it did.
    pub(super) fn came(&self) -> Option<Time> {
        self.answered.filter(|_| !self.unheard)
    }

    /// The answer, or else the end of the connection that it was owed on.
    pub(super) fn finish(&self) -> Option<Time> {
        self.answered.or(self.ended)
    }

    /// Until when whoever was asked may have worked on it.
    pub(super) fn worked_on(&self) -> Option<Time> {
        self.answered.or(self.over)
    }
}

impl Turns {
    pub(super) fn new(scene: &Scene<'_>, hops: &Hops) -> Self {
        let mut turns = Self::default();
        for (number, hop) in hops.hops.iter().enumerate() {
            let first = turns.all.len();
            turns.add(scene, number, hop);
            turns.of.push(first..turns.all.len());
        }
        turns
    }

    fn add(&mut self, scene: &Scene<'_>, hop: usize, at: &Hop) {
        let (Some(&near_client), Some(&near_server)) = (at.sights.first(), at.sights.last()) else {
            return;
        };
        let first = self.all.len();
        let client = of_sight(scene, near_client).into_iter();
        if near_client == near_server {
            let turns = client.map(|told| told.turn(hop, Views::Both));
            self.all.extend(turns);
        } else {
            let server = of_sight(scene, near_server).into_iter();
            merge(hop, client, server, &mut self.all);
        }
        for (number, turn) in self.all[first..].iter_mut().enumerate() {
            turn.number = Some(number as u64);
        }
        if self.all.len() == first {
            let client = life(scene, near_client, Side::Client);
            let server = life(scene, near_server, Side::Server);
            self.all.push(whole(hop, client, server));
        }
    }
}

/// A connection that had no exchange.
fn whole(hop: usize, client: Seen, server: Seen) -> Turn {
    Turn {
        hop,
        number: None,
        seen: Views::Each(Box::new(Sides {
            client: Some(client),
            server: Some(server),
        })),
        bytes: (0, 0),
        request: None,
        status: None,
        proxied: None,
    }
}

/// A connection without exchanges: from its SYN where it goes out, from when it was accepted where it
/// comes in.
fn life(scene: &Scene<'_>, sight: Sight, end: Side) -> Seen {
    let flow = scene.flows[sight.flow].flow;
    let trail = scene.flows[sight.flow].trail;
    let told = |syn_ack: bool| {
        let mut events = trail.events.iter();
        events.find(|event| match event.what {
            What::SynAck => syn_ack,
            What::Syn { .. } => !syn_ack,
            _ => false,
        })
    };
    let opening = match end {
        Side::Client => told(false),
        Side::Server => told(true).or(told(false)),
    };
    let began = opening.map_or(flow.first_at(), |event| event.at);
    let failed = matches!(flow.end(), End::Refused | End::Unanswered);
    // Nothing on the wire tells when whoever asked gave up, but it was not before its last SYN.
    let ended = ended(flow).or(failed.then(|| flow.last_at()));
    Seen {
        began,
        since: began,
        asked: began,
        answered: None,
        done: None,
        http2: false,
        ended,
        over: ended,
        failed,
        late: false,
        unheard: false,
        flow: sight.flow,
        frame: opening.map_or(0, |event| event.frame),
    }
}

fn ended(flow: &Flow) -> Option<Time> {
    flow.ending().map(|ending| ending.closing().at)
}

/// Since when nobody can answer on a flow any more.
fn over(flow: &Flow, asker: Side) -> Option<Time> {
    match flow.ending()? {
        Ending::Fin(fin) if fin.by == asker => flow.closed_at(),
        ending => Some(ending.closing().at),
    }
}

/// Turns as both ends saw them. The client's bytes number them.
fn merge(hop: usize, client: IntoIter<Told>, server: IntoIter<Told>, merged: &mut Vec<Turn>) {
    let same_count = client.len() == server.len();
    let (mut client, mut server) = (client.peekable(), server.peekable());
    loop {
        let apart = match (client.peek(), server.peek()) {
            (None, None) => return,
            (Some(_), None) => -1,
            (None, Some(_)) => 1,
            (Some(one), Some(other)) => match (one.position, other.position) {
                (Some(one), Some(other)) => one.distance_from(other),
                // Counted without being shown: only their number tells.
                _ if same_count => 0,
                _ => one.seen.began.cmp(&other.seen.began) as i32,
            },
        };
        let from_client = (apart <= 0).then(|| client.next()).flatten();
        let from_server = (apart >= 0).then(|| server.next()).flatten();
        merged.extend(united(hop, from_client, from_server));
    }
}

fn united(hop: usize, client: Option<Told>, server: Option<Told>) -> Option<Turn> {
    let seen = Views::Each(Box::new(Sides {
        client: client.as_ref().map(|told| told.seen),
        server: server.as_ref().map(|told| told.seen),
    }));
    let told = match (client, server) {
        (Some(mut one), Some(other)) => {
            one.bytes.0 = one.bytes.0.max(other.bytes.0);
            one.bytes.1 = one.bytes.1.max(other.bytes.1);
            one.request = one.request.or(other.request);
            // A capture that ended early does not show how an answer ends.
            let ended = |status: &&Arc<Status>| status.unended.is_none();
            let whole = other.status.as_ref().filter(ended).cloned();
            let cut = one.status.as_ref().is_none_or(|own| !ended(&own));
            one.status = whole.filter(|_| cut).or(one.status).or(other.status);
            one.proxied = one.proxied.or(other.proxied);
            one
        }
        (one, other) => one.or(other)?,
    };
    Some(told.turn(hop, |_| seen))
}

/// The exchanges that one flow shows.
fn of_sight(scene: &Scene<'_>, sight: Sight) -> Vec<Told> {
    let seen = &scene.flows[sight.flow];
    let mut exchanges: Vec<Told> = Vec::new();
    let headings = &seen.trail.headings;
    let http2 = headings.iter().any(|turn| turn.heading == Heading::Http2);
    for event in &seen.trail.events {
        let What::Data {
            bytes,
            until,
            before_fin,
        } = event.what
        else {
            continue;
        };
        if seen.trail.is_handshake(event) {
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
            (Side::Client, Some(last)) if control || last.goes_on(&said) => {
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

    fn turn(self, hop: usize, views: impl FnOnce(Seen) -> Views) -> Turn {
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
        let interim = |status: &Status| (100..200).contains(&status.code) && status.code != 101;
        let whole = self.request.as_ref().and_then(|request| request.whole);
        let unfinished = whole.is_some_and(|whole| self.bytes.0 < whole);
        let told_to = match &self.status {
            Some(status) => interim(status),
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
