//! The client closed while an answer was owed.
//!
//! Holds where the first FIN or RST that nobody had announced is the first client's, and its answer
//! was owed. Likely only with a vantage at that client: seen from elsewhere, whoever is in front may
//! pass on a close or have a timer of its own.
//!
//! What is neither HTTP nor TLS need not ask for anything: such a client is never certain to have given
//! up, and where it was never answered and waited less than a second it may as well only have delivered
//! something (logs, metrics): that is possible, and no alarm.
//!
//! Where nothing came back to the client's FIN, which it sent again and again, the path or the peer was dead:
//! what it waited for may have been lost with it, so that it is only possible.
//!
//! Looks alike: a load balancer's idle timeout seen from behind it; a half-close, after which the
//! client takes the answer. Half a close says that all was asked, so it comes with the request's last bytes
//! or soon after (RFC 9293 section 3.6); a FIN after a long wait for an answer is lost patience, also where
//! the capture ends with it. Only who was never answered in a protocol that is not known may have had more
//! to ask all that time.

use std::time::Duration;

use crate::flow::Side;
use crate::kernel::FactKind;
use crate::time::Time;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::{Carries, Mark, Unheard};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::words;

/// A FIN that was sent again so often, each time after twice the time (RFC 6298 section 5.5), and that nothing
/// came back to, met no passing loss.
const IN_VAIN: u32 = 2;

/// Whoever waits for an answer waits longer, where nothing says what is spoken.
const PATIENT: Duration = Duration::from_secs(1);

pub(super) fn judge(case: &Case<'_>) -> Found {
    let Some(origin) = case.origins.first() else {
        return Err("nobody closed".into());
    };
    if origin.node != 0 {
        return Err("the first to close was not the first client".into());
    }
    if case.handshake_failure().is_some() {
        return Err("the handshake of TLS was not over".into());
    }
    let leg = &case.legs[0];
    if !leg.owed() || leg.asked().is_none() {
        return Err("no answer was owed to it".into());
    }
    let seen = Seen::of(case, origin.mark);
    let mut finding = found(case, &seen);
    if let Some(fin) = seen.in_vain {
        nobody_there(case, fin, &mut finding);
    }
    doubt(case, &seen, &mut finding);
    advise(case, &seen, &mut finding);
    Ok(finding)
}

/// What was seen of the client that closed.
struct Seen<'a> {
    /// Its first FIN or RST.
    mark: Mark,
    waited: Option<Duration>,
    /// It waited too long for half a close.
    patient: bool,
    /// It is no proxy, nor behind one, as far as is known.
    own: bool,
    /// What came after its FIN was seen. A FIN that nothing follows may be half a close, after which the answer
    /// still comes.
    followed: bool,
    /// It may have wanted no answer.
    delivered: bool,
    /// An answer that was sent and did not arrive: on which leg, and when.
    lost: Option<(usize, Time)>,
    /// Its FIN, which nothing came back to.
    in_vain: Option<Unheard>,
    /// What the kernel says of who closed.
    process: Option<&'a FactKind>,
}

impl<'a> Seen<'a> {
    fn of(case: &Case<'a>, mark: Mark) -> Self {
        let leg = &case.legs[0];
        let heard = leg.digest.turns.iter().any(|turn| turn.by == Side::Server);
        let waited = leg.waited(mark.at);
        let other = leg.digest.carries == Carries::Other;
        let known = matches!(leg.digest.carries, Carries::Http | Carries::Tls);
        let at = leg.hop.at;
        // On loopback the vantage may be the server's alone, and what Envoy asks it passes on.
        let passed_on =
            case.is_proxy(0, Side::Client) || at.client == at.server || leg.asked_by_proxy();
        let unheard = leg.digest.unheard_fin[Side::Client];
        let closed = |kind: &FactKind| matches!(kind, FactKind::Closed(_));
        let process = leg.digest.kernel(Side::Client, closed);
        Self {
            mark,
            waited,
            patient: waited.is_some_and(|waited| waited >= PATIENT) && (known || heard),
            own: at.client.is_some() && !passed_on,
            followed: mark.rst || leg.digest.first_by(Side::Server).is_some(),
            delivered: other && !heard && waited.is_some_and(|waited| waited < PATIENT),
            lost: answer_lost(case, mark.at),
            in_vain: unheard.filter(|fin| fin.times >= IN_VAIN),
            process: process.map(|told| &told.kind),
        }
    }

    fn confidence(&self, case: &Case<'_>) -> Confidence {
        let other = case.legs[0].digest.carries == Carries::Other;
        let whole = self.followed || self.patient;
        match (self.own && whole, self.process) {
            _ if self.delivered || self.lost.is_some() || self.in_vain.is_some() => {
                Confidence::Possible
            }
            (true, Some(_)) if !other && self.followed => Confidence::Certain,
            (true, _) => Confidence::Likely,
            (false, _) => Confidence::Possible,
        }
    }
}

fn found(case: &Case<'_>, seen: &Seen<'_>) -> Finding {
    let leg = &case.legs[0];
    let client = case.name(0, Side::Client);
    let culprit = Culprit::End(0, Side::Client);
    let waited = seen.waited.map(words::length);
    let mut finding = Finding::new(0, culprit, seen.confidence(case));
    finding.alarm = !seen.delivered;
    finding.at = Some(seen.mark.at);
    finding.flow = Some(seen.mark.cite.flow);
    finding.because = format!("{client} closed first, while an answer was owed to it");
    let cut = leg.cut_short();
    let unfinished = leg.unfinished();
    finding.summary = format!(
        "{} gave up{} {}",
        case.who(0, Side::Client),
        waited
            .as_ref()
            .map_or_else(String::new, |waited| format!(" after {waited}")),
        if unfinished.is_some() {
            "in the middle of its request"
        } else if cut.is_some() {
            "in the middle of the answer"
        } else {
            "without an answer"
        }
    );
    finding.story = format!(
        "{client} closed at {}, {}; nobody had closed before.",
        words::clock(seen.mark.at),
        match (unfinished, &waited) {
            (Some(sent), Some(waited)) => format!("{waited} after it had sent {sent}"),
            (_, Some(waited)) => format!("{waited} after its request, while the answer was owed"),
            (_, None) => "after a request that was not seen, while the answer was owed".to_owned(),
        }
    );
    finding.evidence.push(case.cite_mark(0, &seen.mark));
    if let Some((sent, whole)) = cut {
        finding.evidence.push(format!(
            "the answer announced {whole} bytes with its head, and had at most {sent} by then"
        ));
    }
    if let Some(FactKind::Closed(process)) = seen.process {
        finding.evidence.push(words::closed_by(process));
    }
    finding
}

/// What speaks for something else, and what speaks against that.
fn doubt(case: &Case<'_>, seen: &Seen<'_>, finding: &mut Finding) {
    let client = case.name(0, Side::Client);
    finding.against.push(if seen.own {
        format!("not a proxy's timeout: no FIN or RST came to {client} before its own")
    } else if case.is_proxy(0, Side::Client) {
        format!(
            "{client} takes connections as well: it may have passed on a close of one of these, or have \
             a timer of its own; which one this belongs to was not seen"
        )
    } else {
        format!(
            "if {client} is a proxy, it may have passed on a close of the client behind it or its own \
             timeout: no vantage shows its other side"
        )
    });
    if !seen.followed {
        finding.against.push(if seen.patient {
            "not half a close, as far as can be told: that comes with the request, not after a wait, \
             but what followed was not seen"
                .to_owned()
        } else {
            format!(
                "what followed was not seen: {client} may have closed one direction only and have \
                 waited on"
            )
        });
    }
    if let Some((number, answered)) = seen.lost {
        finding.against.push(format!(
            "{} had sent an answer at {}, which did not arrive: what lost it on the way is to blame",
            case.name(number, Side::Server),
            words::clock(answered)
        ));
    }
    if seen.delivered {
        finding.against.push(format!(
            "{client} may have wanted no answer: the server never sent anything, and what is spoken \
             is not known"
        ));
    }
}

/// What to do: what may be to blame for it first.
fn advise(case: &Case<'_>, seen: &Seen<'_>, finding: &mut Finding) {
    let client = case.name(0, Side::Client);
    if let Some((number, answered)) = seen.lost {
        finding.advice.push(format!(
            "find out what dropped segments between {} and {} from {} on",
            case.name(number, Side::Server),
            case.name(number, Side::Client),
            words::clock(answered)
        ));
    }
    if !seen.own && case.at(0, Side::Client).is_none() {
        finding.advice.push(format!(
            "capture at {client} as well, to tell whether it gave up itself"
        ));
    }
    finding.advice.push(if case.legs[0].unfinished().is_some() {
        format!("find out why {client} stopped in the middle of its request")
    } else {
        let longer = seen.waited.map(words::length);
        let longer = longer.map_or_else(|| " so long".to_owned(), |waited| format!(" longer than {waited}"));
        format!(
            "find out why the answer took{longer}, or let {client} wait longer (curl --max-time, the \
             client's request timeout)"
        )
    });
}

/// Nothing came back to the client's FIN, as from a path or a peer that is not there any more: that is
/// why no answer came, and the client's patience only what ended it here.
fn nobody_there(case: &Case<'_>, fin: Unheard, finding: &mut Finding) {
    let (client, server) = (case.name(0, Side::Client), case.name(0, Side::Server));
    finding.summary += ", and nothing acknowledged its FIN";
    finding.against.push(format!(
        "{server}, or the path to it, was dead by then: {client} sent its FIN again {} within {}, and nothing came \
         back. What was on the way before may have been lost as well, an answer or a close among it",
        words::count(fin.times as usize, "time"),
        words::length(fin.until.since(fin.since))
    ));
    let capture = match case.at(0, Side::Server) {
        Some(_) => String::new(),
        None => format!("; capture at {server} as well"),
    };
    finding.advice.push(format!(
        "find out what dropped segments between {client} and {server} at {}, or whether {server} was still there{capture}",
        words::clock(fin.since)
    ));
}

/// On which leg, and when, an answer was sent before then that did not arrive: as the vantages at both
/// ends of it show, or because it was sent again and nothing of it was acknowledged.
fn answer_lost(case: &Case<'_>, until: Time) -> Option<(usize, Time)> {
    let legs = case.legs.iter().enumerate();
    let mut lost = legs.filter_map(|(number, leg)| {
        let exchange = leg.exchange?;
        let sent = exchange.at_server?.answered?;
        let missing = exchange.answered.is_none() && leg.hop.sights.len() > 1;
        let again = leg.digest.unheard[Side::Server].filter(|_| leg.is_last);
        let sent = again.map(|again| again.since).or(missing.then_some(sent))?;
        (sent < until).then_some((number, sent))
    });
    lost.next()
}
