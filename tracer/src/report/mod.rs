//! The report: what was found, as data. The JSON form is a contract (`hopscope.report.v1`); its
//! schema is generated from these types.

mod flow;
mod socket;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::flow::{Closed, End, FlowReport, KeepaliveReport, ProbeReport, Roles};
pub use self::socket::{OptionsReport, SocketReport, TimerReport};
use crate::flow::{Flow, FlowId};
use crate::survey::Survey;
use crate::time::Time;
use crate::vantage::Vantage;

/// Name and version of the contract.
pub const SCHEMA: &str = "hopscope.report.v1";

/// Everything that was found in the captures of one call.
///
/// Times are RFC 3339 UTC strings with nanoseconds; durations are seconds, in fields that end in
/// `_s`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// Name and version of this contract: `hopscope.report.v1`.
    pub schema: &'static str,
    /// The places where segments were seen.
    pub vantages: Vec<VantageReport>,
    /// TCP connections, each as seen at one vantage, in the order in which they were first seen.
    pub flows: Vec<FlowReport>,
    /// Flows of one connection joined across vantages. Empty: this version does not join flows.
    pub hops: Vec<Never>,
    /// Hops joined through proxies. Empty: this version does not join hops.
    pub chains: Vec<Never>,
    /// Who ended it and why. Empty: this version says who, per flow, and gives no cause.
    pub verdicts: Vec<Never>,
    /// Sockets and their options in effect. Empty where captures were read: they do not show them.
    pub sockets: Vec<SocketReport>,
}

/// What this version does not report.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub enum Never {}

/// A place where segments were seen, and what it missed; or a network namespace whose sockets were
/// read, where no segments were looked for.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct VantageReport {
    /// Its name; empty for the network namespace that hopscope itself is in.
    pub name: String,
    /// The file, or `-` for standard input; `net:[INODE]` for a network namespace.
    pub source: String,
    /// Interface of the capture, where it names one.
    pub interface: Option<String>,
    /// Frames in the capture.
    pub frames: u64,
    /// TCP segments among them, `duplicates` included.
    pub segments: u64,
    /// Segments that were captured before and count in no flow.
    pub duplicates: u64,
    /// Frames whose headers contradict themselves or end too early.
    pub malformed: u64,
    /// Frames that are no TCP segment or could not be read as one, by reason.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Frames that the filter left out.
    pub filtered_out: u64,
    /// Frames that the capturing program says it lost; null where it does not say.
    pub dropped: Option<u64>,
    /// Segments whose payload was cut by the snap length. Lengths are known all the same.
    pub cut: u64,
    /// First frame.
    pub first: Option<Time>,
    /// Last frame.
    pub last: Option<Time>,
    /// What must be added to the times of this vantage to get those of the first; null while
    /// vantages are not joined.
    pub clock_offset_s: Option<f64>,
    /// What ended the reading before the end of the capture.
    pub damage: Option<String>,
    /// What was read in another way than the best one, and why.
    pub remarks: Vec<String>,
}

impl Report {
    /// The report on these vantages and their flows: the flows of one source after the other, with
    /// the vantages that they index.
    #[must_use]
    pub fn new(sources: Vec<(Vec<Vantage>, Vec<Flow>)>) -> Self {
        let mut report = Self::empty();
        for (vantages, flows) in sources {
            let names: Vec<&str> = vantages
                .iter()
                .map(|vantage| vantage.name.as_str())
                .collect();
            for flow in flows {
                let id = FlowId(report.flows.len() as u64);
                report
                    .flows
                    .push(FlowReport::new(id, names[flow.vantage() as usize], &flow));
            }
            report
                .vantages
                .extend(vantages.iter().map(VantageReport::new));
        }
        report
    }

    /// The report on the sockets of these namespaces, each of which is a vantage without segments.
    #[must_use]
    pub fn of_sockets(surveys: &[Survey]) -> Self {
        let mut report = Self::empty();
        for survey in surveys {
            report.vantages.push(VantageReport::of_namespace(survey));
            let sockets = survey.sockets.iter();
            let sockets = sockets.map(|socket| SocketReport::new(&survey.namespace, socket));
            report.sockets.extend(sockets);
        }
        report
    }

    const fn empty() -> Self {
        Self {
            schema: SCHEMA,
            vantages: Vec::new(),
            flows: Vec::new(),
            hops: Vec::new(),
            chains: Vec::new(),
            verdicts: Vec::new(),
            sockets: Vec::new(),
        }
    }
}

impl VantageReport {
    fn of_namespace(survey: &Survey) -> Self {
        Self {
            name: survey.namespace.clone(),
            source: format!("net:[{}]", survey.inode),
            remarks: survey.remarks.clone(),
            ..Self::default()
        }
    }

    fn new(vantage: &Vantage) -> Self {
        Self {
            name: vantage.name.clone(),
            source: vantage.source.clone(),
            interface: vantage.interface.clone(),
            frames: vantage.frames,
            segments: vantage.segments,
            duplicates: vantage.duplicates,
            malformed: vantage.skipped.malformed(),
            skipped: vantage
                .skipped
                .iter()
                .map(|(why, count)| (why.name(), count))
                .collect(),
            filtered_out: vantage.filtered_out,
            dropped: vantage.dropped,
            cut: vantage.cut,
            first: vantage.first,
            last: vantage.last,
            clock_offset_s: None,
            damage: vantage.damage.as_ref().map(ToString::to_string),
            remarks: Vec::new(),
        }
    }
}

/// The JSON Schema of [`Report`].
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Report)
}
