//! The interfaces of a network namespace, and a watch on those that come, change and go.
//!
//! Read from rtnetlink (man 7 rtnetlink): the socket belongs to the namespace that it was opened
//! in, wherever it is read.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use crate::decode::LinkType;
use crate::netlink::{self, Netlink};
use crate::netns::{Namespace, NamespaceError};

/// `RTMGRP_LINK` (include/uapi/linux/rtnetlink.h): messages about interfaces.
const GROUP_LINK: u32 = 1;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const IFLA_IFNAME: u16 = 3;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
/// `struct ifinfomsg`, before the attributes.
const LINK_HEAD: usize = 16;

/// An interface of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, which a change of name leaves alone.
    pub index: u32,
    /// Its name now.
    pub name: String,
    /// Whether it is up: only then can it be captured on.
    pub up: bool,
    /// Whether it is the namespace's loopback.
    pub loopback: bool,
    /// `ARPHRD_` number of its hardware (include/uapi/linux/if_arp.h).
    pub hardware: u16,
}

impl Link {
    /// What its frames begin with where the kernel handles them; `None` where that is not known to
    /// be decoded.
    #[must_use]
    pub const fn link_type(&self) -> Option<LinkType> {
        match self.hardware {
            // Ethernet, and the loopback, which looks like it.
            1 | 772 => Some(LinkType::Ethernet),
            // PPP, raw IP, tunnels of IP in IP (tunnel, tunnel6, sit, ipgre, ip6gre), tun and
            // WireGuard (none).
            512 | 519 | 768 | 769 | 776 | 778 | 823 | 0xfffe => Some(LinkType::Raw),
            _ => None,
        }
    }
}

/// What happened to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Appeared(Link),
    /// It came up, went down or has another name.
    Changed {
        /// As it was.
        before: Link,
        /// As it is now.
        now: Link,
    },
    /// It was removed, or moved to another namespace.
    Vanished(Link),
}

/// Why the interfaces of a namespace cannot be listed or watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterfacesError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The kernel refuses.
    #[error("cannot list the interfaces{} (rtnetlink): {error}", of(namespace))]
    Netlink {
        /// Name of the namespace.
        namespace: String,
        /// The error.
        error: io::Error,
    },
}

fn of(namespace: &str) -> String {
    if namespace.is_empty() {
        String::new()
    } else {
        format!(" of {namespace}")
    }
}

/// The interfaces of one namespace, as far as changes were read.
#[derive(Debug)]
pub struct Interfaces {
    namespace: String,
    netlink: Netlink,
    known: BTreeMap<u32, Link>,
}

impl Interfaces {
    /// Lists those of a namespace, and watches from then on.
    ///
    /// # Errors
    ///
    /// Where the namespace cannot be entered or the kernel refuses.
    pub fn of(namespace: &Namespace) -> Result<Self, InterfacesError> {
        let failed = |error| InterfacesError::Netlink {
            namespace: namespace.name.clone(),
            error,
        };
        let mut interfaces = Self {
            namespace: namespace.name.clone(),
            // Protocol 0 is NETLINK_ROUTE. A member of the group before the list is asked for: nothing falls between.
            netlink: namespace
                .within(|| Netlink::open(None, GROUP_LINK))?
                .map_err(failed)?,
            known: BTreeMap::new(),
        };
        interfaces.list_anew().map_err(failed)?;
        Ok(interfaces)
    }

    /// Those that are there, by index.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.known.values()
    }

    /// The one of that index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Link> {
        self.known.get(&index)
    }

    /// What has changed since the last call; never waits.
    ///
    /// # Errors
    ///
    /// Where the kernel refuses.
    pub fn changes(&mut self) -> Result<Vec<Change>, InterfacesError> {
        let mut changes = Vec::new();
        self.read_changes(&mut changes)
            .map_err(|error| InterfacesError::Netlink {
                namespace: self.namespace.clone(),
                error,
            })?;
        Ok(changes)
    }

    fn read_changes(&mut self, changes: &mut Vec<Change>) -> io::Result<()> {
        loop {
            match self.receive(false) {
                Ok(messages) => changes.extend(
                    messages
                        .into_iter()
                        .filter_map(|message| self.learn(message)),
                ),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // There were more changes than the socket holds: what they were is lost, what
                // they came to is not.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOBUFS) => {
                    changes.extend(self.list_anew()?);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks for all interfaces; what is different from what was known.
    fn list_anew(&mut self) -> io::Result<Vec<Change>> {
        self.netlink
            .send(&netlink::request_all(RTM_GETLINK, &[0; LINK_HEAD]))?;
        let mut changes = Vec::new();
        let mut listed = Vec::new();
        let mut done = false;
        while !done {
            for message in self.receive(true)? {
                match &message {
                    Message::Done => done = true,
                    Message::There(link) => listed.push(link.index),
                    Message::Gone(index) => listed.retain(|known| known != index),
                }
                changes.extend(self.learn(message));
            }
        }
        let gone: Vec<u32> = self
            .known
            .keys()
            .copied()
            .filter(|index| !listed.contains(index))
            .collect();
        changes.extend(
            gone.into_iter()
                .filter_map(|index| self.learn(Message::Gone(index))),
        );
        Ok(changes)
    }

    fn learn(&mut self, message: Message) -> Option<Change> {
        match message {
            Message::There(link) => match self.known.insert(link.index, link.clone()) {
                None => Some(Change::Appeared(link)),
                Some(before) if before != link => Some(Change::Changed { before, now: link }),
                Some(_) => None,
            },
            Message::Gone(index) => self.known.remove(&index).map(Change::Vanished),
            Message::Done => None,
        }
    }

    /// What the kernel says next. Of the hundred attributes of an interface only its name is looked
    /// at: netlink-packet-route, which reads them all, refuses a message for one that it does not
    /// know in the size that a newer kernel gives it.
    fn receive(&mut self, waits: bool) -> io::Result<Vec<Message>> {
        let messages = self.netlink.receive(waits)?;
        let known = messages.into_iter().filter_map(|message| match message {
            netlink::Message::Of(RTM_NEWLINK, payload) => link(payload).map(Message::There),
            netlink::Message::Of(RTM_DELLINK, payload) => {
                link(payload).map(|link| Message::Gone(link.index))
            }
            netlink::Message::Of(..) => None,
            netlink::Message::Done => Some(Message::Done),
        });
        Ok(known.collect())
    }
}

/// Readable when something may have changed.
impl AsFd for Interfaces {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.netlink.as_fd()
    }
}

/// What the kernel says of interfaces.
enum Message {
    There(Link),
    Gone(u32),
    Done,
}

/// An interface; `None` for what is no whole description of one, as bridges send of their ports in
/// the same group (family `AF_BRIDGE`).
fn link(payload: &[u8]) -> Option<Link> {
    let head: &[u8; LINK_HEAD] = payload.first_chunk()?;
    let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let (family, index, flags) = (head[0], word(4), word(8));
    let name = netlink::attribute(&payload[LINK_HEAD..], IFLA_IFNAME)?;
    let name = name.split(|byte| *byte == 0).next()?;
    (family == 0).then(|| Link {
        index,
        name: String::from_utf8_lossy(name).into_owned(),
        up: flags & IFF_UP != 0,
        loopback: flags & IFF_LOOPBACK != 0,
        hardware: u16::from_ne_bytes([head[2], head[3]]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(family: u8, flags: u32, attributes: &[u8]) -> Vec<u8> {
        let mut payload = vec![family, 0];
        payload.extend(772_u16.to_ne_bytes());
        payload.extend(7_u32.to_ne_bytes());
        payload.extend(flags.to_ne_bytes());
        payload.extend([0; 4]);
        payload.extend(attributes);
        payload
    }

    const NAME: [u8; 8] = [7, 0, 3, 0, b'l', b'o', 0, 0];

    #[test]
    fn an_interface_is_described() {
        let expected = Link {
            index: 7,
            name: "lo".to_owned(),
            up: true,
            loopback: true,
            hardware: 772,
        };
        assert_eq!(link(&description(0, 0x9, &NAME)), Some(expected));
        let down = link(&description(0, 0x8, &NAME)).map(|link| link.up);
        assert_eq!(down, Some(false));
    }

    #[test]
    fn what_is_no_interface_is_none() {
        const AF_BRIDGE: u8 = 7;
        assert_eq!(link(&description(AF_BRIDGE, 1, &NAME)), None);
        assert_eq!(link(&description(0, 1, &[])), None);
        assert_eq!(link(&[0; 15]), None);
    }

    #[test]
    fn the_interfaces_of_this_namespace_are_listed() -> Result<(), InterfacesError> {
        let interfaces = Interfaces::of(&Namespace::current()?)?;
        let loopbacks: Vec<&str> = interfaces
            .iter()
            .filter(|link| link.loopback)
            .map(|link| link.name.as_str())
            .collect();
        assert_eq!(loopbacks, ["lo"]);
        Ok(())
    }
}
