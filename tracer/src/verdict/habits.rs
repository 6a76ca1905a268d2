//! What repeats: the silences after which, and the ages at which, connections to one server end.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::digest::Digest;
use crate::flow::Side;
use crate::hop::Hops;
use crate::segment::Endpoint;
use crate::time::Time;

/// Silences within this of each other are the same length, besides [`ABOUT`] of them.
const SAME: Duration = Duration::from_millis(60);

/// ... or within this part of it.
const ABOUT: f64 = 0.02;

/// Ends that are nearer to each other than this are one event.
const APART: Duration = Duration::from_millis(200);

/// Ends that are looked at for each verdict, and put in order for it: whatever repeats so often is a habit.
const LOOKED_AT: usize = 64;

/// Connections that a verdict about ages needs.
const ENOUGH: usize = 3;

/// A maximum age has a jitter of 10 % either way (FACTS 3.15).
const JITTER: f64 = 0.12;

/// Ends of connections that somebody ends for their age are spread over at least this part of it.
const SPREAD: f64 = 0.05;

/// What is under way has at least so long to end.
const GRACE: Duration = Duration::from_secs(1);

/// Silences longer than this may be what a timer waits for.
const IDLE: Duration = Duration::from_millis(900);

/// Ages below this, in seconds, are those of single requests.
const YOUNG: f64 = 1.0;

/// What repeats, by server and by the side that ended the connection.
#[derive(Debug, Default)]
pub(super) struct Habits {
    ends: HashMap<(Endpoint, Side), Ends, RandomState>,
    /// Ends of connections that servers announced (HTTP/2 GOAWAY without an error), by age.
    announced: HashMap<Endpoint, Vec<Announced>, RandomState>,
    /// When they did, and how old the connections were.
    announced_at: HashMap<Endpoint, Vec<(Time, Duration)>, RandomState>,
    /// How long any connection to a server lasted at most.
    oldest: HashMap<Endpoint, Duration, RandomState>,
}

#[derive(Debug, Default)]
struct Ends {
    /// Silences before the end, and when that was; sorted.
    silences: Vec<(Duration, Time)>,
    /// What lived how long, and how long it had been silent then; sorted by age.
    lives: Vec<Life>,
    /// What the ages have in common.
    age: Option<Age>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    age: Duration,
    silence: Duration,
    turns: usize,
    ended: Time,
}

/// The end of a connection that its server announced.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Announced {
    age: Duration,
    /// For how long nothing had moved it on then.
    pause: Duration,
    at: Time,
}

/// What a server's announcements have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcements {
    /// How many times it announced ends at about this age, up to [`LOOKED_AT`].
    pub(super) times: usize,
    /// Each of these connections had been silent then, for one length, as a timer's is.
    pub(super) pause: bool,
    /// Others lasted longer.
    pub(super) outlived: bool,
}

/// An age at which connections end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    /// In the middle of those seen.
    pub(super) middle: Duration,
    /// The shortest and the longest.
    pub(super) range: (Duration, Duration),
    /// Of how many connections.
    pub(super) of: usize,
    /// The shortest and the longest silence before the end.
    pub(super) silences: (Duration, Duration),
    /// All had as many exchanges.
    pub(super) same_use: bool,
}

impl Habits {
    pub(super) fn of(hops: &Hops, digests: &[Digest]) -> Self {
        let mut habits = Self::default();
        for digest in digests {
            let server = hops.hops[digest.place].server;
            let oldest = habits.oldest.entry(server).or_default();
            *oldest = digest.last.since(digest.begun).max(*oldest);
            let goaway = digest.goaway;
            if let Some(said) = goaway.filter(|said| said.by == Side::Server && said.error == 0) {
                let age = said.at.since(digest.begun);
                let announced = habits.announced.entry(server).or_default();
                announced.push(Announced {
                    age,
                    pause: said.after,
                    at: said.at,
                });
                let at = habits.announced_at.entry(server).or_default();
                at.push((said.at, age));
            }
            let Some(first) = digest.first else {
                continue;
            };
            let ends = habits.ends.entry((server, first.by)).or_default();
            let silence = digest.silence_before(&first);
            ends.silences.push((silence, first.at));
            ends.lives.push(Life {
                age: first.at.since(digest.begun),
                silence,
                turns: digest.turns.len(),
                ended: first.at,
            });
        }
        for ends in habits.ends.values_mut() {
            ends.silences.sort_unstable();
            ends.lives.sort_unstable_by_key(|life| life.age);
            ends.age = common_age(&ends.lives);
        }
        for announced in habits.announced.values_mut() {
            announced.sort_unstable();
        }
        for announced in habits.announced_at.values_mut() {
            announced.sort_unstable();
        }
        habits
    }

    /// How often connections to that server ended by that side after a silence of this length, up to
    /// [`LOOKED_AT`] times.
    pub(super) fn after_silence(&self, server: Endpoint, by: Side, silence: Duration) -> usize {
        let Some(ends) = self.ends.get(&(server, by)) else {
            return 0;
        };
        let within = SAME.max(silence.mul_f64(ABOUT));
        let from = ends
            .silences
            .partition_point(|known| known.0 + within < silence);
        let to = ends
            .silences
            .partition_point(|known| known.0 <= silence + within);
        let alike = &ends.silences[from..to];
        events(spread(alike).map(|known| known.1))
    }

    /// What is known of connections of about this age whose end that server announced. What it announces at once
    /// to several is one event.
    pub(super) fn announced(&self, server: Endpoint, age: Duration) -> Announcements {
        let all = self.announced.get(&server).map_or(&[][..], Vec::as_slice);
        let (seconds, jitter) = (age.as_secs_f64(), 1.0 + JITTER);
        let from = all.partition_point(|other| other.age.as_secs_f64() * jitter < seconds);
        let to = all.partition_point(|other| other.age.as_secs_f64() <= seconds * jitter);
        let alike = &all[from..to];
        let pauses = spread(alike).map(|other| other.pause);
        let pauses = pauses.clone().min().zip(pauses.max());
        let timer = |(least, most): (Duration, Duration)| {
            least >= IDLE && most - least <= SAME.max(least.mul_f64(ABOUT))
        };
        let oldest = self.oldest.get(&server).copied().unwrap_or_default();
        Announcements {
            times: events(spread(alike).map(|other| other.at)),
            pause: pauses.is_some_and(timer),
            outlived: oldest > age.mul_f64(jitter) + GRACE,
        }
    }

    /// Whether that server announced the end of connections of quite different age at that time: it does so where
    /// it ends, or reads its configuration anew.
    pub(super) fn announced_to_all(&self, server: Endpoint, at: Time) -> bool {
        let all = self.announced_at.get(&server);
        let all = all.map_or(&[][..], Vec::as_slice);
        let from = all.partition_point(|(said, _)| *said + APART < at);
        let to = all.partition_point(|(said, _)| *said <= at + APART);
        let ages = spread(&all[from..to]).map(|(_, age)| age.as_secs_f64());
        let youngest = ages.clone().fold(f64::INFINITY, f64::min);
        ages.fold(0.0, f64::max) > youngest * (1.0 + SPREAD)
    }

    /// The age at which that side ends connections to that server, where there is one.
    pub(super) fn age(&self, server: Endpoint, by: Side) -> Option<Age> {
        self.ends.get(&(server, by))?.age
    }
}

/// Of very many, some spread over all of them tell as much. The others are not even passed by.
fn spread<T>(all: &[T]) -> std::iter::StepBy<std::slice::Iter<'_, T>> {
    let every = all.len().div_ceil(LOOKED_AT).max(1);
    all.iter().step_by(every)
}

/// Of how many events these are. One of them ends many connections at once, and says nothing about each one's
/// silence or age.
fn events(times: impl Iterator<Item = Time>) -> usize {
    let mut at: Vec<Time> = times.collect();
    at.sort_unstable();
    at.dedup_by(|later, earlier| later.since(*earlier) <= APART);
    at.len()
}

/// The age of most lives, sorted by it: they lived as long, whatever went on, and more than one
/// exchange each.
fn common_age(lives: &[Life]) -> Option<Age> {
    // Those of one request each live as long as that took.
    let lives: Vec<&Life> = lives.iter().filter(|life| life.turns > 2).collect();
    let middle = lives.get(lives.len() / 2)?.age;
    if lives.len() < ENOUGH || middle.as_secs_f64() < YOUNG {
        return None;
    }
    let near = |life: &&&Life| {
        let off = life.age.as_secs_f64() / middle.as_secs_f64();
        (1.0 - JITTER..=1.0 + JITTER).contains(&off)
    };
    let alike: Vec<&&Life> = lives.iter().filter(near).collect();
    // Others may have been closed for reasons of their own.
    if alike.len() < ENOUGH || alike.len() * 4 < lives.len() * 3 {
        return None;
    }
    let ends = alike.iter().map(|life| life.ended);
    let spread = ends.clone().max()?.since(ends.min()?);
    let silences = alike.iter().map(|life| life.silence);
    let (least, most) = (silences.clone().min()?, silences.max()?);
    // All at once is a restart; after one length of silence is an idle timeout.
    let at_once = spread < middle.mul_f64(SPREAD);
    let idle = least >= IDLE && most - least <= SAME.max(least.mul_f64(ABOUT));
    if at_once || idle {
        return None;
    }
    Some(Age {
        middle,
        range: (alike.first()?.age, alike.last()?.age),
        of: alike.len(),
        silences: (least, most),
        same_use: alike.iter().all(|life| life.turns == alike[0].turns),
    })
}
