//! One thing that is known of all connections of a role together.

use std::collections::BTreeMap;
use std::fmt;

use super::Tolerance;

/// What several have in common or not. The order in which they came does not matter.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) enum Trait {
    /// Nothing is known.
    #[default]
    Unknown,
    /// How many there are.
    Number(u64),
    /// Words, and how often each is there.
    Words(BTreeMap<String, u64>),
    /// Times in seconds, the shortest and the longest, and what is too little to matter.
    Times { least: f64, most: f64, floor: f64 },
}

impl Trait {
    pub(super) fn count(&mut self) {
        *self = match self {
            Self::Number(number) => Self::Number(*number + 1),
            _ => Self::Number(1),
        };
    }

    pub(super) fn word(&mut self, word: impl Into<String>) {
        if !matches!(self, Self::Words(_)) {
            *self = Self::Words(BTreeMap::new());
        }
        if let Self::Words(words) = self {
            *words.entry(word.into()).or_default() += 1;
        }
    }

    /// Adds a time, of which less than `floor` seconds do not matter.
    pub(super) fn time(&mut self, seconds: f64, floor: f64) {
        *self = match *self {
            Self::Times { least, most, floor } => Self::Times {
                least: least.min(seconds),
                most: most.max(seconds),
                floor,
            },
            _ => Self::Times {
                least: seconds,
                most: seconds,
                floor,
            },
        };
    }

    pub(super) fn differs(&self, other: &Self, tolerance: Tolerance) -> bool {
        match (self, other) {
            // So many more or fewer of very many are chance.
            #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
            (Self::Number(one), Self::Number(other)) => {
                apart(*one as f64, *other as f64, tolerance.part, 0.0)
            }
            (Self::Words(one), Self::Words(other)) => {
                let sum = |words: &BTreeMap<String, u64>| words.values().sum::<u64>();
                // Where there are more of them, more of each is no news.
                if sum(one) == sum(other) {
                    one != other
                } else {
                    !one.keys().eq(other.keys())
                }
            }
            (
                Self::Times { least, most, floor },
                Self::Times {
                    least: others_least,
                    most: others_most,
                    ..
                },
            ) => {
                apart(*least, *others_least, tolerance.part, *floor)
                    || apart(*most, *others_most, tolerance.part, *floor)
            }
            // What could not be measured once says nothing; words and numbers always can be.
            (Self::Times { .. }, Self::Unknown) | (Self::Unknown, Self::Times { .. }) => false,
            (one, other) => one != other,
        }
    }
}

fn apart(one: f64, other: f64, part: f64, floor: f64) -> bool {
    (one - other).abs() > f64::max(one.max(other) * part, floor)
}

impl fmt::Display for Trait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = crate::check::told;
        match self {
            Self::Unknown => f.write_str("none"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Words(words) => {
                for (place, (word, times)) in words.iter().enumerate() {
                    let comma = if place == 0 { "" } else { ", " };
                    match times {
                        1 => write!(f, "{comma}{word}")?,
                        _ => write!(f, "{comma}{word} ({times}x)")?,
                    }
                }
                Ok(())
            }
            Self::Times { least, most, .. } if time(*least) == time(*most) => {
                f.write_str(&time(*least))
            }
            Self::Times { least, most, .. } => write!(f, "{} to {}", time(*least), time(*most)),
        }
    }
}
