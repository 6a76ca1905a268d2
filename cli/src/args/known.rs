//! What is known beside what was captured.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// Files that say more than captures do.
#[derive(Args)]
pub(crate) struct Known {
    /// Access log of a proxy, which says best how its connections belong together: Envoy's or Istio's
    /// (JSON or text) or HAProxy's (option tcplog or httplog). NAME is its vantage, or any other name;
    /// repeatable.
    #[arg(long = "access-log", value_name = "[NAME=]FILE")]
    pub(crate) access_logs: Vec<OsString>,
    /// Timeouts to know beside the built-in ones, in TOML: [[timeout]] with name, seconds, kind
    /// ("proxy", "l4", "server"), change and source. They come first; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) timeouts: Vec<PathBuf>,
}
