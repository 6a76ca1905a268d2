//! What the kernel of a client tells of how its attempt to connect ended.
//!
//! Errors that ICMP brings end a socket that is connecting at once, or are told when its SYNs run out
//! (`tcp_v4_err` and `tcp_write_err`, net/ipv4): what stands on the socket says that something answered.

use crate::flow::Side;
use crate::kernel::{FactKind, TIMED_OUT};
use crate::socket::Process;
use crate::time::Time;
use crate::verdict::digest::Digest;

/// What ICMP says, by the errno that it becomes (`icmp_err_convert`, net/ipv4/icmp.c, and
/// `icmpv6_err_convert`, net/ipv6/icmp.c).
const BY_ICMP: [(i32, &str, &str); 5] = [
    (111, "ECONNREFUSED", "port unreachable"),
    (113, "EHOSTUNREACH", "host unreachable or prohibited"),
    (101, "ENETUNREACH", "network unreachable"),
    (92, "ENOPROTOOPT", "protocol unreachable"),
    (13, "EACCES", "administratively prohibited"),
];

/// How an attempt ended, and when.
pub(super) struct Ended<'a> {
    pub(super) at: Time,
    pub(super) how: How<'a>,
}

/// How an attempt ended.
#[derive(Clone, Copy)]
pub(super) enum How<'a> {
    /// The kernel gave up: the errno has no other cause while nothing came back.
    TimedOut,
    /// An error came back that was no segment: the name of the errno, and what it stands for.
    Icmp(&'static str, &'static str),
    /// It took in a RST, which no vantage shows.
    ResetUnseen,
    /// A process closed it.
    ClosedBy(&'a Process),
}

/// How the attempt ended, where the kernel told of the client's socket.
pub(super) fn of(digest: &Digest) -> Option<Ended<'_>> {
    let told = |is: fn(&FactKind) -> bool| digest.kernel(Side::Client, is);
    if let Some(reset) = told(|kind| matches!(kind, FactKind::ResetReceived)) {
        return Some(Ended {
            at: reset.at,
            how: How::ResetUnseen,
        });
    }
    digest
        .told
        .iter()
        .filter(|told| told.by == Side::Client)
        .find_map(|told| {
            let how = match &told.kind {
                FactKind::Error(TIMED_OUT) => How::TimedOut,
                FactKind::Error(errno) => {
                    let known = BY_ICMP.iter().find(|(known, ..)| known == errno);
                    known.map(|(_, name, says)| How::Icmp(name, says))?
                }
                FactKind::Closed(by) => How::ClosedBy(by),
                _ => return None,
            };
            Some(Ended { at: told.at, how })
        })
}
