//! What is the same of all, and what sets some apart.
//!
//! Values are found as `judge` finds them, so that what is written is what will be looked for. What all
//! have in common stands in one expectation; where they differ, each kind has one of its own, which
//! says of how many it holds: a range or a list over all of them would hide that one of them changed.

use std::collections::BTreeSet;

use super::super::measure::told;
use super::super::subject::{Subject, View, keys, values};
use super::super::test::{Value, Wants};
use super::draft::{Draft, quoted};

/// Kinds that are told apart; where there are more, lists and ranges say what all of them are.
const MOST_KINDS: usize = 4;

/// A key, and what it means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked(pub(super) &'static str, pub(super) &'static str);

/// What a key is of each of some subjects.
struct Column {
    asked: Asked,
    wants: Wants,
    of: Vec<Vec<Value>>,
}

/// Keys of some subjects.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: usize,
}

impl Column {
    /// Whether something can be expected of it: nothing of it is beyond telling.
    fn is_tellable(&self) -> bool {
        let known = |value: &Value| !matches!(value, Value::Unknown(_));
        self.of.iter().flatten().all(known)
    }

    /// What is the same of two subjects where this is.
    fn signature(&self, row: usize) -> BTreeSet<String> {
        self.of[row].iter().map(Value::to_string).collect()
    }

    fn is_common(&self) -> bool {
        let Some(first) = (!self.of.is_empty()).then(|| self.signature(0)) else {
            return true;
        };
        (1..self.of.len()).all(|row| self.signature(row) == first)
    }

    /// What these rows are, as expectations say it; nothing where there is none, or not of all.
    fn written(&self, rows: &[usize]) -> Option<String> {
        let found: Vec<&Value> = rows.iter().flat_map(|row| &self.of[*row]).collect();
        let each = rows.iter().all(|row| !self.of[*row].is_empty());
        if !each || found.is_empty() {
            return None;
        }
        let (mut words, mut counts, mut times, mut flags) = (vec![], vec![], vec![], vec![]);
        for value in found.iter().copied() {
            match value {
                Value::Text(word) => words.push(quoted(word)),
                Value::Count(count) => counts.push(*count),
                Value::Seconds(seconds) => times.push(*seconds),
                Value::Flag(flag) => flags.push(*flag),
                Value::None(_) | Value::Unknown(_) => return None,
            }
        }
        if !words.is_empty() {
            return Some(list(words));
        }
        if !counts.is_empty() {
            return Some(range(&counts));
        }
        if let [first, rest @ ..] = &flags[..] {
            let same = rest.iter().all(|flag| flag == first);
            return same.then(|| first.to_string());
        }
        match self.wants {
            Wants::Set => setting(&times),
            _ => measured(&times),
        }
    }
}

impl Table {
    /// What these keys are of these subjects. Keys that there are not are left out; tests ask for all.
    pub(super) fn new<T: Subject>(view: &View<'_>, subjects: &[&T], asked: &[Asked]) -> Self {
        let known = keys::<T>();
        let columns = asked.iter().filter_map(|asked| {
            let (_, wants, which) = *known.iter().find(|(name, ..)| *name == asked.0)?;
            let of = subjects.iter().map(|subject| {
                let found = values(view, *subject, which).into_iter();
                found
                    .map(|value| lasting(view, wants, value))
                    .collect::<Vec<_>>()
            });
            Some(Column {
                asked: *asked,
                wants,
                of: of.collect(),
            })
        });
        Self {
            columns: columns.collect(),
            rows: subjects.len(),
        }
    }

    /// Whether each key is the same of all.
    pub(super) fn is_alike(&self) -> bool {
        self.columns.iter().all(Column::is_common)
    }

    /// Rows in which anything is counted.
    pub(super) fn counted(&self) -> Vec<usize> {
        let some = |value: &Value| matches!(value, Value::Count(count) if *count > 0);
        let counted = |row: &usize| {
            self.columns
                .iter()
                .any(|column| column.of[*row].iter().any(some))
        };
        (0..self.rows).filter(counted).collect()
    }

    /// What all of them are: exact where they agree, else a range or a list.
    pub(super) fn bounds(&self, draft: &mut Draft) {
        let all: Vec<usize> = (0..self.rows).collect();
        for column in &self.columns {
            if let Some(value) = column.written(&all) {
                draft.line(column.asked.0, &value, column.asked.1);
            }
        }
    }

    /// Adds to `main` what all have in common, and gives one more for each kind of them.
    pub(super) fn drafts(&self, mut main: Draft, name: &str, about: &str) -> Vec<Draft> {
        let all: Vec<usize> = (0..self.rows).collect();
        let differing: Vec<&Column> = self
            .columns
            .iter()
            .filter(|column| column.is_tellable() && !column.is_common())
            .collect();
        let kinds = kinds(&differing, self.rows);
        let told_apart = kinds.len() <= MOST_KINDS;
        for column in &self.columns {
            let by_kind = told_apart && differing.iter().any(|one| std::ptr::eq(*one, column));
            let value = column.written(&all).filter(|_| !by_kind);
            if let Some(value) = value {
                main.line(column.asked.0, &value, column.asked.1);
            }
        }
        let mut drafts = vec![main];
        if told_apart {
            drafts.extend(kinds.iter().filter_map(|kind| {
                let kind = Kind::new(&differing, kind);
                kind.draft(self.rows, name, about)
            }));
        }
        drafts
    }
}

/// Whoever is at no vantage is told by an address, which is another in the next recording.
fn lasting(view: &View<'_>, wants: Wants, value: Value) -> Value {
    let Value::Text(name) = &value else {
        return value;
    };
    let mut vantages = view.report.vantages.iter();
    let lasts = name == "nobody" || vantages.any(|vantage| vantage.name == *name);
    match wants {
        Wants::VantageOrNobody if !lasts => Value::None("it is at no vantage"),
        _ => value,
    }
}

/// Rows that are alike in these columns, as they first come.
fn kinds(columns: &[&Column], rows: usize) -> Vec<Vec<usize>> {
    let mut kinds: Vec<(Vec<BTreeSet<String>>, Vec<usize>)> = Vec::new();
    if columns.is_empty() {
        return Vec::new();
    }
    for row in 0..rows {
        let signature: Vec<_> = columns.iter().map(|column| column.signature(row)).collect();
        match kinds.iter().position(|(known, _)| *known == signature) {
            Some(kind) => kinds[kind].1.push(row),
            None if kinds.len() > MOST_KINDS => break,
            None => kinds.push((signature, vec![row])),
        }
    }
    kinds.into_iter().map(|(_, rows)| rows).collect()
}

/// What sets some apart.
struct Kind<'a> {
    /// Columns of which something can be said, and what.
    facts: Vec<(&'a Column, String)>,
    first: usize,
}

impl<'a> Kind<'a> {
    fn new(columns: &[&'a Column], rows: &[usize]) -> Self {
        let facts = columns.iter().filter_map(|column| {
            let value = column.written(rows)?;
            Some((*column, value))
        });
        Self {
            facts: facts.collect(),
            first: rows[0],
        }
    }

    /// Whether all that is said of this kind holds for another row, too: where nothing can be said of
    /// a key, it may.
    fn holds_for(&self, row: usize) -> bool {
        self.facts.iter().all(|(column, _)| {
            let found = column.signature(row);
            !found.is_empty() && found.is_subset(&column.signature(self.first))
        })
    }

    fn draft(&self, of: usize, name: &str, about: &str) -> Option<Draft> {
        if self.facts.is_empty() {
            return None;
        }
        let told: Vec<String> = self
            .facts
            .iter()
            .map(|(column, value)| format!("{} {}", column.asked.0, value.replace('"', "")))
            .collect();
        let so = (0..of).filter(|row| self.holds_for(*row)).count();
        let mut draft = Draft::new(&format!("{name}: {}", told.join(", ")), about);
        for (column, value) in &self.facts {
            draft.line(column.asked.0, value, column.asked.1);
        }
        let matching = format!("\"exactly {so}\"");
        draft.line("match", &matching, &format!("so many of {of} are so"));
        Some(draft)
    }
}

/// One word, or a list of those that occur.
fn list(mut words: Vec<String>) -> String {
    words.sort();
    words.dedup();
    match &words[..] {
        [one] => one.clone(),
        _ => format!("[{}]", words.join(", ")),
    }
}

/// One number, or the range that they are in.
fn range(counts: &[u64]) -> String {
    let (least, most) = counts.iter().fold((u64::MAX, 0), |(least, most), count| {
        (least.min(*count), most.max(*count))
    });
    if least >= most {
        most.to_string()
    } else {
        format!("\"{least}..{most}\"")
    }
}

/// A time that somebody set, which is exact.
fn setting(times: &[f64]) -> Option<String> {
    let (first, rest) = times.split_first()?;
    let same = rest.iter().all(|time| time.to_bits() == first.to_bits());
    same.then(|| format!("\"{first}s\""))
}

/// Less than this is more of clocks and of how busy a machine is than of what anybody set.
const SHORTEST: f64 = 0.05;

/// A time with a tolerance of a tenth, around whole seconds or tenths where that fits, as timers are
/// set so; or a range where they differ by more.
pub(super) fn measured(times: &[f64]) -> Option<String> {
    let least = times.iter().copied().fold(f64::INFINITY, f64::min);
    let most = times.iter().copied().fold(0.0, f64::max);
    if !least.is_finite() || least < SHORTEST {
        return None;
    }
    let middle = f64::midpoint(least, most);
    for round in [middle.round(), (middle * 10.0).round() / 10.0] {
        // Half of the tolerance is left for the next run.
        if least >= round * 0.95 && most <= round * 1.05 {
            return Some(format!("\"{round}s ± 10%\""));
        }
    }
    Some(if most <= middle * 1.05 {
        format!("\"{middle:.3}s ± 10%\"")
    } else {
        format!("\"{:.3}s..{:.3}s\"", least * 0.9, most * 1.1)
    })
}

/// That the longest of these times is no longer than now, give or take a tenth and half a second.
pub(super) fn at_most(
    draft: &mut Draft,
    key: &str,
    meaning: &str,
    times: impl Iterator<Item = f64>,
) {
    let longest = times.fold(0.0, f64::max);
    let bound = format!("\"<= {}s\"", (longest * 1.1 + 0.5).ceil());
    draft.line(key, &bound, &format!("{meaning}; here {}", told(longest)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_were_set() {
        assert_eq!(measured(&[7.072]).as_deref(), Some("\"7s ± 10%\""));
        assert_eq!(measured(&[0.497, 0.51]).as_deref(), Some("\"0.5s ± 10%\""));
        assert_eq!(measured(&[0.062]).as_deref(), Some("\"0.062s ± 10%\""));
        assert_eq!(measured(&[2.0, 4.0]).as_deref(), Some("\"1.800s..4.400s\""));
        assert_eq!(measured(&[0.01, 4.0]), None);
        assert_eq!(measured(&[]), None);
        assert_eq!(setting(&[7.0, 7.0]).as_deref(), Some("\"7s\""));
        assert_eq!(setting(&[7.0, 8.0]), None);
    }
}
