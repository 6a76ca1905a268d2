//! Scripts: conversations written down a line per segment, with the facts expected beside them.
//!
//! A script is a text file that shows one behaviour. Its first line says which, in a sentence that
//! names its source (an RFC, a kernel file, a number of FACTS):
//!
//! ```text
//! # A keepalive probe is an ACK at SND.NXT-1 (net/ipv4/tcp_output.c tcp_xmit_probe_skb, FACTS 3.1).
//! timestamps
//! 0.000   C SYN
//! +0.001  S SYN+ACK
//! +0.001  C ACK
//! +0.001  C ACK 100
//! +0.001  S ACK
//! 7.004   S ACK seq-1
//! +0.0002 C ACK
//! ---
//! keepalive.server.probes.*.at = [7.004]
//! keepalive.server.idle_s = 7 ~0.01
//! ```
//!
//! # Segments
//!
//! `TIME WHO FLAGS [LENGTH | "text"] [what is not automatic]... [# comment]`
//!
//! - `TIME`: seconds since the start of the script, or `+` seconds since the line before. Lines come
//!   in the order in which the segments were sent.
//! - `WHO`: the sender, `C` (the client) or `S` (the server) of connection 1, `C2`, `S2` of
//!   connection 2 and so on.
//! - `FLAGS`: `SYN`, `SYN+ACK`, `ACK`, `FIN+ACK`, `RST` ...
//! - `LENGTH`: payload bytes, which are zeros, or the payload itself in double quotes, in
//!   which `\r\n` ends a line. `tls=22:200,23:53`: records of TLS, content type and length of each;
//!   `tls=21:2/2.48`: an alert of level 2 and description 48. `hex=00ff`: any bytes.
//! - `seq=5`, `ack=5`: relative to the initial sequence number, as Wireshark shows them.
//!   `seq-1`, `ack+3`: relative to the automatic one, which is what comes next, and what arrived
//!   without a gap. `seq=@0`: the number itself.
//! - `win=0`: the window field of this segment and the following ones of its sender (500 at first).
//! - `id=7`: the IPv4 identification; automatic ones count up. `ts=5/6`: TSval and TSecr. `sack=5..9`:
//!   relative to the receiver's initial sequence number.
//! - `x2`, `x3`: captured that many times, 2 µs apart; `x2+0.004`: 4 ms apart.
//! - `lost`: captured, but never arrives. `unseen`: arrives, but was not captured.
//! - `seen=TIME`: stamped and captured then, later or earlier than it was sent: `TIME` as above, but
//!   `+` and `-` are relative to the line's own. `late`: captured after the segment that follows,
//!   with its own time.
//!
//! # Settings
//!
//! - `connection 2 10.0.0.1:40000 10.0.0.2:80 isn 1000 50000`: client, server and their initial
//!   sequence numbers. Without it connection n is from `10.0.0.1:4000n` to `10.0.0.2:80`.
//! - `established`, `established 2`: the connection began before the script. Its next sequence
//!   numbers are 1.
//! - `timestamps`: every segment carries them, in milliseconds. `no ids`: the IPv4 identification
//!   is 0.
//! - `capture from TIME`: what was sent before was not captured.
//! - `capture without C2`: what that side sends is never captured.
//!
//! # Expectations
//!
//! After a line `---`, `path = JSON` or `path = JSON ~TOLERANCE`, against the flow as
//! [`FlowReport`](tracer::report::FlowReport) writes it. A path may begin with the number of the
//! flow (0 without one), and `*` stands for every element of an array. Besides:
//!
//! - `verdict` is the first verdict on the flow: `cause`, `ended_by` (in words), `confidence`, `alarm`
//!   and `at`;
//! - a time compares with seconds since the start of the script;
//! - an array or an object compares with a number by its length;
//! - `flows` is the number of flows;
//! - `events.KeepaliveProbe` is the array of the events of that kind of the flow, each with `at` and
//!   `by`; the kinds are those of [`What`](tracer::flow::What).

mod analysis;
mod expectation;
mod pcap;
mod wire;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use tracer::flow::Side;
use tracer::segment::Flags;

pub use self::analysis::{Analysis, Collector, analyse, feed};
use self::expectation::Expectation;
pub use self::wire::{Capturing, Connection, Frame, Number, Sent, Wire};

/// One script.
#[derive(Debug)]
pub struct Script {
    /// What it shows: its first line.
    pub title: String,
    frames: Vec<Frame>,
    expectations: Vec<Expectation>,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    ///
    /// Where it does not follow the grammar: which line, and why.
    pub fn parse(text: &str) -> Result<Self> {
        let title = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "))
            .context("the first line is no comment that says what the script shows")?;
        let mut reader = Reader::default();
        let mut expectations = Vec::new();
        let mut lines = (1..).zip(text.lines());
        for (number, line) in lines.by_ref() {
            let words = words(line);
            if words == ["---"] {
                break;
            }
            reader
                .line(&words)
                .with_context(|| format!("line {number}: {line}"))?;
        }
        for (number, line) in lines {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let expectation = Expectation::parse(number, line)
                    .with_context(|| format!("line {number}: {line}"))?;
                expectations.push(expectation);
            }
        }
        Ok(Self {
            title: title.to_owned(),
            frames: reader.frames(),
            expectations,
        })
    }

    /// What was captured, in the order of the capture.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// Whether anything is expected.
    #[must_use]
    pub fn expects_something(&self) -> bool {
        !self.expectations.is_empty()
    }

    /// What is not as expected: the line, what it says and what was found instead.
    #[must_use]
    pub fn mismatches(&self) -> Vec<String> {
        let analysis = analyse(&self.frames);
        self.expectations
            .iter()
            .filter_map(|expectation| expectation.mismatch(&analysis))
            .collect()
    }
}

/// The words of a line up to a comment; a quoted text is one word.
fn words(line: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() && !rest.starts_with('#') {
        let end = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map_or(rest.len(), |end| end + 2),
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    words
}

/// Collects what the lines say.
#[derive(Default)]
struct Reader {
    connections: BTreeMap<usize, Connection>,
    capturing: Capturing,
    sent: Vec<Sent>,
    at: i64,
}

impl Reader {
    fn line(&mut self, words: &[&str]) -> Result<()> {
        match *words {
            [] => {}
            ["timestamps"] => self.capturing.timestamps = true,
            ["no", "ids"] => self.capturing.no_ids = true,
            ["capture", "from", at] => self.capturing.from = Some(nanos(at)?),
            ["capture", "without", who] => self.capturing.without.push(self::who(who)?),
            ["established"] => self.connection(1).established = true,
            ["established", number] => self.connection(number.parse()?).established = true,
            [
                "connection",
                number,
                client,
                server,
                "isn",
                client_isn,
                server_isn,
            ] => {
                let connection = self.connection(number.parse()?);
                connection.endpoints.client = endpoint(client)?;
                connection.endpoints.server = endpoint(server)?;
                connection.isns.client = client_isn.parse()?;
                connection.isns.server = server_isn.parse()?;
            }
            [at, who, flags, ref rest @ ..] => {
                let sent = self.sent(at, who, flags, rest)?;
                self.connection(sent.connection);
                self.sent.push(sent);
            }
            _ => bail!("neither a segment nor a setting"),
        }
        Ok(())
    }

    fn connection(&mut self, number: usize) -> &mut Connection {
        self.connections
            .entry(number)
            .or_insert_with(|| Connection::numbered(number))
    }

    fn sent(&mut self, at: &str, who: &str, flags: &str, rest: &[&str]) -> Result<Sent> {
        self.at = match at.strip_prefix('+') {
            Some(after) => self.at + nanos(after)?,
            None => nanos(at)?,
        };
        let (connection, by) = self::who(who)?;
        let mut sent = Sent::new(self.at, by, self::flags(flags)?);
        sent.connection = connection;
        for word in rest {
            attribute(&mut sent, word).with_context(|| format!("in {word}"))?;
        }
        Ok(sent)
    }

    fn frames(self) -> Vec<Frame> {
        let mut wire = Wire::new(self.connections, self.capturing);
        for sent in &self.sent {
            wire.send(sent);
        }
        wire.into_frames()
    }
}

fn attribute(sent: &mut Sent, word: &str) -> Result<()> {
    if let Some(text) = word.strip_prefix('"') {
        let text = text.strip_suffix('"').context("a quote is missing")?;
        let text = text.replace("\\r\\n", "\r\n");
        sent.len = u32::try_from(text.len())?;
        sent.payload = text.into();
        return Ok(());
    }
    if let Some(number) = number(word, "seq")? {
        sent.seq = number;
    } else if let Some(number) = number(word, "ack")? {
        sent.ack = number;
    } else if let Some(copies) = word.strip_prefix('x') {
        let (copies, gap) = copies.split_once('+').unwrap_or((copies, "0.000002"));
        sent.copies = copies.parse()?;
        sent.copy_gap = nanos(gap)?;
    } else if let Some(seen) = word.strip_prefix("seen=") {
        sent.seen = Some(match seen.strip_prefix('+') {
            Some(later) => sent.at + nanos(later)?,
            None if seen.starts_with('-') => sent.at + nanos(seen)?,
            None => nanos(seen)?,
        });
    } else {
        match word.split_once('=') {
            Some(("win", window)) => sent.window = Some(window.parse()?),
            Some(("tls", records)) => {
                sent.payload = tls(records)?;
                sent.len = u32::try_from(sent.payload.len())?;
            }
            Some(("hex", bytes)) => {
                sent.payload = hex(bytes)?;
                sent.len = u32::try_from(sent.payload.len())?;
            }
            Some(("id", id)) => sent.id = Some(id.parse()?),
            Some(("ts", stamps)) => sent.timestamps = Some(pair(stamps, "/")?),
            Some(("sack", block)) => sent.sack = Some(pair(block, "..")?),
            None if word == "lost" => sent.lost = true,
            None if word == "unseen" => sent.unseen = true,
            None if word == "late" => sent.late = true,
            None => sent.len = word.parse().context("no length and no attribute")?,
            Some(_) => bail!("no attribute"),
        }
    }
    Ok(())
}

/// Bytes, two digits each.
fn hex(digits: &str) -> Result<Vec<u8>> {
    let pairs = (0..digits.len()).step_by(2);
    let pairs = pairs.map(|at| digits.get(at..at + 2).context("half a byte"));
    pairs
        .map(|pair| Ok(u8::from_str_radix(pair?, 16)?))
        .collect()
}

/// Records of TLS that hold an alert, or zeros (RFC 8446 section 5.1).
fn tls(records: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for record in records.split(',') {
        let (kind, length) = record.split_once(':').context("no KIND:LENGTH")?;
        let (length, alert) = length.split_once('/').unwrap_or((length, "0.0"));
        let (level, description) = alert.split_once('.').context("no LEVEL.DESCRIPTION")?;
        let length: u16 = length.parse()?;
        bytes.extend([kind.parse()?, 3, 3]);
        bytes.extend(length.to_be_bytes());
        let mut held = vec![level.parse()?, description.parse()?];
        held.resize(usize::from(length), 0);
        bytes.extend(held);
    }
    Ok(bytes)
}

/// `seq=5`, `seq=@5`, `seq-1`, `seq+1`.
fn number(word: &str, name: &str) -> Result<Option<Number>> {
    let Some(rest) = word.strip_prefix(name) else {
        return Ok(None);
    };
    Ok(Some(match rest.strip_prefix('=') {
        Some(number) => match number.strip_prefix('@') {
            Some(absolute) => Number::Absolute(absolute.parse()?),
            None => Number::Relative(number.parse()?),
        },
        None => Number::Shifted(rest.parse()?),
    }))
}

fn pair(text: &str, separator: &str) -> Result<(u32, u32)> {
    let (first, second) = text
        .split_once(separator)
        .context("half of it is missing")?;
    Ok((first.parse()?, second.parse()?))
}

fn who(word: &str) -> Result<(usize, Side)> {
    let by = match word.get(..1) {
        Some("C") => Side::Client,
        Some("S") => Side::Server,
        _ => bail!("{word} is no sender: C, S, C2 ..."),
    };
    let number = match &word[1..] {
        "" => 1,
        number => number.parse().with_context(|| format!("sender {word}"))?,
    };
    Ok((number, by))
}

fn flags(word: &str) -> Result<Flags> {
    word.split('+').try_fold(Flags::default(), |flags, name| {
        Ok(flags.with(match name {
            "FIN" => Flags::FIN,
            "SYN" => Flags::SYN,
            "RST" => Flags::RST,
            "PSH" => Flags::PSH,
            "ACK" => Flags::ACK,
            _ => bail!("{name} is no flag"),
        }))
    })
}

fn endpoint(word: &str) -> Result<tracer::segment::Endpoint> {
    let address: std::net::SocketAddr = word.parse().with_context(|| format!("endpoint {word}"))?;
    Ok(tracer::segment::Endpoint::new(address.ip(), address.port()))
}

/// Seconds, exactly: `7`, `0.000002`, `-0.5`.
fn nanos(seconds: &str) -> Result<i64> {
    let (negative, digits) = match seconds.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, seconds),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    ensure!(part.len() <= 9, "{seconds} is finer than nanoseconds");
    let number = |digits: &str| {
        digits
            .parse::<i64>()
            .with_context(|| format!("{seconds} is no time in seconds"))
    };
    let nanos = number(whole)? * 1_000_000_000 + number(&format!("{part:0<9}"))?;
    Ok(if negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_line_says_everything() -> Result<()> {
        let script = Script::parse(
            "# Grammar\n\
             connection 1 10.0.0.1:5 10.0.0.2:80 isn 4294967295 7\n\
             1.5 C SYN\n\
             +0.25 S SYN+ACK win=9 # comment\n\
             +0 C ACK \"GET /\" seq+1 ack=@3 id=12 ts=5/6 sack=1..2 x2+0.5\n\
             +0 S RST unseen\n\
             ---\n\
             # comment\n\
             flows = 1\n",
        )?;
        let [syn, accept, data, copy] = script.frames() else {
            bail!("{} frames", script.frames().len());
        };
        assert_eq!((syn.at, syn.seq.0, syn.ack.0), (1_500_000_000, u32::MAX, 0));
        assert_eq!(
            (accept.at, accept.seq.0, accept.ack.0),
            (1_750_000_000, 7, 0)
        );
        assert_eq!(accept.window, 9);
        assert_eq!((data.seq.0, data.ack.0, data.ip_id), (1, 3, Some(12)));
        assert_eq!((&data.payload[..], data.len), (&b"GET /"[..], 5));
        assert_eq!(data.options.timestamps, Some((5, 6)));
        assert_eq!(
            data.options.sack.map(|(left, right)| (left.0, right.0)),
            Some((8, 9))
        );
        assert_eq!((copy.at - data.at, copy.frame), (500_000_000, 4));
        assert!(script.expects_something());
        Ok(())
    }

    #[test]
    fn what_is_no_line_is_told() {
        for line in [
            "0 X ACK",
            "0 C AKC",
            "0 C ACK win=",
            "0 C ACK 1x",
            "established x",
            "0,1 C ACK",
        ] {
            let error = Script::parse(&format!("# Grammar\n{line}\n")).err();
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("line 2"), "{line}: {error}");
        }
        assert!(Script::parse("0 C SYN\n").is_err());
    }
}
