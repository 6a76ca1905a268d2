//! Somebody ends connections of a certain age, whatever the traffic.
//!
//! Holds where the server ended at least three connections, used more than once each, at about one
//! age (a jitter of 10 % either way, FACTS 3.15), and not after silences of one length. An HTTP/2
//! GOAWAY says so as well.
//!
//! Looks alike: an idle timeout, whose silences are alike; a server that closes after each answer, or after so
//! many; a restart, which ends all connections at once.

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::leg::Leg;
use crate::verdict::words;

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut why = "no server ended a connection";
    for (number, leg) in case.legs.iter().enumerate() {
        if let Some(finding) = announced(case, number) {
            return Ok(finding);
        }
        let Some(first) = leg.first().filter(|first| first.by == Side::Server) else {
            continue;
        };
        if case
            .origins
            .first()
            .is_none_or(|origin| origin.leg != number)
        {
            why = "the server passed a close on, or somebody closed before it";
            continue;
        }
        let age = first.at.since(leg.digest.begun);
        let habit = case.world.habits.age(leg.hop.server, Side::Server);
        let habit = habit.filter(|habit| (habit.range.0..=habit.range.1).contains(&age));
        let Some(habit) = habit else {
            why = "the server did not end enough connections of about this age at different times, or all after silences of one length";
            continue;
        };
        // Whoever counts requests (nginx: keepalive_requests; Envoy: max_requests_per_connection) answers the last.
        if habit.same_use && !leg.owed() {
            why = "each connection had as many requests: their number may be what is limited";
            continue;
        }
        let server = case.name(number, Side::Server);
        let culprit = Culprit::End(number, Side::Server);
        let mut finding = Finding::new(number, culprit, Confidence::Likely);
        let middle = words::timer(habit.middle);
        finding.at = Some(first.at);
        finding.flow = Some(first.cite.flow);
        finding.because = format!(
            "{} connections ended by {server} at an age of about {middle}",
            habit.of
        );
        finding.summary = format!(
            "{} ended it: maximum connection age of about {middle}",
            case.who(number, Side::Server)
        );
        finding.story = format!(
            "{server} ends every connection when it is {} to {} old, whatever goes on: this one at {}{}.",
            words::length(habit.range.0),
            words::length(habit.range.1),
            words::length(age),
            if leg.owed() {
                ", while an answer was owed"
            } else {
                ""
            }
        );
        finding.evidence.push(case.cite_mark(number, first));
        finding.evidence.push(format!(
            "{} connections to {}: ages {} to {}, silence before the end {} to {}",
            habit.of,
            leg.hop.server,
            words::length(habit.range.0),
            words::length(habit.range.1),
            words::length(habit.silences.0),
            words::length(habit.silences.1)
        ));
        finding
            .against
            .push("not an idle timeout: the silences before the end differ".to_owned());
        finding.advice.push(format!(
            "let clients open connections anew without loss: retry what was not answered, and a grace period at {server} for what is under way (gRPC MAX_CONNECTION_AGE_GRACE, Envoy drain_timeout)"
        ));
        finding.advice.push(format!(
            "or raise the maximum age at {server} (gRPC MAX_CONNECTION_AGE, Envoy common_http_protocol_options.max_connection_duration)"
        ));
        return Ok(finding);
    }
    Err(why.into())
}

/// A server that says GOAWAY without an error ends the connection, whoever sends the first FIN then
/// (RFC 9113 section 6.8). That it is for the age is likely where it says so at one age, again and
/// again.
fn announced(case: &Case<'_>, number: usize) -> Option<Finding> {
    let leg = &case.legs[number];
    let said = leg.digest.goaway?;
    if said.by != Side::Server || said.error != 0 || !leg.is_last {
        return None;
    }
    if case.world.habits.announced_to_all(leg.hop.server, said.at) {
        return None;
    }
    let age = said.at.since(leg.digest.begun);
    let alike = case.world.habits.announced(leg.hop.server, age);
    // Where all had been silent for one length, an idle timer is as likely.
    if alike.pause {
        return None;
    }
    let times = alike.times;
    let confidence = if times >= 2 {
        Confidence::Likely
    } else {
        Confidence::Possible
    };
    let server = case.name(number, Side::Server);
    let length = words::timer(age);
    let mut finding = Finding::new(number, Culprit::End(number, Side::Server), confidence);
    let calls = Calls::of(leg);
    finding.alarm = leg.owed();
    finding.at = Some(said.at);
    finding.flow = Some(said.cite.flow);
    finding.because = format!("{server} said GOAWAY at an age of {length}");
    finding.summary = format!(
        "{} ended it: maximum connection age of {length}, announced with GOAWAY",
        case.who(number, Side::Server)
    );
    finding.story = format!(
        "{server} announced at {}, {length} after the connection began, that it will serve no further request on it; whoever closed then did so for that.",
        words::clock(said.at)
    );
    finding.evidence.push(format!(
        "{}: GOAWAY without an error from {server} at {}",
        case.cite(said.cite),
        words::clock(said.at)
    ));
    if times >= 2 {
        finding.evidence.push(format!(
            "{times} connections to {} were announced to end at about this age",
            leg.hop.server
        ));
    } else {
        finding.against.push("one connection alone does not tell whether it is for its age or for a restart of the server".to_owned());
    }
    calls.tell(case, number, &mut finding);
    finding.advice.push(match finding.alarm {
        true => format!(
            "give {server} a longer grace period than the longest request takes (gRPC MAX_CONNECTION_AGE_GRACE, Envoy drain_timeout), or let clients try again what was lost"
        ),
        false => format!(
            "nothing has to be done where clients open a new connection{}",
            if calls.sure { "" } else { " and no request was under way when it ended" }
        ),
    });
    finding.advice.push(format!(
        "the age is set at {server} (gRPC MAX_CONNECTION_AGE, Envoy common_http_protocol_options.max_connection_duration)"
    ));
    Some(finding)
}

/// Requests that were under way when an announced end came.
struct Calls {
    lost: usize,
    /// There were no others.
    sure: bool,
    /// They had been ended and given up at once, which tells less than that they were not ended.
    broken_off: bool,
}

impl Calls {
    fn of(leg: &Leg<'_>) -> Self {
        let calls = leg.digest.calls;
        let broken_off = calls.map_or(0, |calls| calls.broken_off);
        Self {
            lost: leg.lost_calls(),
            sure: calls.is_some_and(|calls| calls.all),
            broken_off: broken_off > 0,
        }
    }

    fn tell(&self, case: &Case<'_>, number: usize, finding: &mut Finding) {
        let server = case.name(number, Side::Server);
        if self.lost > 0 {
            finding.summary += &format!("; {} lost", words::count(self.lost, "request"));
            finding.evidence.push(format!(
                "{} not over when the connection ended{}",
                words::count(self.lost, "request"),
                if self.broken_off {
                    format!(": {server} gave up streams that both sides had ended (RST_STREAM), as it closed")
                } else {
                    String::new()
                }
            ));
        } else if !self.sure {
            finding.against.push(
                "not all frames of the connection could be read: whether a request was under way when it ended is not known"
                    .to_owned(),
            );
        }
    }
}
