//! A handshake of TLS failed: somebody refused what the other side had sent, or went no further.
//!
//! Certain where a fatal alert says so in plain (RFC 5246 section 7.2, RFC 8446 section 6). Where the
//! alert is encrypted, as those of TLS 1.3 mostly are, its place tells that it came before the handshake
//! was over, and its length that it is an alert; not what it says. Where a client said nothing to all
//! that the server had sent and closed, it left off: that is possible, and what some health checks do.
//!
//! Looks alike: `close_notify`, the alert that says goodbye when all is said; warnings, after which the
//! handshake goes on.

use crate::flow::Side;
use crate::http::{Alert, Failing};
use crate::verdict::Confidence;
use crate::verdict::case::Case;
use crate::verdict::finding::{Culprit, Finding, Found};
use crate::verdict::words;

pub(super) fn judge(case: &Case<'_>) -> Found {
    let Some((failure, [from, to])) = case.handshake_failure() else {
        return Err("no handshake of TLS failed, as far as records tell".into());
    };
    let (leg, other) = match failure.by {
        Side::Client => (from, to),
        Side::Server => (to, from),
    };
    let (who, name) = (case.who(leg, failure.by), case.name(leg, failure.by));
    let peer = case.name(other, failure.by.other());
    let confidence = match failure.shown {
        Failing::Alert(_) => Confidence::Certain,
        Failing::Encrypted | Failing::LeftOff => Confidence::Possible,
    };
    let mut finding = Finding::new(leg, Culprit::End(leg, failure.by), confidence);
    finding.at = Some(failure.at);
    finding.flow = Some(failure.cite.flow);
    let (at, cite) = (words::clock(failure.at), case.cite(failure.cite));
    match failure.shown {
        Failing::Alert(alert) => {
            finding.because = format!("{name} sent the fatal alert {alert}");
            finding.summary = format!("{who} refused the handshake of TLS: {alert}");
            finding.story = format!(
                "{name} sent {peer} the fatal alert {alert} at {at}, before the handshake of TLS was over{}.",
                meaning(alert)
            );
            let line = format!("{cite}: the alert {alert}, not encrypted");
            finding.evidence.push(line);
            finding.advice.push(advice(alert, &name, &peer));
        }
        Failing::Encrypted => {
            finding.because = format!("an alert of {name} came before the handshake was over");
            finding.summary = format!("{who} refused the handshake of TLS with an encrypted alert");
            finding.story = format!(
                "{name} sent {peer} an alert at {at}, where the handshake of TLS had to go on; what it says is encrypted."
            );
            finding.evidence.push(format!(
                "{cite}: an encrypted record as long as alerts of TLS 1.3 are"
            ));
            finding.against.push(format!(
                "the alert may say that {name} canceled, and not that something is wrong"
            ));
            finding.advice.push(format!(
                "read in the log of {name} what it refused: mostly the certificate of {peer}"
            ));
        }
        Failing::LeftOff => {
            finding.because = format!("{name} said nothing to what {peer} sent for the handshake");
            finding.summary = format!("{who} left off the handshake of TLS, and closed");
            finding.story = format!(
                "{peer} sent its part of the handshake of TLS at {at}; {name} said nothing to that, no alert either, and closed."
            );
            let line = format!("{cite}: the last that {peer} sent, of the handshake");
            finding.evidence.push(line);
            finding.against.push(format!(
                "{name} may have wanted no more than that: some health checks end so (HAProxy: option ssl-hello-chk)"
            ));
            finding.advice.push(format!(
                "read in the log of {name} what it refused: mostly the certificate of {peer}"
            ));
        }
    }
    if let Some(first) = case.legs[leg].first() {
        finding.evidence.push(case.cite_mark(leg, first));
    }
    Ok(finding)
}

/// What an alert means, where its name does not say it.
const fn meaning(alert: Alert) -> &'static str {
    match alert.description {
        40 => ": it found nothing that both sides can agree on",
        42 | 43 | 46 => ": the certificate that it got is not to its liking",
        44 => ": the certificate that it got was revoked",
        45 => ": the certificate that it got is not valid at this time",
        48 => ": it knows nobody whom it trusts behind the certificate that it got",
        70 => ": it speaks no version of TLS that the other side offered",
        112 => ": it serves no host of the name that it was asked for",
        116 => ": it wants a certificate, and got none",
        120 => ": it speaks no protocol that the other side offered",
        _ => "",
    }
}

/// What to do about it.
fn advice(alert: Alert, name: &str, peer: &str) -> String {
    match alert.description {
        42..=46 | 48 => format!(
            "look at the certificate of {peer}, its dates, names and whole chain (openssl s_client -showcerts), and at the authorities that {name} trusts"
        ),
        40 | 47 | 70 | 71 | 86 => format!(
            "compare the versions of TLS and the ciphers that {name} and {peer} allow (openssl s_client -tls1_2, -cipher)"
        ),
        112 => format!(
            "compare the server name that {peer} asks for (SNI) with the hosts that {name} serves"
        ),
        116 => format!("give {peer} a certificate to show to {name}, which wants mutual TLS"),
        120 => format!("compare the protocols (ALPN) that {name} and {peer} offer"),
        _ => format!("read in the logs of {name} and {peer} why the handshake failed"),
    }
}
