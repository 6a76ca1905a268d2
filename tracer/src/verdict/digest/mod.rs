//! What one hop comes to, for the rules: its turns, who closed it, silences, what was never
//! acknowledged. Made once per hop, by the common clock.
//!
//! What a side sent is taken from the vantage nearest to it, so that what was lost, made or delayed
//! on the way does not change who did what first.

mod away;
mod deaf;
mod half;
mod http2;
mod marks;
mod parting;
mod said;
mod turns;
mod view;

use std::sync::Arc;
use std::time::Duration;

use self::view::View;
use crate::flow::{BeforeFin, End, RunEnd, Side, Sides};
use crate::hop::Hops;
use crate::http::{Failing, GoAway, Print, Status};
use crate::kernel::FactKind;
use crate::scene::Scene;
use crate::segment::Head;
use crate::seq::Seq;
use crate::time::Time;

/// What is said so soon before a close announces it.
const GOODBYE: Duration = Duration::from_secs(1);

/// What one hop comes to.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    /// The hop, by its place.
    pub(super) place: usize,
    /// The SYN, or the first segment seen.
    pub(super) begun: Time,
    /// The last segment seen.
    pub(super) last: Time,
    /// How it ended, at the vantage nearest to the client, or at one that saw it established where
    /// that one's capture did not.
    pub(super) end: End,
    /// SYNs of the client.
    pub(super) syns: u32,
    /// Whose turn it was, when; without words of parting.
    pub(super) turns: Vec<Turn>,
    /// Whether it carries HTTP, as far as its payload was captured.
    pub(super) carries: Carries,
    /// The client's last bytes before it closed, where they ask for nothing.
    pub(super) parting: Option<Parting>,
    /// When the client sent on what it had begun to ask, although it had its answer: no requests, and not
    /// among the turns.
    pub(super) rests: Vec<Time>,
    /// When the client said something although it had heard that the server had closed: no requests, and
    /// not among the turns, but where they are of HTTP.
    pub(super) deaf: Vec<Deaf>,
    /// The client's FIN right after its request, which was honoured as half a close and ended nothing.
    pub(super) half: Option<Mark>,
    /// FINs and RSTs as sent, by time, without those that the way made.
    pub(super) marks: Vec<Mark>,
    /// The first of them that ended it.
    pub(super) first: Option<Mark>,
    /// FINs and RSTs that the way made.
    pub(super) made: Vec<Forged>,
    /// Keepalive probes that each side sent.
    pub(super) probes: Sides<Vec<Probed>>,
    /// How each side's probing ended.
    pub(super) run_end: Sides<Option<RunEnd>>,
    /// The longest window of zero that each side held.
    pub(super) stalls: Sides<Option<Stall>>,
    /// Data of each side that was sent again and again and never acknowledged.
    pub(super) unheard: Sides<Option<Unheard>>,
    /// The FIN of each side, where it was sent again and never acknowledged.
    pub(super) unheard_fin: Sides<Option<Unheard>>,
    /// What the server's own RST may have destroyed of what it had sent.
    pub(super) away: Option<Away>,
    /// A RST unlike what its sender else sends.
    pub(super) odd: Option<Odd>,
    /// What the kernel told of the sockets at its ends.
    pub(super) told: Vec<Told>,
    /// What answers say.
    pub(super) answers: Vec<Answer>,
    /// When bytes came that are of the handshake of TLS alone, or about an HTTP/2 connection, and not among the
    /// turns; by time.
    pub(super) asides: Vec<Time>,
    /// The server's last bytes, where they may be session tickets of TLS rather than an answer.
    pub(super) doubt: Option<Cite>,
    /// A handshake of TLS that failed.
    pub(super) handshake_failure: Option<FailedHandshake>,
    /// All bytes of the client were seen.
    pub(super) is_asked_whole: bool,
    /// Bytes of the server that were sent, and not seen at some vantage.
    pub(super) unseen: u64,
    /// A side said that it will end the connection (HTTP/2 GOAWAY).
    pub(super) goaway: Option<Goaway>,
    /// A side ended the connection for an error (HTTP/2 GOAWAY).
    pub(super) failed: Option<FailedHttp2>,
    /// What became of its requests, where it speaks HTTP/2 and its frames could be read.
    pub(super) calls: Option<Calls>,
}

/// Bytes of one side, until the other sent some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) by: Side,
    pub(super) at: Time,
    pub(super) until: Time,
    /// What came before the other side's FIN, where more came after it.
    pub(super) before_fin: Option<BeforeFin>,
    /// Payload bytes.
    pub(super) bytes: u64,
    pub(super) cite: Cite,
    /// The sequence number of its first byte, where that was shown.
    pub(super) seq: Option<Seq>,
    /// The last of its bytes are an empty line; `None` where they were not captured.
    pub(super) ends: Option<bool>,
}

/// What a client said although it had heard that the server had closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deaf {
    pub(super) at: Time,
    /// No copy of it was sent before.
    pub(super) proved: bool,
}

/// What the payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Carries {
    Http,
    /// TLS records, and what is in them cannot be read.
    Tls,
    /// Something that is neither.
    Other,
    /// No payload was captured.
    Unknown,
}

/// Bytes that a client sent as it closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parting {
    /// The first of the turn.
    pub(super) at: Time,
    /// It is a message of its own, as small as those that say goodbye, and not among the turns.
    pub(super) alone: bool,
}

/// A frame of a flow, by the flow's place in the scene.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cite {
    pub(super) flow: usize,
    pub(super) frame: u64,
}

/// A FIN or RST.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) by: Side,
    pub(super) rst: bool,
    pub(super) at: Time,
    pub(super) cite: Cite,
    pub(super) head: Option<Head>,
}

/// A keepalive probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probed {
    pub(super) at: Time,
    pub(super) cite: Cite,
    pub(super) answered: bool,
}

/// A window of zero, held: the longest time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    /// From when on.
    pub(super) since: Time,
    pub(super) cite: Cite,
    /// For how long.
    pub(super) held: Duration,
    /// How long windows of zero were held in all.
    pub(super) total: Duration,
    /// It was opened again.
    pub(super) opened: bool,
}

/// Data, or a FIN, that was sent again and again and never acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unheard {
    /// It was first sent.
    pub(super) since: Time,
    /// It was last sent.
    pub(super) until: Time,
    pub(super) cite: Cite,
    /// How often it was sent again.
    pub(super) times: u32,
    /// The time between the last two.
    pub(super) gap: Duration,
    /// The least payload of what was sent again, in bytes, where nothing as large was ever acknowledged.
    pub(super) large: Option<u32>,
    /// How often it was sent on after its peer had closed, which is not among these.
    pub(super) later: u32,
}

/// Bytes of the server that nothing acknowledged before its RST.
#[derive(Clone, Copy, Debug)]
pub(super) struct Away {
    pub(super) bytes: u32,
    /// Some of them were sent and did not come to the vantage nearest to the client.
    pub(super) lost: bool,
}

/// A FIN or RST that the way made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forged {
    pub(super) mark: Mark,
    /// The TTL of what its side else sends, where it has another.
    pub(super) usual: Option<u8>,
    /// A vantage nearer to that side did not see it, and was watching, or the host that it left made it.
    pub(super) proved: bool,
    /// A vantage nearer to that side shows that it went on afterwards.
    pub(super) went_on: bool,
    /// The kernel's socket of that side was there long after it.
    pub(super) outlived: bool,
}

/// A RST whose TTL is unlike that of all else that its side sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Odd {
    pub(super) mark: Mark,
    pub(super) usual: u8,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) at: Time,
    pub(super) status: Arc<Status>,
    /// How its body begins.
    pub(super) body: Option<Print>,
}

/// An HTTP/2 GOAWAY.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goaway {
    pub(super) by: Side,
    pub(super) at: Time,
    /// For how long nothing had moved the connection on then.
    pub(super) after: Duration,
    pub(super) cite: Cite,
    /// Why (RFC 9113 section 7): 0 for no error.
    pub(super) error: u32,
}

/// An HTTP/2 GOAWAY with an error.
#[derive(Clone, Debug)]
pub(super) struct FailedHttp2 {
    pub(super) by: Side,
    pub(super) at: Time,
    pub(super) cite: Cite,
    pub(super) said: GoAway,
    /// Requests that were under way; `None` where that is not known.
    pub(super) open: Option<usize>,
    /// PINGs that the other side had sent, and the time between them on average.
    pub(super) pings: (usize, Option<Duration>),
}

/// Requests on an HTTP/2 connection that were begun and not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    /// How many there were for certain.
    pub(super) open: usize,
    /// Those among them of which no answer had begun.
    pub(super) unanswered: usize,
    /// Requests that the server broke off, as it seems, as the connection ended.
    pub(super) broken_off: usize,
    /// There were no others, and none was given up before its end.
    pub(super) all: bool,
}

/// A handshake of TLS that failed.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedHandshake {
    /// Who gave it up.
    pub(super) by: Side,
    pub(super) at: Time,
    pub(super) cite: Cite,
    pub(super) shown: Failing,
}

/// What the kernel told of a side's socket.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) by: Side,
    pub(super) at: Time,
    pub(super) kind: FactKind,
}

impl Turn {
    /// When the last byte was sent, as far as that was before then: what answers a close is later than
    /// the close.
    pub(super) fn last(&self, before: Time) -> Time {
        let own = self.before_fin.filter(|_| self.until > before);
        own.map_or(self.until, |before| before.until)
    }
}

impl Digest {
    pub(super) fn of(scene: &Scene<'_>, hops: &Hops, place: usize) -> Self {
        let hop = &hops.hops[place];
        let views: Vec<View<'_>> = hop
            .sights
            .iter()
            .map(|&sight| View { scene, hops, sight })
            .collect();
        // A hop is seen somewhere, or it would be none.
        let nearest = Sides {
            client: &views[0],
            server: &views[views.len() - 1],
        };
        let made = marks::made(&views, hop);
        let (marks, first) = marks::marks(&views, &nearest, &made);
        let client = nearest.client;
        let mut turns = turns::turns(&views);
        let carries = parting::carries(&views);
        let deaf = deaf::take(&mut turns, &views, hop, carries);
        let parting = parting::take(&mut turns, &marks, carries, client.flow().handshake_rtt());
        let rests = parting::rests(&mut turns, &views, carries);
        let half = half::of(&turns, &marks, parting.as_ref());
        let first = half.map_or(first, |half| half::end(&marks, &half));
        let unheard = sides(|side| {
            let closed = marks.iter().find(|mark| mark.by != side);
            turns::unheard(nearest[side], side, closed.map(|mark| mark.at))
        });
        let begun = views.iter().map(|view| {
            let flow = view.flow();
            view.common(flow.opened_at().unwrap_or_else(|| flow.first_at()))
        });
        let last = views.iter().map(|view| view.common(view.flow().last_at()));
        Self {
            place,
            begun: begun.min().unwrap_or_default(),
            last: last.max().unwrap_or_default(),
            end: end(&views, client),
            syns: client.flow().syns(),
            asides: turns::asides(&views),
            doubt: turns::doubt(&views, &turns),
            handshake_failure: said::handshake_failure(&views),
            turns,
            carries,
            parting,
            rests,
            deaf,
            half,
            away: away::of(&views, hop, first.as_ref()),
            odd: marks::odd(&views, hop),
            marks,
            first,
            made,
            probes: sides(|side| turns::probes(nearest[side], side)),
            run_end: sides(|side| nearest[side].flow().run_end(nearest[side].side(side))),
            stalls: sides(|side| turns::stall(nearest[side], side)),
            unheard,
            unheard_fin: sides(|side| turns::unheard_fin(nearest[side], side)),
            told: said::told(&views),
            answers: said::answers(&views),
            is_asked_whole: is_whole(&views, Side::Client),
            unseen: unseen(&views),
            goaway: said::goaway(&views),
            failed: http2::failed(&views),
            calls: http2::calls(&views),
        }
    }

    /// The last bytes that either side sent before then, and who did.
    pub(super) fn last_turn(&self, before: Time) -> Option<&Turn> {
        let place = self.turns.partition_point(|turn| turn.at <= before);
        self.turns[..place].last()
    }

    /// Since when nothing moved the connection on, at that time.
    pub(super) fn quiet_since(&self, at: Time) -> Time {
        let turn = self.last_turn(at).map_or(self.begun, |turn| turn.last(at));
        let asides = self.asides.partition_point(|aside| *aside <= at);
        let aside = self.asides[..asides].last();
        aside.map_or(turn, |aside| turn.max(*aside)).min(at)
    }

    /// For how long nothing had moved the connection on before that FIN or RST. Whoever says GOAWAY as it closes
    /// had decided that before.
    pub(super) fn silence_before(&self, mark: &Mark) -> Duration {
        let own = mark.at.since(self.quiet_since(mark.at));
        let said = self.goaway.filter(|said| {
            let at_once = said.at <= mark.at && mark.at.since(said.at) <= GOODBYE;
            at_once && said.by == mark.by && said.error == 0
        });
        said.map_or(own, |said| own.max(said.after))
    }

    /// What the client said then, although it had heard that the server had closed.
    pub(super) fn deaf_at(&self, at: Time) -> Option<&Deaf> {
        self.deaf.iter().find(|said| said.at == at)
    }

    /// What it was that a side did first to end it.
    pub(super) fn first_by(&self, by: Side) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.by == by)
    }

    /// The kernel told this of a side's socket.
    pub(super) fn kernel(&self, by: Side, is: impl Fn(&FactKind) -> bool) -> Option<&Told> {
        self.told
            .iter()
            .find(|told| told.by == by && is(&told.kind))
    }
}

fn is_whole(views: &[View<'_>], side: Side) -> bool {
    let mut views = views.iter();
    views.all(|view| view.flow().unseen_bytes(view.side(side)) == 0)
}

/// A capture that ended too soon shows no answer to a SYN. What the client sent after it, seen elsewhere,
/// shows that there was one.
fn end(views: &[View<'_>], nearest: &View<'_>) -> End {
    let own = nearest.flow().end();
    if own != End::Unanswered {
        return own;
    }
    let went_on = |view: &&View<'_>| {
        let flow = view.flow();
        let client = view.side(Side::Client);
        flow.end() != End::Unanswered && flow.segments(client) > u64::from(flow.syns())
    };
    let other = views.iter().find(went_on);
    other.map_or(own, |view| view.flow().end())
}

fn unseen(views: &[View<'_>]) -> u64 {
    let unseen = views.iter().map(|view| {
        let server = view.side(Side::Server);
        view.flow().unseen_bytes(server)
    });
    unseen.max().unwrap_or_default()
}

fn sides<T>(of: impl Fn(Side) -> T) -> Sides<T> {
    Sides {
        client: of(Side::Client),
        server: of(Side::Server),
    }
}
