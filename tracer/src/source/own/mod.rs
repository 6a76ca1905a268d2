//! What hopscope adds to pcapng, in the ranges that the format keeps for local use (block types and
//! option codes with the highest bit set): other programs pass over it.
//!
//! | where | what |
//! | --- | --- |
//! | option of an interface | JSON: its namespace, its name there, whether it is thinned |
//! | option of a packet | the tally of its flow before it, the cookie of its sender |
//! | block, kind 1 | JSON: a [`Note`] |
//! | block, kind 2 | a [`FlowTally`] |
//! | block, kind 3 | what an interface counted beside frames, so far |
//! | block, kind 4 | the end, with the number of frames before it |
//!
//! Anybody may use these ranges, so everything begins with a magic and a version. Numbers are in
//! little-endian order or of variable length, also where the section is big-endian: programs that
//! convert a capture do not know them.

mod numbers;
mod tally;

use serde::{Deserialize, Serialize};

use self::numbers::Numbers;
use super::Interface;
use crate::note::Note;
use crate::tally::{FlowTally, Tally};
use crate::time::Time;

/// Type of our blocks: "hop" behind the byte with the bit for local use.
pub(crate) const BLOCK: u32 = 0x8068_6f70;

/// Code of our options: "hp" with that bit. Far from 0x8001 on, which Darwin's libpcap uses.
pub(crate) const OPTION: u16 = 0xe870;

/// Begins the description of an interface, which other programs keep and show.
pub(crate) const WATCHED: &str = "hopscope watch";
/// That of a thinned interface.
pub(crate) const WATCHED_THINNED: &str = "hopscope watch: regular segments are counted, not shown";

const MAGIC: &[u8] = b"hopscope";
const OPTION_MAGIC: &[u8] = b"hop";
const VERSION: u8 = 1;

const NOTE: u8 = 1;
const REST: u8 = 2;
const COUNTED: u8 = 3;
const END: u8 = 4;

const HAS_TALLY: u8 = 1;
const HAS_SENDER: u8 = 2;

/// One of our blocks. Interfaces are told by their place in the section.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    Note(Box<Note>),
    Rest(FlowTally),
    Counted {
        interface: u32,
        dropped: u64,
        other: u64,
    },
    End {
        frames: u64,
    },
}

/// What is told of an interface beside what the format has words for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) thinned: bool,
}

/// What is told of a frame beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// What its flow's tally was before it.
    pub tally: Option<Tally>,
    /// The cookie of the socket that sent it.
    pub sender: Option<u64>,
}

/// Why something in our ranges cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is another program's.
    Foreign,
    /// A later version of hopscope wrote it.
    Newer,
    /// It is ours and makes no sense.
    Damaged,
}

/// The body of a block with this note.
///
/// # Errors
///
/// Where it is no JSON.
pub(crate) fn write_note(to: &mut Vec<u8>, note: &Note) -> serde_json::Result<()> {
    let json = serde_json::to_vec(note)?;
    write_block(to, NOTE, |to| to.extend(json));
    Ok(())
}

/// The body of a block with this tally.
pub(crate) fn write_rest(to: &mut Vec<u8>, rest: &FlowTally) {
    write_block(to, REST, |to| tally::write_rest(to, rest));
}

/// The body of a block with these counts.
pub(crate) fn write_counted(to: &mut Vec<u8>, interface: u32, dropped: u64, other: u64) {
    write_block(to, COUNTED, |to| {
        for number in [u64::from(interface), dropped, other] {
            numbers::write(to, number);
        }
    });
}

/// The body of the block that ends a recording of that many frames.
pub(crate) fn write_end(to: &mut Vec<u8>, frames: u64) {
    write_block(to, END, |to| numbers::write(to, frames));
}

/// Blocks are padded, so that the length of what is in them is told.
fn write_block(to: &mut Vec<u8>, kind: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    to.extend(MAGIC);
    to.extend([VERSION, kind, 0, 0, 0, 0, 0, 0]);
    let start = to.len();
    payload(to);
    let length = u32::try_from(to.len() - start).unwrap_or(u32::MAX);
    to[start - 4..start].copy_from_slice(&length.to_le_bytes());
}

/// Reads the body of a block of our type.
pub(crate) fn read_block(body: &[u8]) -> Result<Block, Unreadable> {
    let rest = body.strip_prefix(MAGIC).ok_or(Unreadable::Foreign)?;
    let [version, kind, _, _, rest @ ..] = rest else {
        return Err(Unreadable::Damaged);
    };
    if *version != VERSION {
        return Err(Unreadable::Newer);
    }
    let payload = rest
        .split_first_chunk()
        .and_then(|(length, rest)| rest.get(..u32::from_le_bytes(*length) as usize))
        .ok_or(Unreadable::Damaged)?;
    let mut numbers = Numbers(payload);
    let block = match *kind {
        NOTE => serde_json::from_slice(payload).ok().map(Block::Note),
        REST => tally::read_rest(&mut numbers).map(Block::Rest),
        COUNTED => read_counted(&mut numbers),
        END => numbers.next().map(|frames| Block::End { frames }),
        // Later versions may tell more, without changing what is told already.
        _ => return Err(Unreadable::Newer),
    };
    block.ok_or(Unreadable::Damaged)
}

fn read_counted(numbers: &mut Numbers<'_>) -> Option<Block> {
    Some(Block::Counted {
        interface: u32::try_from(numbers.next()?).ok()?,
        dropped: numbers.next()?,
        other: numbers.next()?,
    })
}

/// The value of our option of an interface.
///
/// # Errors
///
/// Where it is no JSON.
pub(crate) fn write_watched(to: &mut Vec<u8>, interface: &Interface) -> serde_json::Result<()> {
    let watched = Watched {
        namespace: interface.namespace.clone(),
        name: interface.name.clone(),
        thinned: interface.thinned,
    };
    to.extend(OPTION_MAGIC);
    to.push(VERSION);
    serde_json::to_writer(to, &watched)
}

/// Reads the value of our option of an interface.
pub(crate) fn read_watched(value: &[u8]) -> Result<Watched, Unreadable> {
    serde_json::from_slice(option(value)?).map_err(|_| Unreadable::Damaged)
}

/// The value of our option of a packet that was stamped then.
pub(crate) fn write_mark(to: &mut Vec<u8>, tally: Option<&Tally>, sender: Option<u64>, at: Time) {
    let has = |there: bool, bit: u8| if there { bit } else { 0 };
    to.extend(OPTION_MAGIC);
    to.push(VERSION);
    to.push(has(tally.is_some(), HAS_TALLY) | has(sender.is_some(), HAS_SENDER));
    if let Some(cookie) = sender {
        numbers::write(to, cookie);
    }
    if let Some(tally) = tally {
        tally::write(to, tally, at);
    }
}

/// Reads the value of our option of a packet that was stamped then.
pub(crate) fn read_mark(value: &[u8], at: Time) -> Result<Mark, Unreadable> {
    let [has, rest @ ..] = option(value)? else {
        return Err(Unreadable::Damaged);
    };
    let mut numbers = Numbers(rest);
    let mut read = || {
        Some(Mark {
            sender: match has & HAS_SENDER {
                0 => None,
                _ => Some(numbers.next()?),
            },
            tally: match has & HAS_TALLY {
                0 => None,
                _ => Some(tally::read(&mut numbers, at)?),
            },
        })
    };
    read().ok_or(Unreadable::Damaged)
}

/// What follows magic and version.
fn option(value: &[u8]) -> Result<&[u8], Unreadable> {
    match value.strip_prefix(OPTION_MAGIC) {
        None => Err(Unreadable::Foreign),
        Some([VERSION, rest @ ..]) => Ok(rest),
        Some([]) => Err(Unreadable::Damaged),
        Some(_) => Err(Unreadable::Newer),
    }
}
