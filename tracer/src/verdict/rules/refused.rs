//! A RST answered the SYN: nobody listens there, or something says so in its name.
//!
//! Looks alike: a RST after the handshake, and SYNs without any answer.

use std::borrow::Cow;

use crate::flow::{End, Side};
use crate::hop::Hop;
use crate::kernel::FactKind;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::{Digest, Mark};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::words;

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut aside = None;
    for (number, leg) in case.legs.iter().enumerate() {
        let own = std::iter::once(leg.digest);
        for digest in leg.tried.iter().copied().chain(own) {
            if let Some(mark) = digest.first.filter(|_| digest.end == End::Refused) {
                let finding = found(case, number, digest, &mark);
                if !finding.aside {
                    return Ok(finding);
                }
                aside = aside.or(Some(finding));
            }
        }
    }
    aside.ok_or_else(|| "no SYN was answered by a RST".into())
}

fn found(case: &Case<'_>, number: usize, digest: &Digest, mark: &Mark) -> Finding {
    let hop = &case.world.hops.hops[digest.place];
    let at = refuser(case, hop, mark);
    let server = match at {
        Some(vantage) => Cow::Borrowed(case.world.scene.name(vantage)),
        None => Cow::Owned(format!("the server {}", hop.server)),
    };
    let culprit = match at {
        Some(vantage) => Culprit::At(vantage),
        None => Culprit::Else(server.clone().into_owned()),
    };
    let leg = &case.legs[number];
    let client = case.name(number, Side::Client);
    let mut finding = Finding::new(number, culprit, Confidence::Certain);
    finding.aside = leg.made_up_for(digest);
    finding.hop = Some(digest.place);
    finding.at = Some(mark.at);
    finding.flow = Some(mark.cite.flow);
    finding.because = format!("a RST from {} answered the SYN", hop.server);
    finding.summary = format!("{server} refused the connection to {}", hop.server);
    // What a firewall rejects gets a RST as well, which no vantage can tell from the kernel's.
    let nobody = digest.kernel(Side::Server, |kind| match kind {
        FactKind::ResetSent(reason) => reason.as_deref() == Some(NO_SOCKET),
        _ => false,
    });
    finding.story = format!(
        "{client} asked {} for a connection at {} and got a RST: nobody listens on port {} there{}.{}",
        hop.server,
        words::clock(digest.begun),
        hop.server.port(),
        if nobody.is_some() {
            ""
        } else {
            ", or a firewall rejects it in that name"
        },
        if digest.place == leg.digest.place {
            ""
        } else {
            " Another address was tried then."
        }
    );
    finding.evidence.push(format!(
        "{}: RST to the SYN at {}",
        case.cite(mark.cite),
        words::clock(mark.at)
    ));
    if nobody.is_some() {
        finding.evidence.push(format!(
            "the kernel of {server} says that there is no such socket ({NO_SOCKET})"
        ));
    } else {
        finding.advice.push(format!(
            "look whether something listens on {} ('hopscope sockets' there): then a firewall rejects with a TCP reset, there or on the way",
            hop.server
        ));
    }
    finding.advice.push(format!(
        "start what should listen on {}, or take the address out of what {client} balances over (readiness probe, endpoints, health checks)",
        hop.server
    ));
    finding
}

/// Why the kernel sends a RST to a segment that no socket is there for (include/net/rstreason.h).
const NO_SOCKET: &str = "NO_SOCKET";

/// TTLs that stacks begin with (Linux and BSD, Windows, others).
const FRESH: [u8; 3] = [64, 128, 255];

/// The vantage at whoever refused: where the RST left, or the farthest one, where it had passed no
/// router.
fn refuser(case: &Case<'_>, hop: &Hop, mark: &Mark) -> Option<usize> {
    let fresh = mark.head.is_some_and(|head| {
        FRESH.contains(&head.ttl) && head.passage.is_none() && hop.sights.len() > 1
    });
    let farthest = fresh.then(|| case.world.scene.flows[mark.cite.flow].vantage);
    hop.at.server.or(case.went_out_at(mark)).or(farthest)
}
