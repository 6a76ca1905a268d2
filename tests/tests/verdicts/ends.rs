//! What ends several connections: a process, a deploy, a timer, an age, a number of requests.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::http2::{END, Frames};
use super::{scripted, verdicts};

const ASKED: &str = "\"GET / HTTP/1.1\\r\\nhost: app\\r\\n\\r\\n\"";
const ANSWERED: &str = "\"HTTP/1.1 200 OK\\r\\ncontent-length: 0\\r\\n\\r\\n\"";

/// What happens, by time in milliseconds; `N` stands for the number of the connection.
#[derive(Default)]
struct Plan {
    lines: Vec<(u32, usize, String)>,
    connections: usize,
}

impl Plan {
    /// A connection that is opened then; its number.
    fn open(&mut self, at: u32) -> usize {
        self.connections += 1;
        let number = self.connections;
        for (later, what) in [(0, "CN SYN"), (1, "SN SYN+ACK"), (2, "CN ACK")] {
            self.add(at + later, number, what);
        }
        number
    }

    fn add(&mut self, at: u32, number: usize, what: &str) {
        self.lines.push((at, number, what.to_owned()));
    }

    /// A request that is answered within two milliseconds.
    fn exchange(&mut self, at: u32, number: usize) {
        self.add(at, number, &format!("CN ACK {ASKED}"));
        self.add(at + 2, number, &format!("SN ACK {ANSWERED}"));
        self.add(at + 3, number, "CN ACK");
    }

    /// The server closes, and the client does then.
    fn close(&mut self, at: u32, number: usize) {
        self.add(at, number, "SN FIN+ACK");
        self.add(at + 1, number, "CN FIN+ACK");
        self.add(at + 2, number, "SN ACK");
    }

    fn report(mut self, test: &str) -> Result<Value> {
        self.lines.sort_by_key(|(at, ..)| *at);
        let mut script = "# Ends.\n".to_owned();
        for number in 1..=self.connections {
            let port = 40_000 + number;
            writeln!(
                script,
                "connection {number} 10.0.0.1:{port} 10.0.0.2:80 isn {number}000 {number}5000"
            )?;
        }
        for (at, number, what) in self.lines {
            let what = what.replacen('N', &number.to_string(), 1);
            writeln!(script, "{}.{:03} {what}", at / 1000, at % 1000)?;
        }
        write!(script, "---\nflows = {}\n", self.connections)?;
        scripted(test, &[("app.pcap", &script)])
    }
}

/// What each verdict says first, for whoever reads a failure.
fn said(report: &Value) -> String {
    let said = verdicts(report).map(|verdict| {
        let [cause, confidence, summary] =
            ["cause", "confidence", "summary"].map(|key| &verdict[key]);
        format!("\n{cause} {confidence} {summary}")
    });
    said.collect()
}

fn causes(report: &Value) -> BTreeSet<String> {
    let causes = verdicts(report).filter_map(|verdict| verdict["cause"].as_str());
    causes.map(str::to_owned).collect()
}

/// A connection that is idle for a known time, one that is idle for another, and an upload that has just
/// paused: closed at once, as the kernel does where their process ends (do_exit, kernel/exit.c).
fn killed(at: [u32; 3]) -> Result<Value> {
    let mut plan = Plan::default();
    let [idle, other, upload] = [plan.open(100), plan.open(110), plan.open(120)];
    plan.exchange(998, idle);
    plan.exchange(1_500, other);
    plan.add(
        1_700,
        upload,
        "CN ACK \"POST / HTTP/1.1\\r\\nhost: app\\r\\ncontent-length: 900000\\r\\n\\r\\n\"",
    );
    plan.add(1_701, upload, "SN ACK");
    for (number, at) in [idle, other, upload].into_iter().zip(at) {
        plan.close(at, number);
    }
    plan.report(&format!("killed-{}", at[1]))
}

#[test]
fn what_ends_at_once_ends_for_no_timer() -> Result<()> {
    let at_once = killed([3_000, 3_001, 3_002])?;
    let expected = ["closed_mid_exchange", "normal_close"].map(str::to_owned);
    assert_eq!(causes(&at_once), expected.into(), "{}", said(&at_once));
    let mut owed = verdicts(&at_once).filter(|verdict| verdict["alarm"] == true);
    let owed = owed.next().expect("the upload's verdict");
    let by = owed["ended_by"].as_str().unwrap_or_default();
    assert!(by.starts_with("the server 10.0.0.2:80"), "{owed:#}");
    // Each by itself may be a timer's.
    let apart = killed([3_000, 4_500, 6_100])?;
    let expected = ["idle_timeout", "normal_close", "request_timeout"].map(str::to_owned);
    assert!(
        causes(&apart).is_subset(&expected.into()),
        "{}",
        said(&apart)
    );
    assert!(
        causes(&apart).contains("request_timeout"),
        "{}",
        said(&apart)
    );
    Ok(())
}

/// An upload whose server has closed its window, and is let wait by nobody.
#[test]
fn who_is_not_let_send_does_not_stall() -> Result<()> {
    for (window, stalls) in [("", true), (" win=0", false)] {
        let mut plan = Plan::default();
        let upload = plan.open(100);
        plan.add(
            200,
            upload,
            "CN ACK \"POST / HTTP/1.1\\r\\nhost: app\\r\\ncontent-length: 900000\\r\\n\\r\\n\"",
        );
        plan.add(210, upload, &format!("SN ACK{window}"));
        plan.close(1_280, upload);
        let told = plan.report(&format!("held-back-{stalls}"))?;
        let first = verdicts(&told).next().expect("a verdict");
        let by_client = first["ended_by"] == "the client 10.0.0.1";
        assert_eq!(by_client, stalls, "{first:#}");
    }
    Ok(())
}

/// HTTP/2 connections, each asked once when it began and then at these times, and announced to end at that
/// time.
fn announced(test: &str, connections: &[(u32, &[u32], u32)]) -> Result<Value> {
    let preface = Frames::new().preface().0;
    let settings = Frames::new().settings(0).0;
    let goaway = Frames::new().goaway(0, "").0;
    let mut plan = Plan::default();
    for &(begin, asked, end) in connections {
        let number = plan.open(begin);
        plan.add(begin + 3, number, &format!("CN ACK {preface}"));
        plan.add(begin + 4, number, &format!("SN ACK {settings}"));
        for (stream, at) in (1..).step_by(2).zip(asked) {
            let request = Frames::new().headers(stream, END).0;
            plan.add(*at, number, &format!("CN ACK {request}"));
            let answer = Frames::new().headers(stream, 0).data(stream, END).0;
            plan.add(at + 1, number, &format!("SN ACK {answer}"));
            plan.add(at + 2, number, "CN ACK");
        }
        plan.add(end, number, &format!("SN ACK {goaway}"));
        plan.close(end + 1, number);
    }
    plan.report(test)
}

#[test]
fn an_announced_end_is_not_always_an_age() -> Result<()> {
    // A server that ends announces it to all, however old.
    let drain = announced(
        "drain",
        &[
            (0, &[400, 2_400], 3_000),
            (250, &[700, 2_500], 3_001),
            (500, &[900, 2_600], 3_001),
        ],
    )?;
    assert!(
        !causes(&drain).contains("max_connection_age"),
        "{}",
        said(&drain)
    );
    // One length of silence, and a connection that was used all along and lived on.
    let idle = announced(
        "idle",
        &[
            (0, &[10], 2_012),
            (300, &[310], 2_312),
            (700, &[710], 2_712),
            (900, &[910, 2_300, 3_700], 5_702),
        ],
    )?;
    assert!(
        !causes(&idle).contains("max_connection_age"),
        "{}",
        said(&idle)
    );
    assert!(causes(&idle).contains("idle_timeout"), "{}", said(&idle));
    // Without that one it may be either.
    let either = announced(
        "either",
        &[
            (0, &[10], 2_012),
            (300, &[310], 2_312),
            (700, &[710], 2_712),
        ],
    )?;
    let claims = ["max_connection_age", "idle_timeout"].map(str::to_owned);
    assert!(
        causes(&either).is_disjoint(&claims.into()),
        "{}",
        said(&either)
    );
    // Used all along.
    let aged = announced(
        "aged",
        &[
            (0, &[10, 800, 1_700], 2_012),
            (300, &[310, 1_100, 1_600], 2_312),
            (700, &[710, 1_400, 2_500], 2_712),
        ],
    )?;
    let first = verdicts(&aged).next().expect("a verdict");
    assert_eq!(first["cause"], "max_connection_age", "{first:#}");
    assert_eq!(first["confidence"], "likely", "{first:#}");
    Ok(())
}

/// Connections that end after this many requests each, at about one age.
fn used(test: &str, requests: [usize; 3]) -> Result<Value> {
    let mut plan = Plan::default();
    for ((begin, age), requests) in [(0, 2_020), (600, 2_000), (1_300, 2_060)]
        .into_iter()
        .zip(requests)
    {
        let number = plan.open(begin);
        for (request, at) in (0..requests).zip((begin + 20..).step_by(450)) {
            // The last one ends just before.
            let at = if request + 1 == requests {
                begin + age - 10
            } else {
                at
            };
            plan.exchange(at, number);
        }
        plan.close(begin + age, number);
    }
    plan.report(test)
}

#[test]
fn as_many_requests_on_each_may_be_what_is_limited() -> Result<()> {
    for (requests, aged) in [([4, 4, 4], false), ([3, 4, 5], true)] {
        let told = used(&format!("requests-{}", requests[0]), requests)?;
        let says = causes(&told).contains("max_connection_age");
        assert_eq!(says, aged, "{requests:?}: {}", said(&told));
    }
    Ok(())
}
