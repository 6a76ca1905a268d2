//! Arguments of `hopscope anonymize`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  hopscope anonymize gw.pcap shared.pcap         one capture
  hopscope anonymize incident-17/ shared/        captures, logs and the case of a folder
  hopscope anonymize gw.pcap lb.pcap shared/     several, which map alike
  hopscope anonymize --key team.key gw.pcap a.pcap
                                                 as in earlier and later calls with that key
  tcpdump -U -w - tcp | hopscope anonymize - shared.pcap

What becomes of it: payload is cut off; addresses are mapped so that common prefixes stay common
(loopback, multicast and 0.0.0.0 stay, private ranges stay private); hardware addresses, paths,
request ids, and names other than generic ones (gw, eth0, envoy) are mapped; comments and what is no
TCP go; of PROXY protocol headers the addresses stay, mapped. A hopscope.toml beside them expects the
same of what they become; its comments and descriptions go. Ports, sizes, times, flags and TCP's numbers stay: flows, probes and hops are the same, and so
are verdicts, but for those that rest on payload (a status, an answer that is too short, a GOAWAY):
--keep-headers keeps what these need. Names of files stay, too.

Who has the key, or knows some of the addresses and sees the pattern of traffic, can undo part of
it: share with those whom you trust that far.";

/// Arguments of `anonymize`.
#[derive(Args)]
#[command(after_help = EXAMPLES, override_usage = "hopscope anonymize [OPTIONS] <IN>... <OUT>")]
pub(crate) struct Anonymize {
    /// Captures, access logs, or folders of them ('-' is a capture on standard input); and last the
    /// file to write, or the folder where there is more than one.
    #[arg(required = true, num_args = 2.., value_names = ["IN", "OUT"])]
    pub(crate) paths: Vec<PathBuf>,
    /// File with the secret that decides the mapping; made where there is none. Without it, a secret
    /// is thrown and forgotten.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Keep HTTP/1 header lines: methods, status, and what says how the connection is used; paths,
    /// hosts and request ids mapped; the rest blotted out. Of HTTP/2 the headers of frames.
    #[arg(long)]
    pub(crate) keep_headers: bool,
    /// Keep names of namespaces, interfaces, processes and upstreams.
    #[arg(long)]
    pub(crate) keep_names: bool,
    /// Write over what is there.
    #[arg(long)]
    pub(crate) force: bool,
}
