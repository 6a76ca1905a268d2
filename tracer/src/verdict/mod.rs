//! Verdicts: who ended it, where, why, how sure that is, and on what evidence.

mod aftermath;
mod attempts;
mod beyond;
mod case;
mod digest;
mod finding;
mod gaps;
mod gather;
mod habits;
mod leg;
mod origin;
mod product;
mod relay;
mod roles;
mod rules;
mod timeouts;
mod together;
mod words;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;

use self::case::{Case, World};
use self::finding::{Culprit, Finding, Found};
use self::gather::Subject;
pub(crate) use self::product::HAPROXY_SAYS;
pub use self::timeouts::{Timeout, Timeouts, TimeoutsError};
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
    /// A handshake of TLS failed: an alert says so, or it was left off.
    TlsHandshakeFailed,
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
    /// Who sent keepalive probes, whether they were answered, and what they did not do.
    pub keepalive: Vec<String>,
    /// What to do.
    pub advice: Vec<String>,
    /// Lines of configuration that do it.
    pub config: Vec<String>,
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
    pub because: Cow<'static, str>,
}

/// Of more verdicts than this, those on what went well only say which rule held.
const EXPLAINED: usize = 1_000;

/// What is worth telling of a pooled connection that ended when its chains were over.
const TELLING_LATER: [Cause; 5] = [
    Cause::InjectedReset,
    Cause::KeepaliveDeath,
    Cause::RetransmissionDeath,
    Cause::MaxConnectionAge,
    Cause::IdleTimeout,
];

/// Judges every chain, and every hop that is in none: alarms first, then what is surer and more
/// frequent.
#[must_use]
pub fn judge(
    scene: &Scene<'_>,
    hops: &Hops,
    chains: &[Chain],
    logs: &[AccessLog],
    timeouts: &Timeouts,
) -> Vec<Verdict> {
    let digests = gather::digests(scene, hops);
    let habits = habits::Habits::of(hops, &digests);
    let attempts = attempts::Attempts::of(hops, &digests);
    let upstreams = gather::upstreams(scene, hops, chains);
    let gaps = gaps::Gaps::of(scene, hops);
    let passed = relay::Passed::of(scene.vantages.len(), hops, &digests);
    let together = together::Together::of(hops, &digests);
    let stalled = gather::stalled(hops, &digests);
    let world = World {
        scene,
        hops,
        digests: &digests,
        logs,
        timeouts,
        habits: &habits,
        attempts: &attempts,
        upstreams: &upstreams,
        gaps: &gaps,
        passed: &passed,
        together: &together,
        stalled: &stalled,
    };
    let subjects = gather::subjects(hops, chains);
    let many = subjects.len() > EXPLAINED;
    let mut later = BTreeSet::new();
    let verdicts = subjects.into_iter().flat_map(|subject| {
        let case = gather::case_of(&world, chains, subject);
        later.extend(gather::ended_later(&case));
        verdicts(&case, many)
    });
    let mut verdicts: Vec<Verdict> = verdicts.collect();
    let later = later.into_iter().flat_map(|hop| {
        let case = gather::case_of(&world, chains, Subject::Hop(hop));
        self::verdicts(&case, many)
    });
    verdicts.extend(later.filter(|verdict| TELLING_LATER.contains(&verdict.cause)));
    sorted(verdicts)
}

/// Considers every rule: what it comes to, and what is to be said besides of an attempt that was made
/// up for.
fn verdicts(case: &Case<'_>, many: bool) -> Vec<Verdict> {
    let mut found: Option<(Cause, Finding)> = None;
    let mut aside: Option<(Cause, Finding)> = None;
    let mut considered = Vec::with_capacity(rules::ALL.len());
    for (cause, rule) in rules::ALL {
        let result = rule(case);
        put(&mut considered, consider(cause, &result));
        let Ok(finding) = result else {
            continue;
        };
        let known = if finding.aside {
            &mut aside
        } else {
            &mut found
        };
        if known
            .as_ref()
            .is_none_or(|(_, known)| gives_way(known, &finding))
        {
            *known = Some((cause, finding));
        }
    }
    let all = match (found, aside) {
        (Some(found), Some(aside)) if found.1.alarm => vec![found, aside],
        (Some(found), Some(aside)) if gives_way(&aside.1, &found.1) => vec![found],
        (_, Some(aside)) => vec![aside],
        (found, None) => vec![found.unwrap_or_else(|| (Cause::Unknown, rules::unknown(case)))],
    };
    let told = all.into_iter().map(|(cause, mut finding)| {
        gaps::weigh(case, cause, &mut finding);
        roles::weigh(case, cause, &mut finding);
        beyond::tell(case, cause, &mut finding);
        let brief = many && !finding.alarm;
        let considered = considered.iter();
        let considered = considered.filter(|rule| !brief || rule.cause == cause);
        let considered = considered.cloned().collect();
        told(case, cause, finding, considered)
    });
    told.collect()
}

/// What is only possible gives way to what is likely.
fn gives_way(known: &Finding, to: &Finding) -> bool {
    known.confidence == Confidence::Possible && to.confidence > Confidence::Possible
}

fn consider(cause: Cause, result: &Found) -> Considered {
    let (held, because) = match result {
        Ok(finding) => (Some(finding.confidence), finding.because.clone().into()),
        Err(why) => (None, why.clone()),
    };
    Considered {
        cause,
        held,
        because,
    }
}

/// Of several rules for one cause, tells of the first that holds, or else of the last.
fn put(considered: &mut Vec<Considered>, rule: Considered) {
    let known = considered
        .iter()
        .position(|known| known.cause == rule.cause);
    if let Some(known) = known {
        if considered[known].held.is_some() {
            return;
        }
        considered.remove(known);
    }
    considered.push(rule);
}

fn told(case: &Case<'_>, cause: Cause, finding: Finding, considered: Vec<Considered>) -> Verdict {
    let leg = &case.legs[finding.leg];
    let hop = finding.hop.unwrap_or(leg.digest.place);
    let (ended_by, culprit) = match &finding.culprit {
        Culprit::Nobody => (None, None),
        Culprit::At(vantage) => {
            let name = case.world.scene.name(*vantage).to_owned();
            (Some(*vantage), Some(name))
        }
        Culprit::Else(words) => (None, Some(words.clone())),
        Culprit::End(leg, side) => {
            let own = case.world.hops.hops[hop].at[*side].filter(|_| finding.leg == *leg);
            (own.or(case.at(*leg, *side)), Some(case.who(*leg, *side)))
        }
    };
    Verdict {
        chain: case.chain,
        hop: Some(hop),
        flow: finding.flow,
        cause,
        ended_by,
        culprit,
        confidence: finding.confidence,
        alarm: finding.alarm,
        at: finding.at,
        then: aftermath::then(case, &finding),
        keepalive: aftermath::keepalive(case),
        summary: finding.summary,
        story: finding.story,
        evidence: finding.evidence,
        against: finding.against,
        advice: finding.advice,
        config: finding.config,
        considered,
    }
}

/// Alarms first; then what is more than possible, or explains something that is; then what happened most
/// often; then by the order of the catalogue and by time.
fn sorted(verdicts: Vec<Verdict>) -> Vec<Verdict> {
    let mut times: HashMap<(Cause, Option<usize>), usize, RandomState> = HashMap::default();
    for verdict in &verdicts {
        *times.entry((verdict.cause, verdict.ended_by)).or_default() += 1;
    }
    // Of what went well, what is worth a look comes first, however rare.
    let often = |verdict: &Verdict| {
        let times = times[&(verdict.cause, verdict.ended_by)];
        if verdict.alarm { times } else { 0 }
    };
    let rank = |cause: Cause| rules::ALL.iter().rposition(|(known, _)| *known == cause);
    let mut verdicts = verdicts;
    verdicts.sort_by_cached_key(|verdict| {
        (
            !verdict.alarm,
            verdict.confidence == Confidence::Possible,
            Reverse(often(verdict)),
            rank(verdict.cause).unwrap_or(rules::ALL.len()),
            verdict.culprit.is_none(),
            verdict.at,
            verdict.chain,
            verdict.hop,
        )
    });
    verdicts
}
