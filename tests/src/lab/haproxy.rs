//! HAProxy in TCP mode: the load balancer.

use std::net::SocketAddr;

/// A HAProxy that passes bytes from `listen` to `server`.
#[derive(Debug, Clone, Copy)]
pub struct Haproxy {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it connects to.
    pub server: SocketAddr,
    /// `timeout client` and `timeout server`, in seconds.
    pub timeout: u32,
}

impl Haproxy {
    /// The configuration file. The log names both connections of a session.
    #[must_use]
    pub fn config(&self) -> String {
        let Self {
            listen,
            server,
            timeout,
        } = self;
        format!(
            r#"global
    log stdout format raw local0
    nbthread 1
    maxconn 100
defaults
    mode tcp
    log global
    timeout connect 5s
    timeout client {timeout}s
    timeout server {timeout}s
    log-format '{{"accepted":"%t","client":"%ci:%cp","frontend":"%fi:%fp","backend":"%bi:%bp","server":"%si:%sp","state":"%ts","total_ms":%Tt,"bytes_up":%U,"bytes_down":%B}}'
listen lb
    bind {listen}
    server gw {server}
"#
        )
    }
}
