//! Maps and settings.

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use hopscope_ebpf::{Counters, Counts, FLOWS, Fields, FlowKey, Settings};

/// Flows under way. Not preallocated: memory is used by live flows only. An entry that another processor
/// removes stays readable until the program ends; from Linux 6.1 on it may hold another flow by then
/// (`htab_elem_free` in kernel/bpf/hashtab.c gives it back at once).
#[map]
pub(super) static FLOW_COUNTERS: HashMap<FlowKey, Counters> =
    HashMap::with_max_entries(FLOWS, BPF_F_NO_PREALLOC);

/// What a new flow begins with: too large for the stack of a program.
#[map]
pub(super) static NEW: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

/// What was counted, by processor.
#[map]
pub(super) static COUNTS: PerCpuArray<Counts> = PerCpuArray::with_max_entries(1, 0);

/// Frames that found no room in the ring, by interface and processor.
#[map]
pub(super) static LOSSES: PerCpuHashMap<u32, u64> =
    PerCpuHashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);

/// Not zero while watching: attaching takes a while, and what one program sees before the others are
/// there would be half of what happens.
#[map]
pub(super) static WATCHING: Array<u32> = Array::with_max_entries(1, 0);

/// What is told to user space.
#[map]
pub(super) static RECORDS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// The namespaces whose sockets are watched, by inode.
#[map]
pub(super) static NAMESPACES: HashMap<u32, u32> = HashMap::with_max_entries(1024, 0);

#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings {
    ports: [0; hopscope_ebpf::PORTS],
    port_count: 0,
    all_segments: 0,
    namespaces: [0; hopscope_ebpf::NAMESPACES],
    many_namespaces: 0,
    pid_namespace: 0,
    pid_device: 0,
};

#[unsafe(no_mangle)]
static FIELDS: Fields = Fields::UNKNOWN;

/// The settings: user space writes them before the program is loaded, so the compiler must not
/// believe what stands above.
#[inline(always)]
pub(super) fn settings() -> &'static Settings {
    // SAFETY: points to the static.
    unsafe { &*core::hint::black_box(&raw const SETTINGS) }
}

/// The fields of this kernel, likewise.
#[inline(always)]
pub(super) fn fields() -> &'static Fields {
    // SAFETY: points to the static.
    unsafe { &*core::hint::black_box(&raw const FIELDS) }
}

/// This processor's counts.
#[inline(always)]
pub(super) fn counts() -> Option<&'static mut Counts> {
    // SAFETY: only this processor writes them, and programs do not interrupt each other at the
    // places where they do.
    COUNTS.get_ptr_mut(0).map(|counts| unsafe { &mut *counts })
}

/// Everything is attached, and nothing was detached yet.
#[inline(always)]
pub(super) fn watching() -> bool {
    // SAFETY: an element of an array is there as long as the array.
    WATCHING
        .get_ptr(0)
        .is_some_and(|watching| unsafe { watching.read_volatile() } != 0)
}
