//! What one hop comes to, for the rules: its turns, who closed it, silences, what was never
//! acknowledged. Made once per hop, by the common clock.
//!
//! What a side sent is taken from the vantage nearest to it, so that what was lost, made or delayed
//! on the way does not change who did what first.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::flow::{Closing, End, Ending, Event, Flow, RunEnd, Side, Sides, What};
use crate::hop::{Hop, Hops, Sight};
use crate::http::{Heading, Print, Status};
use crate::kernel::FactKind;
use crate::scene::Scene;
use crate::segment::{Head, Passage};
use crate::time::Time;

/// What one hop comes to.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    /// The hop, by its place.
    pub(super) place: usize,
    /// The SYN, or the first segment seen.
    pub(super) begun: Time,
    /// The last segment seen.
    pub(super) last: Time,
    /// How it ended, at the vantage nearest to the client.
    pub(super) end: End,
    /// SYNs of the client.
    pub(super) syns: u32,
    /// Whose turn it was, when.
    pub(super) turns: Vec<Turn>,
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
    /// Windows of zero that each side held.
    pub(super) stalls: Sides<Option<Stall>>,
    /// Data of each side that was sent again and again and never acknowledged.
    pub(super) unheard: Sides<Option<Unheard>>,
    /// A RST unlike what its sender else sends.
    pub(super) odd: Option<Odd>,
    /// What the kernel told of the sockets at its ends.
    pub(super) told: Vec<Told>,
    /// What answers say.
    pub(super) answers: Vec<Answer>,
    /// All bytes of the server were seen.
    pub(super) is_whole: bool,
    /// A side said that it will end the connection (HTTP/2 GOAWAY).
    pub(super) goaway: Option<Goaway>,
}

/// Bytes of one side, until the other sent some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) by: Side,
    pub(super) at: Time,
    pub(super) until: Time,
    pub(super) cite: Cite,
    pub(super) head: Option<Head>,
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

/// A window of zero, held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    /// The first time.
    pub(super) since: Time,
    pub(super) cite: Cite,
    /// All times together.
    pub(super) held: Duration,
    /// It was opened again.
    pub(super) opened: bool,
}

/// Data that was sent again and again and never acknowledged.
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
}

/// A FIN or RST that the way made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forged {
    pub(super) mark: Mark,
    /// The TTL of what its side else sends, where it has another.
    pub(super) usual: Option<u8>,
    /// A vantage nearer to that side did not see it, and was watching.
    pub(super) proved: bool,
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
    pub(super) status: Status,
    /// How its body begins.
    pub(super) body: Option<Print>,
}

/// An HTTP/2 GOAWAY.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goaway {
    pub(super) by: Side,
    pub(super) at: Time,
    pub(super) cite: Cite,
    /// Why (RFC 9113 section 7): 0 for no error.
    pub(super) error: u32,
}

/// What the kernel told of a side's socket.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) by: Side,
    pub(super) at: Time,
    pub(super) kind: FactKind,
}

/// A flow of a hop, with times by the common clock and sides as the hop has them.
struct View<'a> {
    scene: &'a Scene<'a>,
    hops: &'a Hops,
    sight: Sight,
}

impl<'a> View<'a> {
    fn flow(&self) -> &'a Flow {
        self.scene.flows[self.sight.flow].flow
    }

    fn common(&self, at: Time) -> Time {
        let vantage = self.scene.flows[self.sight.flow].vantage;
        self.hops.clocks.common(vantage, at)
    }

    fn side(&self, by: Side) -> Side {
        if self.sight.swapped { by.other() } else { by }
    }

    fn events(&self) -> &'a [Event] {
        &self.scene.flows[self.sight.flow].trail.events
    }

    fn cite(&self, frame: u64) -> Cite {
        Cite {
            flow: self.sight.flow,
            frame,
        }
    }

    fn heads(&self) -> HashMap<u64, Head, RandomState> {
        let closing = |event: &&Event| matches!(event.what, What::Fin | What::Rst);
        let events = self.events().iter().filter(closing);
        events
            .filter_map(|event| Some((event.frame, event.head?)))
            .collect()
    }

    fn mark(&self, closing: &Closing, rst: bool, heads: &HashMap<u64, Head, RandomState>) -> Mark {
        Mark {
            by: self.side(closing.by),
            rst,
            at: self.common(closing.at),
            cite: self.cite(closing.frame),
            head: heads.get(&closing.frame).copied(),
        }
    }

    fn marks(&self) -> Vec<Mark> {
        if self.flow().ending().is_none() && self.flow().rsts().is_empty() {
            return Vec::new();
        }
        let heads = self.heads();
        let fins = self.flow().fins().iter();
        let fins = fins.map(|fin| self.mark(fin, false, &heads));
        let rsts = self.flow().rsts().iter();
        fins.chain(rsts.map(|rst| self.mark(rst, true, &heads)))
            .collect()
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
        let made = made(&views, hop);
        let (marks, first) = marks(&views, &nearest, &made);
        let client = nearest.client;
        let begun = views.iter().map(|view| {
            let flow = view.flow();
            view.common(flow.opened_at().unwrap_or_else(|| flow.first_at()))
        });
        let last = views.iter().map(|view| view.common(view.flow().last_at()));
        Self {
            place,
            begun: begun.min().unwrap_or_default(),
            last: last.max().unwrap_or_default(),
            end: client.flow().end(),
            syns: client.flow().syns(),
            turns: turns(&nearest),
            odd: odd(&views, hop),
            marks,
            first,
            made,
            probes: sides(|side| probes(nearest[side], side)),
            run_end: sides(|side| nearest[side].flow().run_end(nearest[side].side(side))),
            stalls: sides(|side| stall(nearest[side], side)),
            unheard: sides(|side| unheard(nearest[side], side)),
            told: told(&views),
            answers: answers(&views),
            is_whole: views.iter().all(|view| {
                let server = view.side(Side::Server);
                view.flow().unseen_bytes(server) == 0
            }),
            goaway: goaway(&views),
        }
    }

    /// The last bytes that either side sent before then, and who did.
    pub(super) fn last_turn(&self, before: Time) -> Option<&Turn> {
        let place = self.turns.partition_point(|turn| turn.at <= before);
        self.turns[..place].last()
    }

    /// Since when nothing moved the connection on, at that time.
    pub(super) fn quiet_since(&self, at: Time) -> Time {
        let turn = self.last_turn(at).map_or(self.begun, |turn| turn.until);
        turn.min(at)
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

fn sides<T>(of: impl Fn(Side) -> T) -> Sides<T> {
    Sides {
        client: of(Side::Client),
        server: of(Side::Server),
    }
}

fn made(views: &[View<'_>], hop: &Hop) -> Vec<Forged> {
    let all = hop.ways.iter().flat_map(|way| &way.made);
    let mut found: Vec<Forged> = Vec::new();
    for made in all {
        let view = views.iter().find(|view| view.sight.flow == made.flow);
        let marks = view.map(View::marks).unwrap_or_default();
        let mark = marks.iter().find(|mark| mark.cite.frame == made.frame);
        found.extend(mark.map(|mark| Forged {
            mark: *mark,
            usual: made.ttl.1.filter(|_| made.is_unlike()),
            proved: made.proved,
        }));
    }
    for left in left(views, hop) {
        if !found.iter().any(|known| known.mark.cite == left.mark.cite) {
            found.push(left);
        }
    }
    found.sort_by_key(|forged| (forged.mark.at, forged.mark.cite.frame));
    found
}

/// FINs and RSTs as sent, and the one that ended it.
fn marks(
    views: &[View<'_>],
    nearest: &Sides<&View<'_>>,
    made: &[Forged],
) -> (Vec<Mark>, Option<Mark>) {
    // Vantages farther on show the same segment.
    let of_way = |mark: &Mark| made.iter().any(|made| same(&made.mark, mark));
    let mut marks: Vec<Mark> = Vec::new();
    for side in [Side::Client, Side::Server] {
        let own = nearest[side].marks().into_iter();
        marks.extend(own.filter(|mark| mark.by == side && !of_way(mark)));
    }
    if views.len() > 1 {
        // A vantage that began later or lost frames does not show all that was sent.
        for mark in views.iter().flat_map(View::marks) {
            let known = |known: &&Mark| known.by == mark.by && known.rst == mark.rst;
            if !of_way(&mark) && !marks.iter().any(|mark| known(&mark)) {
                marks.push(mark);
            }
        }
    }
    marks.sort_by_key(|mark| (mark.at, mark.cite.flow, mark.cite.frame));
    let first = first(views, &marks);
    (marks, first)
}

/// Whether two vantages show one FIN or RST.
fn same(one: &Mark, other: &Mark) -> bool {
    let seq = |mark: &Mark| mark.head.map(|head| head.seq);
    let alike = one.by == other.by && one.rst == other.rst;
    one.cite == other.cite || (alike && one.head.is_some() && seq(one) == seq(other))
}

/// One vantage knows the order of sending best where it alone saw it; of several the first as sent
/// counts.
fn first(views: &[View<'_>], marks: &[Mark]) -> Option<Mark> {
    let endings = views.iter().filter_map(|view| {
        let ending = view.flow().ending()?;
        Some((
            view.side(ending.closing().by),
            matches!(ending, Ending::Rst(_)),
        ))
    });
    let sent = endings.filter_map(|(by, rst)| {
        marks
            .iter()
            .find(|mark| mark.by == by && mark.rst == rst)
            .copied()
    });
    sent.min_by_key(|mark| (mark.at, mark.cite.flow, mark.cite.frame))
}

fn turns(nearest: &Sides<&View<'_>>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for side in [Side::Client, Side::Server] {
        let view = nearest[side];
        turns.extend(view.events().iter().filter_map(|event| match event.what {
            What::Data { until, .. } if view.side(event.by) == side => Some(Turn {
                by: side,
                at: view.common(event.at),
                until: view.common(until),
                cite: view.cite(event.frame),
                head: event.head,
            }),
            _ => None,
        }));
    }
    turns.sort_by_key(|turn| (turn.at, turn.cite.flow, turn.cite.frame));
    turns
}

fn probes(view: &View<'_>, side: Side) -> Vec<Probed> {
    let probes = view.flow().probes(view.side(side)).iter();
    probes
        .map(|probe| Probed {
            at: view.common(probe.at),
            cite: view.cite(probe.frame),
            answered: probe.answered.is_some(),
        })
        .collect()
}

fn stall(view: &View<'_>, side: Side) -> Option<Stall> {
    if view.flow().zero_windows(view.side(side)) == 0 {
        return None;
    }
    let mut stall: Option<Stall> = None;
    let mut since = None;
    for event in view.events() {
        if view.side(event.by) != side {
            continue;
        }
        match event.what {
            What::ZeroWindow => {
                since.get_or_insert(event.at);
                stall.get_or_insert(Stall {
                    since: view.common(event.at),
                    cite: view.cite(event.frame),
                    held: Duration::ZERO,
                    opened: true,
                });
            }
            What::WindowOpened { after } => {
                since = None;
                if let Some(stall) = &mut stall {
                    stall.held += after;
                }
            }
            _ => {}
        }
    }
    if let (Some(stall), Some(since)) = (&mut stall, since) {
        stall.opened = false;
        stall.held += view.flow().last_at().since(since);
    }
    stall
}

/// Data that a side sent again until the end, while nothing came back.
fn unheard(view: &View<'_>, side: Side) -> Option<Unheard> {
    let flow = view.flow();
    if flow.retransmissions(view.side(side)) == 0
        || flow.unacknowledged(view.side(side)).unwrap_or(0) == 0
    {
        return None;
    }
    let mut found: Option<Unheard> = None;
    let mut sent: Option<&Event> = None;
    let mut from = None;
    for event in view.events() {
        if view.side(event.by) != side {
            // The peer is there, but for a RST, and for what it sends without having heard.
            let heard = event
                .head
                .is_none_or(|head| from.is_none_or(|from| head.ack.is_after(from)));
            if !matches!(event.what, What::Rst) && heard {
                found = None;
            }
            continue;
        }
        match event.what {
            What::Data { .. } => sent = Some(event),
            What::Retransmission { bytes, .. } if bytes > 0 => {
                if found.is_none() {
                    from = event.head.map(|head| head.seq);
                }
                let unheard = found.get_or_insert(Unheard {
                    since: view.common(sent.map_or(event.at, |sent| last_byte(sent, event.at))),
                    until: view.common(event.at),
                    cite: view.cite(event.frame),
                    times: 0,
                    gap: Duration::ZERO,
                });
                let at = view.common(event.at);
                unheard.gap = at.since(unheard.until.min(at));
                unheard.until = at;
                unheard.times += 1;
            }
            _ => {}
        }
    }
    found
}

/// When the last byte of a turn was sent, as far as it was before then.
fn last_byte(turn: &Event, before: Time) -> Time {
    match turn.what {
        What::Data { until, .. } if until <= before => until,
        _ => turn.at,
    }
}

/// What left a host on the way and had not come in, although all else of its side does: it was made
/// there.
fn left(views: &[View<'_>], hop: &Hop) -> Vec<Forged> {
    let mut found = Vec::new();
    for view in views {
        let vantage = Some(view.scene.flows[view.sight.flow].vantage);
        if hop.at.client == vantage || hop.at.server == vantage {
            continue;
        }
        let passes = |by: Side| {
            let of = view
                .events()
                .iter()
                .filter(|event| view.side(event.by) == by);
            let mut heads = of.filter_map(|event| event.head);
            heads.any(|head| head.passage == Some(Passage::In))
        };
        let out = |mark: &Mark| {
            mark.head
                .is_some_and(|head| head.passage == Some(Passage::Out))
        };
        let marks = view.marks().into_iter();
        found.extend(
            marks
                .filter(|mark| out(mark) && passes(mark.by))
                .map(|mark| Forged {
                    mark,
                    usual: None,
                    proved: true,
                }),
        );
    }
    found
}

/// What the only sight shows that is unlike all else of its side, as what a box on the way makes is
/// (FACTS 3.13).
fn odd(views: &[View<'_>], hop: &Hop) -> Option<Odd> {
    let made = hop.unlike.iter().filter(|made| made.rst);
    let made = made.min_by_key(|made| made.at)?;
    let view = views.iter().find(|view| view.sight.flow == made.flow)?;
    let marks = view.marks();
    let mark = marks.iter().find(|mark| mark.cite.frame == made.frame)?;
    Some(Odd {
        mark: *mark,
        usual: made.ttl.1?,
    })
}

fn told(views: &[View<'_>]) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for view in views {
        let facts = &view.scene.flows[view.sight.flow].facts.facts;
        for (by, fact) in facts {
            let by = view.side(*by);
            if !told
                .iter()
                .any(|known| known.by == by && known.kind == fact.kind)
            {
                told.push(Told {
                    by,
                    at: view.common(fact.at),
                    kind: fact.kind.clone(),
                });
            }
        }
    }
    told.sort_by_key(|told| told.at);
    told
}

/// What answers say, at the vantage that could read most of them.
fn answers(views: &[View<'_>]) -> Vec<Answer> {
    let read = views.iter().map(|view| {
        let headings = &view.scene.flows[view.sight.flow].trail.headings;
        let answers = headings.iter().filter_map(|turn| match &turn.heading {
            Heading::Status(status) => Some(Answer {
                at: view.common(turn.at),
                status: status.clone(),
                body: turn.body,
            }),
            _ => None,
        });
        answers.collect::<Vec<_>>()
    });
    read.max_by_key(Vec::len).unwrap_or_default()
}

fn goaway(views: &[View<'_>]) -> Option<Goaway> {
    views.iter().find_map(|view| {
        let headings = &view.scene.flows[view.sight.flow].trail.headings;
        headings.iter().find_map(|turn| match turn.heading {
            Heading::GoAway(said) => Some(Goaway {
                by: view.side(turn.by),
                at: view.common(turn.at),
                cite: view.cite(turn.seen),
                error: said.error,
            }),
            _ => None,
        })
    })
}
