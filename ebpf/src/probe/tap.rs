//! The TC programs: every frame of an interface passes one on its way in or out.

use aya_ebpf::bindings::{BPF_NOEXIST, BPF_RB_NO_WAKEUP, TC_ACT_UNSPEC};
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_skb_load_bytes};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use core::mem::MaybeUninit;
use hopscope_ebpf::{
    Counters, Counts, FrameRecord, HEADERS, HEADERS_AND_TEXT, Settings, kind, thin,
};

use super::header::{Content, Segment, read};
use super::maps::{FLOW_COUNTERS, LOSSES, NEW, RECORDS, SCRATCH, ZERO, counts, settings};

/// What comes in, where frames begin with an Ethernet header.
#[classifier]
pub(super) fn ethernet_in(ctx: TcContext) -> i32 {
    tap(&ctx, true, false)
}

/// What goes out likewise.
#[classifier]
pub(super) fn ethernet_out(ctx: TcContext) -> i32 {
    tap(&ctx, true, true)
}

/// What comes in, where frames begin with an IP header (tun, WireGuard, IP tunnels).
#[classifier]
pub(super) fn ip_in(ctx: TcContext) -> i32 {
    tap(&ctx, false, false)
}

/// What goes out likewise.
#[classifier]
pub(super) fn ip_out(ctx: TcContext) -> i32 {
    tap(&ctx, false, true)
}

/// Looks at a frame, and lets it pass in any case.
#[inline(always)]
fn tap(ctx: &TcContext, ethernet: bool, out: bool) -> i32 {
    let Some(counts) = counts() else {
        return TC_ACT_UNSPEC;
    };
    let mut segment = MaybeUninit::uninit();
    match read(ctx, ethernet, &mut segment) {
        Content::Segment => {
            // SAFETY: was filled.
            let segment = unsafe { segment.assume_init_ref() };
            if is_asked_for(settings(), segment) {
                counts.segments += 1;
                take(ctx, segment, out, counts);
            }
        }
        Content::Hidden => tell(ctx, None, None, out, now()),
        Content::Other => {}
    }
    TC_ACT_UNSPEC
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: has no conditions.
    unsafe { bpf_ktime_get_ns() }
}

#[inline(always)]
fn take(ctx: &TcContext, segment: &Segment, out: bool, counts: &mut Counts) {
    let now = now();
    if settings().all_segments != 0 {
        tell(ctx, None, Some(segment), out, now);
        return;
    }
    // The first segment of a connection is hardly ever preceded by others: no need to look for them.
    let mut flow = if segment.seen.opens() {
        None
    } else {
        FLOW_COUNTERS.get_ptr_mut(&segment.key)
    };
    if flow.is_none() {
        if begin(ctx, segment, out, now) {
            return;
        }
        flow = FLOW_COUNTERS.get_ptr_mut(&segment.key);
    }
    let Some(flow) = flow else {
        counts.untracked += 1;
        tell(ctx, None, Some(segment), out, now);
        return;
    };
    // SAFETY: what another processor writes to the same flow at the same time can make a count one
    // too low; entries are not reused while a program runs.
    let flow = unsafe { &mut *flow };
    let telling = thin::is_telling(flow, &segment.seen, now, counts);
    if telling {
        // Every frame of a socket has the same cookie: its first one tells it.
        let with_cookie = out && segment.seen.is_first(flow);
        tell(ctx, Some(flow), Some(segment), with_cookie, now);
    }
    if thin::take(flow, &segment.seen, now, telling) {
        let _ = FLOW_COUNTERS.remove(&segment.key);
    }
}

/// Begins a flow that was not counted until now. False where it was, or finds no room.
#[inline(always)]
fn begin(ctx: &TcContext, segment: &Segment, out: bool, now: u64) -> bool {
    let Some(scratch) = SCRATCH.get_ptr_mut(NEW) else {
        return false;
    };
    // SAFETY: this processor's own, and nothing else uses it meanwhile.
    let flow = unsafe { &mut *scratch };
    flow.begin(now);
    let _ = thin::take(flow, &segment.seen, now, true);
    let begun = FLOW_COUNTERS.insert(&segment.key, &*flow, u64::from(BPF_NOEXIST));
    if begun.is_ok() {
        tell(ctx, Some(flow), Some(segment), out, now);
    }
    begun.is_ok()
}

#[inline(always)]
fn is_asked_for(settings: &Settings, segment: &Segment) -> bool {
    if settings.port_count == 0 {
        return true;
    }
    let [lower, higher] = segment.key.ports;
    let mut found = false;
    let mut index = 0;
    while index < settings.ports.len() {
        let port = settings.ports[index];
        found |= port != 0 && (port == lower || port == higher);
        index += 1;
    }
    found
}

/// Tells a frame to user space, with its flow's counters where it has any.
#[inline(always)]
fn tell(
    ctx: &TcContext,
    flow: Option<&Counters>,
    segment: Option<&Segment>,
    with_cookie: bool,
    now: u64,
) {
    let Some(flow) = flow.or_else(|| SCRATCH.get(ZERO)) else {
        return;
    };
    let told = match segment {
        Some(segment) if segment.seen.len == 0 => {
            record::<HEADERS>(ctx, flow, with_cookie, now, segment.payload)
        }
        _ => {
            let most = HEADERS_AND_TEXT as u32;
            record::<HEADERS_AND_TEXT>(ctx, flow, with_cookie, now, most)
        }
    };
    if !told {
        lose(ctx);
    }
}

/// Counts a frame that found no room.
#[inline(always)]
fn lose(ctx: &TcContext) {
    // SAFETY: the context is a valid `__sk_buff`.
    let interface = unsafe { (*ctx.skb.skb).ifindex };
    match LOSSES.get_ptr_mut(&interface) {
        // SAFETY: this processor's own.
        Some(lost) => unsafe { *lost += 1 },
        None => {
            let _ = LOSSES.insert(&interface, &1, 0);
        }
    }
}

/// Puts a frame's first bytes, `wanted` of them at most, into the ring. Nobody is woken: user space
/// looks into the ring many times a second, which costs less than being woken for every record.
#[inline(always)]
fn record<const BYTES: usize>(
    ctx: &TcContext,
    flow: &Counters,
    with_cookie: bool,
    now: u64,
    wanted: u32,
) -> bool {
    let Some(mut entry) = RECORDS.reserve::<FrameRecord<BYTES>>(0) else {
        return false;
    };
    let record = entry.as_mut_ptr();
    let len = ctx.len();
    let captured = len.min(wanted).min(BYTES as u32);
    // SAFETY: writes within the record, whose `bytes` are written up to `captured` only.
    unsafe {
        let head = &raw mut (*record).head;
        (*head).kind = kind::FRAME;
        (*head).interface = (*ctx.skb.skb).ifindex;
        (*head).at = now;
        (*head).cookie = if with_cookie {
            bpf_get_socket_cookie(ctx.skb.skb.cast())
        } else {
            0
        };
        (*head).wire_len = len;
        (*head).counters = *flow;
        let copied = captured > 0
            && bpf_skb_load_bytes(
                ctx.skb.skb.cast(),
                0,
                (&raw mut (*record).bytes).cast(),
                captured,
            ) == 0;
        (*head).captured = if copied { captured } else { 0 };
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    true
}
