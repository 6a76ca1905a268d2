//! Arguments of `watch`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tracer::live::Wanted;

use super::{Format, Known, Targets};

const EXAMPLES: &str = "\
Examples:
  hopscope watch                               this network namespace, until Ctrl-C
  nsenter -t PID -n hopscope watch             the one of a process
  hopscope watch --pid PID                     the same, from the node
  hopscope watch --comm envoy --port 8080      every namespace with an Envoy, one port
  hopscope watch --netns gw --duration 30s     for half a minute
  hopscope watch --netns gw --format ndjson | jq 'select(.event == \"rst\")'

Events are printed as they happen, the report of 'hopscope read' at the end. Every interface is a
vantage of its own, those that appear later included.

Lines of ndjson that come before those of the report, by their \"type\":
  event          what a segment shows: at, vantage, flow, client, server, by, frame, and \"event\":
                 syn, syn_ack, data, keepalive_probe, keepalive_answer, zero_window_probe,
                 zero_window, window_opened, retransmission, fin, rst
  note           what the kernel tells: at, namespace, and \"what\": socket, closed, reset_sent,
                 reset_received, retransmitted, error
  roles_swapped  a late SYN shows that client and server of that flow are the other way round
  omitted        how many events came faster than they could be printed
'hopscope schema --lines' has their fields.";

/// Arguments of `watch`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Only segments from or to this port; several with commas or repeated.
    #[arg(long = "port", value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) ports: Vec<u16>,
    /// Only frames that this filter lets pass, in pcap syntax (man pcap-filter); behind VLAN tags
    /// only with 'vlan and ...'.
    #[arg(short, long, value_name = "FILTER")]
    pub(crate) filter: Option<String>,
    /// What watches.
    #[arg(long, value_name = "BACKEND", default_value = "auto")]
    pub(crate) backend: Backend,
    /// Every segment, not only the telling ones: events name data, too.
    #[arg(long)]
    pub(crate) all_segments: bool,
    /// Attach the probe by clsact, as below Linux 6.6, also where there is TCX: its filters stay where
    /// hopscope is killed ('tc qdisc del dev IF clsact').
    #[arg(long)]
    pub(crate) no_tcx: bool,
    /// How long, with its unit: 500ms, 30s, 5m, 2h. Until Ctrl-C without it.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Record everything to a pcapng file: Wireshark shows its frames, 'hopscope read' gives the
    /// same report again. '-' is standard output, on which nothing else is printed then.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) known: Known,
    /// How to print events and report; json has no events.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
    /// All verdicts, flows, chains and hops, and every step of a ladder, not only what tells most.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// The rules that were considered for each verdict, and why each did or did not hold; in JSON not
    /// only for alarms.
    #[arg(long)]
    pub(crate) explain: bool,
    /// How many connections that are over are kept in detail, at about 3 kB each; of more the least
    /// telling are only counted, so that memory has an end.
    #[arg(long, value_name = "FLOWS", default_value = "100000")]
    pub(crate) keep: usize,
    /// No events, only the report at the end.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// What may watch.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// The eBPF probe, or libpcap where it cannot run.
    Auto,
    /// The eBPF probe in the kernel.
    Ebpf,
    /// libpcap.
    Pcap,
}

impl From<Backend> for Wanted {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => Self::Auto,
            Backend::Ebpf => Self::Ebpf,
            Backend::Pcap => Self::Pcap,
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    const UNITS: &str = "write 500ms, 30s, 5m or 2h";
    if text.parse::<f64>().is_ok() {
        return Err(format!("it has no unit: {UNITS}"));
    }
    let time: jiff::SignedDuration = text.parse().map_err(|_| UNITS.to_owned())?;
    match Duration::try_from(time) {
        Ok(Duration::ZERO) => {
            Err("nothing happens in no time; leave it out to watch until Ctrl-C".to_owned())
        }
        Ok(time) => Ok(time),
        Err(_) => Err("it is negative".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        for wrong in ["30", "0", "0s", "-5s", "5 parsecs", "", "s", "1d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
