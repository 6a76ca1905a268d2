//! What the kernel told beside segments, in the report.

use schemars::JsonSchema;
use serde::Serialize;

use crate::flow::Side;
use crate::kernel::{Account, Fact, FactKind};
use crate::time::Time;

/// Something that befell a socket.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct FactReport {
    /// When; the first time, where it happened several times in a row.
    pub at: Time,
    /// The last time.
    pub until: Time,
    /// How often.
    pub times: u64,
    /// What.
    pub what: FactName,
    /// Who closed; null for what no process did.
    pub pid: Option<u32>,
    /// Name of that process.
    pub comm: Option<String>,
    /// The kernel's own word for why a RST was sent; null where it does not say (before Linux 6.10).
    pub reason: Option<String>,
    /// The error's number: 110 is ETIMEDOUT; null for what is no error.
    pub errno: Option<i32>,
}

/// What befell a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactName {
    /// A process called close or shutdown, or exited.
    ClosedByProcess,
    /// It sent a RST, or one was sent where there was no socket.
    ResetSent,
    /// It took in a RST.
    ResetReceived,
    /// It sent a segment again.
    Retransmitted,
    /// It got an error that its process will see.
    Error,
}

/// Something that befell the socket at an end of a flow.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct KernelReport {
    /// The side whose socket it is.
    pub by: Side,
    /// What.
    #[serde(flatten)]
    pub fact: FactReport,
}

/// Something that the kernel told of no flow that was seen.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct UnjoinedReport {
    /// Name of the namespace.
    pub vantage: String,
    /// The socket's own end: `ip:port`, IPv6 in brackets.
    pub local: String,
    /// Its other end; null for a listener.
    pub peer: Option<String>,
    /// The kernel's number for it; null where there was no socket.
    pub cookie: Option<u64>,
    /// What.
    #[serde(flatten)]
    pub fact: FactReport,
}

impl FactReport {
    pub(super) fn new(fact: &Fact) -> Self {
        let name = |what| Self {
            at: fact.at,
            until: fact.until,
            times: fact.times,
            what,
            pid: None,
            comm: None,
            reason: None,
            errno: None,
        };
        match &fact.kind {
            FactKind::Closed(by) => Self {
                pid: Some(by.pid),
                comm: Some(by.comm.clone()),
                ..name(FactName::ClosedByProcess)
            },
            FactKind::ResetSent(reason) => Self {
                reason: reason.clone(),
                ..name(FactName::ResetSent)
            },
            FactKind::ResetReceived => name(FactName::ResetReceived),
            FactKind::Retransmitted => name(FactName::Retransmitted),
            FactKind::Error(errno) => Self {
                errno: Some(*errno),
                ..name(FactName::Error)
            },
        }
    }
}

impl UnjoinedReport {
    pub(super) fn new(vantage: String, account: &Account, fact: &Fact) -> Self {
        Self {
            vantage,
            local: account.local.to_string(),
            peer: account.peer.map(|peer| peer.to_string()),
            cookie: account.cookie,
            fact: FactReport::new(fact),
        }
    }
}
