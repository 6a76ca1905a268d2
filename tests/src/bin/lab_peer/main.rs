//! The lab's app, and the clients that do what curl cannot.

mod app;
mod client;

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};
use rustix::net::{AddressFamily, SocketType, socket, sockopt};
use serde_json::json;

use self::app::Limits;

/// App and special clients of the lab.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// HTTP/1.1 server that does what the path says: /ok, /sleep/MS, /big/BYTES, /half/BYTES, /die/MS,
    /// /reset/MS, /reset-once/MS, /close-after/MS, /stall/MS, /status/CODE, /sleep/MS?status=CODE.
    App {
        listen: SocketAddr,
        /// Closes what was idle for so many milliseconds.
        #[arg(long)]
        idle: Option<u64>,
        /// Closes every connection at this age in milliseconds, a tenth more or less, as soon as no
        /// answer is owed.
        #[arg(long)]
        max_age: Option<u64>,
        /// Does not wait with that for the answer that it owes.
        #[arg(long)]
        cut: bool,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Keeps several connections in use and opens each anew that the server closes.
    Pool {
        server: SocketAddr,
        path: String,
        /// Milliseconds between the requests of each connection: as many connections as numbers.
        #[arg(long, value_delimiter = ',', required = true)]
        every: Vec<u64>,
        /// Milliseconds until the client stops and closes them all.
        #[arg(long = "for")]
        span: u64,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Sends a request, shuts its writing side, reads to the end.
    HalfClose {
        server: SocketAddr,
        path: String,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Sends a request and reads nothing of the answer for a while.
    SlowRead {
        server: SocketAddr,
        path: String,
        /// Milliseconds without reading.
        #[arg(long)]
        stall: u64,
        #[command(flatten)]
        tuning: Tuning,
    },
    /// Sends a body that fills the server's window to the last byte and not beyond, then is silent.
    Fill {
        server: SocketAddr,
        path: String,
        /// Milliseconds of silence.
        #[arg(long)]
        hold: u64,
        #[command(flatten)]
        tuning: Tuning,
    },
}

/// What is set on each socket.
#[derive(Debug, Clone, clap::Args)]
struct Tuning {
    /// IDLE/INTERVAL/COUNT in seconds; keepalive is off without it.
    #[arg(long)]
    keepalive: Option<String>,
    /// Receive buffer in bytes, set before the handshake.
    #[arg(long)]
    rcvbuf: Option<usize>,
    /// Send buffer in bytes.
    #[arg(long)]
    sndbuf: Option<usize>,
}

fn main() -> Result<()> {
    match Arguments::parse().role {
        Role::App {
            listen,
            idle,
            max_age,
            cut,
            tuning,
        } => app::serve(
            listen,
            &tuning,
            Limits {
                idle: idle.map(Duration::from_millis),
                age: max_age.map(Duration::from_millis),
                cut,
            },
        ),
        Role::Pool {
            server,
            path,
            every,
            span,
            tuning,
        } => client::pool(server, &path, &every, Duration::from_millis(span), &tuning),
        Role::HalfClose {
            server,
            path,
            tuning,
        } => client::half_close(server, &path, &tuning),
        Role::SlowRead {
            server,
            path,
            stall,
            tuning,
        } => client::slow_read(server, &path, Duration::from_millis(stall), &tuning),
        Role::Fill {
            server,
            path,
            hold,
            tuning,
        } => client::fill(server, &path, hold, &tuning),
    }
}

fn log(stream: &TcpStream, what: &str) {
    let ends =
        |addr: std::io::Result<SocketAddr>| addr.map_or_else(|_| "gone".into(), |a| a.to_string());
    println!(
        "{}",
        json!({
            "at": jiff::Timestamp::now().to_string(),
            "local": ends(stream.local_addr()),
            "peer": ends(stream.peer_addr()),
            "what": what,
        })
    );
}

fn open(addr: SocketAddr, tuning: &Tuning) -> Result<rustix::fd::OwnedFd> {
    let family = if addr.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let socket = socket(family, SocketType::STREAM, None).context("making a socket")?;
    if let Some(bytes) = tuning.rcvbuf {
        sockopt::set_socket_recv_buffer_size(&socket, bytes).context("SO_RCVBUF")?;
    }
    if let Some(bytes) = tuning.sndbuf {
        sockopt::set_socket_send_buffer_size(&socket, bytes).context("SO_SNDBUF")?;
    }
    if let Some(values) = &tuning.keepalive {
        let seconds: Vec<u32> = values.split('/').filter_map(|v| v.parse().ok()).collect();
        let [idle, interval, count] = seconds[..] else {
            bail!("--keepalive {values}: give IDLE/INTERVAL/COUNT, such as 7/5/2");
        };
        sockopt::set_socket_keepalive(&socket, true).context("SO_KEEPALIVE")?;
        sockopt::set_tcp_keepidle(&socket, Duration::from_secs(idle.into()))?;
        sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(interval.into()))?;
        sockopt::set_tcp_keepcnt(&socket, count)?;
    }
    Ok(socket)
}
