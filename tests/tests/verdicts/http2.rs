//! What verdicts say of HTTP/2 connections that are written down frame by frame.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::Value;

use super::{lines, scripted, verdicts};

/// Frames (RFC 9113 section 6), as a script writes bytes.
pub(super) struct Frames(pub(super) String);

pub(super) const END: u8 = 1;
const ACK: u8 = 1;

impl Frames {
    pub(super) fn new() -> Self {
        Self("hex=".to_owned())
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            write!(self.0, "{byte:02x}").expect("a string can be written to");
        }
        self
    }

    fn frame(self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len()).expect("a short frame");
        let [_, length @ ..] = length.to_be_bytes();
        let own = self.bytes(&length).bytes(&[kind, flags]);
        own.bytes(&stream.to_be_bytes()).bytes(payload)
    }

    pub(super) fn preface(self) -> Self {
        self.bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").settings(0)
    }

    pub(super) fn settings(self, flags: u8) -> Self {
        let payload: &[u8] = if flags == ACK {
            &[]
        } else {
            &[0, 3, 0, 0, 0, 9]
        };
        self.frame(4, flags, 0, payload)
    }

    pub(super) fn headers(self, stream: u32, flags: u8) -> Self {
        self.frame(1, flags | 4, stream, &[0x88; 40])
    }

    pub(super) fn data(self, stream: u32, flags: u8) -> Self {
        self.frame(0, flags, stream, b"hello")
    }

    fn reset(self, stream: u32) -> Self {
        self.frame(3, 0, stream, &[0; 4])
    }

    fn ping(self, flags: u8) -> Self {
        self.frame(6, flags, 0, b"12345678")
    }

    pub(super) fn goaway(self, error: u8, debug: &str) -> Self {
        let head = [0, 0, 0, 1, 0, 0, 0, error];
        let payload = [&head[..], debug.as_bytes()].concat();
        self.frame(7, 0, 0, &payload)
    }
}

/// A connection on which a request begins after 5 ms; what happens then is told by lines.
fn called(test: &str, then: &str) -> Result<Value> {
    let preface = Frames::new().preface().0;
    let settings = Frames::new().settings(0).0;
    let acknowledged = Frames::new().settings(ACK).0;
    let call = Frames::new().settings(ACK).headers(1, END).0;
    let script = format!(
        "# A call over HTTP/2.
0.000   C SYN
+0.001  S SYN+ACK
+0.001  C ACK
+0.0001 C ACK {preface}
+0.001  S ACK {settings}
+0.001  S ACK {acknowledged}
+0.001  C ACK {call}
+0.001  S ACK
{then}---
flows = 1
"
    );
    scripted(test, &[("c.pcap", &script)])
}

/// The only verdict there is.
fn only(report: &Value) -> &Value {
    let all: Vec<&Value> = verdicts(report).collect();
    assert_eq!(all.len(), 1, "{all:#?}");
    all[0]
}

/// A client's PINGs in a call, each answered.
fn pings(count: u32) -> String {
    let (ping, answer) = (Frames::new().ping(0).0, Frames::new().ping(ACK).0);
    let pings = (1..=count).map(|at| format!("{at}.010  C ACK {ping}\n+0.001 S ACK {answer}\n"));
    pings.collect()
}

const CLOSED: &str = "+0.001 S FIN+ACK\n+0.001 C FIN+ACK\n+0.001 S ACK\n";

#[test]
fn pings_are_no_requests() -> Result<()> {
    let report = called("pings", &format!("{}4.5 S ACK\n{CLOSED}", pings(4)))?;
    let verdict = only(&report);
    assert_eq!(verdict["cause"], "closed_mid_exchange", "{verdict:#}");
    assert_eq!(report["chains"].as_array().map(Vec::len), Some(1));
    let answer = Frames::new().headers(1, 0).data(1, END).0;
    let answered = format!("{}4.5 S ACK {answer}\n{CLOSED}", pings(4));
    let report = called("pings-answered", &answered)?;
    let verdict = only(&report);
    assert_eq!(verdict["cause"], "normal_close", "{verdict:#}");
    assert_eq!(verdict["alarm"], false, "{verdict:#}");
    Ok(())
}

/// What a server that has had enough of its client's PINGs says and does.
fn ended_by(goaway: &str) -> String {
    format!("{}4.5 S ACK {goaway}\n{CLOSED}", pings(4))
}

#[test]
fn a_goaway_with_an_error_names_who_sent_it_and_why() -> Result<()> {
    let calm = Frames::new().goaway(11, "too_many_pings").0;
    let report = called("calm", &ended_by(&calm))?;
    let verdict = only(&report);
    assert_eq!(verdict["cause"], "closed_mid_exchange", "{verdict:#}");
    assert_eq!(verdict["alarm"], true, "{verdict:#}");
    assert_eq!(verdict["confidence"], "certain", "{verdict:#}");
    let summary = verdict["summary"].as_str().unwrap_or_default();
    assert!(summary.starts_with("the server 10.0.0.2:80"), "{summary}");
    assert!(
        summary.contains("ENHANCE_YOUR_CALM (too_many_pings); 1 request under way"),
        "{summary}"
    );
    let evidence = lines(verdict, "evidence").join("\n");
    assert!(evidence.contains("4 PINGs, one every 1.00 s"), "{evidence}");
    let advice = lines(verdict, "advice").join("\n");
    assert!(advice.contains("MIN_RECV_PING_INTERVAL"), "{advice}");
    // gRPC's C core ends the call in good order behind it.
    let ended = Frames::new().ping(ACK).goaway(11, "too_many_pings");
    let ended = ended.headers(1, END).reset(1).0;
    let report = called("calm-ended", &ended_by(&ended))?;
    assert_eq!(only(&report)["summary"], verdict["summary"]);
    let protocol = Frames::new().goaway(1, "").0;
    let report = called("protocol", &ended_by(&protocol))?;
    let verdict = only(&report);
    let advice = lines(verdict, "advice").join("\n");
    assert!(
        verdict["summary"]
            .as_str()
            .is_some_and(|said| said.contains("PROTOCOL_ERROR"))
    );
    assert!(!advice.contains("PING"), "{advice}");
    Ok(())
}

/// Who ended it is the client; nothing was under way; it is no error.
#[test]
fn a_goaway_is_whose_it_is_and_what_it_says() -> Result<()> {
    let protocol = Frames::new().goaway(1, "").0;
    let given_up =
        format!("1.5 C ACK {protocol}\n+0.001 C FIN+ACK\n+0.001 S FIN+ACK\n+0.001 C ACK\n");
    let report = called("client", &given_up)?;
    let verdict = only(&report);
    assert_eq!(verdict["cause"], "client_gave_up", "{verdict:#}");
    assert_eq!(verdict["ended_by"], "the client 10.0.0.1", "{verdict:#}");
    let answer = Frames::new().headers(1, 0).data(1, END).0;
    let calm = Frames::new().goaway(11, "too_many_pings").0;
    let idle = format!("0.5 S ACK {answer}\n{}", ended_by(&calm));
    let report = called("idle", &idle)?;
    let verdict = only(&report);
    assert_eq!(verdict["cause"], "normal_close", "{verdict:#}");
    assert_eq!(verdict["alarm"], true, "{verdict:#}");
    let graceful = Frames::new().goaway(0, "").0;
    let report = called(
        "graceful",
        &format!("0.5 S ACK {answer}\n{}", ended_by(&graceful)),
    )?;
    let verdict = only(&report);
    assert_eq!(verdict["alarm"], false, "{verdict:#}");
    Ok(())
}

/// Connections that begin 1.3 s after each other, to each of which a server announces the end when it is 3 s
/// old, while a request is answered; and what it does a second later, told by lines with `S` and `C` in
/// place of the sides. Verdicts in their order.
fn announced(then: &[String]) -> Result<Vec<Value>> {
    let greeting = Frames::new().preface().headers(1, END).0;
    let settings = Frames::new().settings(0).0;
    let began = Frames::new().headers(1, 0).data(1, 0).0;
    let goaway = Frames::new().goaway(0, "max_age").0;
    let mut all: Vec<(u32, String)> = Vec::new();
    for (place, then) in then.iter().enumerate() {
        let number = u32::try_from(place)? + 1;
        let start = 1_300 * number;
        let own = [
            (0, "C SYN".to_owned()),
            (1, "S SYN+ACK".to_owned()),
            (2, "C ACK".to_owned()),
            (3, format!("C ACK {greeting}")),
            (4, format!("S ACK {settings}")),
            (500 + 450 * number, format!("S ACK {began}")),
            (3_000 + 7 * number, format!("S ACK {goaway}")),
        ];
        let later = then.lines().enumerate();
        let later =
            later.map(|(at, line)| (4_000 + u32::try_from(at).unwrap_or(0), line.to_owned()));
        for (at, line) in own.into_iter().chain(later) {
            let (side, rest) = line.split_at(1);
            all.push((start + at, format!("{side}{number}{rest}")));
        }
    }
    all.sort();
    let lines = all
        .iter()
        .map(|(at, line)| format!("{}.{:03} {line}", at / 1_000, at % 1_000));
    let lines: Vec<String> = lines.collect();
    let script = format!(
        "# Ends that were announced.\n{}\n---\nflows = {}\n",
        lines.join("\n"),
        then.len()
    );
    let report = scripted("announced", &[("c.pcap", &script)])?;
    let mut verdicts: Vec<Value> = verdicts(&report).cloned().collect();
    verdicts.sort_by_key(|verdict| verdict["flow"].as_u64());
    Ok(verdicts)
}

/// A call that an announced end breaks off is lost, and one that it leaves time for is not.
#[test]
fn what_outlives_the_grace_period_is_lost() -> Result<()> {
    let rest = Frames::new().data(1, END).0;
    let cut = Frames::new().headers(1, END).reset(1).0;
    let closed = "S FIN+ACK\nC FIN+ACK\nS ACK\n";
    let cases = [
        (closed.to_owned(), "lost"),
        (format!("S ACK {cut}\n{closed}"), "lost"),
        (format!("S ACK {rest}\n{closed}"), "over"),
        // The end of the answer may be in what was not captured.
        (
            format!("S ACK {rest} unseen\nS ACK 20\n{closed}"),
            "unknown",
        ),
    ];
    let told = announced(&cases.clone().map(|(then, _)| then))?;
    assert_eq!(told.len(), cases.len(), "{told:#?}");
    for (verdict, (_, expected)) in told.iter().zip(cases) {
        assert_eq!(
            verdict["cause"], "max_connection_age",
            "{expected}: {verdict:#}"
        );
        let lost = expected == "lost";
        assert_eq!(verdict["alarm"], lost, "{expected}: {verdict:#}");
        let summary = verdict["summary"].as_str().unwrap_or_default();
        assert_eq!(
            summary.contains("1 request lost"),
            lost,
            "{expected}: {summary}"
        );
        let advice = lines(verdict, "advice").join("\n");
        assert_eq!(
            advice.contains("nothing has to be done"),
            !lost,
            "{expected}: {advice}"
        );
        let known = !advice.contains("and no request was under way");
        assert_eq!(known, expected != "unknown", "{expected}: {advice}");
    }
    Ok(())
}

/// A client that hears that its server closed gives up what it had asked: that is no cancelled call.
#[test]
fn a_call_that_is_given_up_after_the_close_was_lost_by_it() -> Result<()> {
    let began = Frames::new().headers(1, 0).data(1, 0).0;
    let reset = Frames::new().reset(1).0;
    let killed =
        format!("1.0 S ACK {began}\n2.3337 S FIN+ACK\n+0.001 C ACK {reset}\n+0.001 S RST\n");
    let report = called("killed", &killed)?;
    let verdict = only(&report);
    assert_eq!(verdict["cause"], "closed_mid_exchange", "{verdict:#}");
    let given_up = format!(
        "1.0 S ACK {began}\n1.5 C ACK {reset}\n2.3337 S FIN+ACK\n+0.001 C FIN+ACK\n+0.001 S ACK\n"
    );
    let report = called("given-up", &given_up)?;
    let verdict = only(&report);
    assert_eq!(verdict["cause"], "normal_close", "{verdict:#}");
    Ok(())
}

/// A server that closes without a GOAWAY, of which not all frames were captured, may have owed something.
#[test]
fn what_was_not_read_may_have_been_a_request() -> Result<()> {
    let answer = Frames::new().headers(1, 0).data(1, END).0;
    let whole = format!("1.0 S ACK {answer}\n2.3337 S ACK\n{CLOSED}");
    let lacking = format!("1.0 S ACK {answer} unseen\n+0.001 S ACK 20\n2.3337 S ACK\n{CLOSED}");
    for (name, then, confidence) in [("whole", whole, "likely"), ("lacking", lacking, "possible")] {
        let report = called(&format!("unread-{name}"), &then)?;
        let verdict = only(&report);
        assert_eq!(verdict["cause"], "normal_close", "{name}: {verdict:#}");
        assert_eq!(verdict["confidence"], confidence, "{name}: {verdict:#}");
        let against = lines(verdict, "against").join("\n");
        let said = against.contains("did not say that it would close");
        assert_eq!(said, name == "lacking", "{name}: {against}");
    }
    Ok(())
}
