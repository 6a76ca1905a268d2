//! What repeats: the silences after which, and the ages at which, connections to one server end.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::digest::Digest;
use crate::flow::Side;
use crate::hop::Hops;
use crate::segment::Endpoint;

/// Silences within this of each other are the same length, besides [`ABOUT`] of them.
const SAME: Duration = Duration::from_millis(60);

/// ... or within this part of it.
const ABOUT: f64 = 0.02;

/// Connections that a verdict about ages needs.
const ENOUGH: usize = 3;

/// A maximum age has a jitter of 10 % either way (FACTS 3.15).
const JITTER: f64 = 0.12;

/// Ages below this, in seconds, are those of single requests.
const YOUNG: f64 = 1.0;

/// What repeats, by server and by the side that ended the connection.
#[derive(Debug, Default)]
pub(super) struct Habits {
    ends: HashMap<(Endpoint, Side), Ends, RandomState>,
}

#[derive(Debug, Default)]
struct Ends {
    /// Silences before the end, sorted.
    silences: Vec<Duration>,
    /// What lived how long, and how long it had been silent then; sorted by age.
    lives: Vec<Life>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    age: Duration,
    silence: Duration,
    turns: usize,
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
}

impl Habits {
    pub(super) fn of(hops: &Hops, digests: &[Digest]) -> Self {
        let mut habits = Self::default();
        for digest in digests {
            let Some(first) = digest.first else {
                continue;
            };
            let server = hops.hops[digest.place].server;
            let ends = habits.ends.entry((server, first.by)).or_default();
            let silence = first.at.since(digest.quiet_since(first.at));
            ends.silences.push(silence);
            ends.lives.push(Life {
                age: first.at.since(digest.begun),
                silence,
                turns: digest.turns.len(),
            });
        }
        for ends in habits.ends.values_mut() {
            ends.silences.sort_unstable();
            ends.lives.sort_unstable_by_key(|life| life.age);
        }
        habits
    }

    /// How many connections to that server ended by that side after a silence of this length.
    pub(super) fn after_silence(&self, server: Endpoint, by: Side, silence: Duration) -> usize {
        let Some(ends) = self.ends.get(&(server, by)) else {
            return 0;
        };
        let within = SAME.max(silence.mul_f64(ABOUT));
        let from = ends
            .silences
            .partition_point(|known| *known + within < silence);
        let to = ends
            .silences
            .partition_point(|known| *known <= silence + within);
        to - from
    }

    /// The age at which that side ends connections to that server, where there is one: most of them
    /// lived as long, whatever went on, and more than one exchange each.
    pub(super) fn age(&self, server: Endpoint, by: Side) -> Option<Age> {
        let lives = &self.ends.get(&(server, by))?.lives;
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
        let silences = alike.iter().map(|life| life.silence);
        Some(Age {
            middle,
            range: (alike.first()?.age, alike.last()?.age),
            of: alike.len(),
            silences: (silences.clone().min()?, silences.max()?),
        })
    }
}
