//! Arguments of `hopscope diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  hopscope diff before/ after/              two cases, or two folders of captures
  hopscope diff before.pcap after.pcap      two captures of the same place
  hopscope diff main.json branch.json       two reports ('hopscope read --format json')

Connections are matched by the role that they play: where they were seen, and the server's port and
address. What is otherwise every time, such as clients' ports and times of day, is no difference.

Exit codes: 0 no difference, 1 differences, 2 one of them could not be read.";

/// Arguments of `diff`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Diff {
    /// As it was: a case, a folder of captures, a capture, a recording, or a report as JSON.
    #[arg(value_name = "BEFORE")]
    pub(crate) before: PathBuf,
    /// As it is: likewise.
    #[arg(value_name = "AFTER")]
    pub(crate) after: PathBuf,
    /// Times that differ by less, in percent of the longer one, are the same.
    #[arg(long, value_name = "PERCENT", default_value = "10", value_parser = percent, allow_negative_numbers = true)]
    pub(crate) tolerance: f64,
    /// How to print the differences.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: DiffFormat,
}

/// Formats of differences.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people.
    Table,
    /// One document: schema hopscope.diff.v1.
    Json,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write a percentage from 0 to 100, such as 10".to_owned()),
    }
}
