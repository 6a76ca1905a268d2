//! What a key takes for a value, and whether a value found is one of those expected.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::fault::{did_you_mean, listed};
use super::measure::{Range, Unit, told};

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wants {
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, from the least to the most: `">= likely"`, too.
    Rank(&'static [&'static str]),
    /// Any text; `*` stands for any part of it.
    Text,
    /// A request: `GET /report`, or its path alone; `*` stands for any part of it.
    Request,
    /// The name of a vantage; `*` stands for any part of it.
    Vantage,
    /// The name of a vantage, or `nobody`.
    VantageOrNobody,
    /// An address, with its port or without, or a network: `10.0.0.0/24`.
    Address,
    /// A whole number.
    Count,
    /// The number of a port.
    Port,
    /// A time that was measured.
    Measured,
    /// A time that somebody set.
    Set,
    /// True or false.
    Flag,
}

/// Something that was found.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Text(String),
    Count(u64),
    Seconds(f64),
    Flag(bool),
    /// There is none, and why: a fact, such as the peer of a listener.
    None(&'static str),
    /// There may be any, but nothing here tells, and why: it is neither as expected nor otherwise.
    Unknown(&'static str),
}

/// What a value must be: one of these.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Test {
    Texts(Vec<Pattern>),
    Requests(Vec<Pattern>),
    Addresses(Vec<Address>),
    Ranges(Vec<Range>),
    Flag(bool),
}

/// A text in which `*` stands for any part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pattern(pub(super) String);

/// An address, or many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Address {
    Endpoint(SocketAddr),
    /// An address and how many of its bits count.
    Network(IpAddr, u8),
}

impl Wants {
    /// What to write, for messages.
    pub(super) fn example(self) -> String {
        match self {
            Self::Word(words) => format!("one of {}", listed(words.iter().copied())),
            Self::Rank(words) => format!(
                "one of {}, or '>= {}'",
                listed(words.iter().copied()),
                words.get(1).unwrap_or(&"")
            ),
            Self::Text => "a text in quotes, in which * stands for any part".to_owned(),
            Self::Request => "a path or a request, such as '/report' or 'GET /re*'".to_owned(),
            Self::Vantage => "the name of a vantage in quotes".to_owned(),
            Self::VantageOrNobody => "the name of a vantage in quotes, or 'nobody'".to_owned(),
            Self::Address => {
                "an address such as '10.0.0.1', '10.0.0.1:80' or '10.0.0.0/24'".to_owned()
            }
            Self::Count => "a whole number, or '>= 3', '2..4', '10 ± 2'".to_owned(),
            Self::Port => "a port from 0 to 65535, such as 443 or '8000..8999'".to_owned(),
            Self::Measured => "a time such as '7s ± 10%', '< 500ms' or '2s..4s'".to_owned(),
            Self::Set => "a time such as '7s', '>= 500ms' or '2s..4s'".to_owned(),
            Self::Flag => "true or false".to_owned(),
        }
    }

    const fn unit(self) -> Option<Unit> {
        match self {
            Self::Count | Self::Port => Some(Unit::Count),
            Self::Measured => Some(Unit::Measured),
            Self::Set => Some(Unit::Set),
            _ => None,
        }
    }

    /// The test for one text.
    ///
    /// # Errors
    ///
    /// Why it has no meaning here.
    pub(super) fn text(self, text: &str) -> Result<Test, String> {
        if let Some(unit) = self.unit() {
            return self.range(text, unit);
        }
        let pattern = || Pattern(text.to_owned());
        match self {
            Self::Word(words) => word(text, words).map(|word| texts([word])),
            Self::Rank(words) => rank(text, words).map(texts),
            _ if text.is_empty() => Err(format!("it is empty; write {}", self.example())),
            Self::Request => Ok(Test::Requests(vec![pattern()])),
            Self::Address => Address::parse(text).map(|address| Test::Addresses(vec![address])),
            Self::Flag => Err(format!(
                "write {} without quotes, not '{text}'",
                self.example()
            )),
            _ => Ok(Test::Texts(vec![pattern()])),
        }
    }

    fn range(self, text: &str, unit: Unit) -> Result<Test, String> {
        let range = Range::parse(text, unit)?;
        if matches!(self, Self::Port) && range.reaches_beyond(u16::MAX.into()) {
            return Err(format!("'{text}' is no port: ports are from 0 to 65535"));
        }
        Ok(Test::Ranges(vec![range]))
    }

    /// The test for one whole number.
    ///
    /// # Errors
    ///
    /// Why it has no meaning here.
    pub(super) fn number(self, text: &str) -> Result<Test, String> {
        match self.unit() {
            Some(unit) => self.range(text, unit),
            None => Err(format!(
                "the number {text} says nothing here; write {}",
                self.example()
            )),
        }
    }
}

fn texts<'a>(words: impl IntoIterator<Item = &'a str>) -> Test {
    let pattern = |word: &str| Pattern(word.to_owned());
    Test::Texts(words.into_iter().map(pattern).collect())
}

fn word<'a>(text: &str, words: &[&'a str]) -> Result<&'a str, String> {
    let found = words.iter().find(|word| **word == text);
    found.copied().ok_or_else(|| {
        let meant = did_you_mean(text, words.iter().copied());
        format!(
            "'{text}' is none of {}{meant}",
            listed(words.iter().copied())
        )
    })
}

/// Every word that is at least, or at most, the one named.
fn rank<'a>(text: &str, words: &[&'a str]) -> Result<Vec<&'a str>, String> {
    let place = |rest: &str| {
        let found = word(rest.trim(), words)?;
        Ok::<_, String>(words.iter().position(|word| *word == found).unwrap_or(0))
    };
    if let Some(rest) = text.strip_prefix(">=") {
        return Ok(words[place(rest)?..].to_vec());
    }
    if let Some(rest) = text.strip_prefix("<=") {
        return Ok(words[..=place(rest)?].to_vec());
    }
    Ok(vec![words[place(text)?]])
}

impl Test {
    /// Adds what else it may be.
    pub(super) fn or(&mut self, other: Self) {
        match (self, other) {
            (Self::Texts(mine), Self::Texts(more))
            | (Self::Requests(mine), Self::Requests(more)) => {
                mine.extend(more);
            }
            (Self::Addresses(mine), Self::Addresses(more)) => mine.extend(more),
            (Self::Ranges(mine), Self::Ranges(more)) => mine.extend(more),
            // One key makes tests of one kind.
            _ => {}
        }
    }

    pub(super) fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Texts(patterns), Value::Text(text)) => {
                patterns.iter().any(|pattern| pattern.matches(text))
            }
            (Self::Requests(patterns), Value::Text(text)) => {
                patterns.iter().any(|pattern| pattern.requests(text))
            }
            (Self::Addresses(addresses), Value::Text(text)) => {
                addresses.iter().any(|address| address.holds(text))
            }
            #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
            (Self::Ranges(ranges), Value::Count(count)) => {
                ranges.iter().any(|range| range.contains(*count as f64))
            }
            (Self::Ranges(ranges), Value::Seconds(seconds)) => {
                ranges.iter().any(|range| range.contains(*seconds))
            }
            (Self::Flag(flag), Value::Flag(found)) => flag == found,
            _ => false,
        }
    }

    /// Patterns of names, where it is a test of those.
    pub(super) fn patterns(&self) -> &[Pattern] {
        match self {
            Self::Texts(patterns) => patterns,
            _ => &[],
        }
    }
}

impl Pattern {
    pub(super) fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        // Splitting gives one part at least.
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(place) => rest = &rest[place + part.len()..],
                None => return false,
            }
        }
        true
    }

    /// A request is `GET /report?week=3`. A pattern without a method is about its path, and one
    /// without a question mark says nothing of a query.
    fn requests(&self, request: &str) -> bool {
        let query = request.find('?').unwrap_or(request.len());
        let request = if self.0.contains('?') {
            request
        } else {
            &request[..query]
        };
        let target = request
            .split_once(' ')
            .map_or(request, |(_, target)| target);
        self.matches(if self.0.contains(' ') {
            request
        } else {
            target
        })
    }
}

impl Address {
    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(endpoint) = text.parse() {
            return Ok(Self::Endpoint(endpoint));
        }
        let (address, bits) = text.split_once('/').unwrap_or((text, ""));
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        let wrong = || {
            format!(
                "'{text}' is no address: write '10.0.0.1', '10.0.0.1:80', '[fd00::1]:80' or '10.0.0.0/24'"
            )
        };
        let address: IpAddr = bare.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let bits = if text.contains('/') {
            bits.parse()
                .ok()
                .filter(|bits| *bits <= all)
                .ok_or_else(wrong)?
        } else {
            all
        };
        Ok(Self::Network(address, bits))
    }

    fn holds(&self, endpoint: &str) -> bool {
        let Ok(endpoint) = endpoint.parse::<SocketAddr>() else {
            return false;
        };
        match (self, endpoint.ip()) {
            (Self::Endpoint(expected), _) => *expected == endpoint,
            (Self::Network(IpAddr::V4(network), bits), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(*bits)
            }
            (Self::Network(IpAddr::V6(network), bits), IpAddr::V6(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(*bits)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Count(count) => write!(f, "{count}"),
            Self::Seconds(seconds) => f.write_str(&told(*seconds)),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::None(why) => write!(f, "none ({why})"),
            Self::Unknown(why) => write!(f, "not known ({why})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part() {
        let matches = |pattern: &str, text| Pattern(pattern.to_owned()).matches(text);
        assert!(matches("gw", "gw") && !matches("gw", "gw-up") && !matches("gw-up", "gw"));
        assert!(matches("gw*", "gw-up") && matches("*", "") && matches("*up", "gw-up"));
        assert!(matches("a*b*c", "a1b2c") && !matches("a*b*c", "a1c2b"));
        assert!(!matches("ab*ba", "aba"), "parts must not overlap");
    }

    #[test]
    fn requests_are_compared_as_far_as_the_pattern_says() {
        let matches = |pattern: &str, text| Pattern(pattern.to_owned()).requests(text);
        assert!(matches("/report", "GET /report?week=3"));
        assert!(!matches("/report?week=4", "GET /report?week=3"));
        assert!(matches("GET /re*", "GET /report") && !matches("POST /re*", "GET /report"));
        assert!(!matches("/report", "GET /reports"));
    }

    #[test]
    fn addresses_with_port_without_and_networks() {
        let holds = |text: &str, endpoint| Address::parse(text).expect(text).holds(endpoint);
        assert!(holds("10.0.0.1:80", "10.0.0.1:80") && !holds("10.0.0.1:80", "10.0.0.1:81"));
        assert!(holds("10.0.0.1", "10.0.0.1:80") && !holds("10.0.0.1", "10.0.0.2:80"));
        assert!(holds("10.0.0.0/24", "10.0.0.9:80") && !holds("10.0.0.0/24", "10.0.1.9:80"));
        assert!(holds("0.0.0.0/0", "10.0.0.9:80") && !holds("0.0.0.0/0", "[fd00::1]:80"));
        assert!(holds("fd00::/16", "[fd00::1]:80") && holds("[fd00::1]:80", "[fd00::1]:80"));
        for wrong in ["10.0.0", "10.0.0.0/33", "10.0.0.1:http", "x", "10.0.0.0/"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranks_and_words() {
        let confidence = Wants::Rank(&["possible", "likely", "certain"]);
        let test = confidence.text(">= likely").expect("it is a rank");
        let found = |word: &str| test.holds(&Value::Text(word.to_owned()));
        assert!(found("likely") && found("certain") && !found("possible"));
        let error = Wants::Word(&["client", "server"])
            .text("sever")
            .expect_err("no such word");
        assert!(error.ends_with("did you mean 'server'?"), "{error}");
    }
}
