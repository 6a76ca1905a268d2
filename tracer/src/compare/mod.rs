//! What changed between two reports on the same chain: before and after somebody changed a setting.
//!
//! Reports are compared as their JSON says it, so that one made long ago by an earlier version will do.
//! Connections are matched by the role that they play: where they were seen, and the server's port and
//! address. Ports of clients, times of day, addresses behind the same port and the order in which
//! connections were opened tell nothing. Times that differ by less than the tolerance are the same.

mod portrait;
mod traits;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use self::portrait::UnknownReport;
use self::portrait::{Played, Portrait};
use self::traits::Trait;

/// Something that is otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Difference {
    /// What it is about: a connection by its role, a request, a socket.
    pub role: String,
    /// What of it.
    pub what: String,
    /// As it was.
    pub before: String,
    /// As it is.
    pub after: String,
}

/// How far times may differ and still be the same.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Tolerance {
    /// A part of the longer one: 0.1 is a tenth. Kernel timers run late by up to 6 % (FACTS 3.3).
    pub part: f64,
}

impl Default for Tolerance {
    fn default() -> Self {
        Self { part: 0.1 }
    }
}

/// Compares two reports, as JSON.
///
/// # Errors
///
/// One of them is no report of a version that is known.
pub fn compare(
    before: &Value,
    after: &Value,
    tolerance: Tolerance,
) -> Result<Vec<Difference>, UnknownReport> {
    // One capture each: what the files are called says nothing of where they were made.
    let named = portrait::vantages(before)? != 1 || portrait::vantages(after)? != 1;
    let before = Portrait::new(before, named);
    let after = Portrait::new(after, named);
    let mut differences = if named {
        moved(&before.vantages, &after.vantages)
    } else {
        Vec::new()
    };
    for (role, one, other) in matched(&before, &after) {
        differences.extend(differing(&role, one, other, tolerance));
    }
    Ok(differences)
}

/// Vantages that are on one side only: what only they show is missing on the other.
fn moved(before: &[String], after: &[String]) -> Vec<Difference> {
    let mut names: Vec<&String> = before.iter().chain(after).collect();
    names.sort();
    names.dedup();
    let told = |there: bool| if there { "there" } else { "none" }.to_owned();
    names
        .into_iter()
        .map(|name| (name, before.contains(name), after.contains(name)))
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| Difference {
            role: format!("vantage {name}"),
            what: "captured".to_owned(),
            before: told(before),
            after: told(after),
        })
        .collect()
}

type Role<'a> = (String, Option<&'a Traits>, Option<&'a Traits>);

/// What is known of a role.
type Traits = BTreeMap<&'static str, Trait>;

/// By what roles are matched, the surest first. Where several are alike, they are matched in order,
/// and only where there are as many of them on both sides.
const LIKENESSES: [fn(&Played) -> &str; 4] = [
    |played| &played.name,
    |played| &played.place,
    |played| &played.server,
    |played| &played.port,
];

/// Roles of both, in order, those first that were there before.
fn matched<'a>(before: &'a Portrait, after: &'a Portrait) -> Vec<Role<'a>> {
    let mut partners: Vec<Option<usize>> = vec![None; before.roles.len()];
    let mut taken = vec![false; after.roles.len()];
    for likeness in LIKENESSES {
        for place in 0..before.roles.len() {
            if partners[place].is_some() {
                continue;
            }
            let key = likeness(&before.roles[place]);
            let here: Vec<usize> = (0..before.roles.len())
                .filter(|role| partners[*role].is_none() && likeness(&before.roles[*role]) == key)
                .collect();
            let there: Vec<usize> = (0..after.roles.len())
                .filter(|role| !taken[*role] && likeness(&after.roles[*role]) == key)
                .collect();
            if here.len() == there.len() {
                for (one, other) in here.into_iter().zip(there) {
                    partners[one] = Some(other);
                    taken[other] = true;
                }
            }
        }
    }
    let kept = before.roles.iter().zip(partners).map(|(played, partner)| {
        let other = partner.map(|partner| &after.roles[partner].traits);
        (played.name.clone(), Some(&played.traits), other)
    });
    let new = after.roles.iter().zip(taken).filter(|(_, taken)| !taken);
    kept.chain(new.map(|(played, _)| (played.name.clone(), None, Some(&played.traits))))
        .collect()
}

fn differing(
    role: &str,
    before: Option<&Traits>,
    after: Option<&Traits>,
    tolerance: Tolerance,
) -> Vec<Difference> {
    let difference = |what: &str, before: String, after: String| Difference {
        role: role.to_owned(),
        what: what.to_owned(),
        before,
        after,
    };
    let (before, after) = match (before, after) {
        (Some(before), Some(after)) => (before, after),
        (one, other) => {
            let told = |traits: Option<&Traits>| match traits.and_then(|traits| traits.get(NUMBER))
            {
                Some(number) => number.to_string(),
                None => "none".to_owned(),
            };
            return vec![difference(NUMBER, told(one), told(other))];
        }
    };
    let mut names: Vec<&'static str> = before.keys().chain(after.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .filter_map(|name| {
            let nothing = Trait::default();
            let one = before.get(name).unwrap_or(&nothing);
            let other = after.get(name).unwrap_or(&nothing);
            let differs = one.differs(other, tolerance);
            differs.then(|| difference(name, one.to_string(), other.to_string()))
        })
        .collect()
}

/// How many there are of a role.
const NUMBER: &str = "number";

#[cfg(test)]
mod tests;
