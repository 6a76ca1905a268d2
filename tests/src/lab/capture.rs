//! One tcpdump in one namespace: a vantage.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::Signal;

use super::{netns::Net, process::Process, wait};

/// Which interface a vantage watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// All of the namespace, in Linux cooked format.
    Any,
    /// The one towards the client, or the only one.
    Eth0,
    /// The one away from the client.
    Eth1,
    /// The loopback.
    Lo,
}

impl Interface {
    /// Its name for tcpdump.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Eth0 => "eth0",
            Self::Eth1 => "eth1",
            Self::Lo => "lo",
        }
    }
}

/// What a scenario records: the file's name, the namespace, the interface.
#[derive(Debug, Clone, Copy)]
pub struct Vantage {
    /// Name of the file, without `.pcap`.
    pub name: &'static str,
    /// Namespace.
    pub node: &'static str,
    /// Interface.
    pub interface: Interface,
}

impl Vantage {
    /// Whether a connection between the nodes `from` and `to` of the row passes here.
    #[must_use]
    pub fn sees(&self, net: &Net, from: usize, to: usize) -> bool {
        let Ok(node) = net.index(self.node) else {
            return false;
        };
        let (near, far) = (from.min(to), from.max(to));
        match self.interface {
            Interface::Any => (near..=far).contains(&node),
            Interface::Lo => near == far && near == node,
            Interface::Eth0 if node > 0 => (near..far).contains(&(node - 1)),
            Interface::Eth0 | Interface::Eth1 => (near..far).contains(&node),
        }
    }
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    /// What it records.
    pub vantage: Vantage,
    tcpdump: Process,
}

impl Capture {
    /// Starts tcpdump and waits until it captures.
    ///
    /// # Errors
    /// When tcpdump does not begin.
    pub fn start(vantage: Vantage, net: &Net, out: &Path, logs: &Path) -> Result<Self> {
        let file = out.join(format!("{}.pcap", vantage.name));
        let file = file.to_string_lossy();
        let interface = vantage.interface.name();
        // 600 bytes hold the headers of HTTP; immediate mode, or SIGINT loses the last second.
        let command = [
            "tcpdump",
            "-i",
            interface,
            "-n",
            "-Z",
            "root",
            "--immediate-mode",
            "-U",
            "-s",
            "600",
            "-B",
            "16384",
            "-w",
            &file,
            "tcp",
        ];
        let name = format!("tcpdump-{}", vantage.name);
        let ns = &net.node(vantage.node)?.ns;
        let mut tcpdump = Process::spawn(ns, &name, &command, logs)?;
        wait::until("tcpdump to listen", Duration::from_secs(60), || {
            tcpdump.alive()?;
            let said = fs::read_to_string(&tcpdump.stderr)?;
            Ok(said.contains("listening on").then_some(()))
        })?;
        Ok(Self { vantage, tcpdump })
    }

    /// Tells tcpdump to end, and does not wait for that.
    pub fn interrupt(&self) {
        self.tcpdump.signal(Signal::INT);
    }

    /// Ends the capture; returns how many packets the kernel dropped for lack of buffer.
    ///
    /// # Errors
    /// When tcpdump says nothing of its losses.
    pub fn stop(mut self) -> Result<u64> {
        self.tcpdump.stop(Signal::INT)?;
        let said = fs::read_to_string(&self.tcpdump.stderr)?;
        said.lines()
            .find_map(|line| line.strip_suffix(" packets dropped by kernel"))
            .and_then(|count| count.parse().ok())
            .with_context(|| {
                format!(
                    "tcpdump at {} did not report its drops: {said}",
                    self.vantage.name
                )
            })
    }
}
