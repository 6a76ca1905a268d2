//! What only a kernel tells: it gave a connection up, and no vantage shows what it sent in vain. What drops
//! segments in its own network namespace does so before a vantage there sees them.

use std::time::Duration;

use crate::flow::Side;
use crate::kernel::FactKind;
use crate::time::Time;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::Digest;
use crate::verdict::finding::{Culprit, Finding};
use crate::verdict::words;

/// The FIN or RST of whoever closes goes out sooner, where nothing else has to before.
const SOON: Duration = Duration::from_secs(1);

/// Who gave up, and when.
pub(super) struct GaveUp {
    leg: usize,
    side: Side,
    pub(super) at: Time,
}

impl GaveUp {
    /// The first end whose kernel told such a fact before anybody was seen to close, on a hop that is not left
    /// out.
    pub(super) fn of(
        case: &Case<'_>,
        told: fn(&FactKind) -> bool,
        left_out: fn(&Digest, Side) -> bool,
    ) -> Option<Self> {
        let mut legs = case.legs.iter().enumerate();
        legs.find_map(|(leg, of)| {
            let mut sides = [Side::Client, Side::Server].into_iter();
            sides.find_map(|side| {
                let at = of.digest.kernel(side, told)?.at;
                let first = of.digest.first.is_none_or(|first| first.at > at);
                (first && !left_out(of.digest, side)).then_some(Self { leg, side, at })
            })
        })
    }

    /// Names of who gave up and of its peer.
    pub(super) fn names(&self, case: &Case<'_>) -> [String; 2] {
        [self.side, self.side.other()].map(|side| case.name(self.leg, side))
    }

    /// The same with the words that a summary begins with.
    pub(super) fn who(&self, case: &Case<'_>) -> String {
        case.who(self.leg, self.side)
    }

    /// What is the same of all that is found so.
    pub(super) fn finding(&self, case: &Case<'_>, confidence: Confidence) -> Finding {
        let culprit = Culprit::End(self.leg, self.side);
        let mut finding = Finding::new(self.leg, culprit, confidence);
        finding.proved = true;
        finding.at = Some(self.at);
        let sights = &case.legs[self.leg].hop.sights;
        finding.flow = sights.first().map(|sight| sight.flow);
        let [own, peer] = self.names(case);
        finding.advice.push(format!(
            "look in the network namespace of {own} for what drops segments to {peer}: rules of netfilter (nft list ruleset), an interface that is gone, a route"
        ));
        finding
    }
}

/// A process closed its server's end while an answer was owed, and no vantage shows a FIN or RST of it: the
/// interface may have gone with it, as where a pod is deleted.
pub(super) fn closed(case: &Case<'_>) -> Option<Finding> {
    let closed = |kind: &FactKind| matches!(kind, FactKind::Closed(_));
    let gave_up = GaveUp::of(case, closed, |_, side| side == Side::Client)?;
    let leg = &case.legs[gave_up.leg];
    // What it had begun to answer may go out first, and its FIN after that.
    let silent = leg.owed() && leg.answered_at().is_none();
    let waited = leg.waited(gave_up.at).filter(|_| silent)?;
    let mut marks = leg.digest.marks.iter();
    // What comes later is somebody else's in its name.
    if marks.any(|mark| mark.by == gave_up.side && mark.at <= gave_up.at + SOON) {
        return None;
    }
    let told = leg.digest.kernel(gave_up.side, closed)?;
    let ([server, client], at) = (gave_up.names(case), words::clock(gave_up.at));
    let waited = words::length(waited);
    let mut finding = gave_up.finding(case, Confidence::Certain);
    finding.because = format!("the kernel says that {server} closed while it owed an answer");
    finding.summary = format!(
        "{} ended it: it closed while it owed an answer for {waited}, and {client} did not hear of it",
        gave_up.who(case)
    );
    finding.story = format!(
        "{server} closed at {at}, {waited} after it had been asked. No FIN or RST of it was seen at any vantage: what dropped it did so before it came there."
    );
    if let FactKind::Closed(process) = &told.kind {
        finding.evidence.push(words::closed_by(process));
    }
    finding
        .advice
        .insert(0, words::restarted(&server, gave_up.at));
    Some(finding)
}
