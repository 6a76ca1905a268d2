//! An expectation as its file says it: what it is about, and what must hold of that.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Place, did_you_mean, listed};
use super::keys;
use super::measure::{Range, Unit};
use super::subject::{KINDS, Kind, Which};
use super::table::{Entry, Reader, entries, sort};
use super::test::{Test, Wants};

/// Something that must hold.
#[derive(Debug)]
pub struct Expectation {
    /// Its name, unlike any other in its case.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    pub(super) kind: Kind,
    pub(super) select: Vec<Condition>,
    pub(super) hold: Vec<Condition>,
    pub(super) matching: Matching,
    pub(super) count: Option<Count>,
}

/// How many may be selected.
#[derive(Debug)]
pub(super) struct Count {
    pub(super) ranges: Test,
    pub(super) written: String,
    pub(super) place: Place,
}

/// A key and what it must be.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) key: String,
    pub(super) which: Which,
    pub(super) wants: Wants,
    pub(super) test: Test,
    pub(super) written: String,
    pub(super) place: Place,
}

/// Of how many of those selected everything must hold.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Matching {
    All,
    Any,
    None,
    Number(Range, String),
}

impl Expectation {
    pub(super) fn read(
        reader: &mut Reader<'_>,
        whole: &Spanned<DeValue<'_>>,
        table: &DeTable<'_>,
    ) -> Option<Self> {
        let entries = entries(table);
        let before = reader.faults.len();
        // Where it is written [[expect]], its first key follows that line.
        let place = reader.place(&whole.span());
        let name = entries.iter().find(|entry| entry.key == "name");
        let name = match name {
            Some(entry) => reader
                .string(*entry, "\"the client closes first\"")
                .map(str::to_owned),
            None => {
                reader.fault(
                    &whole.span(),
                    "it has no name: write name = \"what must hold\"",
                );
                None
            }
        };
        let (kind, select) = Self::selection(reader, whole, &entries)?;
        let mut expectation = Self {
            name: name.unwrap_or_default(),
            place,
            kind,
            select,
            hold: Vec::new(),
            matching: Matching::All,
            count: None,
        };
        for entry in entries {
            match entry.key {
                "name" => {}
                key if key == kind.name() => {}
                "match" => expectation.matching = matching(reader, entry).unwrap_or(Matching::All),
                "count" => expectation.count = count(reader, entry),
                _ => conditions(reader, kind, "", entry, &mut expectation.hold),
            }
        }
        if expectation.hold.is_empty()
            && expectation.count.is_none()
            && reader.faults.len() == before
        {
            let what = format!(
                "it expects nothing of those {}: write what must hold, such as count = \">= 1\"",
                kind.name()
            );
            reader.fault(&whole.span(), what);
        }
        (reader.faults.len() == before).then_some(expectation)
    }

    /// What it is about.
    fn selection(
        reader: &mut Reader<'_>,
        whole: &Spanned<DeValue<'_>>,
        entries: &[Entry<'_>],
    ) -> Option<(Kind, Vec<Condition>)> {
        let about = |entry: &&Entry<'_>| KINDS.iter().any(|kind| kind.name() == entry.key);
        let about: Vec<&Entry<'_>> = entries.iter().filter(about).collect();
        match about[..] {
            [entry] => {
                let kind = *KINDS.iter().find(|kind| kind.name() == entry.key)?;
                Some((kind, selectors(reader, kind, *entry)))
            }
            [] => {
                let what = format!(
                    "it does not say what it is about: write one of {}, such as \
                     flows = {{ vantage = \"gw\" }}",
                    listed(KINDS.map(Kind::name))
                );
                reader.fault(&whole.span(), what);
                None
            }
            [one, other, ..] => {
                let what = format!(
                    "it is about '{}' already: an expectation is about one of them",
                    one.key
                );
                reader.fault(&other.key_span.span(), what);
                None
            }
        }
    }
}

fn selectors(reader: &mut Reader<'_>, kind: Kind, entry: Entry<'_>) -> Vec<Condition> {
    let mut select = Vec::new();
    match entry.value.get_ref() {
        DeValue::String(all) if all == "all" => {}
        DeValue::Table(table) => {
            for entry in entries(table) {
                conditions(reader, kind, "", entry, &mut select);
            }
        }
        other => {
            let what = format!(
                "'{}' must say which: {{ vantage = \"gw\" }} or \"all\", not {}",
                entry.key,
                sort(other)
            );
            reader.fault(&entry.value.span(), what);
        }
    }
    select
}

/// An entry as conditions: tables within it are parts of names.
fn conditions(
    reader: &mut Reader<'_>,
    kind: Kind,
    prefix: &str,
    entry: Entry<'_>,
    found: &mut Vec<Condition>,
) {
    let name = format!("{prefix}{}", entry.key);
    let known = keys::of(kind);
    if let DeValue::Table(table) = entry.value.get_ref() {
        let inside = format!("{name}.");
        if known.iter().any(|(key, ..)| key.starts_with(&inside)) {
            for entry in entries(table) {
                conditions(reader, kind, &inside, entry, found);
            }
            return;
        }
    }
    let Some((_, wants, which)) = known.iter().find(|(key, ..)| *key == name) else {
        let what = unknown(kind, &name);
        reader.fault(&entry.key_span.span(), what);
        return;
    };
    if let Some(test) = test(reader, &name, *wants, entry.value) {
        found.push(Condition {
            key: name,
            which: *which,
            wants: *wants,
            test,
            written: reader.written(&entry.value.span()),
            place: reader.place(&entry.key_span.span()),
        });
    }
}

/// Why a key has no meaning for a kind.
fn unknown(kind: Kind, name: &str) -> String {
    let known = keys::of(kind);
    let names = || known.iter().map(|(key, ..)| *key);
    let inside = format!("{name}.");
    if names().any(|key| key.starts_with(&inside)) {
        let parts = names().filter_map(|key| key.strip_prefix(&inside));
        return format!(
            "'{name}' has parts, of which something can be said: {}",
            listed(parts)
        );
    }
    let others = KINDS
        .into_iter()
        .filter(|other| *other != kind && keys::of(*other).iter().any(|(key, ..)| *key == name));
    let others: Vec<&str> = others.map(Kind::name).collect();
    if !others.is_empty() {
        return format!(
            "'{name}' is not said of {}, but of {}",
            kind.name(),
            listed(others)
        );
    }
    let reserved = ["name", "match", "count"];
    let meant = did_you_mean(name, names().chain(reserved));
    let meant = if meant.is_empty() {
        format!("; known are {}", names().collect::<Vec<_>>().join(", "))
    } else {
        meant
    };
    format!("of {} nobody knows '{name}'{meant}", kind.name())
}

/// The test that a value stands for: a list is any of its items.
fn test(
    reader: &mut Reader<'_>,
    name: &str,
    wants: Wants,
    value: &Spanned<DeValue<'_>>,
) -> Option<Test> {
    let read = match value.get_ref() {
        DeValue::String(text) => wants.text(text),
        DeValue::Integer(number) => wants.number(&number.to_string()),
        DeValue::Float(number) => wants.number(&number.to_string()),
        DeValue::Boolean(flag) if matches!(wants, Wants::Flag) => Ok(Test::Flag(*flag)),
        DeValue::Array(items) if !items.is_empty() && !matches!(wants, Wants::Flag) => {
            let mut all: Option<Test> = None;
            for item in items {
                let one = test(reader, name, wants, item)?;
                match &mut all {
                    Some(all) => all.or(one),
                    None => all = Some(one),
                }
            }
            return all;
        }
        other => Err(format!("write {}, not {}", wants.example(), sort(other))),
    };
    match read {
        Ok(test) => Some(test),
        Err(why) => {
            reader.fault(&value.span(), format!("'{name}': {why}"));
            None
        }
    }
}

fn matching(reader: &mut Reader<'_>, entry: Entry<'_>) -> Option<Matching> {
    const EXAMPLE: &str = "'all', 'any', 'none' or 'exactly 2'";
    let text = reader.string(entry, EXAMPLE)?;
    let number = text.strip_prefix("exactly ").unwrap_or(text);
    match text {
        "all" => Some(Matching::All),
        "any" => Some(Matching::Any),
        "none" => Some(Matching::None),
        _ => match Range::parse(number, Unit::Count) {
            Ok(range) => Some(Matching::Number(range, text.to_owned())),
            Err(_) => {
                let meant = did_you_mean(text, ["all", "any", "none", "exactly 2"]);
                let what = format!("'match' must be {EXAMPLE}, not '{text}'{meant}");
                reader.fault(&entry.value.span(), what);
                None
            }
        },
    }
}

fn count(reader: &mut Reader<'_>, entry: Entry<'_>) -> Option<Count> {
    let ranges = test(reader, "count", Wants::Count, entry.value)?;
    Some(Count {
        ranges,
        written: reader.written(&entry.value.span()),
        place: reader.place(&entry.key_span.span()),
    })
}
