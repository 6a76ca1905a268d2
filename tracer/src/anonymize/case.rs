//! A `hopscope.toml`, which names addresses, paths and vantages, under other names. It is written anew
//! from what it means: comments and descriptions, which are for people, go.

use std::fmt::Write as _;
use std::net::IpAddr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::words::{self, Kind};
use super::{Mapping, Settings};
use crate::check::{Case, Fault, quoted};
use crate::segment::Endpoint;

/// What was made of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseDone {
    /// Expectations that were written.
    pub expectations: u64,
    /// Those that rest on words which cannot be mapped (`summary`, `*` before the end of a path), and are
    /// left out.
    pub left_out: u64,
    /// Keys of the case that are left out: they name files that are not made anonymous (`timeouts`,
    /// `snapshot`), or words that are not known (`filter`).
    pub keys_left_out: Vec<String>,
}

/// Writes a case anew.
///
/// # Errors
///
/// What is wrong with it: what is not understood is not shared.
pub fn rewrite_case(
    text: &str,
    mapping: &mut Mapping,
    settings: Settings,
) -> Result<(String, CaseDone), Vec<Fault>> {
    Case::parse(text)?;
    let Ok(document) = DeTable::parse(text) else {
        return Ok((String::new(), CaseDone::default()));
    };
    let mut writer = Writer {
        text,
        mapping,
        settings,
        done: CaseDone::default(),
    };
    let written = writer.document(document.get_ref());
    Ok((written, writer.done))
}

struct Writer<'a> {
    text: &'a str,
    mapping: &'a mut Mapping,
    settings: Settings,
    done: CaseDone,
}

/// Words of filters (`man 7 pcap-filter`) that are no names.
const FILTER_WORDS: [&str; 16] = [
    "tcp",
    "ip",
    "ip6",
    "port",
    "portrange",
    "host",
    "net",
    "mask",
    "src",
    "dst",
    "and",
    "or",
    "not",
    "vlan",
    "greater",
    "less",
];

/// What cannot be written under other names.
struct Unmapped;

type Mapped = Result<String, Unmapped>;

/// A key and its value.
type Entry<'a> = (&'a str, &'a Spanned<DeValue<'a>>);

/// Entries in the order in which they are written: that of captures is that of vantages.
fn entries<'a>(table: &'a DeTable<'a>) -> Vec<Entry<'a>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let named = entries
        .into_iter()
        .map(|(key, value)| (key.get_ref().as_ref(), value));
    named.collect()
}

impl Writer<'_> {
    fn document(&mut self, document: &DeTable<'_>) -> String {
        let (mut plain, mut tables) = (String::new(), String::new());
        for (key, value) in entries(document) {
            match (key, value.get_ref()) {
                ("description", _) => {}
                ("timeouts" | "snapshot", _) => self.done.keys_left_out.push(key.to_owned()),
                ("captures" | "access_logs", DeValue::Table(files)) => {
                    let _ = write!(tables, "\n[{key}]\n{}", self.files(files));
                }
                ("expect", DeValue::Array(expectations)) => {
                    for expectation in expectations {
                        tables += &self.expectation(expectation);
                    }
                }
                _ => match self.value(key, value) {
                    Ok(value) => {
                        let _ = writeln!(plain, "{key} = {value}");
                    }
                    Err(Unmapped) => self.done.keys_left_out.push(key.to_owned()),
                },
            }
        }
        plain + &tables
    }

    /// Names of vantages and proxies are mapped, those of files stay.
    fn files(&self, files: &DeTable<'_>) -> String {
        let mut lines = String::new();
        for (name, file) in entries(files) {
            let name = self.mapping.kept_or_mapped(name, self.settings);
            let file = &self.text[file.span()];
            let _ = writeln!(lines, "{} = {file}", quoted(&name));
        }
        lines
    }

    fn expectation(&mut self, expectation: &Spanned<DeValue<'_>>) -> String {
        let DeValue::Table(table) = expectation.get_ref() else {
            return String::new();
        };
        let number = self.done.expectations + self.done.left_out + 1;
        let mut lines = format!("\n[[expect]]\nname = \"expectation {number}\"\n");
        for (key, value) in entries(table) {
            if key == "name" {
                continue;
            }
            let Ok(value) = self.value(key, value) else {
                self.done.left_out += 1;
                return String::new();
            };
            let _ = writeln!(lines, "{key} = {value}");
        }
        self.done.expectations += 1;
        lines
    }

    /// A value of a key, on one line.
    fn value(&mut self, key: &str, value: &Spanned<DeValue<'_>>) -> Mapped {
        match value.get_ref() {
            DeValue::String(text) => Ok(quoted(&self.word(key, text)?)),
            DeValue::Array(list) => {
                let parts: Result<Vec<_>, _> =
                    list.iter().map(|part| self.value(key, part)).collect();
                Ok(format!("[{}]", parts?.join(", ")))
            }
            DeValue::Table(table) => {
                let parts = entries(table).into_iter().map(|(key, value)| {
                    let value = self.value(key, value)?;
                    Ok(format!("{key} = {value}"))
                });
                let parts: Result<Vec<_>, Unmapped> = parts.collect();
                Ok(format!("{{ {} }}", parts?.join(", ")))
            }
            // Numbers and flags say nothing of anybody.
            _ => Ok(self.text[value.span()].to_owned()),
        }
    }

    /// What a text of a key becomes: those that are not named here are ranges and words of hopscope's,
    /// which a case that was understood has nothing else for.
    fn word(&mut self, key: &str, text: &str) -> Mapped {
        match key {
            "summary" => Err(Unmapped),
            "request" => self.request(text),
            "filter" => self.filter(text),
            "vantage" | "owner" | "closed_by" => {
                Ok(self.mapping.kept_or_mapped(text, self.settings))
            }
            "ended_by" | "node" if text == "nobody" => Ok(text.to_owned()),
            "ended_by" | "node" => match self.address(text) {
                Some(address) => Ok(address),
                // Others than vantages are told in words: `something between lb and gw`.
                None if text.contains(' ') => Err(Unmapped),
                None => Ok(self.mapping.kept_or_mapped(text, self.settings)),
            },
            // Of sides, these are ranges.
            "client" | "server" | "local" | "peer" => {
                Ok(self.address(text).unwrap_or_else(|| text.to_owned()))
            }
            _ => Ok(text.to_owned()),
        }
    }

    /// `10.0.0.1`, `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.0/24`.
    fn address(&mut self, text: &str) -> Option<String> {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            return Some(self.mapping.endpoint(endpoint).to_string());
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        let mapped = self.mapping.address(bare.parse().ok()?);
        Some(match bits {
            // Common prefixes stay common: that of the network is the other network's.
            Some(bits) => format!("{}/{bits}", network(mapped, bits)),
            None => mapped.to_string(),
        })
    }

    /// Paths are mapped letter by letter, each by those before it: what follows a `*` is not known.
    fn request(&self, text: &str) -> Mapped {
        let (method, path) = match text.split_once(' ') {
            Some((method, path)) => (Some(method), path),
            None => (None, text),
        };
        if path.find('*').is_some_and(|star| star + 1 < path.len()) {
            return Err(Unmapped);
        }
        let path = words::text(&self.mapping.key, Kind::Path, path);
        Ok(method.map_or_else(|| path.clone(), |method| format!("{method} {path}")))
    }

    /// Addresses of a filter in pcap's syntax. A word that is none of that syntax may be anybody's name.
    fn filter(&mut self, text: &str) -> Mapped {
        let is_break = |letter: char| letter == ' ' || letter == '(' || letter == ')';
        let mut mapped = String::new();
        for part in text.split_inclusive(is_break) {
            let word = part.trim_end_matches(is_break);
            let plain = !word.bytes().any(|byte| byte.is_ascii_alphabetic());
            match self.address(word) {
                Some(address) => mapped += &address,
                None if plain || FILTER_WORDS.contains(&word) => mapped += word,
                None => return Err(Unmapped),
            }
            mapped += &part[word.len()..];
        }
        Ok(mapped)
    }
}

/// An address without what follows so many bits.
fn network(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX
                .checked_shl(32_u32.saturating_sub(bits))
                .unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX
                .checked_shl(128_u32.saturating_sub(bits))
                .unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::anonymize::Key;

    const CASE: &str = r#"
# Ann's gateway
description = "Ann's clinic"
timeouts = "ours.toml"
filter = "host 192.0.2.7 and (tcp port 80)"
[captures]
clinic-gw = "b.pcap"
client = "a.pcap"
[[expect]]
name = "Ann is answered" # always
chains = { request = "GET /clinic/*" }
status = 200
node = ["clinic-gw", "192.0.2.7", "client"]
[[expect]]
name = "Ann closes"
flows = { vantage = "clinic-*", server = ["192.0.2.0/24", "198.51.100.9:80"] }
keepalive.server = { probes = ">= 2", idle = "7s ± 10%" }
bytes = { client = "< 300" }
[[expect]]
name = "a"
verdicts = { summary = "Ann*" }
count = 0
[[expect]]
name = "b"
verdicts = { request = "/clinic/*/ward" }
ended_by = "nobody"
"#;

    #[test]
    fn a_case_expects_the_same_of_others() {
        let mut mapping = Mapping::new(Key::of(b"k"));
        let rewritten = rewrite_case(CASE, &mut mapping, Settings::default());
        let (text, done) = rewritten.expect("it is a case");
        assert_eq!((done.expectations, done.left_out), (2, 2));
        assert_eq!(done.keys_left_out, ["timeouts"]);
        for private in ["Ann", "clinic", "192.0.2", "198.51", "ours", "ward", "#"] {
            assert!(!text.contains(private), "{private}: {text}");
        }
        let name = mapping.name("clinic-gw");
        let host = mapping.address([192, 0, 2, 7].into()).to_string();
        let subnet = host.rsplit_once('.').map_or("", |(subnet, _)| subnet);
        for stays in [
            "client = \"< 300\"",
            "idle = \"7s ± 10%\"",
            "status = 200",
            "\"client\" = \"a.pcap\"",
            &format!("\"{name}\" = \"b.pcap\""),
            &format!("{subnet}.0/24"),
            &format!("filter = \"host {host} and (tcp port 80)\""),
        ] {
            assert!(text.contains(stays), "{stays}: {text}");
        }
        let order = [text.find("b.pcap"), text.find("a.pcap")];
        assert!(order[0] < order[1], "{text}");
        Case::parse(&text).expect("it is a case");
    }

    #[test]
    fn a_filter_that_names_hosts_is_left_out() {
        let case = CASE.replace("host 192.0.2.7", "host clinic.example");
        let mut mapping = Mapping::new(Key::of(b"k"));
        let rewritten = rewrite_case(&case, &mut mapping, Settings::default());
        let (text, done) = rewritten.expect("it is a case");
        assert_eq!(done.keys_left_out, ["timeouts", "filter"]);
        assert!(!text.contains("filter"), "{text}");
    }

    #[test]
    fn what_is_no_case_is_not_shared() {
        let mut mapping = Mapping::new(Key::of(b"k"));
        for wrong in ["x = ", "secret = \"Ann\"", ""] {
            assert!(rewrite_case(wrong, &mut mapping, Settings::default()).is_err());
        }
    }
}
