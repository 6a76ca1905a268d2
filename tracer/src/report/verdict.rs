//! Verdicts in the report.

use schemars::JsonSchema;
use serde::Serialize;

use crate::flow::FlowId;
use crate::scene::Scene;
use crate::time::Time;
use crate::verdict::{Cause, Confidence, Considered, Verdict};

/// Who ended it and why.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct VerdictReport {
    /// The chain it is about; null where hops are not joined.
    pub chain: Option<u64>,
    /// The hop on which it began to end.
    pub hop: Option<u64>,
    /// The flow that shows it best.
    pub flow: Option<FlowId>,
    /// Why.
    pub cause: Cause,
    /// Name of the vantage at whoever ended it; null where none is, or nobody did.
    pub ended_by_vantage: Option<String>,
    /// Whoever ended it, in words; null where nobody did.
    pub ended_by: Option<String>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Something went wrong: somebody should look at it.
    pub alarm: bool,
    /// When it ended, by the clock of the first vantage.
    pub at: Option<Time>,
    /// In a line.
    pub summary: String,
    /// What happened, in a sentence or two.
    pub story: String,
    /// What speaks for it, with times and frames.
    pub evidence: Vec<String>,
    /// What it is not, and why; or what speaks against it.
    pub against: Vec<String>,
    /// What each other hop did.
    pub then: Vec<String>,
    /// Who sent keepalive probes, whether they were answered, and what they did not do.
    pub keepalive: Vec<String>,
    /// What to do.
    pub advice: Vec<String>,
    /// Lines of configuration that do it.
    pub config: Vec<String>,
    /// The rules that were considered, and why each did or did not hold.
    pub considered: Vec<Considered>,
}

impl VerdictReport {
    pub(super) fn new(scene: &Scene<'_>, verdict: &Verdict) -> Self {
        let number = |place: Option<usize>| place.map(|place| place as u64);
        let verdict = verdict.clone();
        Self {
            chain: number(verdict.chain),
            hop: number(verdict.hop),
            flow: verdict.flow.map(|flow| scene.flows[flow].id),
            cause: verdict.cause,
            ended_by_vantage: verdict
                .ended_by
                .map(|vantage| scene.name(vantage).to_owned()),
            ended_by: verdict.culprit,
            confidence: verdict.confidence,
            alarm: verdict.alarm,
            at: verdict.at,
            summary: verdict.summary,
            story: verdict.story,
            evidence: verdict.evidence,
            against: verdict.against,
            then: verdict.then,
            keepalive: verdict.keepalive,
            advice: verdict.advice,
            config: verdict.config,
            considered: verdict.considered,
        }
    }
}
