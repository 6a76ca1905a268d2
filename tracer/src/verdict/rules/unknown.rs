//! What was seen does not tell: says what it was, and what would be needed.

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::finding::{Culprit, Finding};
use crate::verdict::gaps;
use crate::verdict::words;

pub(in crate::verdict) fn judge(case: &Case<'_>) -> Finding {
    let number = case.legs.len() - 1;
    let leg = &case.legs[number];
    let status = case.legs[0].status().filter(|status| *status >= 500);
    let mut finding = Finding::new(0, Culprit::Nobody, Confidence::Possible);
    let server = case.name(number, Side::Server);
    finding.because = "no other rule holds".to_owned();
    finding.flow = leg.hop.sights.first().map(|sight| sight.flow);
    finding.at = case.legs[0].answered_at();
    if let Some(status) = status {
        finding.summary = format!("answered {status}; what was captured does not tell why");
        finding.story = format!(
            "{server} answered {status}: it, or something behind it, failed. Nothing behind it was captured, or nothing could be joined to this request."
        );
        finding
            .evidence
            .push(format!("the answer's status is {status}"));
    } else if let Some(origin) = case.origins.first() {
        let who = case.name(origin.leg, origin.mark.by);
        finding.at = Some(origin.mark.at);
        let kind = words::kind(origin.mark.rst);
        if gaps::may_hide(case) {
            // The one before may be among what is missing.
            finding.summary =
                "frames are missing: what was captured does not tell who ended it".to_owned();
            finding.story = format!(
                "The first {kind} that was captured is of {who}, and no rule explains it: it may have passed on one that was not."
            );
        } else {
            finding.culprit = Culprit::End(origin.leg, origin.mark.by);
            finding.summary = format!("{who} closed first; what was captured does not tell why");
            finding.story = format!("{who} sent the first {kind}, and no rule explains it.");
        }
        finding
            .evidence
            .push(case.cite_mark(origin.leg, &origin.mark));
    } else {
        finding.summary = "what was captured does not tell how it ended".to_owned();
        finding.story = "No rule explains what was seen.".to_owned();
    }
    finding.advice.push(format!(
        "capture at {server} and behind it as well, and give the access logs of the proxies (--access-log)"
    ));
    finding
}
