//! Expectations as they are written: a name, what they are about, and a line for each fact.

use std::collections::HashMap;

/// An expectation being written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    name: String,
    about: String,
    lines: Vec<String>,
}

impl Draft {
    /// One that is called so, about these: `flows = "all"`.
    pub(super) fn new(name: &str, about: &str) -> Self {
        Self {
            name: name.to_owned(),
            about: about.to_owned(),
            lines: Vec::new(),
        }
    }

    /// A key, its value as TOML, and what it means.
    pub(super) fn line(&mut self, key: &str, value: &str, meaning: &str) {
        self.lines.push(line(&format!("{key} = {value}"), meaning));
    }

    /// How many there are.
    pub(super) fn count(&mut self, count: usize, meaning: &str) {
        self.line("count", &count.to_string(), meaning);
    }

    /// An expectation of nothing would be refused.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// All of them, those left out that expect nothing. Names tell expectations apart: where two are
/// alike, the later one gets a number.
pub(super) fn written(drafts: Vec<Draft>) -> String {
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut out = String::new();
    for draft in drafts.into_iter().filter(|draft| !draft.is_empty()) {
        let times = taken.entry(draft.name.clone()).or_default();
        *times += 1;
        let name = match *times {
            1 => draft.name,
            times => format!("{} ({times})", draft.name),
        };
        out.push_str("\n[[expect]]\n");
        out.push_str(&format!("name = {}\n{}\n", quoted(&name), draft.about));
        out.extend(draft.lines);
    }
    out
}

/// An assignment, and what it means.
pub(super) fn line(assignment: &str, meaning: &str) -> String {
    format!("{assignment:<40} # {meaning}\n")
}

/// TOML's basic strings are JSON's.
pub(crate) fn quoted(text: &str) -> String {
    // Texts can always be written.
    let quoted = serde_json::to_string(text).unwrap_or_default();
    // JSON leaves DEL as it is, TOML does not.
    quoted.replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_and_nothing_is_not_expected() {
        let mut draft = Draft::new("x", "hops = \"all\"");
        assert_eq!(written(vec![draft.clone()]), "");
        draft.count(3, "so many");
        let text = written(vec![draft.clone(), draft]);
        assert!(text.contains("name = \"x\"\n") && text.contains("name = \"x (2)\"\n"));
        assert_eq!(text.matches("count = 3 ").count(), 2);
    }

    #[test]
    fn any_text_is_toml() {
        for text in ["a\"b\\c\n\u{7f}\u{0}", "Zürich"] {
            let written = format!("x = {}", quoted(text));
            let table: toml::Table = toml::from_str(&written).expect("it is TOML");
            assert_eq!(table["x"].as_str(), Some(text));
        }
    }
}
