//! The probe's eyes in one namespace: TC programs on its interfaces, the flows that they count.

use std::collections::HashMap;

use aya::Ebpf;
use aya::maps::{HashMap as BpfMap, Map, MapData, PerCpuArray, PerCpuHashMap, RingBuf};
use aya::programs::tc::{self, NlOptions, SchedClassifierLinkId, TcAttachOptions};
use aya::programs::{LinkOrder, SchedClassifier, TcAttachType};
use hopscope_ebpf::{Counters, Counts, FLOWS, Fields, FlowKey, PORTS};
use zerocopy::FromBytes;

use super::clock::Clock;
use super::object::{self, Gate, REMEDY, Room, chain};
use super::record;
use super::{Port, ProbeError, Trial};
use crate::decode::LinkType;
use crate::live::{Item, Settings};
use crate::netns::Namespace;
use crate::tally::FlowTally;

const RING: u32 = 16 << 20;
const SMALLEST_RING: u32 = 1 << 20;
const FEWEST_FLOWS: u32 = 4096;

const KEY: usize = size_of::<FlowKey>();
const VALUE: usize = size_of::<Counters>();

type FlowMap = BpfMap<MapData, [u8; KEY], [u8; VALUE]>;

/// One namespace's programs and maps.
pub(super) struct Tap {
    ebpf: Ebpf,
    gate: Gate,
    ring: RingBuf<MapData>,
    flows: FlowMap,
    counts: PerCpuArray<MapData, [u8; size_of::<Counts>()]>,
    losses: PerCpuHashMap<MapData, u32, u64>,
    /// By index in the namespace.
    ports: HashMap<u32, Attached>,
    trials: Vec<Trial>,
}

/// An interface that is watched, or was.
struct Attached {
    number: u32,
    link: LinkType,
    links: Vec<(&'static str, SchedClassifierLinkId)>,
    dropped: u64,
}

impl Tap {
    /// Loads what one of `shared_by` namespaces needs.
    pub(super) fn load(shared_by: usize, settings: &Settings) -> Result<Self, ProbeError> {
        if settings.ports.len() > PORTS {
            return Err(ProbeError::Ports(PORTS));
        }
        let settings = object::settings(settings);
        let shares = u32::try_from(shared_by.max(1).next_power_of_two()).unwrap_or(u32::MAX);
        let room = Room {
            flows: (FLOWS / shares).max(FEWEST_FLOWS),
            ring: (RING / shares).max(SMALLEST_RING),
        };
        let mut ebpf = object::load(&room, &settings, &Fields::UNKNOWN)?;
        let gate = Gate::of(&mut ebpf)?;
        let mut map = |name: &'static str| {
            ebpf.take_map(name).ok_or(ProbeError::Load {
                what: name,
                why: "the object has no such map".to_owned(),
                remedy: "build it anew: make probe",
            })
        };
        Ok(Self {
            ring: of_kind("ring", map("RECORDS")?)?,
            flows: of_kind("flows", map("FLOW_COUNTERS")?)?,
            counts: of_kind("counts", map("COUNTS")?)?,
            losses: of_kind("losses", map("LOSSES")?)?,
            ebpf,
            gate,
            ports: HashMap::new(),
            trials: Vec::new(),
        })
    }

    /// Watches an interface, from a thread inside its namespace: names of interfaces mean something
    /// there only.
    pub(super) fn attach(
        &mut self,
        namespace: &Namespace,
        port: &Port<'_>,
    ) -> Result<(), ProbeError> {
        let [incoming, outgoing] = match port.link {
            LinkType::Ethernet => ["ethernet_in", "ethernet_out"],
            _ => ["ip_in", "ip_out"],
        };
        let mut wanted = vec![(outgoing, TcAttachType::Egress)];
        if !port.loopback {
            wanted.push((incoming, TcAttachType::Ingress));
        }
        let mut links = Vec::new();
        for (program, direction) in wanted {
            let attached = namespace.within(|| self.attach_one(program, port.name, direction))?;
            self.trials.push(Trial {
                part: match direction {
                    TcAttachType::Egress => format!("TC egress of {}", port.name),
                    _ => format!("TC ingress of {}", port.name),
                },
                purpose: "segments",
                outcome: attached
                    .as_ref()
                    .map(|(_, way)| *way)
                    .map_err(String::clone),
            });
            let (link, _) = attached.map_err(|why| ProbeError::Attach {
                interface: port.name.to_owned(),
                namespace: namespace.name.clone(),
                why,
                remedy: REMEDY,
            })?;
            links.push((program, link));
        }
        self.ports.insert(
            port.index,
            Attached {
                number: port.number,
                link: port.link,
                links,
                dropped: 0,
            },
        );
        Ok(())
    }

    /// TCX from Linux 6.6 on; clsact below.
    fn attach_one(
        &mut self,
        program: &'static str,
        interface: &str,
        direction: TcAttachType,
    ) -> Result<(SchedClassifierLinkId, &'static str), String> {
        let program: &mut SchedClassifier = self
            .ebpf
            .program_mut(program)
            .ok_or("the object has no such program")?
            .try_into()
            .map_err(|error| chain(&error))?;
        if program.fd().is_err() {
            program.load().map_err(|error| chain(&error))?;
        }
        let tcx = TcAttachOptions::TcxOrder(LinkOrder::default());
        let first = program.attach_with_options(interface, direction, tcx);
        first.map(|link| (link, "TCX")).or_else(|error| {
            let clsact = tc::qdisc_add_clsact(interface);
            let netlink = TcAttachOptions::Netlink(NlOptions::default());
            let attached = program.attach_with_options(interface, direction, netlink);
            let attached = attached.map(|link| (link, "clsact"));
            attached.map_err(|second| match clsact {
                Err(clsact) if !clsact.to_string().contains("exists") => {
                    format!("TCX: {}; clsact: {}", chain(&error), chain(&clsact))
                }
                _ => format!("TCX: {}; clsact: {}", chain(&error), chain(&second)),
            })
        })
    }

    /// The interface with that index is gone, and its links with it.
    pub(super) fn detach(&mut self, index: u32) {
        if let Some(port) = self.ports.get_mut(&index) {
            let links = std::mem::take(&mut port.links);
            Self::let_go(&mut self.ebpf, links);
        }
    }

    pub(super) fn detach_all(&mut self) {
        for port in self.ports.values_mut() {
            Self::let_go(&mut self.ebpf, std::mem::take(&mut port.links));
        }
    }

    fn let_go(ebpf: &mut Ebpf, links: Vec<(&'static str, SchedClassifierLinkId)>) {
        for (name, link) in links {
            let program: Option<Result<&mut SchedClassifier, _>> =
                ebpf.program_mut(name).map(TryInto::try_into);
            if let Some(Ok(program)) = program {
                // An interface that is gone has taken its links along.
                let _ = program.detach(link);
            }
        }
    }

    /// Passes on the frames that have come.
    pub(super) fn drain(
        &mut self,
        clock: &Clock,
        frames: &mut u64,
        sink: &mut dyn FnMut(Item<'_>),
    ) {
        while let Some(bytes) = self.ring.next() {
            if let Some(frame) = record::read_frame(&bytes)
                && let Some(port) = self.ports.get(&frame.0.interface)
            {
                *frames += 1;
                record::frame(port.number, port.link, *frames, frame, clock, sink);
            }
        }
    }

    /// Passes on what every flow has counted, and what was lost.
    pub(super) fn finish(&mut self, clock: &Clock, sink: &mut dyn FnMut(Item<'_>)) {
        for (key, value) in self.flows.iter().flatten() {
            let (Ok(key), Ok(counters)) = (
                FlowKey::read_from_bytes(&key),
                Counters::read_from_bytes(&value),
            ) else {
                continue;
            };
            if let Some(port) = self.ports.get(&key.interface) {
                sink(Item::Rest(&FlowTally {
                    interface: port.number,
                    endpoints: record::endpoints(&key),
                    tally: record::tally(&counters, clock),
                }));
            }
        }
        for (index, port) in &mut self.ports {
            let lost = self
                .losses
                .get(index, 0)
                .map_or(0, |lost| lost.iter().sum());
            port.dropped = lost;
            sink(Item::Counted {
                interface: port.number,
                dropped: lost,
                other: 0,
            });
        }
    }

    /// Looks at what passes, or does not.
    pub(super) fn watch(&mut self, watching: bool) {
        self.gate.set(watching);
    }

    /// What was tried.
    pub(super) fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// What was counted on all processors together.
    pub(super) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        let each = self.counts.get(&0, 0).ok();
        for counts in each.iter().flat_map(|values| values.iter()) {
            if let Ok(counts) = Counts::read_from_bytes(counts) {
                sum.segments += counts.segments;
                sum.untracked += counts.untracked;
                sum.turns_not_told += counts.turns_not_told;
            }
        }
        sum
    }
}

fn of_kind<T: TryFrom<Map, Error = aya::maps::MapError>>(
    what: &'static str,
    map: Map,
) -> Result<T, ProbeError> {
    map.try_into().map_err(|error| ProbeError::Load {
        what,
        why: chain(&error),
        remedy: REMEDY,
    })
}
