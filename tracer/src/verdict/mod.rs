//! Verdicts: who ended it, where, why, how sure that is, and on what evidence.

use crate::chain::Chain;
use crate::hop::Hops;
use crate::log::AccessLog;
use crate::scene::Scene;
use crate::time::Time;

/// Why something ended, or did not.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An exchange was complete, then one side closed and the others followed.
    NormalClose,
    /// The client closed while an answer was pending.
    ClientGaveUp,
    /// Somebody closed after silence of a fixed length.
    IdleTimeout,
    /// A gateway answered or closed while its upstream was still pending.
    RequestTimeout,
    /// Keepalive probes were not answered, then the prober reset.
    KeepaliveDeath,
    /// Data was not acknowledged until the sender gave up.
    RetransmissionDeath,
    /// Somebody ends connections of a certain age.
    MaxConnectionAge,
    /// A pooled connection was used again as its peer closed it.
    StaleReuse,
    /// A RST answered the SYN.
    Refused,
    /// Nothing answered the SYNs.
    Unreachable,
    /// The server ended while it owed an answer.
    ClosedMidExchange,
    /// A FIN one way, normal life the other way, honoured to the end.
    HalfClose,
    /// A FIN or RST that the side it claims to come from never sent.
    InjectedReset,
    /// A window of zero was held.
    ReceiverStalled,
    /// A gateway answered 503 without a segment to any upstream.
    Overload,
    /// Still open when the capture ended.
    Open,
    /// What was seen does not tell.
    Unknown,
}

/// How sure a verdict is.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// One of several explanations.
    Possible,
    /// One explanation fits, by evidence that is named.
    Likely,
    /// The segments or the kernel prove it.
    Certain,
}

/// Who ended it and why.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The chain it is about, by its place; `None` where hops are not joined.
    pub chain: Option<usize>,
    /// The hop on which it began to end.
    pub hop: Option<usize>,
    /// The flow that shows it best, by its place in the scene.
    pub flow: Option<usize>,
    /// Why.
    pub cause: Cause,
    /// The vantage at whoever ended it, by its place in the scene; `None` where there is none.
    pub ended_by: Option<usize>,
    /// Whoever ended it, in words: `lb`, or `the server 10.0.0.2:80` where no vantage is there.
    pub culprit: Option<String>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Something went wrong: somebody should look at it.
    pub alarm: bool,
    /// When it ended, by the common clock.
    pub at: Option<Time>,
    /// `lb ended it: idle timeout of 6.0 s`.
    pub summary: String,
    /// What happened, in a sentence or two.
    pub story: String,
    /// What speaks for it, with times and frames.
    pub evidence: Vec<String>,
    /// What it is not, and why; or what speaks against it.
    pub against: Vec<String>,
    /// What each other hop did.
    pub then: Vec<String>,
    /// What to do.
    pub advice: Vec<String>,
    /// The rules that were considered.
    pub considered: Vec<Considered>,
}

/// A rule that was considered, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, schemars::JsonSchema)]
pub struct Considered {
    /// What it would have meant.
    pub cause: Cause,
    /// Whether it held, and how sure it was then.
    pub held: Option<Confidence>,
    /// Why, or why not.
    pub because: String,
}

/// Judges every chain, and every hop that is in none.
#[must_use]
pub fn judge(
    _scene: &Scene<'_>,
    _hops: &Hops,
    _chains: &[Chain],
    _logs: &[AccessLog],
) -> Vec<Verdict> {
    Vec::new()
}
