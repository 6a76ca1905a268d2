//! The TCP sockets of a network namespace, as the kernel lists them through sock_diag(7).
//!
//! The messages are decoded here because the crate for them, netlink-packet-sock-diag, leaves out how
//! long TIME-WAIT lasts and how many probes are out. Layouts: include/uapi/linux/inet_diag.h.

use std::io;
use std::time::Duration;

use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use crate::segment::Endpoint;
use crate::socket::{Queues, State, Timer, TimerKind};

const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// All states of a connection, TCP_NEW_SYN_RECV among them, without TCP_BOUND_INACTIVE: a socket that
/// neither listens nor connects is none.
const STATES: u32 = 0x1ffe;

/// The kernel fills no more than this into one message (netlink_dump, net/netlink/af_netlink.c).
const BUFFER: usize = 32 << 10;

/// A socket as sock_diag shows it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Listed {
    pub(super) local: Endpoint,
    pub(super) peer: Option<Endpoint>,
    pub(super) state: State,
    pub(super) cookie: u64,
    pub(super) inode: Option<u64>,
    pub(super) queues: Option<Queues>,
    pub(super) timer: Option<Timer>,
    /// Whether it is a whole socket: of requests and in TIME-WAIT the kernel keeps a short record.
    pub(super) whole: bool,
}

/// The sockets of the calling thread's namespace, IPv4's before IPv6's.
pub(super) fn list() -> io::Result<Vec<Listed>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(SOCK_DIAG),
    )?;
    let mut listed = Vec::new();
    let mut buffer = vec![0; BUFFER];
    for (sequence, family) in [(1, AF_INET), (2, AF_INET6)] {
        let kernel = SocketAddrNetlink::new(0, 0);
        let request = request(family, sequence);
        sendto(&socket, &request, SendFlags::empty(), &kernel)?;
        loop {
            let (length, whole) = recv(&socket, &mut buffer[..], RecvFlags::TRUNC)?;
            if whole > length {
                return Err(io::Error::other(
                    "the kernel's answer is too long to be received",
                ));
            }
            if take(&buffer[..length], sequence, &mut listed)? {
                break;
            }
        }
    }
    Ok(listed)
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn request(family: u8, sequence: u32) -> [u8; REQUEST] {
    let mut bytes = [0; REQUEST];
    let length = u32::try_from(REQUEST).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
    bytes[HEADER] = family;
    bytes[HEADER + 1] = IPPROTO_TCP;
    bytes[HEADER + 4..HEADER + 8].copy_from_slice(&STATES.to_ne_bytes());
    bytes
}

/// Takes the sockets out of one datagram; whether it was the last one of the answer.
fn take(mut bytes: &[u8], sequence: u32, listed: &mut Vec<Listed>) -> io::Result<bool> {
    let short = || io::Error::other("the kernel's answer is cut");
    while !bytes.is_empty() {
        let field = |place: usize| word(bytes, place).ok_or_else(short);
        let length = usize::try_from(field(0)?).unwrap_or(usize::MAX);
        let kind = half(bytes, 4).ok_or_else(short)?;
        let payload = bytes.get(HEADER..length).ok_or_else(short)?;
        if field(8)? == sequence {
            match kind {
                NLMSG_DONE => return done(payload),
                NLMSG_ERROR => return done(payload).and(Err(short())),
                SOCK_DIAG_BY_FAMILY => listed.extend(socket(payload).ok_or_else(short)?),
                _ => {}
            }
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// Both kinds of end begin with an errno, negated.
fn done(payload: &[u8]) -> io::Result<bool> {
    match word(payload, 0).map_or(0, u32::cast_signed) {
        0 => Ok(true),
        errno => Err(io::Error::from_raw_os_error(-errno)),
    }
}

/// `struct inet_diag_msg`; nothing in it where the state is one that this version does not know.
fn socket(message: &[u8]) -> Option<Option<Listed>> {
    let [family, state, timer, out, ..] = *message.first_chunk::<72>()?;
    let Some(state) = State::from_number(state.into()) else {
        return Some(None);
    };
    let inode = match word(message, 68)? {
        0 => None,
        inode => Some(inode.into()),
    };
    let whole = timer != TIMER_TIME_WAIT && (state != State::SynReceived || inode.is_some());
    let queues = Queues {
        receive: word(message, 56)?,
        send: word(message, 60)?,
    };
    let left = Duration::from_millis(word(message, 52)?.into());
    let kind = timer_kind(timer, state, inode.is_some());
    Some(Some(Listed {
        local: endpoint(message, family, 4, 8)?,
        peer: (state != State::Listen)
            .then(|| endpoint(message, family, 6, 24))
            .flatten(),
        state,
        cookie: u64::from(word(message, 44)?) | u64::from(word(message, 48)?) << 32,
        inode,
        queues: whole.then_some(queues),
        timer: kind.map(|kind| Timer {
            kind,
            left,
            out: out.into(),
        }),
        whole,
    }))
}

const TIMER_TIME_WAIT: u8 = 3;

/// `inet_sk_diag_fill` and its neighbours, net/ipv4/inet_diag.c. Where no process holds a socket in
/// FIN-WAIT-2, the timer of keepalive ends that state (tcp_keepalive_timer, net/ipv4/tcp_timer.c).
fn timer_kind(number: u8, state: State, held: bool) -> Option<TimerKind> {
    match number {
        1 => Some(TimerKind::Retransmit),
        2 if state == State::FinWait2 && !held => Some(TimerKind::TimeWait),
        2 => Some(TimerKind::Keepalive),
        TIMER_TIME_WAIT => Some(TimerKind::TimeWait),
        4 => Some(TimerKind::ZeroWindowProbe),
        _ => None,
    }
}

fn endpoint(message: &[u8], family: u8, port: usize, address: usize) -> Option<Endpoint> {
    let port = u16::from_be_bytes(*message.get(port..)?.first_chunk()?);
    let address = message.get(address..)?;
    Some(match family {
        AF_INET => Endpoint::v4(*address.first_chunk()?, port),
        _ => Endpoint::v6(*address.first_chunk()?, port),
    })
}

fn word(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(place..)?.first_chunk()?))
}

fn half(bytes: &[u8], place: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(place..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    /// A message as `inet_diag_msg_common_fill` makes it.
    fn message(state: u8, timer: u8, inode: u32) -> Vec<u8> {
        let mut bytes = vec![AF_INET, state, timer, 2];
        bytes.extend(8080_u16.to_be_bytes());
        bytes.extend(40000_u16.to_be_bytes());
        for address in [[10, 0, 0, 1], [10, 0, 0, 2]] {
            bytes.extend(address);
            bytes.extend([0; 12]);
        }
        for number in [0, 7, 1, 2768, 3, 5, 0, inode] {
            bytes.extend(u32::to_ne_bytes(number));
        }
        bytes
    }

    fn decoded(bytes: &[u8]) -> Listed {
        socket(bytes).flatten().expect("a socket")
    }

    #[test]
    fn every_field_is_where_the_kernel_puts_it() {
        assert_eq!(
            decoded(&message(1, 2, 99)),
            Listed {
                local: Endpoint::v4([10, 0, 0, 1], 8080),
                peer: Some(Endpoint::v4([10, 0, 0, 2], 40000)),
                state: State::Established,
                cookie: 7 | 1 << 32,
                inode: Some(99),
                queues: Some(Queues {
                    receive: 3,
                    send: 5
                }),
                timer: Some(Timer {
                    kind: TimerKind::Keepalive,
                    left: Duration::from_millis(2768),
                    out: 2
                }),
                whole: true,
            }
        );
    }

    #[test]
    fn records_without_a_socket_have_no_queues() {
        for (state, timer) in [(6, 3), (5, 3), (3, 1)] {
            let listed = decoded(&message(state, timer, 0));
            assert_eq!((listed.whole, listed.queues), (false, None));
        }
        assert!(decoded(&message(5, 2, 0)).whole);
    }

    #[test]
    fn the_timer_of_keepalive_ends_an_orphan_in_fin_wait_2() {
        let kind = |message: &[u8]| decoded(message).timer.map(|timer| timer.kind);
        assert_eq!(kind(&message(5, 2, 0)), Some(TimerKind::TimeWait));
        assert_eq!(kind(&message(5, 2, 99)), Some(TimerKind::Keepalive));
        assert_eq!(kind(&message(1, 2, 0)), Some(TimerKind::Keepalive));
        assert_eq!(kind(&message(1, 0, 99)), None);
    }

    #[test]
    fn cut_and_strange_answers_are_errors_and_no_panic() {
        let mut datagram = Vec::new();
        let body = message(1, 2, 99);
        datagram.extend(u32::to_ne_bytes(16 + 72));
        datagram.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        datagram.extend([2, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        datagram.extend(body);
        let mut listed = Vec::new();
        assert!(matches!(take(&datagram, 1, &mut listed), Ok(false)));
        assert_eq!(listed.len(), 1);
        for length in 1..datagram.len() {
            assert!(
                take(&datagram[..length], 1, &mut listed).is_err(),
                "{length}"
            );
        }
        assert!(matches!(take(&datagram, 2, &mut listed), Ok(false)));
        assert_eq!(listed.len(), 1);
        datagram[..4].copy_from_slice(&0_u32.to_ne_bytes());
        assert!(take(&datagram, 1, &mut listed).is_err());
    }

    #[test]
    fn an_error_of_the_kernel_is_handed_on() {
        let mut datagram = u32::to_ne_bytes(20).to_vec();
        datagram.extend(NLMSG_ERROR.to_ne_bytes());
        datagram.extend([0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        datagram.extend((-2_i32).to_ne_bytes());
        let error = take(&datagram, 1, &mut Vec::new()).expect_err("ENOENT");
        assert_eq!(error.raw_os_error(), Some(2));
    }

    #[test]
    fn real_sockets_are_listed() -> io::Result<()> {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                println!("skipped: {address} cannot be bound here");
                continue;
            };
            let server = listener.local_addr()?;
            let stream = TcpStream::connect(server)?;
            let listed = list()?;
            let server = Endpoint::new(server.ip(), server.port());
            let ends: Vec<_> = listed
                .iter()
                .filter(|socket| socket.peer == Some(server))
                .collect();
            let cookie = rustix::net::sockopt::socket_cookie(&stream)?;
            assert_eq!(ends.len(), 1);
            assert_eq!(ends[0].cookie, cookie);
            assert_eq!(ends[0].state, State::Established);
            let listeners = listed
                .iter()
                .filter(|socket| socket.state == State::Listen && socket.local == server);
            assert_eq!(listeners.count(), 1);
        }
        Ok(())
    }
}
