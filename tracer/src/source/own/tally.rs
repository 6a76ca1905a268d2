//! Tallies as bytes. Times are told from when counting began, which keeps them short.

use hopscope_ebpf::tail::{EMPTY_LINE, Tail, UNKNOWN};

use super::numbers::{Numbers, write as number, write_signed as signed};
use crate::segment::Endpoint;
use crate::seq::Seq;
use crate::tally::{FlowTally, Sent, Tally};
use crate::time::Time;

const FIRST: u8 = 1;
const LAST: u8 = 2;
const DATA: u8 = 4;
/// In the same byte: what the last bytes are. Older recordings have zeros there, which tell nothing of them.
const TAIL_SHIFT: u8 = 3;
const TAIL: u8 = 7;

/// Appends a tally, told from `base` on.
pub(super) fn write(to: &mut Vec<u8>, tally: &Tally, base: Time) {
    let since = tally.since.as_nanos();
    signed(to, since.wrapping_sub(base.as_nanos()));
    number(to, tally.longest_silence_ns);
    number(to, tally.longest_payload_gap_ns);
    to.push(tally.turn.map_or(0, |turn| turn.saturating_add(1)));
    for sent in &tally.sent {
        let times = [
            (FIRST, sent.first_at),
            (LAST, sent.last_at),
            (DATA, sent.data_at),
        ];
        let known = times.iter().filter(|(_, at)| at.is_some());
        let tail = u8::try_from(sent.tail).unwrap_or_default() & TAIL;
        to.push(known.fold(tail << TAIL_SHIFT, |bits, (bit, _)| bits | bit));
        number(to, sent.segments);
        number(to, sent.bytes);
        number(to, sent.turns.into());
        to.extend(sent.next.0.to_le_bytes());
        to.extend(sent.acknowledged.0.to_le_bytes());
        to.extend(sent.window.to_le_bytes());
        for at in times.into_iter().filter_map(|(_, at)| at) {
            signed(to, at.as_nanos().wrapping_sub(since));
        }
    }
}

/// Reads a tally that was told from `base` on.
pub(super) fn read(numbers: &mut Numbers<'_>, base: Time) -> Option<Tally> {
    let since = base.as_nanos().wrapping_add(numbers.next_signed()?);
    Some(Tally {
        since: Time::from_nanos(since),
        longest_silence_ns: numbers.next()?,
        longest_payload_gap_ns: numbers.next()?,
        turn: match numbers.byte()? {
            0 => None,
            turn @ (1 | 2) => Some(turn - 1),
            _ => return None,
        },
        sent: [read_sent(numbers, since)?, read_sent(numbers, since)?],
    })
}

fn read_sent(numbers: &mut Numbers<'_>, since: i64) -> Option<Sent> {
    let known = numbers.byte()?;
    let mut sent = Sent {
        segments: numbers.next()?,
        bytes: numbers.next()?,
        turns: u32::try_from(numbers.next()?).ok()?,
        next: Seq(u32::from_le_bytes(numbers.bytes()?)),
        acknowledged: Seq(u32::from_le_bytes(numbers.bytes()?)),
        window: u16::from_le_bytes(numbers.bytes()?),
        tail: read_tail(known),
        first_at: None,
        last_at: None,
        data_at: None,
    };
    for (bit, at) in [
        (FIRST, &mut sent.first_at),
        (LAST, &mut sent.last_at),
        (DATA, &mut sent.data_at),
    ] {
        if known & bit != 0 {
            *at = Some(Time::from_nanos(since.wrapping_add(numbers.next_signed()?)));
        }
    }
    Some(sent)
}

/// What is none of those that there are tells nothing.
fn read_tail(known: u8) -> Tail {
    let tail = (known >> TAIL_SHIFT) & TAIL;
    match Tail::from(tail) {
        tail @ ..=EMPTY_LINE => tail,
        _ => UNKNOWN,
    }
}

/// Appends a flow's last tally.
pub(super) fn write_rest(to: &mut Vec<u8>, rest: &FlowTally) {
    number(to, rest.interface.into());
    for endpoint in rest.endpoints {
        to.extend(endpoint.octets());
        to.extend(endpoint.port().to_le_bytes());
    }
    write(to, &rest.tally, Time::default());
}

/// Reads a flow's last tally.
pub(super) fn read_rest(numbers: &mut Numbers<'_>) -> Option<FlowTally> {
    let interface = u32::try_from(numbers.next()?).ok()?;
    let [lower, higher] = [read_endpoint(numbers)?, read_endpoint(numbers)?];
    Some(FlowTally {
        interface,
        endpoints: [lower, higher],
        tally: read(numbers, Time::default())?,
    })
}

fn read_endpoint(numbers: &mut Numbers<'_>) -> Option<Endpoint> {
    let address = numbers.bytes()?;
    Some(Endpoint::v6(address, u16::from_le_bytes(numbers.bytes()?)))
}
