//! Netlink: a socket to the kernel, and the messages in what it says (man 7 netlink).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, sendto,
    socket_with,
};

/// `struct nlmsghdr`.
pub(crate) const HEADER: usize = 16;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// More than the kernel puts into one datagram (netlink_dump, net/netlink/af_netlink.c).
const BUFFER: usize = 64 << 10;

/// A socket to the kernel.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// A message of the kernel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Message<'a> {
    /// A list is at its end.
    Done,
    /// What a message of that type carries.
    Of(u16, &'a [u8]),
}

impl Netlink {
    /// Opened in the namespace of the calling thread, and a member of these multicast groups.
    pub(crate) fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self {
            socket,
            buffer: vec![0; BUFFER],
        })
    }

    /// Sends a whole message.
    pub(crate) fn send(&self, message: &[u8]) -> io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        sendto(&self.socket, message, SendFlags::empty(), &kernel)?;
        Ok(())
    }

    /// The messages of the next datagram. An error where there is none and `waits` is false.
    pub(crate) fn receive(&mut self, waits: bool) -> io::Result<Vec<Message<'_>>> {
        let mut flags = RecvFlags::TRUNC;
        flags.set(RecvFlags::DONTWAIT, !waits);
        let (length, whole) = recv(&self.socket, &mut self.buffer[..], flags)?;
        if whole > length {
            return Err(io::Error::other(
                "the kernel's answer is too long to be received",
            ));
        }
        messages(&self.buffer[..length])
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A request for all things of a kind, with the head that the kind asks for.
pub(crate) fn request_all(kind: u16, head: &[u8]) -> Vec<u8> {
    /// `NLM_F_REQUEST | NLM_F_DUMP`.
    const FLAGS: u16 = 0x301;
    request(kind, FLAGS, head)
}

/// An order, which the kernel answers by an error or its absence.
pub(crate) fn order(kind: u16, head: &[u8]) -> Vec<u8> {
    /// `NLM_F_REQUEST | NLM_F_ACK`.
    const FLAGS: u16 = 0x5;
    request(kind, FLAGS, head)
}

fn request(kind: u16, flags: u16, head: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + head.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(head);
    message
}

fn messages(mut datagram: &[u8]) -> io::Result<Vec<Message<'_>>> {
    let cut = || io::Error::other("the kernel's answer is cut");
    let mut messages = Vec::new();
    while !datagram.is_empty() {
        let head: &[u8; HEADER] = datagram.first_chunk().ok_or_else(cut)?;
        let length = u32::from_ne_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let payload = datagram.get(HEADER..length).ok_or_else(cut)?;
        match u16::from_ne_bytes([head[4], head[5]]) {
            kind @ (NLMSG_DONE | NLMSG_ERROR) => {
                // Both begin with an errno, negated; a list may end with one, too.
                let errno = payload
                    .first_chunk()
                    .map_or(0, |errno| i32::from_ne_bytes(*errno));
                if errno != 0 {
                    return Err(io::Error::from_raw_os_error(-errno));
                }
                messages.extend((kind == NLMSG_DONE).then_some(Message::Done));
            }
            kind => messages.push(Message::Of(kind, payload)),
        }
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    Ok(messages)
}

/// The first attribute of that kind (`struct nlattr`), flags aside.
pub(crate) fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    const FLAGS: u16 = 0xc000;
    loop {
        let head: &[u8; 4] = attributes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let value = attributes.get(4..length)?;
        if u16::from_ne_bytes([head[2], head[3]]) & !FLAGS == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut message = request_all(kind, payload);
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    #[test]
    fn messages_follow_each_other_at_multiples_of_four() -> io::Result<()> {
        let datagram = [message(16, b"five!"), message(17, b""), message(3, &[0; 4])].concat();
        let expected = [
            Message::Of(16, b"five!"),
            Message::Of(17, b""),
            Message::Done,
        ];
        assert_eq!(messages(&datagram)?, expected);
        Ok(())
    }

    #[test]
    fn an_error_of_the_kernel_is_handed_on() {
        for kind in [NLMSG_ERROR, NLMSG_DONE] {
            let message = message(kind, &(-1_i32).to_ne_bytes());
            let number = messages(&message)
                .err()
                .and_then(|error| error.raw_os_error());
            assert_eq!(number, Some(1));
        }
    }

    #[test]
    fn cut_and_strange_messages_are_errors_and_no_panic() {
        let whole = message(16, &[7; 40]);
        for length in 1..whole.len() {
            assert!(messages(&whole[..length]).is_err(), "{length}");
        }
        assert!(messages(&[0; 64]).is_err());
    }

    #[test]
    fn an_attribute_is_found_among_others() {
        let attributes = [
            &[5, 0, 1, 0, 9, 0, 0, 0][..],
            &[7, 0, 3, 0x80, b'l', b'o', 0, 0],
            &[4, 0, 4, 0],
        ]
        .concat();
        assert_eq!(attribute(&attributes, 3), Some(&b"lo\0"[..]));
        assert_eq!(attribute(&attributes, 4), Some(&b""[..]));
        assert_eq!(attribute(&attributes, 5), None);
        assert_eq!(attribute(&[0; 12], 3), None);
        assert_eq!(attribute(&[200, 0, 3, 0], 3), None);
    }
}
