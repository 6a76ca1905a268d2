//! Who tried which address after which: a client that gives up on one and goes to the next.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::digest::Digest;
use crate::hop::Hops;
use crate::time::Time;

/// Hops of each client to each port, by when they began.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    began: HashMap<(IpAddr, u16), Vec<(Time, usize)>, RandomState>,
}

impl Attempts {
    pub(super) fn of(hops: &Hops, digests: &[Digest]) -> Self {
        let mut attempts = Self::default();
        for digest in digests {
            let hop = &hops.hops[digest.place];
            let of = (hop.client.address(), hop.server.port());
            let began = attempts.began.entry(of).or_default();
            began.push((digest.begun, digest.place));
        }
        for began in attempts.began.values_mut() {
            began.sort_unstable();
        }
        attempts
    }

    /// The hop that the same client began next, to the same port of another address, within that time
    /// of the last that was seen of this one.
    pub(super) fn next(&self, hops: &Hops, digest: &Digest, within: Duration) -> Option<usize> {
        let hop = &hops.hops[digest.place];
        let began = self.began.get(&(hop.client.address(), hop.server.port()))?;
        let from = began.partition_point(|(at, _)| *at <= digest.last);
        let soon = began[from..]
            .iter()
            .take_while(|(at, _)| at.since(digest.last) <= within);
        let mut other = soon.filter(|(_, place)| hops.hops[*place].server != hop.server);
        other.next().map(|(_, place)| *place)
    }
}
