//! The command line.

mod anonymize;
mod check;
mod diff;
mod known;
mod sockets;
mod targets;
mod watch;

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::anonymize::Anonymize;
pub(crate) use self::check::{Check, CheckFormat};
pub(crate) use self::diff::{Diff, DiffFormat};
pub(crate) use self::known::Known;
pub(crate) use self::sockets::{SocketMethod, Sockets};
pub(crate) use self::targets::Targets;
pub(crate) use self::watch::Watch;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Tells, from packets and the kernel, which hop ended a request or a TCP connection and why, when
/// keepalive probes fired, and which socket options were in effect.
#[derive(Parser)]
#[command(version, styles = STYLES, max_term_width = 100, propagate_version = true)]
#[command(
    after_help = "Exit codes: 0 fine, 1 expectations not met, 2 could not run.\n\
    Start with 'hopscope read --help'."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to use colour; 'auto' honours NO_COLOR.
    // Behind every command's own, however many commands there are.
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        display_order = 900
    )]
    pub(crate) color: Color,
}

/// The commands.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read captures: which hop ended it, why, how sure that is, and on what evidence.
    Read(Read),
    /// Watch live, in any network namespace: events as they happen, then the report.
    Watch(Box<Watch>),
    /// Read live sockets: who holds them, and which options are really in effect.
    Sockets(Sockets),
    /// Hold recorded traces against what is expected of them: regression tests for CI.
    Check(Check),
    /// Say what changed between two recordings of the same chain, before and after.
    Diff(Diff),
    /// Make captures and access logs fit to be shared: no payload, other addresses, same verdicts.
    Anonymize(Anonymize),
    /// Say what works on this machine, what does not, and what to do about it.
    Doctor,
    /// Print the JSON Schema of the reports that '--format json' prints, or of the lines of ndjson.
    Schema(Schema),
}

/// Arguments of `schema`.
#[derive(Args)]
pub(crate) struct Schema {
    /// Of a line that '--format ndjson' prints, while watching and of the report.
    #[arg(long)]
    pub(crate) lines: bool,
}

const READ_EXAMPLES: &str = "\
Examples:
  hopscope read gw.pcap                        every connection in a capture
  hopscope read client.pcap lb.pcap gw.pcap    captures of several hops, a vantage each
  hopscope read gw=/tmp/trace-17.pcapng        call the vantage 'gw'
  hopscope read --access-log gw.log gw.pcap    with what the proxy logged: which connections belong
                                               together, and what it says of them
  hopscope read -f 'tcp port 8080' gw.pcap     only what a pcap filter lets pass
  hopscope read --flow 3 gw.pcap               what happened on flow 3, event by event
  hopscope read --explain lb.pcap gw.pcap      which rules were considered, and why each failed
  hopscope read --chain 0 lb.pcap gw.pcap      one request through all hops, step by step
  hopscope read --format json gw.pcap | jq '.flows[] | select(.end == \"rst\")'
  ssh node tcpdump -i any -U -w - tcp | hopscope read -

Captures may be pcap or pcapng, plain or compressed with gzip or zstd. Each is a vantage of its
own: put the pieces of a rotated capture together first (mergecap -F pcap -w gw-all.pcap gw.pcap*).";

/// Arguments of `read`.
#[derive(Args)]
#[command(after_help = READ_EXAMPLES)]
pub(crate) struct Read {
    /// Captures to read; '-' is standard input, NAME=FILE names the vantage.
    #[arg(required = true, value_name = "[NAME=]FILE")]
    pub(crate) captures: Vec<OsString>,
    /// Only frames that this filter lets pass, in pcap syntax (man pcap-filter). It sees frames as
    /// captured: the outside of a tunnel, and VLAN tags only with 'vlan and ...'.
    #[arg(short, long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    #[command(flatten)]
    pub(crate) known: Known,
    /// How to print the report.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
    /// All verdicts, flows, chains and hops, and every step of a ladder, not only what tells most.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// The rules that were considered for each verdict, and why each did or did not hold; in JSON not
    /// only for alarms.
    #[arg(long)]
    pub(crate) explain: bool,
    /// The timeline of one flow, by its number in the table.
    #[arg(long, value_name = "ID", conflicts_with_all = ["all", "format", "explain", "access_logs"],
        allow_negative_numbers = true, value_parser = number)]
    pub(crate) flow: Option<u64>,
    /// One chain as a ladder, by its number in the table: who told what to whom, and when; with
    /// --all every step, with --explain the rules behind its verdict.
    #[arg(long, value_name = "ID", conflicts_with_all = ["flow", "format"],
        allow_negative_numbers = true, value_parser = number)]
    pub(crate) chain: Option<u64>,
}

/// A number that a table shows.
fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "it must be a number from the table of flows or chains".to_owned())
}

/// Formats of a report.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One document: schema hopscope.report.v1.
    Json,
    /// One object a line: verdicts, vantages, flows, hops, chains, sockets and the rest, each with its
    /// "type".
    Ndjson,
}

/// When to use colour.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The arguments of this process; usage errors end it with exit code 2.
pub(crate) fn parse() -> Cli {
    Cli::parse()
}
