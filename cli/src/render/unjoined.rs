//! What the kernel told of connections that are not among the flows.

use tracer::report::{FactName, Report, UnjoinedReport};

use super::harmless;
use super::units::count;
use super::wording::errno_name;

/// Facts that are shown in words; the report has all.
const SHOWN: usize = 5;

/// Errno of a host that cannot be reached, EHOSTUNREACH: where no segment left, the kernel found
/// nobody to send it to (`arp_error_report`, net/ipv4/arp.c; `ndisc_error_report`, net/ipv6/ndisc.c).
const UNREACHABLE: i32 = 113;

/// A line each: errors first, which say why there is no flow.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let told = &report.unjoined;
    let is_error = |fact: &&UnjoinedReport| fact.fact.what == FactName::Error;
    let errors = told.iter().filter(is_error);
    let others = told.iter().filter(|fact| !is_error(fact));
    let words: Vec<String> = errors.chain(others).filter_map(line).collect();
    let hidden = told.len() - words.len().min(SHOWN);
    let mut lines: Vec<String> = words.into_iter().take(SHOWN).collect();
    if hidden > 0 {
        let beside = if lines.is_empty() { "" } else { " more" };
        lines.push(format!(
            "what the kernel told of no flow above: {hidden}{beside}; --format json lists it as 'unjoined'"
        ));
    }
    let left_out = report.sockets_left_out;
    if left_out > 0 {
        lines.push(format!(
            "{} that ended earlier are left out, with what the kernel told of them",
            count(left_out, "socket")
        ));
    }
    lines
}

/// What the kernel told of no flow above, in words; none for what says nothing by itself.
fn line(told: &UnjoinedReport) -> Option<String> {
    let fact = &told.fact;
    let what = match fact.what {
        FactName::Error => {
            let errno = fact.errno?;
            let why = (errno == UNREACHABLE).then_some(
                ": the next hop did not answer ARP or neighbour discovery, or an ICMP error came",
            );
            format!("{}{}", errno_name(errno), why.unwrap_or_default())
        }
        FactName::ClosedByProcess => {
            let comm = harmless(fact.comm.as_deref()?);
            format!("closed by {comm}/{}", fact.pid?)
        }
        FactName::ResetSent => match fact.reason.as_deref() {
            Some(reason) => format!("RST sent, reason {}", harmless(reason)),
            None => "RST sent".to_owned(),
        },
        FactName::ResetReceived | FactName::Retransmitted => return None,
    };
    let peer = told.peer.as_deref().unwrap_or("nobody");
    let times = (fact.times > 1).then(|| format!(", {} times", fact.times));
    let namespace = match told.vantage.as_str() {
        "" => String::new(),
        name => format!("{}: ", harmless(name)),
    };
    Some(format!(
        "what the kernel told of no flow above: {namespace}{} to {peer}: {what}{}",
        told.local,
        times.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use tracer::report::FactReport;
    use tracer::time::Time;

    use super::*;

    fn told(what: FactName, errno: Option<i32>) -> UnjoinedReport {
        UnjoinedReport {
            vantage: "gw".to_owned(),
            local: "10.0.0.1:40000".to_owned(),
            peer: Some("10.0.0.9:80".to_owned()),
            cookie: Some(7),
            fact: FactReport {
                at: Time::from_nanos(0),
                until: Time::from_nanos(0),
                times: 1,
                what,
                pid: None,
                comm: None,
                reason: None,
                errno,
            },
        }
    }

    #[test]
    fn an_error_without_a_segment_says_what_it_means() {
        let line = line(&told(FactName::Error, Some(UNREACHABLE))).unwrap_or_default();
        assert!(
            line.contains("gw: 10.0.0.1:40000 to 10.0.0.9:80: EHOSTUNREACH: the next hop"),
            "{line}"
        );
        let other = super::line(&told(FactName::Error, Some(110))).unwrap_or_default();
        assert!(other.ends_with("10.0.0.9:80: ETIMEDOUT"), "{other}");
    }

    #[test]
    fn what_says_nothing_by_itself_is_only_counted() {
        assert_eq!(line(&told(FactName::Retransmitted, None)), None);
        let report = |unjoined| Report {
            unjoined,
            ..Report::new(&[], &tracer::report::Given::default())
        };
        let again = || told(FactName::Retransmitted, None);
        let error = || told(FactName::Error, Some(110));
        let two = lines(&report(vec![again(), error()]));
        assert!(two[0].ends_with("ETIMEDOUT"), "{two:?}");
        assert!(two[1].contains(": 1 more;"), "{two:?}");
        let one = lines(&report(vec![again()]));
        assert!(one[0].contains(": 1;"), "{one:?}");
        let many = lines(&report((0..9).map(|_| error()).collect()));
        assert_eq!(many.len(), SHOWN + 1, "{many:?}");
        assert!(many[SHOWN].contains(": 4 more;"), "{many:?}");
        assert_eq!(lines(&report(Vec::new())), [""; 0]);
    }
}
