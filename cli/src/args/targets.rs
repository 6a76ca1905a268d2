//! Which network namespaces a command looks at.

use std::path::PathBuf;

use clap::Args;
use clap::builder::NonEmptyStringValueParser as NotEmpty;
use tracer::netns::{Namespace, Target, TargetError, resolve};

const HEADING: &str = "Targets (repeatable; none is the current network namespace)";

/// Arguments that name network namespaces, the same for every command that looks at live ones.
#[derive(Args)]
pub(crate) struct Targets {
    /// The network namespace of a process.
    #[arg(help_heading = HEADING, long = "pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pids: Vec<u32>,
    /// A network namespace by its name ('ip netns list') or by a file such as /proc/PID/ns/net.
    #[arg(help_heading = HEADING, long = "netns", value_name = "NAME|PATH")]
    netns: Vec<PathBuf>,
    /// The network namespaces of all processes of this name.
    #[arg(help_heading = HEADING, long = "comm", value_name = "NAME", value_parser = NotEmpty::new())]
    comms: Vec<String>,
    /// The network namespace of a container, by the beginning of its id.
    #[arg(help_heading = HEADING, long = "container", value_name = "ID", value_parser = NotEmpty::new())]
    containers: Vec<String>,
}

impl Targets {
    /// The namespaces, each once; the current one where none is named.
    pub(crate) fn resolve(&self) -> Result<Vec<Namespace>, TargetError> {
        let netns = self.netns.iter().cloned().map(Target::Netns);
        let pids = self.pids.iter().map(|pid| Target::Pid(*pid));
        let comms = self.comms.iter().cloned().map(Target::Comm);
        let containers = self.containers.iter().cloned().map(Target::Container);
        let targets: Vec<Target> = netns.chain(pids).chain(comms).chain(containers).collect();
        resolve(&targets)
    }
}
