//! A server that answered SYNs, of which its client heard nothing: the way back is to blame.

use super::Attempt;
use crate::flow::What;
use crate::hop::Hop;
use crate::segment::Endpoint;
use crate::time::Time;
use crate::verdict::case::Case;
use crate::verdict::digest::Cite;
use crate::verdict::finding::{Culprit, Finding};
use crate::verdict::words;

/// Where a SYN-ACK was seen, and where not.
pub(super) struct Unheard {
    /// The vantage nearest to the client that shows it.
    seen_at: String,
    /// The next one on its way, which does not.
    missing_at: String,
    cite: String,
    at: Time,
}

impl Unheard {
    /// Where a vantage shows a SYN-ACK, and one nearer to the client shows none.
    pub(super) fn of(case: &Case<'_>, hop: &Hop) -> Option<Self> {
        let scene = case.world.scene;
        let accepted = |flow: usize| {
            let mut events = scene.flows[flow].trail.events.iter();
            events.find(|event| event.what == What::SynAck)
        };
        // The nearest to the client comes first.
        let mut sights = hop.sights.windows(2);
        sights.find_map(|pair| {
            let [near, far] = [pair[0].flow, pair[1].flow];
            let event = accepted(far).filter(|_| accepted(near).is_none())?;
            let [missing_at, seen_at] = [near, far].map(|flow| scene.flows[flow].vantage);
            Some(Self {
                seen_at: scene.name(seen_at).to_owned(),
                missing_at: scene.name(missing_at).to_owned(),
                cite: case.cite(Cite {
                    flow: far,
                    frame: event.frame,
                }),
                at: case.world.hops.clocks.common(seen_at, event.at),
            })
        })
    }

    /// Says so.
    pub(super) fn tell(
        self,
        attempt: &Attempt<'_>,
        client: &str,
        server: Endpoint,
        syns: &str,
        finding: &mut Finding,
    ) {
        let Self {
            seen_at,
            missing_at,
            cite,
            at,
        } = self;
        let way = format!("the way from {seen_at} back to {missing_at}");
        finding.because = format!("{syns} to {server}, and its SYN-ACKs did not come back");
        finding.summary = format!(
            "{client} hears nothing of {server}: its SYN-ACKs are lost on {way}{}",
            if attempt.succeeded {
                "; a retry elsewhere succeeded"
            } else {
                ""
            }
        );
        finding.story = format!(
            "{client} sent {syns} to {server} from {} on. {server} accepted: its SYN-ACKs came to {seen_at}, and none to {missing_at}.",
            words::clock(attempt.digest.begun)
        );
        finding.evidence.push(format!(
            "{cite}: SYN-ACK of {server} at {}; {missing_at} shows none",
            words::clock(at)
        ));
        finding.against.push(format!(
            "not {server}: it answers, and taking it out of what {client} balances over mends nothing"
        ));
        finding.advice.push(format!(
            "find out what drops segments on {way}: a firewall or conntrack that has seen one direction only (asymmetric routes), rp_filter, a missing route"
        ));
        finding.culprit = Culprit::Else(way);
    }
}
