//! A FIN or RST that the side it claims to come from never sent.
//!
//! Holds where it has a TTL unlike all else that this side sent (FACTS 3.13), where that side went on
//! as if it had not sent it, where it left a host that it had not come in to (which the joined hop
//! knows), or where the kernel's socket of that side outlived it: a firewall, a NAT whose entry timed out,
//! a middlebox. A firewall on the sender's own machine has its TTL, so there only the kernel tells.
//!
//! Looks alike: a RST of the peer's own kernel, which has the TTL of the rest, and whose socket ends with
//! it; one that the vantage of its sender did not capture; and one that is made in answer to a FIN, when
//! the connection had ended already.

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::{Forged, Mark};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::words;

pub(super) fn judge(case: &Case<'_>) -> Found {
    for (number, leg) in case.legs.iter().enumerate() {
        let mut forged = leg.digest.made.iter().filter(|_| leg.is_last);
        if let Some(forged) = forged.find(|forged| !came_after_the_end(case, leg, forged)) {
            return Ok(made(case, number, forged));
        }
    }
    for (number, leg) in case.legs.iter().enumerate() {
        let odd = leg.digest.odd.filter(|odd| {
            let first = leg.first();
            first.is_some_and(|first| first.cite == odd.mark.cite)
        });
        if let Some(odd) = odd {
            let mut finding = found(case, number, &odd.mark, Confidence::Likely, None);
            finding.evidence.push(ttl(&odd.mark, odd.usual));
            finding.against.push(format!(
                "no vantage is at {}: that it never sent it is told from the TTL alone",
                case.name(number, odd.mark.by)
            ));
            return Ok(finding);
        }
    }
    Err("every FIN and RST is as its sender's other segments are, as far as was seen".into())
}

/// Whether one of both sides had closed before: what is made in the name of the other then, as by a NAT
/// that has forgotten the connection, answers that and ends nothing.
fn came_after_the_end(case: &Case<'_>, leg: &Leg<'_>, forged: &Forged) -> bool {
    leg.first().is_some_and(|first| {
        let error = case.error(first.cite.flow, forged.mark.cite.flow);
        error.is_some_and(|error| first.at + error < forged.mark.at)
    })
}

/// Where its sender's own vantage, its kernel or its TTL speak against it.
fn made(case: &Case<'_>, number: usize, forged: &Forged) -> Finding {
    let mark = &forged.mark;
    let confidence = if forged.proved {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let named = case.name(number, mark.by);
    let host = is_host(case, number, forged);
    let way = host.then(|| format!("a firewall in the network namespace of {named}"));
    let mut finding = found(case, number, mark, confidence, way);
    if host {
        advise_host(case, number, mark, &mut finding);
    }
    if forged.outlived {
        finding.evidence.push(format!(
            "the kernel's own socket at {named} was still there afterwards, and the kernel told of no RST of it: a socket that sends a RST ends with it"
        ));
    }
    match maker(case, number, mark) {
        Some(vantage) => finding.evidence.push(format!(
            "it left {} without having come in from {named}",
            case.world.scene.name(vantage)
        )),
        None if forged.outlived => {}
        None => finding
            .evidence
            .push(format!("a vantage nearer to {named} did not see it")),
    }
    if forged.went_on {
        finding.evidence.push(format!(
            "{named} went on afterwards, as who has sent a {} does not",
            words::kind(mark.rst)
        ));
    }
    let ttl = forged.usual.map(|usual| ttl(mark, usual));
    finding.evidence.extend(ttl);
    finding
}

/// In the name of that mark's sender, by somebody on the way, or `made_by`.
fn found(
    case: &Case<'_>,
    leg: usize,
    mark: &Mark,
    confidence: Confidence,
    made_by: Option<String>,
) -> Finding {
    let (client, server) = (case.name(leg, Side::Client), case.name(leg, Side::Server));
    let kind = words::kind(mark.rst);
    let named = case.name(leg, mark.by);
    let made_at = maker(case, leg, mark);
    let (way, culprit) = match (made_at, made_by) {
        (Some(vantage), _) => (
            case.world.scene.name(vantage).to_owned(),
            Culprit::At(vantage),
        ),
        (None, Some(way)) => (way.clone(), Culprit::Else(way)),
        (None, None) => {
            let way = format!("something between {client} and {server}");
            (way.clone(), Culprit::Else(way))
        }
    };
    let mut finding = Finding::new(leg, culprit, confidence);
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because = format!("a {kind} in the name of {named} that it did not send");
    finding.summary = format!("{way} ended it: a {kind} made in the name of {named}");
    finding.story = format!(
        "{} received a {kind} that claims to come from {named}, and did not; {named} knows nothing of it.",
        case.name(leg, mark.by.other())
    );
    finding.evidence.push(case.cite_mark(leg, mark));
    finding.advice.push(format!(
        "look for a firewall, NAT or load balancer on the way between {client} and {server}: what it logs at {}, and after how long it forgets silent connections",
        words::clock(mark.at)
    ));
    finding.config.push(
        "conntrack -L -p tcp  # on the machines between: is the connection known, for how long?"
            .to_owned(),
    );
    finding
}

/// The vantage on the way that it left without having come in.
fn maker(case: &Case<'_>, leg: usize, mark: &Mark) -> Option<usize> {
    let at = case.legs[leg].hop.at;
    let vantage = case.went_out_at(mark)?;
    (at.client != Some(vantage) && at.server != Some(vantage)).then_some(vantage)
}

/// Whether it passed the vantage at the side that it claims to come from, whose socket did not send it:
/// something else in that network namespace did. The probe looks behind all that netfilter does there.
fn is_host(case: &Case<'_>, leg: usize, forged: &Forged) -> bool {
    let vantage = case.world.scene.flows[forged.mark.cite.flow].vantage;
    forged.outlived && case.legs[leg].hop.at[forged.mark.by] == Some(vantage)
}

/// Where to look for what rejects on the machine itself.
fn advise_host(case: &Case<'_>, leg: usize, mark: &Mark, finding: &mut Finding) {
    finding.advice = vec![format!(
        "look in the network namespace of {} for a rule that rejects with a TCP reset (nftables, iptables, a CNI's policy) and counted up at {}",
        case.name(leg, mark.by),
        words::clock(mark.at)
    )];
    finding.config = vec![
        "nft list ruleset | grep reset; iptables-save -c | grep tcp-reset  # in that namespace"
            .to_owned(),
    ];
}

fn ttl(mark: &Mark, usual: u8) -> String {
    let head = mark.head.map_or(0, |head| head.ttl);
    let id = mark
        .head
        .and_then(|head| head.ip_id)
        .filter(|id| *id == 0)
        .map_or("", |_| ", and an IP id of 0");
    format!("its TTL is {head}, where all else from there has {usual}{id}")
}
