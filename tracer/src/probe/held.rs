//! RSTs that the kernel says a socket took in, and that it sent itself.
//!
//! `tcp_reset` runs, with its tracepoint, also where data comes for a socket whose process has shut
//! it down for reading (`tcp_rcv_state_process`, net/ipv4/tcp_input.c, TCPABORTONDATA). What gives it
//! away is the RST that this socket sends next: one that took in a RST sends nothing any more.

use std::collections::VecDeque;

use hopscope_ebpf::{SocketRecord, moment};

/// One follows the other within microseconds, on one processor; in nanoseconds.
const SENT_WITHIN: u64 = 1_000_000;

/// Records in their order, held up until it is known whether a RST was taken in.
#[derive(Default)]
pub(super) struct Held(VecDeque<SocketRecord>);

impl Held {
    pub(super) fn push(&mut self, record: SocketRecord) {
        if record.moment == moment::RESET_SENT {
            self.0.retain(|earlier| {
                earlier.moment != moment::RESET_RECEIVED
                    || earlier.cookie != record.cookie
                    || is_past(earlier, record.at)
            });
        }
        self.0.push_back(record);
    }

    /// The next one, as far as it is known at that time what it means.
    pub(super) fn pop(&mut self, now: u64) -> Option<SocketRecord> {
        let first = self.0.front()?;
        let known = first.moment != moment::RESET_RECEIVED || is_past(first, now);
        if known { self.0.pop_front() } else { None }
    }
}

fn is_past(record: &SocketRecord, now: u64) -> bool {
    now.saturating_sub(record.at) > SENT_WITHIN
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros;

    use super::*;

    fn record(moment: u32, cookie: u64, at: u64) -> SocketRecord {
        SocketRecord {
            moment,
            cookie,
            at,
            ..SocketRecord::new_zeroed()
        }
    }

    fn told(records: &[SocketRecord], now: u64) -> Vec<(u32, u64)> {
        let mut held = Held::default();
        records.iter().for_each(|record| held.push(*record));
        std::iter::from_fn(|| held.pop(now))
            .map(|record| (record.moment, record.cookie))
            .collect()
    }

    #[test]
    fn what_sends_a_reset_took_none_in() {
        let records = [
            record(moment::RESET_RECEIVED, 7, 1000),
            record(moment::ERROR, 7, 2000),
            record(moment::RESET_SENT, 7, 3000),
        ];
        let expected = [(moment::ERROR, 7), (moment::RESET_SENT, 7)];
        assert_eq!(told(&records, 3000), expected);
    }

    #[test]
    fn others_are_told_in_their_order_once_it_is_known() {
        let records = [
            record(moment::CLOSING, 6, 500),
            record(moment::RESET_RECEIVED, 7, 1000),
            record(moment::RESET_SENT, 8, 2000),
            record(moment::RESET_SENT, 7, 1001 + SENT_WITHIN),
        ];
        assert_eq!(told(&records, 3000), [(moment::CLOSING, 6)]);
        let expected = [
            (moment::CLOSING, 6),
            (moment::RESET_RECEIVED, 7),
            (moment::RESET_SENT, 8),
            (moment::RESET_SENT, 7),
        ];
        assert_eq!(told(&records, u64::MAX), expected);
    }
}
