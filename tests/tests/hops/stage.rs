//! Recordings as sources, changed as captures may be, and the hops that come of them.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use hopscope_tests::craft::{Fraction, Order, Trace};
use hopscope_tests::lab::truth::{Connection, Truth};
use tracer::report::{FlowReport, Given, HopReport, Report};
use tracer::source::Capture;
use tracer::vantage::{Gathered, Naming, read};

/// A capture by its name.
pub(crate) type Named = (String, Trace);

/// A recording: its captures, and what really happened.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) captures: Vec<Named>,
    pub(crate) truth: Truth,
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

impl Recorded {
    fn read(folder: &Path) -> Self {
        let truth = fs::read_to_string(folder.join("truth.json")).expect("a truth");
        let truth: Truth = serde_json::from_str(&truth).expect("a truth that can be read");
        let capture = |name: &String| {
            let trace = Trace::read(&folder.join(format!("{name}.pcap"))).expect("a capture");
            (name.clone(), trace)
        };
        Self {
            name: truth.scenario.clone(),
            captures: truth.vantages.keys().map(capture).collect(),
            truth,
        }
    }

    /// The connections, each with all its entries: behind an address translation it has two.
    pub(crate) fn connections(&self) -> Vec<Vec<&Connection>> {
        let mut found: Vec<Vec<&Connection>> = Vec::new();
        for connection in &self.truth.connections {
            let same = |known: &&mut Vec<&Connection>| {
                known[0].closed_at.is_some()
                    && known[0].closed_at == connection.closed_at
                    && known[0].process == connection.process
            };
            match found.iter_mut().find(same) {
                Some(known) => known.push(connection),
                None => found.push(vec![connection]),
            }
        }
        found
    }

    /// The captures that share a connection with the first, or with one that does.
    pub(crate) fn linked(&self) -> BTreeSet<String> {
        let first = self.captures[0].0.clone();
        let mut linked = BTreeSet::from([first]);
        loop {
            let before = linked.len();
            for entries in self.connections() {
                let seen: Vec<_> = entries.iter().flat_map(|entry| &entry.vantages).collect();
                if seen.iter().any(|name| linked.contains(*name)) {
                    linked.extend(seen.into_iter().cloned());
                }
            }
            if linked.len() == before {
                return linked;
            }
        }
    }

    /// The place of a vantage's namespace between client and app.
    pub(crate) fn place(&self, vantage: &str) -> usize {
        let node = &self.truth.vantages[vantage].node;
        let nodes = &self.truth.nodes;
        let place = nodes.iter().position(|known| known == node);
        place.expect("a node of the recording")
    }
}

/// The report on captures, in this order.
pub(crate) fn report(captures: &[Named]) -> Report {
    let sources: Vec<Gathered> = captures.iter().map(gathered).collect();
    Report::new(&sources, &Given::default())
}

fn gathered((name, trace): &Named) -> Gathered {
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

/// What a hop is, whatever numbers things have: its sights from the client to the server.
pub(crate) fn sights(report: &Report, hop: &HopReport) -> Vec<String> {
    let flow = |id| {
        report
            .flows
            .iter()
            .find(|flow| flow.id == id)
            .expect("a flow")
    };
    hop.flows.iter().map(|id| sight(flow(*id))).collect()
}

/// A flow, by what stays the same in other numberings.
pub(crate) fn sight(flow: &FlowReport) -> String {
    format!("{}: {} > {}", flow.vantage, flow.client, flow.server)
}

/// All hops, in an order of their own.
pub(crate) fn hops(report: &Report) -> Vec<Vec<String>> {
    let mut hops: Vec<_> = report.hops.iter().map(|hop| sights(report, hop)).collect();
    hops.sort();
    hops
}

/// The same, and of each its sights in an order of their own: which flows belong together.
pub(crate) fn joined(report: &Report) -> Vec<Vec<String>> {
    let mut hops = hops(report);
    hops.iter_mut().for_each(|hop| hop.sort());
    hops.sort();
    hops
}
