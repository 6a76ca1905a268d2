//! Arguments of `hopscope check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  hopscope check traces/                         every case in a folder and below
  hopscope check traces/gw-keepalive             one case
  hopscope check --init traces/gw-keepalive      write a first hopscope.toml beside captures
  hopscope check --junit junit.xml traces/       what CI systems show as test results
  hopscope check --format github traces/         annotations on a pull request
  hopscope check --bless traces/                 accept the reports as they are now

A case is a folder with captures and a hopscope.toml, which says what must hold:

  [captures]
  gw = \"gw.pcap\"

  [[expect]]
  name = \"the gateway keeps idle requests alive\"
  flows = { vantage = \"gw\", server_port = 8080 }
  ended_by = \"client\"
  resets = 0
  keepalive.server = { probes = \">= 2\", idle = \"7s ± 10%\", unanswered = 0 }

Exit codes: 0 all is met, 1 something is not met, 2 a case could not be checked.";

/// Arguments of `check`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// Cases, or folders of cases.
    #[arg(required = true, value_name = "DIR")]
    pub(crate) cases: Vec<PathBuf>,
    /// Write the outcomes to this file, too, as JUnit XML.
    #[arg(long, value_name = "FILE", conflicts_with = "init")]
    pub(crate) junit: Option<PathBuf>,
    /// How to print the outcomes.
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        conflicts_with = "init"
    )]
    pub(crate) format: CheckFormat,
    /// Write a hopscope.toml of what the captures in DIR show, each line explained.
    #[arg(long)]
    pub(crate) init: bool,
    /// Show how reports differ from their snapshots, then write the snapshots anew.
    #[arg(long, conflicts_with = "init")]
    pub(crate) bless: bool,
}

/// Formats of outcomes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For people: a line for each expectation.
    Text,
    /// One document: schema hopscope.check.v1.
    Json,
    /// For people, and an annotation for GitHub where an expectation is not met.
    Github,
}
