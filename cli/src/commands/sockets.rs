//! `hopscope sockets`.

use tracer::report::Report;
use tracer::socket::Socket;
use tracer::survey::{Method, survey};

use super::Outcome;
use crate::args::{Format, SocketMethod, Sockets};
use crate::render;

/// Reads the sockets of all namespaces that are named and prints them.
pub(super) fn run(args: &Sockets) -> anyhow::Result<Outcome> {
    let namespaces = args.targets.resolve()?;
    let mut surveys = survey(&namespaces, args.method.into())?;
    if !args.ports.is_empty() {
        for survey in &mut surveys {
            survey
                .sockets
                .retain(|socket| has_port(socket, &args.ports));
        }
    }
    match args.format {
        Format::Table => render::sockets(&surveys, args.all)?,
        Format::Json => render::json(&Report::of_sockets(&surveys))?,
        Format::Ndjson => render::ndjson(&Report::of_sockets(&surveys))?,
    }
    Ok(Outcome::Fine)
}

impl From<SocketMethod> for Method {
    fn from(method: SocketMethod) -> Self {
        match method {
            SocketMethod::Auto => Self::Auto,
            SocketMethod::Kernel => Self::Kernel,
            SocketMethod::Getsockopt => Self::Getsockopt,
        }
    }
}

fn has_port(socket: &Socket, ports: &[u16]) -> bool {
    let own = ports.contains(&socket.local.port());
    own || socket.peer.is_some_and(|peer| ports.contains(&peer.port()))
}
