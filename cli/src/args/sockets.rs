//! Arguments of `hopscope sockets`.

use clap::{Args, ValueEnum};

use super::{Format, Targets};

const EXAMPLES: &str = "\
Examples:
  hopscope sockets                             every TCP socket of this network namespace
  hopscope sockets --comm envoy --port 8080    Envoy's listeners and connections on one port
  hopscope sockets --container 3f4e1a          inside a container, from its node
  hopscope sockets --netns gw --netns lb       two namespaces, a vantage each
  hopscope sockets --format json | jq '.sockets[] | select(.options.so_keepalive == false)'

Idle, interval and count are shown where keepalive is on. What they would be otherwise, like every
value that is not set, is in the JSON.";

/// Arguments of `sockets`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Sockets {
    /// Where to look.
    #[command(flatten)]
    pub(crate) targets: Targets,
    /// Only sockets with this port at either end; several with commas or repeated.
    #[arg(long = "port", value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) ports: Vec<u16>,
    /// How to print them.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: Format,
    /// How to read options.
    #[arg(long, value_name = "METHOD", default_value = "auto")]
    pub(crate) method: SocketMethod,
    /// Sockets in TIME-WAIT in the table, too.
    #[arg(short, long)]
    pub(crate) all: bool,
}

/// Ways of reading options.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum SocketMethod {
    /// The kernel's where it works, else getsockopt; the output says why.
    Auto,
    /// The kernel goes through all its sockets (BPF iterator): none is left out.
    Kernel,
    /// Ask each socket, through a process that holds it.
    Getsockopt,
}
