//! How connections are used, in the report.

use schemars::JsonSchema;
use serde::Serialize;

use crate::chain::Usage;
use crate::scene::Scene;
use crate::time::Time;

/// Connections from one place to one port, whatever addresses have it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LinkReport {
    /// Name of the vantage at whoever opens them; the address that they come from where none is known.
    pub client: String,
    /// The port that they go to.
    pub port: u16,
    /// Connections, those that came to nothing included.
    pub connections: u64,
    /// Exchanges on them, answered or not.
    pub exchanges: u64,
    /// Exchanges at once, at most: so many connections would have done, had each been used again as
    /// soon as it was free.
    pub most_at_once: u64,
    /// Connections that were opened and requests that were sent for the second time or more often,
    /// for one and the same exchange.
    pub retries: u64,
    /// What each address gets.
    pub addresses: Vec<ShareReport>,
}

/// What one address gets. Times are by the clock of the first vantage.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ShareReport {
    /// `ip:port`.
    pub server: String,
    /// Connections to it.
    pub connections: u64,
    /// Exchanges with it.
    pub exchanges: u64,
    /// Connections that it did not answer.
    pub unanswered: u64,
    /// Connections that it refused.
    pub refused: u64,
    /// The first connection or exchange.
    pub first: Time,
    /// The last time that a connection to it was opened or an exchange began.
    pub last: Time,
    /// Its last exchange, where the others got so many after it that it is hardly chance that it got
    /// no more; else null.
    pub stopped_at: Option<Time>,
}

impl LinkReport {
    pub(super) fn new(scene: &Scene<'_>, usage: &Usage) -> Self {
        let vantage = usage.vantage.map(|vantage| scene.name(vantage).to_owned());
        let addresses = usage.addresses.iter().map(|share| ShareReport {
            server: share.server.to_string(),
            connections: share.connections,
            exchanges: share.exchanges,
            unanswered: share.unanswered,
            refused: share.refused,
            first: share.first,
            last: share.last,
            stopped_at: share.stopped_at,
        });
        Self {
            client: vantage.unwrap_or_else(|| usage.client.to_string()),
            port: usage.port,
            connections: usage.connections,
            exchanges: usage.exchanges,
            most_at_once: usage.most_at_once,
            retries: usage.retries,
            addresses: addresses.collect(),
        }
    }
}
