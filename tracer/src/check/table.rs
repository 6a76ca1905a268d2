//! TOML with places: values are read one by one, and every fault says where it is.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::fault::{Fault, Place};

/// A text and what is wrong with it.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) faults: Vec<Fault>,
}

/// An entry of a table.
#[derive(Clone, Copy)]
pub(super) struct Entry<'v> {
    pub(super) key: &'v str,
    pub(super) key_span: &'v Spanned<DeString<'v>>,
    pub(super) value: &'v Spanned<DeValue<'v>>,
}

/// The entries of a table in the order in which they are written.
pub(super) fn entries<'v>(table: &'v DeTable<'v>) -> Vec<Entry<'v>> {
    let mut entries: Vec<Entry<'v>> = table
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref(),
            key_span: key,
            value,
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_span.span().start);
    entries
}

/// What a value is, for messages.
pub(super) const fn sort(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a decimal point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<'t> Reader<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self {
            text,
            faults: Vec::new(),
        }
    }

    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        Place::new(self.text, span)
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, span: &Range<usize>, what: impl Into<String>) {
        let place = self.place(span);
        self.faults.push(Fault {
            place,
            what: what.into(),
        });
    }

    /// A text that is not empty.
    pub(super) fn string<'v>(&mut self, entry: Entry<'v>, example: &str) -> Option<&'v str> {
        match entry.value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Some(text),
            DeValue::String(_) => {
                let what = format!("'{}' is empty; write {example}", entry.key);
                self.fault(&entry.value.span(), what);
                None
            }
            other => {
                let what = format!(
                    "'{}' must be a text in quotes, such as {example}, not {}",
                    entry.key,
                    sort(other)
                );
                self.fault(&entry.value.span(), what);
                None
            }
        }
    }

    /// A table.
    pub(super) fn table<'v>(&mut self, entry: Entry<'v>, example: &str) -> Option<&'v DeTable<'v>> {
        if let DeValue::Table(table) = entry.value.get_ref() {
            return Some(table);
        }
        let what = format!(
            "'{}' must be a table, such as {example}, not {}",
            entry.key,
            sort(entry.value.get_ref())
        );
        self.fault(&entry.value.span(), what);
        None
    }

    /// As it is written.
    pub(super) fn written(&self, span: &Range<usize>) -> String {
        let text = self.text.get(span.clone()).unwrap_or_default();
        let quoted = text.len() >= 2 && text.starts_with('"') && text.ends_with('"');
        if quoted {
            text[1..text.len() - 1].to_owned()
        } else {
            text.to_owned()
        }
    }
}
