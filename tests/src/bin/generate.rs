//! Writes a capture for benches: many connections at once, each with requests, answers, keepalive
//! probes and a close, their segments interleaved.
//!
//!     generate FILE [CONNECTIONS] [EXCHANGES]

use std::fs::File;
use std::io::{self, BufWriter, Write};

use anyhow::Context;

const ETHERNET: u32 = 1;
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
const FIN: u8 = 0x01;

/// A segment of a connection's script.
#[derive(Clone, Copy)]
struct Step {
    from_client: bool,
    flags: u8,
    len: u16,
    /// One below the next sequence number, as a keepalive probe is.
    below: bool,
}

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let path = args
        .next()
        .context("usage: generate FILE [CONNECTIONS] [EXCHANGES]")?;
    let mut number = |default: u32| -> anyhow::Result<u32> {
        args.next().map_or(Ok(default), |text| Ok(text.parse()?))
    };
    let (connections, exchanges) = (number(100_000)?, number(10)?);
    let file = File::create(&path).with_context(|| format!("cannot write {path}"))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let segments = write(&mut out, connections, exchanges)?;
    out.flush()?;
    println!("{segments} segments of {connections} connections");
    Ok(())
}

fn script(exchanges: u32) -> Vec<Step> {
    let step = |from_client, flags, len, below| Step {
        from_client,
        flags,
        len,
        below,
    };
    let mut steps = vec![
        step(true, SYN, 0, false),
        step(false, SYN | ACK, 0, false),
        step(true, ACK, 0, false),
    ];
    for _ in 0..exchanges {
        steps.extend([
            step(true, PSH | ACK, 40, false),
            step(false, ACK, 0, false),
            step(false, PSH | ACK, 120, false),
            step(true, ACK, 0, false),
        ]);
    }
    steps.extend([step(true, ACK, 0, true), step(false, ACK, 0, false)]);
    steps.extend([
        step(true, FIN | ACK, 0, false),
        step(false, FIN | ACK, 0, false),
        step(true, ACK, 0, false),
    ]);
    steps
}

/// All first segments, then all second ones ..., each round in another order.
fn write(out: &mut impl Write, connections: u32, exchanges: u32) -> io::Result<u64> {
    out.write_all(&0xa1b2_c3d4_u32.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&262_144_u32.to_le_bytes())?;
    out.write_all(&ETHERNET.to_le_bytes())?;
    let steps = script(exchanges);
    // Next sequence numbers of client and server.
    let mut next = vec![[1_000_u32, 2_000_000_000]; connections as usize];
    let mut segments = 0_u64;
    for (round, step) in (0_u32..).zip(&steps) {
        // A stride that shares no factor with the count visits every connection once.
        let mut stride = 7_919 + 2 * round;
        while gcd(stride, connections) != 1 {
            stride += 1;
        }
        let mut connection = round % connections;
        for _ in 0..connections {
            segments += 1;
            let place = &mut next[connection as usize];
            // A round takes 1.5 s or more, so that a keepalive probe comes after a silence.
            let micros = u64::from(round) * 1_500_000 + segments;
            segment(out, micros, connection, *step, place)?;
            connection = (connection + stride) % connections;
        }
    }
    Ok(segments)
}

fn segment(
    out: &mut impl Write,
    micros: u64,
    connection: u32,
    step: Step,
    next: &mut [u32; 2],
) -> io::Result<()> {
    let (me, peer) = if step.from_client { (0, 1) } else { (1, 0) };
    let seq = next[me].wrapping_sub(u32::from(step.below));
    let ack = if step.flags & ACK == 0 { 0 } else { next[peer] };
    let taken = u32::from(step.flags & (SYN | FIN) != 0);
    next[me] = next[me].wrapping_add(u32::from(step.len) + taken);
    let [_, high, middle, low] = connection.to_be_bytes();
    let client = ([10, high, middle, 1], 20_000 + u16::from(low));
    let server = ([10, 200, 0, 1], 8080_u16);
    let (from, to) = if step.from_client {
        (client, server)
    } else {
        (server, client)
    };
    let frame_len = 14 + 20 + 32 + u32::from(step.len);
    let mut frame = Vec::with_capacity(16 + 256);
    let seconds = u32::try_from(1_700_000_000 + micros / 1_000_000).unwrap_or(u32::MAX);
    frame.extend(seconds.to_le_bytes());
    frame.extend(u32::try_from(micros % 1_000_000).unwrap_or(0).to_le_bytes());
    frame.extend(frame_len.to_le_bytes());
    frame.extend(frame_len.to_le_bytes());
    frame.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0]);
    frame.extend((52 + step.len).to_be_bytes());
    frame.extend([low, round_of(micros), 0x40, 0, 64, 6, 0, 0]);
    frame.extend(from.0);
    frame.extend(to.0);
    frame.extend(from.1.to_be_bytes());
    frame.extend(to.1.to_be_bytes());
    frame.extend(seq.to_be_bytes());
    frame.extend(ack.to_be_bytes());
    frame.extend([0x80, step.flags, 0x01, 0xf5, 0, 0, 0, 0, 1, 1, 8, 10]);
    frame.extend(u32::try_from(micros / 1000).unwrap_or(0).to_be_bytes());
    frame.extend([0, 0, 0, 1]);
    frame.resize(frame.len() + usize::from(step.len), b'x');
    out.write_all(&frame)
}

/// Something that changes from one segment of a connection to the next.
fn round_of(micros: u64) -> u8 {
    (micros / 1_500_000).to_le_bytes()[0]
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
