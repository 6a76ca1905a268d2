//! HAProxy: the load balancer.

use std::net::SocketAddr;

/// What of a connection HAProxy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Bytes only. The log is JSON and names both connections of a session.
    Tcp,
    /// Requests. The log is what `option httplog` writes, which does not name the connection to the
    /// server.
    Http,
}

/// A HAProxy that passes what comes to `listen` on to `servers` in turn.
#[derive(Debug, Clone)]
pub struct Haproxy {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it connects to.
    pub servers: Vec<SocketAddr>,
    /// `timeout client` and `timeout server`, in seconds.
    pub timeout: u32,
    /// `timeout connect`, in seconds.
    pub connect: u32,
    /// Whether it reads requests.
    pub mode: Mode,
    /// Whether a PROXY protocol header (version 2) tells the server of the client.
    pub proxy_protocol: bool,
}

impl Haproxy {
    /// One that passes bytes to one server.
    #[must_use]
    pub fn new(listen: SocketAddr, server: SocketAddr, timeout: u32) -> Self {
        Self {
            listen,
            servers: vec![server],
            timeout,
            connect: 5,
            mode: Mode::Tcp,
            proxy_protocol: false,
        }
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> String {
        let Self {
            listen,
            timeout,
            connect,
            ..
        } = self;
        let (mode, log) = match self.mode {
            Mode::Tcp => (
                "tcp",
                r#"log-format '{"accepted":"%t","client":"%ci:%cp","frontend":"%fi:%fp","backend":"%bi:%bp","server":"%si:%sp","state":"%ts","total_ms":%Tt,"bytes_up":%U,"bytes_down":%B}'"#,
            ),
            Mode::Http => ("http", "option httplog"),
        };
        let header = if self.proxy_protocol {
            " send-proxy-v2"
        } else {
            ""
        };
        let servers = self.servers.iter().enumerate();
        let servers: Vec<String> = servers
            .map(|(place, server)| format!("    server gw{place} {server}{header}"))
            .collect();
        let servers = servers.join("\n");
        format!(
            r"global
    log stdout format raw local0
    nbthread 1
    maxconn 100
defaults
    mode {mode}
    log global
    retries 0
    timeout connect {connect}s
    timeout client {timeout}s
    timeout server {timeout}s
    {log}
listen lb
    bind {listen}
    balance roundrobin
{servers}
"
        )
    }
}
