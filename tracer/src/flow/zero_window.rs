//! Telling zero-window probes from keepalive probes: on Linux they are the same bytes.
//!
//! Both come while the peer's window is zero. A zero-window probe means that the sender has data
//! it may not send; its timer starts at the retransmission timeout, 0.2 s on most paths, and
//! doubles up to 120 s whether or not probes are answered (`tcp_send_probe0`,
//! net/ipv4/tcp_output.c). A keepalive probe means that the sender has nothing to send; its timer
//! runs for 1 s or more, always the same (`tcp_keepalive_timer`, net/ipv4/tcp_timer.c). Data may
//! come up while keepalive probes are being sent, but not go away: after the first zero-window
//! probe all are, until the sender can send.

use std::time::Duration;

use crate::time::Time;

/// The shortest TCP_KEEPIDLE and TCP_KEEPINTVL is 1 s; timers run late, never early, but clocks of
/// captures are not perfect.
const SHORTEST_KEEPALIVE: Duration = Duration::from_millis(950);

/// Twice `TCP_RTO_MIN`: the timer of the second window probe is not shorter.
const SHORTEST_DOUBLED: Duration = Duration::from_millis(380);

/// `TCP_RTO_MAX`: the doubling ends here.
const LONGEST_PERSIST: Duration = Duration::from_secs(115);

/// A sender that was waiting for the window sends within a round trip of its opening.
const AT_ONCE: Duration = Duration::from_millis(250);

/// A segment of the form that both kinds have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) at: Time,
    pub(super) frame: u64,
    pub(super) answered: Option<Time>,
    /// The frame of the answer.
    pub(super) answer_frame: u64,
}

/// Whether data sent at `at` had been waiting for the window to open.
pub(super) fn sent_at_once(at: Time, window_opened: Option<Time>) -> bool {
    window_opened.is_some_and(|opened| at.apart(opened) <= AT_ONCE)
}

/// How many of the probes against a window of zero, from the first on, are keepalive probes: the
/// rest probes the window. `heard` is when the prober last heard from its peer before the first
/// one, `waiting` whether it sent as soon as it could.
pub(super) fn keepalives(heard: Option<Time>, seen: &[Seen], waiting: bool) -> usize {
    let gaps = gaps(heard, seen);
    let begins = |index: &usize| begins_at(*index, &gaps, waiting);
    (0..seen.len()).find(begins).unwrap_or(seen.len())
}

/// Whether the last probe against a window of zero probes the window whatever follows, and not only the
/// first one that shows it does.
pub(super) fn persists(heard: Option<Time>, seen: &[Seen]) -> bool {
    // What comes after the third gap changes nothing for where persisting begins, and one gap before
    // is looked at.
    let first = seen.len().saturating_sub(4);
    let heard = match first.checked_sub(1) {
        Some(before) => Some(seen[before].at),
        None => heard,
    };
    let gaps = gaps(heard, &seen[first..]);
    let new = gaps.len().saturating_sub(3)..gaps.len();
    new.into_iter().any(|index| begins_at(index, &gaps, false))
}

/// How long the timer ran before each probe, where that is known.
fn gaps(heard: Option<Time>, seen: &[Seen]) -> Vec<Option<Duration>> {
    let mut before = heard;
    let gap = |probe: &Seen| {
        let gap = before.map(|before| probe.at.since(before));
        before = Some(probe.at);
        gap
    };
    seen.iter().map(gap).collect()
}

/// Whether the probe with that index is the first that probes the window, as far as the gaps tell.
fn begins_at(index: usize, gaps: &[Option<Duration>], waiting: bool) -> bool {
    let (before, after) = gaps.split_at(index);
    // The last of a row of probes is one of them, unless its own timer was a shorter one.
    let lone = before
        .last()
        .is_none_or(|last| after[0] < last.map(|gap| gap.mul_f64(0.9)));
    // A timer that is always the same runs 6 % late at most.
    let other = lone
        || before
            .last()
            .is_some_and(|last| after[0] > last.map(|gap| gap.mul_f64(1.06)));
    begins_persisting(after, waiting, lone, other)
}

/// Whether the first of the probes with these gaps before them probes the window; `lone` where
/// it comes sooner than the gaps before explain, `other` where it comes sooner or later.
fn begins_persisting(gaps: &[Option<Duration>], waiting: bool, lone: bool, other: bool) -> bool {
    let fast = |gap: Option<Duration>| gap.is_some_and(|gap| gap < SHORTEST_KEEPALIVE);
    // The gap after a first window probe, whenever that came.
    let doubled = |gap: Option<Duration>| fast(gap) && gap >= Some(SHORTEST_DOUBLED);
    match *gaps {
        [] => false,
        [only] => fast(only) || (waiting && lone),
        // Doubling once may as well be a keepalive time of 1 s and an interval of 2 s.
        [first, second] => {
            // Where the capture begins later, one gap tells nothing: what follows does.
            let late = first.is_none() || doubles(first, second);
            fast(first) || (other && doubled(second)) || (waiting && late)
        }
        [first, second, third, ..] => {
            let doubling = doubles(second, third);
            // Where the capture begins later, the doubling may have reached its end.
            let begun_before = first.is_none() && (doubling || (waiting && longest(second, third)));
            let begins = doubles(first, second) || (other && doubled(second));
            fast(first) || (doubling && begins) || begun_before
        }
    }
}

/// Whether a timer that doubles explains the second gap after the first.
fn doubles(first: Option<Duration>, second: Option<Duration>) -> bool {
    let (Some(first), Some(second)) = (first, second) else {
        return false;
    };
    let ratio = second.as_secs_f64() / first.as_secs_f64().max(1e-9);
    (1.6..2.6).contains(&ratio)
}

/// Whether both gaps are as long as a timer that doubles can get.
fn longest(first: Option<Duration>, second: Option<Duration>) -> bool {
    first.min(second).is_some_and(|gap| gap >= LONGEST_PERSIST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes(seconds: &[f64]) -> Vec<Seen> {
        let at = |time: &f64| Time::from_nanos(Duration::from_secs_f64(*time).as_nanos() as i64);
        seconds
            .iter()
            .map(|time| Seen {
                at: at(time),
                frame: 0,
                answered: None,
                answer_frame: 0,
            })
            .collect()
    }

    fn count(seconds: &[f64], waiting: bool) -> usize {
        keepalives(Some(Time::default()), &probes(seconds), waiting)
    }

    #[test]
    fn a_doubling_timer_probes_the_window() {
        assert_eq!(count(&[0.2, 0.6, 1.4, 3.0, 6.2], true), 0);
        // A slow path: the retransmission timeout is above a second.
        assert_eq!(count(&[1.2, 3.6, 8.4], false), 0);
        assert_eq!(count(&[0.2], false), 0);
    }

    #[test]
    fn a_constant_timer_keeps_alive() {
        assert_eq!(count(&[2.0, 4.0, 6.0, 8.0], false), 4);
        assert_eq!(count(&[1.0, 3.0, 5.0], false), 3, "idle 1 s, interval 2 s");
        assert_eq!(count(&[7.0], false), 1);
        assert_eq!(
            count(&[120.0, 240.0, 360.0], true),
            3,
            "no timer doubles from the start"
        );
    }

    #[test]
    fn data_that_comes_up_later_turns_probes_of_one_kind_into_the_other() {
        assert_eq!(count(&[2.0, 4.0, 6.0, 7.3, 7.7, 8.5], true), 3);
        assert_eq!(count(&[5.2, 5.6], false), 0);
        assert_eq!(
            count(&[2.0, 4.0, 4.3, 4.7, 5.5], true),
            2,
            "written right after a probe"
        );
    }

    /// What was told as it happened must not be taken back: whatever gaps follow, and whether or not
    /// the sender was waiting.
    #[test]
    fn what_surely_probes_the_window_stays_that() {
        let gaps = [0.2, 0.4, 0.9, 1.0, 1.1, 2.0, 2.2, 4.4, 120.0];
        let mut surely = 0;
        for code in 0..gaps.len().pow(5) {
            let mut now = 0.0;
            let digits = (0_u32..5).map(|place| code / gaps.len().pow(place) % gaps.len());
            let times: Vec<f64> = digits
                .map(|digit| {
                    now += gaps[digit];
                    now
                })
                .collect();
            let all = probes(&times);
            for heard in [None, Some(Time::default())] {
                let Some(sure) = (1..=all.len()).find(|count| persists(heard, &all[..*count]))
                else {
                    continue;
                };
                surely += 1;
                for end in sure..=all.len() {
                    for waiting in [false, true] {
                        let kept = keepalives(heard, &all[..end], waiting);
                        assert!(kept < sure, "{times:?}: {kept} of {end}, sure at {sure}");
                    }
                }
            }
        }
        assert!(surely > 50_000, "{surely}");
    }

    #[test]
    fn a_doubling_timer_is_known_as_it_happens() {
        let known = |seconds: &[f64]| persists(Some(Time::default()), &probes(seconds));
        assert!(known(&[0.2]), "sooner than any keepalive timer");
        assert!(!known(&[1.2]));
        assert!(!known(&[1.2, 3.6]), "as well idle 1.2 s, interval 2.4 s");
        assert!(known(&[1.2, 3.6, 8.4]), "a slow path");
        assert!(!known(&[2.0, 4.0, 6.0, 8.0, 10.0]));
        assert!(known(&[2.0, 4.0, 6.0, 7.3, 7.7]));
    }

    #[test]
    fn a_lone_probe_is_told_by_what_the_sender_does_once_it_may() {
        assert_eq!(count(&[5.2], true), 0);
        assert_eq!(count(&[5.2], false), 1);
        assert_eq!(count(&[2.0, 4.0, 6.0], true), 3);
        assert_eq!(count(&[2.0, 4.0, 5.2], true), 2);
    }
}
