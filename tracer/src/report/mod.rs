//! The report: what was found, as data. The JSON form is a contract (`hopscope.report.v1`); its
//! schema is generated from these types.

mod flow;
mod hop;
mod kernel;
mod ladder;
mod link;
mod log;
mod socket;
mod verdict;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use self::flow::{Closed, FlowReport, KeepaliveReport, ProbeReport, Roles};
pub use self::hop::{ChainReport, HopReport, MadeReport};
pub use self::kernel::{FactName, FactReport, KernelReport, UnjoinedReport};
use self::ladder::Ladders;
pub use self::ladder::{LadderReport, StepName, StepReport};
pub use self::link::{LinkReport, ShareReport};
pub use self::log::{AccessLogReport, LineReport};
pub use self::socket::{ClosedByReport, OptionsReport, SeenReport, SocketReport, TimerReport};
pub use self::verdict::VerdictReport;
use crate::chain::Chains;
pub use crate::flow::End;
use crate::hop::Clocks;
use crate::log::AccessLog;
use crate::scene::Scene;
use crate::survey::Survey;
use crate::time::Time;
use crate::vantage::{Gathered, LeftOut, Vantage};
use crate::verdict::Timeouts;

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
    /// Who ended it and why, the most serious first.
    pub verdicts: Vec<VerdictReport>,
    /// The places where segments were seen.
    pub vantages: Vec<VantageReport>,
    /// Access logs that were given.
    pub access_logs: Vec<AccessLogReport>,
    /// TCP connections, each as seen at one vantage, in the order in which they were first seen.
    pub flows: Vec<FlowReport>,
    /// Flows that are not in `flows`, summed up by vantage and end: where watching goes on for long,
    /// only the most telling of those that are over are kept.
    pub flows_left_out: Vec<LeftOutReport>,
    /// TCP connections, whatever vantages saw them and address translation made of them.
    pub hops: Vec<HopReport>,
    /// Hops joined through proxies, an exchange each.
    pub chains: Vec<ChainReport>,
    /// What happened on the chains of the first alarms, step by step.
    pub ladders: Vec<LadderReport>,
    /// How connections are used, by who opens them and to which port.
    pub links: Vec<LinkReport>,
    /// Sockets and their options in effect. Empty where captures of other programs were read: they do
    /// not show them.
    pub sockets: Vec<SocketReport>,
    /// Sockets that are gone and left out of `sockets`, with what befell them: only the latest are
    /// kept, and none of flows that are left out.
    pub sockets_left_out: u64,
    /// What the kernel told of no flow above: of connections that were not seen or not asked for.
    pub unjoined: Vec<UnjoinedReport>,
}

/// Flows of one vantage that ended alike and are not kept one by one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LeftOutReport {
    /// Name of the vantage.
    pub vantage: String,
    /// How they ended, and what they came to.
    #[serde(flatten)]
    pub sums: LeftOut,
}

/// What this version does not report.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub enum Never {}

/// What is known beside what sources yield.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Access logs of proxies.
    pub logs: Vec<AccessLog>,
    /// Numbers of chains whose ladders are wanted, beside those with alarms.
    pub ladders: Vec<u64>,
    /// Timeouts that are known.
    pub timeouts: Timeouts,
    /// The rules that were considered are wanted of all verdicts, not only of alarms.
    pub explain: bool,
}

/// A place where segments were seen, and what it missed; or a network namespace whose sockets were
/// read, where no segments were looked for.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct VantageReport {
    /// Its name; empty for the network namespace that hopscope itself is in.
    pub name: String,
    /// The file, or `-` for standard input; `net:[INODE]` for a network namespace; what watched, where
    /// it was watched live.
    pub source: String,
    /// Interface of the capture, where it names one.
    pub interface: Option<String>,
    /// Network namespace, where hopscope watched it; empty for the one that hopscope ran in, null
    /// for captures of other programs.
    pub namespace: Option<String>,
    /// Frames in the capture, and those that were counted in the kernel without being shown.
    pub frames: u64,
    /// TCP segments among them, `duplicates` included.
    pub segments: u64,
    /// Segments among them that were counted in the kernel without being shown.
    pub counted: u64,
    /// Segments among `counted` of connections of which none was shown: they count in no flow.
    pub unshown: u64,
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
    /// nothing joins it to the first.
    pub clock_offset_s: Option<f64>,
    /// How far that may be wrong either way.
    pub clock_error_s: Option<f64>,
    /// What ended the reading before the end of the capture.
    pub damage: Option<String>,
    /// What was read or watched in another way than the best one or not to the end, and why; and what is
    /// odd about it beside the others: it shows the same as one of them, or nothing of their time.
    pub remarks: Vec<String>,
    /// Segments were counted in the kernel, and some of these counts are missing, for the recording
    /// was cut or written anew by another program: counts of segments and bytes are lower bounds,
    /// times without segments upper bounds.
    pub lower_bounds: bool,
    /// Records of hopscope in its source that could not be read.
    pub unread: UnreadReport,
}

/// Records of hopscope that could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct UnreadReport {
    /// Those that make no sense.
    pub damaged: u64,
    /// Those that a later version of hopscope wrote.
    pub newer: u64,
}

impl Report {
    /// The report on what came of these sources, one after the other.
    #[must_use]
    pub fn new(sources: &[Gathered], given: &Given) -> Self {
        let scene = Scene::new(sources);
        let mut hops = crate::hop::join(&scene);
        let Chains { chains, usage } = crate::chain::join(&scene, &mut hops, &given.logs);
        let verdicts = crate::verdict::judge(&scene, &hops, &chains, &given.logs, &given.timeouts);
        let mut report = Self::empty();
        let remarks = crate::hop::remarks(&scene, &hops);
        for ((place, seeing), remarks) in scene.vantages.iter().enumerate().zip(remarks) {
            let clocks = &hops.clocks;
            let vantage = VantageReport::new(place, seeing.vantage, seeing.source, clocks);
            report.vantages.push(VantageReport { remarks, ..vantage });
        }
        for seen in &scene.flows {
            let vantage = scene.name(seen.vantage);
            let flow = FlowReport::new(seen.id, vantage, seen.flow, &seen.facts);
            report.flows.push(flow);
        }
        let numbered = hops.hops.iter().enumerate();
        report.hops = numbered
            .map(|(id, hop)| HopReport::new(&scene, &hops, id, hop))
            .collect();
        let numbered = chains.iter().enumerate();
        report.chains = numbered
            .map(|(id, chain)| ChainReport::new(&scene, &hops, id, chain))
            .collect();
        report.access_logs = AccessLogReport::all(&scene, &given.logs, &chains);
        report.links = usage
            .iter()
            .map(|usage| LinkReport::new(&scene, usage))
            .collect();
        report.ladders = Ladders::new(&scene, &hops, &chains).of(&verdicts, &given.ladders);
        report.verdicts = verdicts
            .into_iter()
            .map(|verdict| VerdictReport::new(&scene, verdict, given.explain))
            .collect();
        for source in sources {
            report.add(source);
        }
        let unjoined = scene.unjoined.iter();
        report.unjoined = unjoined
            .map(|(source, account, fact)| {
                UnjoinedReport::new(source.namespace(&account.namespace), account, fact)
            })
            .collect();
        report
    }

    /// Adds what came of a source beside what is joined.
    fn add(&mut self, gathered: &Gathered) {
        let name = |vantage: u32| &gathered.vantages[vantage as usize].name;
        let left_out = gathered.left_out.iter().map(|sums| LeftOutReport {
            vantage: name(sums.vantage).clone(),
            sums: sums.clone(),
        });
        self.flows_left_out.extend(left_out);
        self.sockets
            .extend(gathered.kernel.accounts().iter().filter_map(|account| {
                SocketReport::watched(&gathered.namespace(&account.namespace), account)
            }));
        self.sockets_left_out += gathered.kernel.forgotten();
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
            access_logs: Vec::new(),
            flows: Vec::new(),
            flows_left_out: Vec::new(),
            hops: Vec::new(),
            chains: Vec::new(),
            links: Vec::new(),
            verdicts: Vec::new(),
            ladders: Vec::new(),
            sockets: Vec::new(),
            sockets_left_out: 0,
            unjoined: Vec::new(),
        }
    }
}

impl VantageReport {
    fn of_namespace(survey: &Survey) -> Self {
        Self {
            name: survey.namespace.clone(),
            source: format!("net:[{}]", survey.inode),
            namespace: Some(survey.namespace.clone()),
            remarks: survey.notes(),
            ..Self::default()
        }
    }

    fn new(place: usize, vantage: &Vantage, gathered: &Gathered, clocks: &Clocks) -> Self {
        let offset = clocks.offsets.get(place).copied().flatten();
        let namespace = vantage.namespace.as_deref();
        Self {
            name: vantage.name.clone(),
            source: vantage.source.clone(),
            interface: vantage.interface.clone(),
            namespace: namespace.map(|name| gathered.namespace(name)),
            frames: vantage.frames,
            segments: vantage.segments,
            counted: vantage.counted,
            unshown: vantage.unshown,
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
            #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
            clock_offset_s: offset.map(|offset| offset.add as f64 / 1e9),
            #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
            clock_error_s: offset.map(|offset| offset.error as f64 / 1e9),
            damage: vantage.damage.as_ref().map(ToString::to_string),
            remarks: Vec::new(),
            lower_bounds: vantage.lower_bounds,
            unread: UnreadReport {
                damaged: vantage.unread.damaged,
                newer: vantage.unread.newer,
            },
        }
    }
}

/// The JSON Schema of [`Report`].
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Report)
}
