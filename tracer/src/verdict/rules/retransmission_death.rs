//! Data was not acknowledged until the sender gave up.
//!
//! Holds where a side sent the same data again and again, nothing came back until the end, and it
//! then went silent or reset. Linux forgets such a connection without a segment
//! (`tcp_write_err`, net/ipv4/tcp_timer.c), so that the wire shows no end: only the kernel
//! (ETIMEDOUT) or longer silence than the doubled spacing does.
//!
//! Looks alike: a loss that was recovered, and a FIN that is sent again because the peer is gone: what
//! counts is data.

use std::time::Duration;

use crate::flow::{End, Side};
use crate::kernel::{FactKind, TIMED_OUT};
use crate::time::Time;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::digest::Unheard;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::rules::unseen::GaveUp;
use crate::verdict::words;

/// So many unanswered retransmissions are no passing loss: with doubling they span more than 6 s at
/// the least timeout of 200 ms, or the sender's limit.
const MANY: u32 = 5;

/// Fewer may still be one, with other evidence.
const SOME: u32 = 3;

/// Segments as large as this may be too large for something on the way: every IPv6 path takes packets of 1280 bytes
/// (RFC 8200 section 5), and tunnels leave little less.
const FULL: u32 = 1_180;

/// Whoever gives up before has been told to: by default it takes about 15 minutes, and what is advised to
/// set takes longer.
const SOON: Duration = Duration::from_secs(60);

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut recovered = 0;
    for (number, leg) in case.legs.iter().enumerate() {
        for side in [Side::Client, Side::Server] {
            let Some(unheard) = leg.digest.unheard[side] else {
                continue;
            };
            let by_peer = leg.first().filter(|first| first.by != side);
            if by_peer.is_some_and(|first| first.at <= unheard.until) {
                recovered += 1;
                continue;
            }
            if let Some(finding) = found(case, number, side, unheard) {
                return Ok(finding);
            }
            recovered += 1;
        }
    }
    if let Some(finding) = unseen(case) {
        return Ok(finding);
    }
    if recovered > 0 {
        return Err("what was sent again is too little to tell, or its receiver had closed".into());
    }
    Err("nothing was sent again and again without an acknowledgment".into())
}

fn found(case: &Case<'_>, leg: usize, side: Side, unheard: Unheard) -> Option<Finding> {
    let (sender, peer) = (case.name(leg, side), case.name(leg, side.other()));
    let digest = case.legs[leg].digest;
    let kernel = digest.kernel(side, |kind| matches!(kind, FactKind::Error(TIMED_OUT)));
    let gave_up = digest
        .first
        .is_some_and(|first| first.by == side && first.at >= unheard.until);
    let lost = lost(case, leg, side);
    // The next would have come after twice the time, half a time ago.
    let silent = seen_until(case, unheard).since(unheard.until) > unheard.gap * 5 / 2;
    let silent = silent && unheard.later == 0;
    let ended = gave_up || silent || kernel.is_some();
    let confidence = if kernel.is_some() {
        Confidence::Certain
    } else if (unheard.times >= MANY && ended)
        || (unheard.times >= SOME && (gave_up || silent || lost > u64::from(unheard.times)))
    {
        Confidence::Likely
    } else if unheard.times >= SOME {
        Confidence::Possible
    } else {
        return None;
    };
    let mut finding = Finding::new(leg, Culprit::End(leg, side), confidence);
    finding.proved = kernel.is_some();
    let lasted = unheard.until.since(unheard.since);
    finding.at = Some(unheard.until);
    finding.flow = Some(unheard.cite.flow);
    let times = words::count(unheard.times as usize, "retransmission");
    finding.because = format!("{times} of {sender} and no acknowledgment");
    let who = case.who(leg, side);
    let lasted = words::length(lasted);
    // What got there was answered: then the way back is to blame.
    let unreturned = self::lost(case, leg, side.other());
    let back = lost == 0 && unreturned > 0;
    let [mute, to] = if back {
        [format!("nothing of {peer} came back"), format!(" to {who}")]
    } else {
        [format!("{peer} acknowledged nothing"), format!(" of {who}")]
    };
    finding.summary = if ended {
        format!("{who} gave up: {mute} for {lasted}")
    } else if unheard.later > 0 {
        format!("{mute}{to} for {lasted}, and then closed")
    } else {
        format!("{mute}{to} for {lasted}, as far as was captured")
    };
    finding.story = format!(
        "{sender} sent data to {peer} at {} and again {} until {}; nothing came back{}.",
        words::clock(unheard.since),
        words::count(unheard.times as usize, "time"),
        words::clock(unheard.until),
        if gave_up {
            ", and it closed"
        } else if ended {
            ", and its stack forgot the connection without a FIN or RST"
        } else if unheard.later > 0 {
            ", but for the close of its peer, which had waited in vain"
        } else {
            ", and the capture ended before the next was due"
        }
    );
    finding.evidence.push(format!(
        "{}: the first retransmission, the last {} later",
        case.cite(unheard.cite),
        words::length(unheard.until.since(unheard.since))
    ));
    if back {
        finding.evidence.push(format!(
            "{unreturned} segments from {peer} were lost between the vantages on the way back to {sender}, and none of those to {peer}"
        ));
    }
    if lost > 0 {
        finding.evidence.push(format!(
            "{lost} segments from {sender} were lost between the vantages on the way to {peer}"
        ));
    }
    match kernel {
        Some(told) => finding.evidence.push(format!(
            "the kernel of {sender} says ETIMEDOUT at {}",
            words::clock(told.at)
        )),
        None if !gave_up => finding.against.push(
            "the end itself is not on the wire: TCP_USER_TIMEOUT or tcp_retries2 decide when the stack gives up, which its kernel tells where it is watched".to_owned(),
        ),
        None => {}
    }
    let way = if back {
        [&peer, &sender]
    } else {
        [&sender, &peer]
    };
    finding.advice.push(format!(
        "find out what dropped segments on the way from {} to {} from {} on",
        way[0],
        way[1],
        words::clock(unheard.since)
    ));
    if let Some(large) = unheard.large.filter(|large| *large >= FULL && !back) {
        finding.advice.push(format!(
            "nothing as large as what was lost, {large} bytes, had ever come through: if small requests do, an MTU on the way is smaller and the ICMP message that says so is dropped; try 'ping -M do -s {large}', clamp the MSS there, or set net.ipv4.tcp_mtu_probing=1 at {sender}"
        ));
    }
    if kernel.is_some() && unheard.until.since(unheard.since) < SOON {
        finding.advice.push(format!("{sender} tried for a short time only: TCP_USER_TIMEOUT of its socket, which goes before net.ipv4.tcp_retries2, or that one is set low ('hopscope sockets' shows the first)"));
        return Some(finding);
    }
    if gave_up && kernel.is_none() {
        // Its process did not wait for the stack.
        return Some(finding);
    }
    finding.advice.push(format!("how long {sender} tries is TCP_USER_TIMEOUT of the socket, else net.ipv4.tcp_retries2 (about 15 minutes by default)"));
    finding
        .config
        .push("sysctl net.ipv4.tcp_retries2=8  # about 100 s instead of 15 minutes".to_owned());
    Some(finding)
}

/// A kernel gave up for want of an acknowledgment, and no vantage shows what it sent again.
fn unseen(case: &Case<'_>) -> Option<Finding> {
    let timed_out = |kind: &FactKind| matches!(kind, FactKind::Error(TIMED_OUT));
    let gave_up = GaveUp::of(case, timed_out, |digest, side| {
        let connected = !matches!(digest.end, End::Unanswered | End::Refused);
        // Behind a window of zero it waits for room, and that is acknowledged.
        !connected || digest.stalls[side.other()].is_some()
    })?;
    let ([sender, peer], at) = (gave_up.names(case), words::clock(gave_up.at));
    let mut finding = gave_up.finding(case, Confidence::Likely);
    finding.because = format!("the kernel of {sender} says ETIMEDOUT");
    finding.summary = format!("{} gave up: nothing of {peer} came back", gave_up.who(case));
    finding.story = format!(
        "The kernel of {sender} gave up at {at} (ETIMEDOUT). What it sent again until then was not seen at any vantage: what dropped it did so before it came there."
    );
    finding
        .evidence
        .push(format!("the kernel of {sender} says ETIMEDOUT at {at}"));
    finding
        .against
        .push("whether data or keepalive probes stayed unanswered is not told".to_owned());
    Some(finding)
}

/// Segments of a side that were lost between the vantages of its hop.
fn lost(case: &Case<'_>, leg: usize, side: Side) -> u64 {
    let ways = case.legs[leg].hop.ways.iter();
    ways.filter_map(|way| way.lost[side]).sum()
}

/// The last that was seen at the vantage that shows it.
fn seen_until(case: &Case<'_>, unheard: Unheard) -> Time {
    let scene = case.world.scene;
    let vantage = scene.flows[unheard.cite.flow].vantage;
    let last = scene.vantages[vantage].vantage.last;
    last.map_or(unheard.until, |last| {
        case.world.hops.clocks.common(vantage, last)
    })
}
