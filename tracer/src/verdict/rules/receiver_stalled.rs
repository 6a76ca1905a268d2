//! A side held its window at zero: it stopped reading.
//!
//! Holds where that took a second or longer at one time, and a tenth of the connection's life or until
//! its end. Whoever closes then does so for what the reader did: the reader is the one that is named. A
//! proxy that could not pass on what it had read is no reader: the far one is. A reader that went on
//! within a few seconds, and got all that it had asked for, is slow and no alarm.
//!
//! Certain where a vantage stands at the reader, or shows its other side. One that nobody watched may be a
//! proxy itself, whose own reader stopped: that is likely at most.
//!
//! Looks alike: a slow reader, whose window is zero again and again. Linux opens a window of zero only
//! when a sixteenth of the buffer is free again (`__tcp_select_window`, net/ipv4/tcp_output.c): whoever
//! reads a large buffer slowly has a window of zero for seconds without having stopped. A client that
//! reads slowly and then gives up. Keepalive probes, which a zero-window probe has the shape of
//! (FACTS 3.2).

use std::time::Duration;

use crate::flow::Side;
use crate::kernel::{FactKind, TIMED_OUT};
use crate::verdict::Confidence;
use crate::verdict::beyond::is_out_of_sight;
use crate::verdict::case::Case;
use crate::verdict::digest::{Digest, Stall, Told};
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::words;

/// Shorter is what flow control is for.
const LONG: Duration = Duration::from_secs(1);

/// Whoever goes on sooner, and gets all that it asked for, only read slowly.
const HARMFUL: Duration = Duration::from_secs(3);

/// Who held windows of zero so many times as long in all as at one time reads on all along.
const AGAIN_AND_AGAIN: u32 = 3;

/// The FIN of whoever closes comes so soon, unless it has to wait.
const AT_ONCE: Duration = Duration::from_millis(100);

pub(super) fn judge(case: &Case<'_>) -> Found {
    let (mut short, mut passing, mut reading) = (None, None, None);
    for (number, leg) in case.legs.iter().enumerate() {
        let lived = leg.digest.last.since(leg.digest.begun);
        for side in [Side::Client, Side::Server] {
            let Some(stall) = leg.digest.stalls[side] else {
                continue;
            };
            let long = stall.held >= LONG && (!stall.opened || stall.held * 10 >= lived);
            if !long {
                short = Some(stall.held);
            } else if passes_on(case, number, side, stall) {
                passing = Some(case.name(number, side));
            } else if let Some(why) = went_on(leg, number, side, stall) {
                reading = Some(format!("{} {why}", case.name(number, side)));
            } else {
                return Ok(found(case, number, side, stall));
            }
        }
    }
    if let Some(name) = passing {
        return Err(format!("{name} could not pass on what it had read, to a slow reader").into());
    }
    if let Some(why) = reading {
        return Err(why.into());
    }
    match short {
        Some(held) => Err(format!("a window was zero for {} only", words::length(held)).into()),
        None => Err("no window was zero".into()),
    }
}

/// What a reader did whose window opened again, where that is not what went wrong.
fn went_on(leg: &Leg<'_>, number: usize, side: Side, stall: Stall) -> Option<&'static str> {
    if !stall.opened {
        return None;
    }
    if stall.total >= stall.held * AGAIN_AND_AGAIN {
        return Some("read slowly, but all along");
    }
    let own = leg.first().is_some_and(|first| first.by == side);
    let gave_up = number == 0 && side == Side::Client && own && leg.cut_short().is_some();
    gave_up.then_some("read again, and closed by itself in the middle of the answer")
}

/// A proxy that did not read because it was still sending what it had read before, on its other side:
/// it was, or the reader there held windows of zero for half of the time.
fn passes_on(case: &Case<'_>, leg: usize, side: Side, stall: Stall) -> bool {
    let beyond = match side {
        Side::Client => leg.checked_sub(1),
        Side::Server => Some(leg + 1),
    };
    if let Some(other) = beyond.and_then(|beyond| case.legs.get(beyond)) {
        return waits(other.digest, side, stall);
    }
    // What it is joined to is not known; one of its other connections may be it.
    let Some(vantage) = case.at(leg, side).filter(|_| case.is_proxy(leg, side)) else {
        return false;
    };
    let hops = &case.world.hops.hops;
    let mut others = case.world.digests.iter();
    others.any(|other| {
        hops[other.place].at[side.other()] == Some(vantage) && waits(other, side, stall)
    })
}

/// Whether a sender on that hop had to wait for the reader at that side in the midst of a stall
/// elsewhere.
fn waits(other: &Digest, side: Side, stall: Stall) -> bool {
    let half = stall.held / 2;
    let still_sending = other.turns.iter().any(|turn| {
        let (begun, until) = (turn.at, turn.until);
        turn.by == side.other() && begun <= stall.since + half && until > stall.since + half
    });
    let reader = other.stalls[side];
    still_sending || reader.is_some_and(|reader| reader.total >= half)
}

/// A reader that was watched and held a window of zero in the midst of this stall: its name, and what shows
/// it. Windows close from the reader on towards the sender, so who stands in this case itself had to wait
/// for this one.
fn stalled_elsewhere(case: &Case<'_>, side: Side, stall: Stall) -> Option<(String, Stall)> {
    let middle = stall.since + stall.held / 2;
    let stands_here = |vantage| {
        let mut legs = case.legs.iter();
        legs.any(|leg| [leg.hop.at.client, leg.hop.at.server].contains(&Some(vantage)))
    };
    let mut others = case.world.stalled.iter();
    others.find_map(|place| {
        let other = &case.world.digests[*place];
        let own = other.stalls[side].filter(|own| own.held >= LONG)?;
        let vantage = case.world.hops.hops[other.place].at[side]?;
        let meanwhile = own.since <= middle && own.since + own.held >= middle;
        (meanwhile && !stands_here(vantage))
            .then(|| (case.world.scene.name(vantage).to_owned(), own))
    })
}

/// How sure it is that the reader itself stopped; what speaks against that goes with the finding.
fn weigh(case: &Case<'_>, leg: usize, side: Side, stall: Stall, finding: &mut Finding) {
    if !is_out_of_sight(case, leg, side) {
        return;
    }
    finding.confidence = Confidence::Likely;
    if let Some((other, own)) = stalled_elsewhere(case, side, stall) {
        finding.against.push(format!(
            "{other} left no room at the same time ({}): if {} passes on to {other} what it reads here, it only had to wait",
            case.cite(own.cite),
            case.name(leg, side)
        ));
    }
}

/// Who gave up first, as the kernel tells, or closed, as segments do: behind a window of zero a FIN waits
/// like all else.
fn ended(case: &Case<'_>, leg: usize) -> Option<String> {
    let first = case.legs[leg].first();
    let told = case.legs[leg].digest.told.iter();
    let long_before = |told: &&Told| first.is_none_or(|first| first.at.since(told.at) > AT_ONCE);
    let before = told.filter(long_before);
    let mut before = before.filter_map(|told| {
        let who = case.name(leg, told.by);
        let at = words::clock(told.at);
        match &told.kind {
            FactKind::Closed(by) => Some(format!(
                " {} (pid {}) at {who} closed at {at}, as the kernel says; its FIN had to wait.",
                by.comm, by.pid
            )),
            FactKind::Error(TIMED_OUT) => {
                Some(format!(" The kernel of {who} gave up at {at} (ETIMEDOUT)."))
            }
            _ => None,
        }
    });
    before.next().or_else(|| {
        let first = first?;
        Some(format!(
            " {} sent the first {}, at {}.",
            case.name(leg, first.by),
            words::kind(first.rst),
            words::clock(first.at)
        ))
    })
}

fn found(case: &Case<'_>, leg: usize, side: Side, stall: Stall) -> Finding {
    let (reader, sender) = (case.name(leg, side), case.name(leg, side.other()));
    let first = case.legs[leg].first();
    let held = words::length(stall.held);
    let mut finding = Finding::new(leg, Culprit::End(leg, side), Confidence::Certain);
    weigh(case, leg, side, stall, &mut finding);
    let harmless = stall.opened && stall.held < HARMFUL && !case.legs[leg].owed();
    finding.alarm = !harmless;
    finding.at = first.map(|first| first.at).or(Some(stall.since));
    finding.flow = Some(stall.cite.flow);
    finding.because = format!("{reader} held its window at zero for {held}");
    finding.summary = format!("{reader} left no room for {held}, and {sender} could not send");
    finding.story = format!(
        "From {} on {reader} advertised a window of zero, for {held}{}.{}",
        words::clock(stall.since),
        if stall.opened {
            ""
        } else {
            ", and never opened it again"
        },
        ended(case, leg).unwrap_or_default()
    );
    finding.evidence.push(format!(
        "{}: window 0 from {reader} at {}",
        case.cite(stall.cite),
        words::clock(stall.since)
    ));
    finding
        .evidence
        .extend(first.map(|first| case.cite_mark(leg, first)));
    finding.against.push(
        "not a network that loses segments: they were acknowledged, with a window of zero"
            .to_owned(),
    );
    finding.advice.push(format!(
        "find out why the process at {reader} does not read: it is blocked, overloaded, or waits for something else ('hopscope sockets' shows its receive queue)"
    ));
    finding
}
