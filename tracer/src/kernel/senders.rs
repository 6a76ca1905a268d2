//! Which sockets sent the segments that were seen: what joins flows to sockets where NAT changes
//! addresses between the two.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use foldhash::fast::RandomState;

use crate::segment::{Endpoint, Segment};
use crate::time::Time;

/// Ways of which the senders are kept: at least the latest so many, at most twice as many. Others
/// are joined by their endpoints alone. Takes 90 MiB at most where each way has one sender: two tables of 2^19
/// places, at 89 bytes.
const KEPT: usize = 1 << 18;

/// Senders that are kept of a way: a client that binds its port uses the same one again and again.
const SENDERS: usize = 32;

/// The senders of segments, by their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Senders {
    recent: HashMap<Way, Row, RandomState>,
    older: HashMap<Way, Row, RandomState>,
}

/// One direction between two endpoints at a vantage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Way {
    vantage: u32,
    source: Endpoint,
    destination: Endpoint,
}

/// A socket and when it sent.
#[derive(Clone, Copy, Debug)]
struct Sender {
    cookie: u64,
    first: Time,
    last: Time,
}

/// The senders on one way, the latest last: of nearly all ways there is one.
#[derive(Clone, Debug)]
struct Row {
    earlier: Vec<Sender>,
    last: Sender,
}

impl Row {
    fn sent(&mut self, cookie: u64, at: Time) {
        let last = &mut self.last;
        if last.cookie == cookie {
            last.first = last.first.min(at);
            last.last = last.last.max(at);
            return;
        }
        if self.earlier.len() + 1 == SENDERS {
            self.earlier.remove(0);
        }
        self.earlier
            .push(std::mem::replace(last, Sender::new(cookie, at)));
    }
}

impl Sender {
    const fn new(cookie: u64, at: Time) -> Self {
        Self {
            cookie,
            first: at,
            last: at,
        }
    }
}

impl Senders {
    /// A segment came from that socket.
    pub(super) fn sent(&mut self, segment: &Segment<'_>, cookie: u64) {
        let way = Way {
            vantage: segment.vantage,
            source: segment.source,
            destination: segment.destination,
        };
        if self.recent.len() >= KEPT && !self.recent.contains_key(&way) {
            self.older = std::mem::take(&mut self.recent);
        }
        let older = &mut self.older;
        match self.recent.entry(way) {
            Entry::Occupied(mut row) => row.get_mut().sent(cookie, segment.at),
            Entry::Vacant(free) => {
                let row = match older.remove(&way) {
                    Some(mut row) => {
                        row.sent(cookie, segment.at);
                        row
                    }
                    None => Row {
                        earlier: Vec::new(),
                        last: Sender::new(cookie, segment.at),
                    },
                };
                free.insert(row);
            }
        }
    }

    /// Who sent on that way between these times, the first first.
    pub(super) fn between(
        &self,
        vantage: u32,
        [source, destination]: [Endpoint; 2],
        [from, to]: [Time; 2],
    ) -> impl Iterator<Item = u64> {
        let way = Way {
            vantage,
            source,
            destination,
        };
        let known = self.recent.get(&way).or_else(|| self.older.get(&way));
        known
            .into_iter()
            .flat_map(|row| row.earlier.iter().chain([&row.last]))
            .filter(move |sender| sender.first <= to && sender.last >= from)
            .map(|sender| sender.cookie)
    }
}
