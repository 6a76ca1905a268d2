//! The probe's eyes in one namespace: TC programs on its interfaces, the flows that they count.

use std::collections::HashMap;

use aya::Ebpf;
use aya::maps::{HashMap as BpfMap, Map, MapData, PerCpuArray, PerCpuHashMap, RingBuf};
use foldhash::fast::RandomState;
use hopscope_ebpf::{Counters, Counts, FLOWS, Fields, FlowKey, PORTS};
use zerocopy::FromBytes;

use super::clock::Clock;
use super::object::{self, Gate, REMEDY, Room, chain};
use super::port::Attached;
use super::record;
use super::{Port, ProbeError, Trial};
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
    ports: HashMap<u32, Attached, RandomState>,
    trials: Vec<Trial>,
    /// TCX is wanted, where the kernel has it.
    tcx: bool,
}

impl Tap {
    /// Loads what one of `shared_by` namespaces needs.
    pub(super) fn load(shared_by: usize, settings: &Settings) -> Result<Self, ProbeError> {
        if settings.ports.len() > PORTS {
            return Err(ProbeError::Ports(PORTS));
        }
        let tcx = !settings.no_tcx;
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
            ports: HashMap::default(),
            trials: Vec::new(),
            tcx,
        })
    }

    /// Watches an interface.
    pub(super) fn attach(
        &mut self,
        namespace: &Namespace,
        port: &Port<'_>,
    ) -> Result<(), ProbeError> {
        let Self {
            ebpf, trials, tcx, ..
        } = self;
        let attached = Attached::new(ebpf, namespace, port, *tcx, trials)?;
        self.ports.insert(port.index, attached);
        Ok(())
    }

    /// The interface with that index is watched no more, or is gone.
    pub(super) fn detach(&mut self, index: u32) {
        if let Some(port) = self.ports.get_mut(&index) {
            port.let_go(&mut self.ebpf);
        }
    }

    pub(super) fn detach_all(&mut self) {
        for port in self.ports.values_mut() {
            port.let_go(&mut self.ebpf);
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

/// Not everything goes when it is closed, and not all ways out lead through [`Tap::detach_all`].
impl Drop for Tap {
    fn drop(&mut self) {
        self.detach_all();
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
