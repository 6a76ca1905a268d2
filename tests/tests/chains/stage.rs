//! Recordings with their access logs, changed as captures may be, and the chains that come of them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use hopscope_tests::craft::{Fraction, Order, Trace};
use hopscope_tests::lab::truth::Truth;
use tracer::log::AccessLog;
use tracer::report::{ChainReport, Given, Report};
use tracer::source::Capture;
use tracer::vantage::{Gathered, Naming, read};

/// A recording: its captures by their names, the logs of its proxies, and what really happened.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) captures: Vec<(String, Trace)>,
    pub(crate) logs: Vec<AccessLog>,
    nodes: BTreeMap<String, String>,
}

/// All of `pcaps/`.
pub(crate) fn recordings() -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    let mut folders: Vec<PathBuf> = fs::read_dir(root)
        .expect("pcaps/")
        .map(|entry| entry.expect("an entry of pcaps/").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
        .iter()
        .map(|folder| Recorded::read(folder))
        .collect()
}

/// One of them.
pub(crate) fn recording(name: &str) -> Recorded {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pcaps");
    Recorded::read(&root.join(name))
}

impl Recorded {
    fn read(folder: &Path) -> Self {
        let truth = fs::read_to_string(folder.join("truth.json")).expect("a truth");
        let truth: Truth = serde_json::from_str(&truth).expect("a truth that can be read");
        let capture = |name: &String| {
            let trace = Trace::read(&folder.join(format!("{name}.pcap"))).expect("a capture");
            (name.clone(), trace)
        };
        let log = |name: &&str| {
            let text = fs::read(folder.join(format!("{name}.log"))).ok()?;
            Some(AccessLog::read(name, name, &*text).expect("a log"))
        };
        let node = |(name, vantage): (&String, _)| -> (String, String) {
            let vantage: &hopscope_tests::lab::truth::VantageTruth = vantage;
            (name.clone(), vantage.node.clone())
        };
        Self {
            captures: truth.vantages.keys().map(capture).collect(),
            logs: ["lb", "gw", "sidecar"].iter().filter_map(log).collect(),
            nodes: truth.vantages.iter().map(node).collect(),
            name: truth.scenario,
        }
    }

    /// Captures that were made up.
    pub(crate) fn made<const N: usize>(captures: [(&str, Trace); N]) -> Self {
        let captures = captures.map(|(name, trace)| (name.to_owned(), trace));
        let nodes = captures
            .iter()
            .map(|(name, _)| (name.clone(), name.clone()));
        Self {
            name: "made up".to_owned(),
            nodes: nodes.collect(),
            logs: Vec::new(),
            captures: captures.into(),
        }
    }

    /// The same without logs.
    pub(crate) fn without_logs(mut self) -> Self {
        self.logs.clear();
        self
    }

    /// The same with some of its captures only.
    pub(crate) fn only(mut self, names: &[&str]) -> Self {
        self.captures.retain(|(name, _)| names.contains(&&**name));
        assert_eq!(self.captures.len(), names.len(), "{names:?}");
        self
    }

    /// The same with every capture changed, which is told its name.
    pub(crate) fn each(mut self, mut change: impl FnMut(&str, &Trace) -> Trace) -> Self {
        for (name, trace) in &mut self.captures {
            *trace = change(name, trace);
        }
        self
    }

    /// The namespaces that captures were taken in, each once.
    pub(crate) fn nodes(&self) -> Vec<&str> {
        let nodes: std::collections::BTreeSet<&str> =
            self.nodes.values().map(String::as_str).collect();
        nodes.into_iter().collect()
    }

    /// The namespace that a capture was taken in.
    pub(crate) fn node(&self, capture: &str) -> &str {
        &self.nodes[capture]
    }

    pub(crate) fn report(&self) -> Report {
        let sources: Vec<Gathered> = self.captures.iter().map(gathered).collect();
        let logs = self.logs.clone();
        let given = Given {
            logs,
            ..Given::default()
        };
        Report::new(&sources, &given)
    }

    /// What chains there are, whatever numbers things have.
    pub(crate) fn chains(&self) -> Vec<String> {
        let report = self.report();
        let mut chains: Vec<String> = report
            .chains
            .iter()
            .map(|chain| self.told(&report, chain))
            .collect();
        chains.sort();
        chains
    }

    /// A chain: its hops by the namespaces and ports that they connect, with the number of the
    /// exchange, and in brackets what was tried before.
    pub(crate) fn told(&self, report: &Report, chain: &ChainReport) -> String {
        let links = chain.hops.iter().zip(&chain.exchanges).zip(&chain.tried);
        let links: Vec<String> = links
            .map(|((hop, exchange), tried)| {
                let tried: Vec<String> = tried.iter().map(|hop| self.hop(report, *hop)).collect();
                let tried = match tried.as_slice() {
                    [] => String::new(),
                    tried => format!("({}) ", tried.join(" ")),
                };
                let exchange = exchange.map_or("-".to_owned(), |number| number.to_string());
                format!("{tried}{}#{exchange}", self.hop(report, *hop))
            })
            .collect();
        links.join(" ")
    }

    fn hop(&self, report: &Report, id: u64) -> String {
        let hop = report.hops.iter().find(|hop| hop.id == id).expect("a hop");
        let node = |at: &Option<String>| {
            let node = at.as_ref().map(|at| self.node(at));
            node.unwrap_or("?").to_owned()
        };
        let port = hop.client.rsplit(':').next().expect("a port");
        format!("{}:{port}>{}", node(&hop.at.client), node(&hop.at.server))
    }
}

fn gathered((name, trace): &(String, Trace)) -> Gathered {
    let file = Cursor::new(trace.pcap(Order::Little, Fraction::Nanos));
    let capture = Capture::new(file).expect("a capture");
    let naming = Naming {
        name,
        source: name,
        prefixed: false,
    };
    let (gathered, ()) = read(capture, &naming, None, 0, ()).expect("no filter to be refused");
    gathered
}

/// Chains with ports called by the order in which they first appear among them: recordings made anew
/// have others.
pub(crate) fn renamed(chains: &[String]) -> Vec<String> {
    let mut ports: Vec<String> = Vec::new();
    let mut name = |port: &str| -> String {
        let known = ports.iter().position(|known| known == port);
        let place = known.unwrap_or_else(|| {
            ports.push(port.to_owned());
            ports.len() - 1
        });
        let letter = b'a' + u8::try_from(place).expect("few ports");
        char::from(letter).to_string()
    };
    let word = |word: &str, name: &mut dyn FnMut(&str) -> String| -> String {
        match word.split_once(':').zip(word.split_once('>')) {
            Some(((client, rest), (_, server))) => {
                let port = rest.split('>').next().expect("a port");
                format!("{client}:{}>{server}", name(port))
            }
            None => word.to_owned(),
        }
    };
    let chains = chains.iter();
    chains
        .map(|chain| {
            let words: Vec<String> = chain.split(' ').map(|part| word(part, &mut name)).collect();
            words.join(" ")
        })
        .collect()
}
