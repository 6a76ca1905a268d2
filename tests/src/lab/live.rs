//! hopscope itself, watching a scenario beside the captures.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::capture::{Interface, Vantage};
use super::netns::Net;
use crate::watching::Watching;

/// `hopscope watch` on the namespaces of a lab.
#[derive(Debug)]
pub struct Live {
    backend: &'static str,
    watching: Watching,
}

/// What it reported in the end.
#[derive(Debug)]
pub struct Watched {
    /// `ebpf` or `pcap`.
    pub backend: &'static str,
    /// Its report, with vantages called as [`every_interface`] calls them.
    pub report: Value,
}

impl Live {
    /// Starts it and waits until it watches.
    ///
    /// # Errors
    /// When it does not, with its own words.
    pub fn start(backend: &'static str, net: &Net) -> Result<Self> {
        let mut arguments = vec!["--backend", backend, "--format", "json"];
        for node in net.nodes.iter().filter(|node| is_judged(node.name)) {
            arguments.extend(["--netns", &node.ns]);
        }
        let watching = Watching::start(&arguments)?;
        Ok(Self { backend, watching })
    }

    /// Tells it to end, and does not wait for that.
    pub fn interrupt(&self) {
        self.watching.signal(Signal::INT);
    }

    /// Waits for its end: its report, which is kept in the folder `results` besides.
    ///
    /// # Errors
    /// When it ends otherwise than it should, or says more than that it watches.
    pub fn end(self, net: &Net, results: &Path) -> Result<Watched> {
        let Self { backend, watching } = self;
        let told = watching.end()?;
        ensure!(
            told.code == Some(0) && told.err.lines().count() == 1,
            "watch --backend {backend}: exit code {:?}: {}",
            told.code,
            told.err
        );
        let mut text = told.out;
        for node in &net.nodes {
            text = text.replace(&format!("\"{}:", node.ns), &format!("\"{}-", node.name));
        }
        let file = results.join(format!("watched-{backend}.json"));
        fs::write(&file, &text).with_context(|| format!("writing {}", file.display()))?;
        let report = serde_json::from_str(&text)?;
        Ok(Watched { backend, report })
    }
}

/// Neither sockets nor logs tell what a router saw before it dropped it.
fn is_judged(node: &str) -> bool {
    node != "router"
}

/// Every interface on which a connection of the lab passes. Scenarios are constants otherwise: what is
/// made here stays until the process ends.
#[must_use]
pub fn every_interface(nodes: &[&'static str]) -> &'static [Vantage] {
    let mut vantages = Vec::new();
    for (place, &node) in nodes.iter().enumerate().filter(|(_, node)| is_judged(node)) {
        let last = place + 1 == nodes.len();
        let interfaces = [
            (Interface::Eth0, true),
            (Interface::Eth1, place > 0 && !last),
            (Interface::Lo, last),
        ];
        for (interface, _) in interfaces.into_iter().filter(|(_, there)| *there) {
            let name = format!("{node}-{}", interface.name());
            vantages.push(Vantage {
                name: Box::leak(name.into_boxed_str()),
                node,
                interface,
            });
        }
    }
    vantages.leak()
}
