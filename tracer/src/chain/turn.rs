//! Exchanges of hops: turns of both sides, as they are seen nearest to the client and nearest to the
//! server.

use std::ops::Range;
use std::sync::Arc;
use std::vec::IntoIter;

use super::exchange::{Told, ended, of_sight};
use crate::flow::{End, Side, Sides, What};
use crate::hop::{Hop, Hops, Sight};
use crate::http::{Request, Status};
use crate::scene::Scene;
use crate::segment::Endpoint;
use crate::time::Time;

/// What goes through a proxy, or does not: an exchange; or the whole connection where it had none.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// The hop, by its place.
    pub(super) hop: usize,
    /// The number of the exchange; `None` for a connection without.
    pub(super) number: Option<u64>,
    pub(super) seen: Views,
    /// Payload bytes of the request and of the answer.
    pub(super) bytes: (u64, u64),
    pub(super) request: Option<Arc<Request>>,
    pub(super) status: Option<Arc<Status>>,
    /// The client that a PROXY protocol header names.
    pub(super) proxied: Option<Endpoint>,
}

/// A turn as seen at the ends of its hop. There may be millions, and most hops are seen at one vantage.
#[derive(Clone, Debug)]
pub(super) enum Views {
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
