//! What a rule finds.

use std::borrow::Cow;

use super::Confidence;
use crate::flow::Side;
use crate::time::Time;

/// What a rule finds, or why it does not hold.
pub(super) type Found = Result<Finding, Cow<'static, str>>;

/// What a rule finds.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    /// The leg on which it began to end.
    pub(super) leg: usize,
    /// The hop, where it is not the leg's own: one that was tried before.
    pub(super) hop: Option<usize>,
    /// The flow that shows it best, by its place in the scene.
    pub(super) flow: Option<usize>,
    /// Who ended it.
    pub(super) culprit: Culprit,
    pub(super) confidence: Confidence,
    pub(super) alarm: bool,
    /// It is of an attempt to connect that another one made up for: what became of the request in the end
    /// is another matter.
    pub(super) aside: bool,
    /// The kernel of whoever ended it says so: no frame that a capture lacks would change that.
    pub(super) proved: bool,
    pub(super) at: Option<Time>,
    /// Why the rule holds.
    pub(super) because: String,
    pub(super) summary: String,
    pub(super) story: String,
    pub(super) evidence: Vec<String>,
    pub(super) against: Vec<String>,
    pub(super) advice: Vec<String>,
    pub(super) config: Vec<String>,
}

/// Who ended it.
#[derive(Clone, Debug)]
pub(super) enum Culprit {
    /// Nobody did.
    Nobody,
    /// Whoever is at that side of that leg.
    End(usize, Side),
    /// Whoever is at that vantage.
    At(usize),
    /// Somebody who is at no vantage, in words.
    Else(String),
}

impl Finding {
    /// On a leg, with nothing said yet.
    pub(super) fn new(leg: usize, culprit: Culprit, confidence: Confidence) -> Self {
        Self {
            leg,
            hop: None,
            flow: None,
            culprit,
            confidence,
            alarm: true,
            aside: false,
            proved: false,
            at: None,
            because: String::new(),
            summary: String::new(),
            story: String::new(),
            evidence: Vec::new(),
            against: Vec::new(),
            advice: Vec::new(),
            config: Vec::new(),
        }
    }
}
