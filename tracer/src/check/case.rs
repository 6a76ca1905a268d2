//! A case as its file says it.

use std::collections::HashMap;

use toml::de::{DeTable, DeValue};

use super::expectation::Expectation;
use super::fault::{Fault, Place, did_you_mean, listed};
use super::table::{Entry, Reader, entries, sort};

/// A case: captures and what is expected of them.
#[derive(Debug, Default)]
pub struct Case {
    /// What it shows, for people.
    pub description: Option<String>,
    /// A recording of hopscope, whose vantages have names of their own.
    pub recording: Option<Named>,
    /// Captures, each named for its vantage, in the order in which they are written.
    pub captures: Vec<Named>,
    /// Access logs, each named for its proxy.
    pub access_logs: Vec<Named>,
    /// A file of known timeouts.
    pub timeouts: Option<Named>,
    /// A capture may end in the middle of a frame.
    pub cut: bool,
    /// Only frames that this filter lets pass, in pcap syntax.
    pub filter: Option<Named>,
    /// The whole report, as it was blessed.
    pub snapshot: Option<Named>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
}

/// A file, or another text, under a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The name.
    pub name: String,
    /// What it names: a file by its path from the case's folder.
    pub value: String,
    /// Where that is written.
    pub place: Place,
}

const FILE_KEYS: [&str; 9] = [
    "description",
    "recording",
    "captures",
    "access_logs",
    "timeouts",
    "filter",
    "cut",
    "snapshot",
    "expect",
];

const EXPECT: &str = "[[expect]]";

impl Case {
    /// Reads a `hopscope.toml`.
    ///
    /// # Errors
    ///
    /// All that is wrong with it, in the order of the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let document = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            vec![Fault {
                place: Place::new(text, &span),
                what: error.message().to_owned(),
            }]
        })?;
        let mut reader = Reader::new(text);
        let mut case = Self::default();
        for entry in entries(document.get_ref()) {
            case.take(&mut reader, entry);
        }
        if case.recording.is_none() && case.captures.is_empty() && reader.faults.is_empty() {
            reader.fault(
                &(0..0),
                "it names no captures: write [captures] and below it gw = \"gw.pcap\", \
                 or recording = \"watch.pcapng\"",
            );
        }
        if case.expectations.is_empty() && case.snapshot.is_none() && reader.faults.is_empty() {
            reader.fault(
                &(0..0),
                "it expects nothing: write [[expect]] and below it what must hold, \
                 or snapshot = \"report.json\"",
            );
        }
        if let (Some(recording), false) = (&case.recording, case.captures.is_empty()) {
            reader.faults.push(Fault {
                place: recording.place,
                what: "a case is a recording or captures, not both: its vantages have names of \
                       their own; leave one of them out"
                    .to_owned(),
            });
        }
        case.unlike_names(&mut reader);
        let mut faults = reader.faults;
        faults.sort_by_key(|fault| fault.place);
        if faults.is_empty() {
            Ok(case)
        } else {
            Err(faults)
        }
    }

    fn take(&mut self, reader: &mut Reader<'_>, entry: Entry<'_>) {
        match entry.key {
            "description" => {
                let text = reader.string(entry, "\"the gateway keeps idle requests alive\"");
                self.description = text.map(str::to_owned);
            }
            "recording" => self.recording = file(reader, entry, "\"watch.pcapng\""),
            "timeouts" => self.timeouts = file(reader, entry, "\"timeouts.toml\""),
            "filter" => self.filter = file(reader, entry, "\"tcp port 8080\""),
            "snapshot" => self.snapshot = file(reader, entry, "\"report.json\""),
            "cut" => self.cut = allowed(reader, entry),
            "captures" => self.captures = files(reader, entry, "gw = \"gw.pcap\""),
            "access_logs" => self.access_logs = files(reader, entry, "gw = \"gw.log\""),
            "expect" => self.expect(reader, entry),
            other => {
                let meant = did_you_mean(other, FILE_KEYS);
                let known = listed(FILE_KEYS);
                let what = format!("a case has no '{other}', but {known}{meant}");
                reader.fault(&entry.key_span.span(), what);
            }
        }
    }

    fn expect(&mut self, reader: &mut Reader<'_>, entry: Entry<'_>) {
        let DeValue::Array(expectations) = entry.value.get_ref() else {
            let what = format!("expectations begin with {EXPECT} on a line of its own");
            reader.fault(&entry.key_span.span(), what);
            return;
        };
        for expectation in expectations {
            match expectation.get_ref() {
                DeValue::Table(table) => {
                    let read = Expectation::read(reader, expectation, table);
                    self.expectations.extend(read);
                }
                other => {
                    let what = format!("an expectation is a table, not {}", sort(other));
                    reader.fault(&expectation.span(), what);
                }
            }
        }
    }

    /// Names tell outcomes apart, in logs and in JUnit files.
    fn unlike_names(&self, reader: &mut Reader<'_>) {
        let mut first: HashMap<&str, Place> = HashMap::new();
        for expectation in &self.expectations {
            if let Some(earlier) = first.insert(&expectation.name, expectation.place) {
                reader.faults.push(Fault {
                    place: expectation.place,
                    what: format!(
                        "the name '{}' is taken by the expectation at line {}: names tell \
                         expectations apart",
                        expectation.name, earlier.line
                    ),
                });
            }
        }
    }
}

/// Nothing but `"allowed"` has a meaning: a cut is refused where nothing is said.
fn allowed(reader: &mut Reader<'_>, entry: Entry<'_>) -> bool {
    let text = reader.string(entry, "\"allowed\"");
    if let Some(other) = text.filter(|text| *text != "allowed") {
        let what = format!("'cut' can only be \"allowed\", not '{other}'");
        reader.fault(&entry.value.span(), what);
    }
    text == Some("allowed")
}

fn file(reader: &mut Reader<'_>, entry: Entry<'_>, example: &str) -> Option<Named> {
    let value = reader.string(entry, example)?.to_owned();
    Some(Named {
        name: entry.key.to_owned(),
        value,
        place: reader.place(&entry.value.span()),
    })
}

fn files(reader: &mut Reader<'_>, entry: Entry<'_>, example: &str) -> Vec<Named> {
    let Some(table) = reader.table(entry, &format!("[{}] with {example}", entry.key)) else {
        return Vec::new();
    };
    let named = entries(table);
    named
        .into_iter()
        .filter_map(|entry| file(reader, entry, example))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "\
description = \"what it shows\"
cut = \"allowed\"
timeouts = \"ours.toml\"
snapshot = \"report.json\"
[captures]
z = \"z.pcap\"
a = \"a.pcap\"
[[expect]]
name = \"one\"
flows = { vantage = [\"a\", \"b*\"], server_port = 80 }
match = \"exactly 1\"
keepalive = { client.probes = 0, server = { idle = \"7s ± 10%\" } }
[[expect]]
name = \"two\"
chains = \"all\"
status = \"200..299\"
confidence = \">= likely\"
";

    #[test]
    fn a_case_is_read_in_the_order_in_which_it_is_written() {
        let case = Case::parse(GOOD).expect("it is a case");
        let names: Vec<&str> = case
            .captures
            .iter()
            .map(|named| named.name.as_str())
            .collect();
        assert_eq!(names, ["z", "a"]);
        let place = |expectation: &Expectation| expectation.place.line;
        assert_eq!(
            case.expectations.iter().map(place).collect::<Vec<_>>(),
            [8, 13]
        );
        let keys: Vec<&str> = case.expectations[0]
            .hold
            .iter()
            .map(|held| held.key.as_str())
            .collect();
        assert_eq!(keys, ["keepalive.client.probes", "keepalive.server.idle"]);
        assert_eq!(case.expectations[0].hold[1].written, "7s ± 10%");
    }

    proptest! {
        /// Whatever is written, it is a case or has faults at places that exist.
        #[test]
        fn no_text_is_too_strange(at in 0..GOOD.len(), cut in 0..40_usize, put in ".{0,12}") {
            let boundary = |at: usize| (0..=at.min(GOOD.len())).rev().find(|at| GOOD.is_char_boundary(*at));
            let (from, to) = (boundary(at).unwrap_or(0), boundary(at + cut).unwrap_or(0));
            let text = format!("{}{put}{}", &GOOD[..from], &GOOD[to..]);
            if let Err(faults) = Case::parse(&text) {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    prop_assert!(fault.place.line <= text.split('\n').count(), "{fault}");
                }
            }
        }
    }
}
