//! What people see of a report made up by hand, at several widths: golden text, which `RENEW=1`
//! rewrites.

use std::path::Path;

use tracer::chain::Strength;
use tracer::flow::{FlowId, Side, Sides};
use tracer::report::{
    ChainReport, Given, HopReport, LadderReport, Report, StepName, StepReport, VerdictReport,
};
use tracer::time::Time;
use tracer::verdict::{Cause, Confidence, Considered};

use super::{Wanted, ladder, paragraph, verdicts};

const WIDTHS: [usize; 4] = [40, 80, 100, 160];

fn at(seconds: f64) -> Time {
    Time::from_nanos(1_795_246_000_000_000_000).plus(seconds)
}

trait Plus {
    fn plus(self, seconds: f64) -> Self;
}

impl Plus for Time {
    #[expect(clippy::cast_possible_truncation, reason = "times of a test")]
    fn plus(self, seconds: f64) -> Self {
        Self::from_nanos(self.as_nanos() + (seconds * 1e9) as i64)
    }
}

fn step(seconds: f64, place: u64, by: Side, what: StepName, text: &str) -> StepReport {
    StepReport {
        at: at(seconds),
        until: None,
        place,
        hop: place,
        by,
        what,
        text: (!text.is_empty()).then(|| text.to_owned()),
        bytes: 154,
        answered: (what == StepName::KeepaliveProbe).then_some(true),
        arrived: None,
        arrived_at: None,
        made: false,
        flow: FlowId(place),
        frame: 1,
    }
}

/// The load balancer closes both its sides while an answer is pending.
fn ladder() -> LadderReport {
    use Side::{Client, Server};
    use StepName::{Data, Fin, KeepaliveProbe, Rst, Syn};
    let mut steps = Vec::new();
    for (place, began) in [(0, 0.0), (1, 0.000_2), (2, 0.001)] {
        steps.push(step(began, place, Client, Syn, ""));
        steps.push(step(began + 0.000_1, place, Client, Data, "POST /report"));
    }
    steps.sort_by_key(|step| step.at);
    steps.extend((1..=12).map(|n| step(f64::from(n) * 0.5, 1, Server, KeepaliveProbe, "")));
    steps.push(step(6.1, 0, Server, Fin, ""));
    steps.push(step(6.100_2, 1, Client, Fin, ""));
    steps.push(step(6.1012, 2, Client, Fin, ""));
    steps.push(StepReport {
        arrived: Some(false),
        ..step(8.0, 2, Server, Data, "200")
    });
    steps.push(StepReport {
        made: true,
        ..step(8.001, 2, Client, Rst, "")
    });
    LadderReport {
        chain: Some(0),
        hops: vec![0, 1, 2],
        nodes: ["client", "lb", "gw", "fd00:0:1:2::3"]
            .map(str::to_owned)
            .to_vec(),
        steps,
        left_out: 0,
    }
}

fn verdict(cause: Cause, alarm: bool, summary: &str) -> VerdictReport {
    VerdictReport {
        chain: Some(0),
        hop: Some(1),
        flow: Some(FlowId(1)),
        cause,
        ended_by_vantage: Some("lb".to_owned()),
        ended_by: Some("lb".to_owned()),
        confidence: Confidence::Likely,
        alarm,
        at: Some(at(6.1)),
        summary: summary.to_owned(),
        story:
            "lb sent FIN to client and to gw within 0.2 ms of each other, 6.00 s after the last \
            byte on either side, while an answer to POST /report was pending."
                .to_owned(),
        evidence: vec![
            "lb #14 and #15: FIN both ways at 15:07:02.114".to_owned(),
            "client's FIN came 0.3 ms after, as an answer".to_owned(),
        ],
        against: vec![
            "not the client giving up: nothing from client before lb's FIN".to_owned(),
            "no vantage is at app".to_owned(),
        ],
        then: vec!["gw closed to app 1.1 ms later".to_owned()],
        advice: vec![
            "raise lb's client and server timeout above the slowest answer".to_owned(),
            "or send bytes sooner".to_owned(),
        ],
        keepalive: vec!["gw probed lb at 2.0 and 4.0 s, answered by lb's kernel".to_owned()],
        config: vec!["defaults\n  timeout client 15s\n  timeout server 15s".to_owned()],
        considered: vec![
            Considered {
                cause: Cause::ClientGaveUp,
                held: None,
                because: "the first FIN came from lb".into(),
            },
            Considered {
                cause: Cause::IdleTimeout,
                held: Some(Confidence::Likely),
                because: "closed both sides 6.00 s after the last byte".into(),
            },
        ],
    }
}

fn hop(id: u64, client: &str, server: &str) -> HopReport {
    HopReport {
        id,
        flows: vec![FlowId(id)],
        joined_by: vec![None],
        client: "10.0.0.1:45838".to_owned(),
        server: "10.0.0.2:80".to_owned(),
        at: Sides {
            client: Some(client.to_owned()),
            server: Some(server.to_owned()),
        },
        at_proved: Sides::default(),
        lost: Sides::default(),
        made: Vec::new(),
    }
}

fn report(verdicts: Vec<VerdictReport>) -> Report {
    let mut report = Report::new(&[], &Given::default());
    report.verdicts = verdicts;
    report.hops = vec![
        hop(0, "client", "lb"),
        hop(1, "lb", "gw"),
        hop(2, "gw", "app"),
    ];
    report.chains = vec![ChainReport {
        more: 0,
        id: 0,
        hops: vec![0, 1, 2],
        nodes: ["client", "lb", "gw", "app"].map(str::to_owned).to_vec(),
        joined_by: vec![Strength::AccessLog, Strength::RequestId],
        others: vec![Vec::new(), Vec::new()],
        adjacent: vec![true, true],
        evidence: vec![Vec::new(), Vec::new()],
        proxies: vec![vec!["lb".to_owned()], vec!["gw".to_owned()]],
        tried: vec![Vec::new(); 3],
        exchanges: vec![Some(0); 3],
        request: Some("POST /report".to_owned()),
        status: None,
        began: Some(at(0.0)),
        done: None,
    }];
    report.ladders = vec![ladder()];
    report
}

fn wanted(explain: bool) -> Wanted<'static> {
    Wanted {
        all: false,
        explain,
        hint: "All of them: --all",
    }
}

fn shown(report: &Report, explain: bool, width: usize) -> String {
    let measure = paragraph::measure(width);
    let mut text = verdicts::verdicts(report, &wanted(explain), measure);
    if let Some(found) = ladder::of_verdict(report, &report.verdicts[0]) {
        text += &ladder::ladder_of(report, found, Some(1), false, width);
    }
    anstream::adapter::strip_str(&text).to_string()
}

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/render/golden")
        .join(name);
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, found).expect("golden text can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "{} differs: look at it, then RENEW=1 cargo test -p hopscope seen",
        path.display()
    );
}

fn timeout() -> VerdictReport {
    verdict(
        Cause::IdleTimeout,
        true,
        "lb ended it: idle timeout of 6.0 s",
    )
}

#[test]
fn an_alarm_at_every_width() {
    let report = report(vec![timeout()]);
    for width in WIDTHS {
        let text = shown(&report, width == 80, width);
        for line in text.lines() {
            // Lines of a configuration stand as they are.
            assert!(
                line.chars().count() <= width,
                "{} of {width}: {line}",
                line.chars().count()
            );
        }
        golden(&format!("alarm-{width}.txt"), &text);
    }
}

/// Who, why, how sure, and on what evidence.
#[test]
fn the_first_three_lines_tell_it() {
    let report = report(vec![timeout()]);
    for width in [80, 100, 160] {
        let text = shown(&report, false, width);
        let first: Vec<&str> = text.lines().take(3).collect();
        let first = first.join(" ");
        for part in [
            "lb ended it",
            "idle timeout of 6.0 s",
            "likely",
            "#14",
            "#15",
        ] {
            assert!(first.contains(part), "{part} at {width}: {first}");
        }
    }
}

#[test]
fn what_is_alike_is_told_once() {
    let numbered = |chain, seconds: f64| VerdictReport {
        chain: Some(chain),
        ..verdict(
            Cause::IdleTimeout,
            true,
            &format!("lb ended it: idle timeout of {seconds:.1} s"),
        )
    };
    let mut verdicts: Vec<_> = (0_u32..9)
        .map(|n| numbered(u64::from(n), 6.0 + f64::from(n) / 10.0))
        .collect();
    verdicts.push(verdict(Cause::Refused, true, "app refused it"));
    verdicts.push(verdict(Cause::NormalClose, false, "client closed"));
    let text = shown(&report(verdicts), false, 100);
    let times = |part: &str| text.matches(part).count();
    assert_eq!(times("lb ended it: idle timeout"), 1, "{text}");
    assert_eq!(
        times("  and 8 more like it: chain 1, chain 2, chain 3, chain 4, chain 5, ..."),
        1,
        "{text}"
    );
    assert_eq!(times("app refused it"), 1, "{text}");
    assert_eq!(times("no alarm beside that: 1 normal close\n"), 1, "{text}");
    assert_eq!(times("client closed"), 0, "{text}");
}

/// What is neither an alarm nor understood is not called right.
#[test]
fn where_nothing_is_wrong_a_line_says_so() {
    let calm = |cause| verdict(cause, false, "client closed");
    let mut quiet = vec![calm(Cause::NormalClose), calm(Cause::NormalClose)];
    quiet.push(calm(Cause::Open));
    let text = |verdicts| {
        let all = verdicts::verdicts(&report(verdicts), &wanted(false), 100);
        anstream::adapter::strip_str(&all).to_string()
    };
    assert_eq!(
        text(quiet.clone()),
        "nothing is wrong: 2 normal closes, 1 still open\n\n"
    );
    quiet.push(calm(Cause::Unknown));
    assert_eq!(
        text(quiet),
        "nothing is known to be wrong: 2 normal closes, 1 still open, 1 that cannot be told\n\n"
    );
    assert_eq!(text(Vec::new()), "");
}

/// Many kinds of alarm do not push everything else off the screen.
#[test]
fn alarms_beyond_the_first_have_a_line_each() {
    let words = "abcdefghijklmnopqrst".chars();
    let verdicts: Vec<_> = words
        .map(|c| verdict(Cause::Refused, true, &format!("node {c} refused it")))
        .collect();
    let text = shown(&report(verdicts), false, 100);
    assert_eq!(text.matches("evidence").count(), 4, "{text}");
    assert!(text.contains("\nnode e refused it (likely)\n"), "{text}");
    assert!(
        text.contains("and 4 alarms more. All of them: --all"),
        "{text}"
    );
}

/// What a request says must not steer the terminal.
#[test]
fn foreign_text_is_harmless() {
    let mut report = report(vec![verdict(Cause::Refused, true, "a\u{1b}[2Jb")]);
    report.verdicts[0].evidence = vec!["GET /\u{1b}]0;x\u{7}".to_owned()];
    report.verdicts[0].config = vec!["one\ntwo\u{1b}[31m".to_owned()];
    report.ladders[0].nodes[1] = "l\u{1b}b".to_owned();
    report.ladders[0].steps[1].text = Some("GET \u{1b}[1m".to_owned());
    let all = verdicts::verdicts(&report, &wanted(true), 100)
        + &ladder::ladder_of(&report, &report.ladders[0], None, true, 100);
    for foreign in [
        "\u{1b}[2J",
        "\u{1b}]0",
        "\u{7}",
        "l\u{1b}b",
        "GET \u{1b}",
        "two\u{1b}",
    ] {
        assert!(!all.contains(foreign), "{foreign:?}");
    }
}
