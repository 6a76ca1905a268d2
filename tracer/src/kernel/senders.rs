//! Which sockets sent the segments that were seen: what joins flows to sockets where NAT changes
//! addresses between the two.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::segment::{Endpoint, Segment};
use crate::time::Time;

/// Ways of which the senders are kept: at least the latest so many, at most twice as many. Others
/// are joined by their endpoints alone. Takes at most 60 MiB.
const KEPT: usize = 1 << 18;

/// Senders that are kept of a way: a client that binds its port uses the same one again and again.
const SENDERS: usize = 32;

/// The senders of segments, by their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Senders {
    recent: HashMap<Way, Vec<Sender>, RandomState>,
    older: HashMap<Way, Vec<Sender>, RandomState>,
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
        let senders = self
            .recent
            .entry(way)
            .or_insert_with(|| older.remove(&way).unwrap_or_default());
        match senders.last_mut() {
            Some(sender) if sender.cookie == cookie => {
                sender.first = sender.first.min(segment.at);
                sender.last = sender.last.max(segment.at);
            }
            _ => {
                if senders.len() == SENDERS {
                    senders.remove(0);
                }
                senders.push(Sender {
                    cookie,
                    first: segment.at,
                    last: segment.at,
                });
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
            .flatten()
            .filter(move |sender| sender.first <= to && sender.last >= from)
            .map(|sender| sender.cookie)
    }
}
