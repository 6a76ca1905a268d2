//! Network namespaces in a row, joined by veth pairs, each with an anchor process.

use std::{
    fs::{self, File, OpenOptions},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process,
};

use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};

use super::{
    process::{Process, run},
    sweep,
};

/// Which internet protocol the chain speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, 10.S.LINK.0/24.
    V4,
    /// IPv6, fd00:S:LINK::/64.
    V6,
}

/// One namespace of the row.
#[derive(Debug)]
pub struct Node {
    /// Its name in the scenario: client, lb, gw ...
    pub name: &'static str,
    /// Its name for `ip netns`.
    pub ns: String,
    /// Sleeps in the namespace, so that /proc/PID/net shows the namespace to the lab.
    anchor: Process,
}

impl Node {
    /// A file of /proc/net as this namespace sees it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn proc_net(&self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/net/{file}", self.anchor.pid());
        fs::read_to_string(&path).with_context(|| format!("reading {path}: is the anchor alive?"))
    }
}

/// The row of namespaces. Dropped, it removes them.
#[derive(Debug)]
pub struct Net {
    /// The namespaces, the client's first.
    pub nodes: Vec<Node>,
    family: Family,
    slot: u8,
    /// Held as long as the addresses are in use.
    _lock: File,
}

impl Net {
    /// Makes a namespace per name and joins neighbours: link *i* lies between node *i* and *i + 1*.
    ///
    /// # Errors
    /// When the kernel refuses something (no root, no veth).
    pub fn build(names: &[&'static str], family: Family, dir: &Path) -> Result<Self> {
        sweep::leftovers();
        let (slot, lock) = free_slot()?;
        let mut net = Self {
            nodes: Vec::new(),
            family,
            slot,
            _lock: lock,
        };
        for name in names {
            let ns = format!("hs{}s{slot}-{name}", process::id());
            run("ip", &["netns", "add", &ns])?;
            let anchor =
                Process::spawn(&ns, &format!("anchor-{name}"), &["sleep", "infinity"], dir);
            match anchor {
                Ok(anchor) => net.nodes.push(Node { name, ns, anchor }),
                Err(error) => {
                    run("ip", &["netns", "del", &ns])?;
                    return Err(error);
                }
            }
        }
        for node in &net.nodes {
            run("ip", &["-n", &node.ns, "link", "set", "lo", "up"])?;
            // Envoy's sidecar speaks to the app from ::6 as it does from 127.0.0.6.
            if family == Family::V6 {
                run(
                    "ip",
                    &["-n", &node.ns, "addr", "add", "::6/128", "dev", "lo"],
                )?;
            }
        }
        for left in 0..net.nodes.len().saturating_sub(1) {
            net.link(left)?;
        }
        for index in 0..net.nodes.len() {
            net.route(index)?;
        }
        Ok(net)
    }

    /// The address of node `index` on the side of the client (or its only one).
    #[must_use]
    pub fn addr(&self, index: usize) -> IpAddr {
        if index == 0 {
            self.address(0, 1)
        } else {
            self.address(index - 1, 2)
        }
    }

    /// A socket address of the node called `name`, on the side of the client.
    ///
    /// # Errors
    /// When the scenario has no such node.
    pub fn at(&self, name: &str, port: u16) -> Result<SocketAddr> {
        Ok(SocketAddr::new(self.addr(self.index(name)?), port))
    }

    /// An address that belongs to link `link`: `host` is its last number.
    #[must_use]
    pub fn address(&self, link: usize, host: u16) -> IpAddr {
        let link = u8::try_from(link).unwrap_or(u8::MAX);
        match self.family {
            Family::V4 => Ipv4Addr::new(10, self.slot, link, host.to_be_bytes()[1]).into(),
            Family::V6 => {
                Ipv6Addr::new(0xfd00, self.slot.into(), link.into(), 0, 0, 0, 0, host).into()
            }
        }
    }

    /// The place of a node in the row.
    ///
    /// # Errors
    /// When the scenario has no such node.
    pub fn index(&self, name: &str) -> Result<usize> {
        match self.nodes.iter().position(|node| node.name == name) {
            Some(index) => Ok(index),
            None => bail!("this scenario has no namespace called {name}"),
        }
    }

    /// The node called `name`.
    ///
    /// # Errors
    /// When the scenario has no such node.
    pub fn node(&self, name: &str) -> Result<&Node> {
        Ok(&self.nodes[self.index(name)?])
    }

    /// Whether an address is one of the loopback, among them those a sidecar speaks from.
    #[must_use]
    pub fn is_loopback(&self, addr: IpAddr) -> bool {
        addr.is_loopback() || addr == IpAddr::from(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6))
    }

    /// Whether an address is in the range of this lab, even if no node has it.
    #[must_use]
    pub fn is_ours(&self, addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(addr) => addr.octets()[..2] == [10, self.slot],
            IpAddr::V6(addr) => addr.segments()[..2] == [0xfd00, self.slot.into()],
        }
    }

    /// Which node owns an address; loopback ones belong to the last, where the sidecar is.
    #[must_use]
    pub fn owner(&self, addr: IpAddr) -> Option<usize> {
        let last = self.nodes.len() - 1;
        if self.is_loopback(addr) {
            return Some(last);
        }
        let (link, host) = match addr {
            IpAddr::V4(addr) => (addr.octets()[2].into(), addr.octets()[3].into()),
            IpAddr::V6(addr) => (usize::from(addr.segments()[2]), addr.segments()[7]),
        };
        // Addresses nobody answers at are routed to the far end of their link.
        let index = if host == 1 { link } else { link + 1 };
        (self.is_ours(addr) && index <= last).then_some(index)
    }

    /// Runs a command inside a namespace.
    ///
    /// # Errors
    /// When it fails.
    pub fn exec(&self, node: &str, command: &[&str]) -> Result<String> {
        let mut args = vec!["netns", "exec", self.node(node)?.ns.as_str()];
        args.extend(command);
        run("ip", &args)
    }

    /// Sets a kernel parameter inside a namespace.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn sysctl(&self, node: &str, setting: &str) -> Result<()> {
        self.exec(node, &["sysctl", "-qw", setting]).map(drop)
    }

    /// `ip`, or `ip6` for nftables.
    #[must_use]
    pub fn nft_family(&self) -> &'static str {
        match self.family {
            Family::V4 => "ip",
            Family::V6 => "ip6",
        }
    }

    /// Lets a node forward packets between its two links.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn forward(&self, node: &str) -> Result<()> {
        match self.family {
            Family::V4 => self.sysctl(node, "net.ipv4.ip_forward=1"),
            Family::V6 => self.sysctl(node, "net.ipv6.conf.all.forwarding=1"),
        }
    }

    fn link(&self, left: usize) -> Result<()> {
        let (near, far) = (&self.nodes[left].ns, &self.nodes[left + 1].ns);
        let near_dev = if left == 0 { "eth0" } else { "eth1" };
        let add = ["-n", near, "link", "add", near_dev, "type", "veth"];
        let peer = ["peer", "name", "eth0", "netns", far];
        run("ip", &[&add[..], &peer[..]].concat())?;
        for (ns, dev, host) in [(near, near_dev, 1), (far, "eth0", 2)] {
            let addr = match self.family {
                Family::V4 => format!("{}/24", self.address(left, host)),
                Family::V6 => format!("{}/64", self.address(left, host)),
            };
            // No link-local address, no duplicate address detection: nothing but the scenario.
            run("ip", &["-n", ns, "link", "set", dev, "addrgenmode", "none"])?;
            let mut args = vec!["-n", ns, "addr", "add", &addr, "dev", dev];
            if self.family == Family::V6 {
                args.push("nodad");
            }
            run("ip", &args)?;
            run("ip", &["-n", ns, "link", "set", dev, "up"])?;
        }
        Ok(())
    }

    fn route(&self, index: usize) -> Result<()> {
        let prefix = if self.family == Family::V4 { 24 } else { 64 };
        for link in 0..self.nodes.len() - 1 {
            let via = if link > index {
                self.address(index, 2)
            } else if link + 1 < index {
                self.address(index - 1, 1)
            } else {
                continue;
            };
            let subnet = format!("{}/{prefix}", self.address(link, 0));
            let via = via.to_string();
            let ns = &self.nodes[index].ns;
            run("ip", &["-n", ns, "route", "add", &subnet, "via", &via])?;
        }
        Ok(())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for node in self.nodes.drain(..) {
            drop(node.anchor);
            // A destructor cannot report; the next lab sweeps what stays.
            let _removed = run("ip", &["netns", "del", &node.ns]);
        }
    }
}

/// Takes a range of addresses that no other lab uses: events of the kernel's tracer carry addresses
/// and no namespace, so two labs at once must differ in them. The first lab gets 10.0.0.0/16.
fn free_slot() -> Result<(u8, File)> {
    let dir = Path::new("/run/hopscope-lab");
    fs::create_dir_all(dir).with_context(|| format!("creating {}: root?", dir.display()))?;
    for slot in 0..=255 {
        let path = dir.join(format!("slot-{slot}"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok((slot, file));
        }
    }
    bail!("256 labs are running already: end some");
}
