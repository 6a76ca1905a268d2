//! What is wrong with an expectation file, and where.

use std::fmt;
use std::ops::Range;

/// A place in a file, both numbers from 1. Columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// Where these bytes of a text begin.
    pub(super) fn new(text: &str, span: &Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_begins = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_begins..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Something in an expectation file that has no meaning.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, serde::Serialize)]
#[error("{place}: {what}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong, and what was probably meant.
    pub what: String,
}

/// `; did you mean 'vantage'?` where one of the names is much like what was written, else nothing.
pub(super) fn did_you_mean<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let likeness = |name: &str| strsim::jaro_winkler(&written.to_lowercase(), &name.to_lowercase());
    let best = names
        .into_iter()
        .map(|name| (likeness(name), name))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match best {
        Some((likeness, name)) if likeness > 0.75 => format!("; did you mean '{name}'?"),
        _ => String::new(),
    }
}

/// `'a', 'b' and 'c'`; no more than twelve of them.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let mut names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    if names.len() > MOST {
        let more = names.len() - MOST;
        names.truncate(MOST);
        return format!("{} and {more} more", names.join(", "));
    }
    match names.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let text = "a = 1\nbé = 'ü' x";
        let place = |needle: &str| {
            let start = text.find(needle).expect("it is in there");
            Place::new(text, &(start..start + 1)).to_string()
        };
        assert_eq!(place("a"), "1:1");
        assert_eq!(place("é"), "2:2");
        assert_eq!(place("x"), "2:10");
    }

    #[test]
    fn suggests_what_is_near_only() {
        let names = ["vantage", "server_port"];
        assert_eq!(did_you_mean("vantag", names), "; did you mean 'vantage'?");
        assert_eq!(did_you_mean("xyz", names), "");
    }
}
