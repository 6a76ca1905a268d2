//! Makes recordings that can be shared: what was said is gone, who said it is hidden, and what hopscope
//! tells of it is the same.
//!
//! | what | becomes |
//! | --- | --- |
//! | payload | cut off, as a snap length does; lengths stay in the headers |
//! | HTTP/1 header lines, where they are asked for | targets, hosts and request ids mapped; fields that say how a connection is used stay; the rest is blotted out; of HTTP/2 the headers of frames, settings and GOAWAY |
//! | PROXY protocol headers | addresses mapped, in as many bytes; nothing else of them |
//! | IP addresses | mapped, prefixes stay common; loopback, multicast and the unspecified address stay, private, shared and link-local ranges are not left |
//! | hardware addresses | mapped |
//! | ports, sequence numbers, windows, flags, TTL, IP identification, times | stay |
//! | TCP options | numbers of TCP stay, others become no-operations |
//! | IP options, extension headers | their contents go |
//! | checksums | IPv4's is computed anew, TCP's and UDP's are zero |
//! | frames without TCP | keep their headers as far as they show that, and their place |
//! | names of namespaces, interfaces and processes | mapped, but for generic words (`gw`, `eth0`, `envoy`) |
//! | access logs | JSON lines with what hopscope reads of them, mapped; paths and request ids keep their lengths |
//! | cases (`hopscope.toml`) | addresses, networks, vantages, owners and paths mapped; names of expectations are numbers |
//! | comments, names of programs and machines, secrets, what other programs added | go |
//!
//! Everything is mapped by a [`Key`]: alike wherever the key is the same.

mod address;
mod capture;
mod case;
mod frame;
mod head;
mod http2;
mod key;
mod log;
mod note;
mod proxied;
mod words;

use std::net::IpAddr;

pub use self::capture::{Done, Format, rewrite};
pub use self::case::{CaseDone, rewrite_case};
pub use self::key::Key;
pub use self::log::{LogDone, rewrite_log};

use self::address::Addresses;
use crate::segment::Endpoint;

/// Of keyed hashes: hardware addresses.
const HARDWARE: u8 = 1;

/// What to leave as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// HTTP/1 header lines and HTTP/2 frames, without what is private in them.
    pub keep_headers: bool,
    /// Names of namespaces, interfaces and processes.
    pub keep_names: bool,
}

/// What becomes of addresses and words.
#[derive(Debug)]
pub struct Mapping {
    key: Key,
    addresses: Addresses,
}

impl Mapping {
    /// The one that a key stands for.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self {
            key,
            addresses: Addresses::default(),
        }
    }

    /// What becomes of an IP address.
    pub fn address(&mut self, address: IpAddr) -> IpAddr {
        self.addresses.map(&self.key, address)
    }

    /// What becomes of an endpoint: ports stay.
    pub fn endpoint(&mut self, endpoint: Endpoint) -> Endpoint {
        Endpoint::new(self.address(endpoint.address()), endpoint.port())
    }

    /// What becomes of a name.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        words::name(&self.key, name)
    }

    /// What becomes of a hardware address: broadcast and none stay, groups stay groups, and all are
    /// of no vendor (IEEE 802, the bit for local administration).
    fn hardware(&self, address: [u8; 6]) -> [u8; 6] {
        if address == [0; 6] || address == [0xff; 6] {
            return address;
        }
        let [mut first, b, c, d, e, f, ..] = self.key.number(HARDWARE, &address).to_le_bytes();
        first = first & 0xfc | 0x02 | address[0] & 0x01;
        [first, b, c, d, e, f]
    }
}
