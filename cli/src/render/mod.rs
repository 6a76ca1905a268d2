//! Draws reports, one file each.

mod chains;
pub(crate) mod check;
mod clocks;
pub(crate) mod diff;
mod doctor;
mod flows;
mod grid;
pub(crate) mod happened;
mod hops;
mod json;
pub(crate) mod junit;
mod ladder;
mod links;
mod listing;
pub(crate) mod live;
mod paragraph;
#[cfg(test)]
mod seen;
mod sockets;
mod table;
mod telling;
mod timeline;
mod totals;
mod units;
mod unjoined;
mod vantages;
mod verdicts;
mod wording;

pub(crate) use self::doctor::doctor;
pub(crate) use self::json::{json, ndjson, schema_of_lines};
pub(crate) use self::ladder::chain;
pub(crate) use self::sockets::sockets;
pub(crate) use self::table::table;
pub(crate) use self::timeline::timeline;

/// What of a report is to be seen.
pub(crate) struct Wanted<'a> {
    /// All of it, not only what tells most.
    pub(crate) all: bool,
    /// The rules behind each verdict.
    pub(crate) explain: bool,
    /// How to see what is left out.
    pub(crate) hint: &'a str,
}

/// Text from a file as a terminal may see it: what would steer it, break the line or turn the
/// direction of writing shows as U+FFFD.
pub(crate) fn harmless(text: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(steers, "\u{fffd}")
}

/// Columns of the terminal; plenty where the output goes to a file.
fn columns() -> usize {
    told_columns().unwrap_or(160)
}

/// Columns of the terminal, or what the environment says; `None` where the output goes to a file.
fn told_columns() -> Option<usize> {
    match terminal_size::terminal_size_of(std::io::stdout()) {
        Some((width, _)) => Some(usize::from(width.0).max(40)),
        None => std::env::var("COLUMNS").ok()?.parse().ok(),
    }
}
