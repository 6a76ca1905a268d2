//! Verdicts that are alike: the same cause, by the same hand, in the same words but for numbers.

use std::collections::HashMap;

use tracer::report::VerdictReport;
use tracer::verdict::Cause;

/// So many of those that are alike are named.
const NAMED: usize = 5;

/// Verdicts that are alike; never empty.
pub(super) struct Group<'a> {
    first: &'a VerdictReport,
    others: Vec<&'a VerdictReport>,
}

/// What verdicts that are alike have in common.
#[derive(PartialEq, Eq, Hash)]
struct Likeness<'a> {
    alarm: bool,
    cause: Cause,
    vantage: Option<&'a str>,
    culprit: Option<String>,
    summary: String,
}

impl<'a> Likeness<'a> {
    fn of(verdict: &'a VerdictReport) -> Self {
        Self {
            alarm: verdict.alarm,
            cause: verdict.cause,
            vantage: verdict.ended_by_vantage.as_deref(),
            culprit: verdict.ended_by.as_deref().map(shape),
            summary: shape(&verdict.summary),
        }
    }
}

/// Groups, in the order of their first members.
pub(super) fn of(verdicts: &[VerdictReport]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut places = HashMap::new();
    for verdict in verdicts {
        let place = *places.entry(Likeness::of(verdict)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.others.push(verdict),
            None => groups.push(Group {
                first: verdict,
                others: Vec::new(),
            }),
        }
    }
    groups
}

/// A text without its numbers, addresses in hexadecimal included: `10.0.0.1:80` and `[fd00::a]:80`
/// change from one verdict to the next, words do not.
fn shape(text: &str) -> String {
    let number = |word: &str| word.chars().any(|c| c.is_ascii_digit()) || word.contains("::");
    let words = text.split(' ');
    let words: Vec<&str> = words
        .map(|word| if number(word) { "#" } else { word })
        .collect();
    words.join(" ")
}

impl<'a> Group<'a> {
    /// The one that stands for all.
    pub(super) const fn first(&self) -> &'a VerdictReport {
        self.first
    }

    pub(super) fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// ` x 38`, where there are several.
    pub(super) fn times(&self) -> String {
        match self.len() {
            1 => String::new(),
            times => format!(" x {times}"),
        }
    }

    /// Where it is, unless that is shown anyway, and how many more there are and where.
    pub(super) fn places(&self, shown: bool) -> Option<String> {
        let own = place(self.first).filter(|_| !shown);
        if self.others.is_empty() {
            return own;
        }
        let mut places: Vec<String> = self
            .others
            .iter()
            .filter_map(|other| place(other))
            .collect();
        places.dedup();
        let dots = if places.len() > NAMED { ", ..." } else { "" };
        places.truncate(NAMED);
        let own = own.map(|own| format!("{own}, ")).unwrap_or_default();
        let more = format!("{own}and {} more like it", self.others.len());
        Some(if places.is_empty() {
            more
        } else {
            format!("{more}: {}{dots}", places.join(", "))
        })
    }
}

fn place(verdict: &VerdictReport) -> Option<String> {
    match (verdict.chain, verdict.hop) {
        (Some(chain), _) => Some(format!("chain {chain}")),
        (None, Some(hop)) => Some(format!("hop {hop}")),
        (None, None) => None,
    }
}
