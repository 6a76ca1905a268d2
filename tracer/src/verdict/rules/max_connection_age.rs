//! Somebody ends connections of a certain age, whatever the traffic.
//!
//! Holds where the server ended at least three connections, used more than once each, at about one
//! age (a jitter of 10 % either way, FACTS 3.15), and not after silences of one length. An HTTP/2
//! GOAWAY says so as well.
//!
//! Looks alike: an idle timeout, whose silences are alike; a server that closes after each answer; a
//! restart, which ends all connections at once.

use crate::flow::Side;
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::words;

pub(super) fn judge(case: &Case<'_>) -> Found {
    let mut why = "no server ended a connection";
    for (number, leg) in case.legs.iter().enumerate() {
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
        let goaway = leg.digest.goaway == Some(Side::Server);
        let habit = case.world.habits.age(leg.hop.server, Side::Server);
        let habit = habit.filter(|habit| (habit.range.0..=habit.range.1).contains(&age));
        let Some(habit) = habit else {
            why = "the server did not end enough connections of about this age at different times, or all after silences of one length";
            if goaway {
                why =
                    "the server announced the end (GOAWAY), but its other connections tell no age";
            }
            continue;
        };
        let server = case.name(number, Side::Server);
        let mut finding = Finding::new(
            number,
            Culprit::End(number, Side::Server),
            Confidence::Likely,
        );
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
        if goaway {
            finding
                .evidence
                .push(format!("{server} announced it with GOAWAY"));
        }
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
