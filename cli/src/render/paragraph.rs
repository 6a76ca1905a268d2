//! Words in lines: wrapped to the terminal, under labels.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::grid::STICKY;
use super::harmless;

const LABEL: Style = AnsiColor::Cyan.on_default();

/// Longer lines are hard to read, however wide the terminal is.
const LONGEST: usize = 110;
/// Below that labels stand before their text, not in a column of their own.
const NARROW: usize = 60;
/// Columns of a label, with what stands before and after it.
const LABELS: usize = 13;
/// What follows a number.
const UNITS: [&str; 8] = ["ms", "s", "min", "h", "B", "kB", "MB", "GB"];
/// Between two things told under one label.
const BETWEEN: &str = " \u{b7} ";

/// The measure that text is set to on a terminal of that width.
pub(super) fn measure(width: usize) -> usize {
    width.clamp(40, LONGEST)
}

/// Lines of at most so many columns, the first and the others after a blank of their own.
pub(super) fn wrapped(text: &str, width: usize, first: &str, others: &str) -> Vec<String> {
    let options = textwrap::Options::new(width)
        .initial_indent(first)
        .subsequent_indent(others)
        // `gw-down` and `max-time` are names.
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(&sticky(text), options)
        .into_iter()
        .map(|line| line.trim_end().replace(STICKY, " "))
        .collect()
}

/// Numbers are not parted from their units.
fn sticky(text: &str) -> String {
    let mut words = text.split(' ');
    let mut kept = words.next().unwrap_or_default().to_owned();
    let mut number = kept.ends_with(|c: char| c.is_ascii_digit());
    for word in words {
        let unit = word.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        let sticks = number && UNITS.contains(&unit);
        kept.push(if sticks { STICKY } else { ' ' });
        kept.push_str(word);
        number = word.ends_with(|c: char| c.is_ascii_digit());
    }
    kept
}

/// Paragraphs with a label each.
pub(super) struct Labelled {
    width: usize,
    text: String,
}

impl Labelled {
    pub(super) const fn new(width: usize) -> Self {
        Self {
            width,
            text: String::new(),
        }
    }

    /// Items one after the other, in one paragraph.
    pub(super) fn joined(&mut self, label: &str, items: &[String]) {
        let items = items.iter().map(|item| harmless(item.trim()));
        let items: Vec<String> = items.filter(|item| !item.is_empty()).collect();
        if !items.is_empty() {
            self.paragraph(label, &items.join(BETWEEN));
        }
    }

    /// Items below each other, each with a dash where there are several.
    pub(super) fn one_by_one(&mut self, label: &str, items: &[String]) {
        for (number, item) in items.iter().enumerate() {
            let dash = if items.len() > 1 { "- " } else { "" };
            let label = if number == 0 { label } else { "" };
            self.paragraph(label, &format!("{dash}{}", harmless(item.trim())));
        }
    }

    /// Lines of a configuration: they keep their indentation, and are wrapped only where they are
    /// wider than everything else.
    pub(super) fn as_it_stands(&mut self, label: &str, items: &[String]) {
        let indent = self.indent();
        let lines = items.iter().flat_map(|item| item.trim_end().lines());
        for (number, line) in lines.enumerate() {
            let line = harmless(line);
            let own = line.chars().take_while(|c| *c == ' ').count();
            let own = format!("{indent}{}", &line[..own]);
            let wrapped = wrapped(line.trim(), self.width, &own, &format!("{own}    "));
            let mut text = wrapped.join("\n");
            if number == 0 && self.width >= NARROW {
                let label = format!("  {label:<width$}", width = LABELS - 2);
                text = format!("{LABEL}{label}{LABEL:#}{}", &text[LABELS..]);
            } else if number == 0 {
                text = format!("  {LABEL}{label}:{LABEL:#}\n{text}");
            }
            let _ = writeln!(self.text, "{text}");
        }
    }

    fn indent(&self) -> String {
        " ".repeat(if self.width < NARROW { 4 } else { LABELS })
    }

    fn paragraph(&mut self, label: &str, words: &str) {
        let indent = self.indent();
        let before = if self.width >= NARROW {
            format!("  {label:<width$}", width = LABELS - 2)
        } else if label.is_empty() {
            indent.clone()
        } else {
            format!("  {label}: ")
        };
        let lines = wrapped(words, self.width, &before, &indent);
        for (number, line) in lines.iter().enumerate() {
            match line.strip_prefix(before.as_str()) {
                Some(rest) if number == 0 => {
                    let _ = writeln!(self.text, "{LABEL}{before}{LABEL:#}{rest}");
                }
                _ => {
                    let _ = writeln!(self.text, "{line}");
                }
            }
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}
