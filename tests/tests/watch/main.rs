//! `hopscope watch` on real traffic in namespaces of its own: what it names, what it reports in the
//! end, and what becomes of it when interfaces, namespaces, disks and readers go away.

mod beside;
mod checked;
mod clsact;
mod comings;
mod endings;
mod events;
mod filters;
mod losses;
mod readers;
mod recording;
mod refusals;
mod standing;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use hopscope_tests::binary::hopscope;
use hopscope_tests::craft::Scratch;
use hopscope_tests::lab::netns::{Family, Net};
use hopscope_tests::lab::process::Process;
use hopscope_tests::lab::{self, wait};
use serde_json::Value;

type Outcome = Result<(), Box<dyn Error>>;

const APP: u16 = 8087;

/// What must be alike with libpcap and with whatever is best here.
const BACKENDS: [&str; 2] = ["pcap", "auto"];

/// Two namespaces with a server in the second one.
struct Pair {
    app: Process,
    net: Net,
    logs: Scratch,
}

impl Pair {
    /// `None` where this machine cannot have it; it was said why.
    fn new(test: &str) -> Result<Option<Self>, Box<dyn Error>> {
        if let Some(missing) = lab::missing() {
            println!("skipped: {test} needs {missing}");
            return Ok(None);
        }
        let logs = Scratch::new(test)?;
        let net = Net::build(&["client", "pod"], Family::V4, logs.path())?;
        let peer = lab::rig::peer()?;
        let listen = net.at("pod", APP)?.to_string();
        let command = [&*peer.to_string_lossy(), "app", &listen];
        let app = Process::spawn(&net.node("pod")?.ns, "app", &command, logs.path())?;
        let mut pair = Self { app, net, logs };
        pair.until_listening()?;
        Ok(Some(pair))
    }

    fn until_listening(&mut self) -> Outcome {
        let port = format!(":{APP:04X} ");
        let Self { app, net, .. } = self;
        Ok(wait::until(
            "the app to listen",
            Duration::from_secs(60),
            || {
                app.alive()?;
                let table = net.node("pod")?.proc_net("tcp")?;
                Ok(table.contains(&port).then_some(()))
            },
        )?)
    }

    fn ns(&self, node: &str) -> Result<&str, Box<dyn Error>> {
        Ok(&self.net.node(node)?.ns)
    }

    fn url(&self, path: &str) -> Result<String, Box<dyn Error>> {
        Ok(format!("http://{}{path}", self.net.at("pod", APP)?))
    }

    /// Whether the app has said so.
    fn app_says(&self, what: &str) -> std::io::Result<bool> {
        let log = std::fs::read_to_string(self.logs.path().join("app.out"))?;
        Ok(log.contains(what))
    }

    /// A request of the client, to its end.
    fn curl(&self, arguments: &[&str]) -> Outcome {
        let command = [&["curl", "-sS", "-o", "/dev/null"], arguments].concat();
        self.net.exec("client", &command)?;
        Ok(())
    }
}

/// Vantages as reports call them.
fn named(ns: &str, interface: &str) -> String {
    format!("{ns}:{interface}")
}

/// The report that `hopscope read` makes of a recording.
fn read(file: &Path) -> Result<Value, Box<dyn Error>> {
    let read = hopscope(["read", "--format=json"]).arg(file).output()?;
    Ok(serde_json::from_slice(&read.stdout)?)
}

fn flows<'a>(report: &'a Value, vantage: &str) -> Vec<&'a Value> {
    let flows = report["flows"].as_array().map(Vec::as_slice);
    flows
        .unwrap_or_default()
        .iter()
        .filter(|flow| flow["vantage"] == vantage)
        .collect()
}

fn events<'a>(lines: &'a [Value], vantage: &str) -> Vec<&'a Value> {
    lines
        .iter()
        .filter(|line| line["type"] == "event" && line["vantage"] == vantage)
        .collect()
}
