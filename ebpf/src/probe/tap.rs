//! The TC programs: every frame of an interface passes one on its way in or out.

use aya_ebpf::bindings::{BPF_NOEXIST, BPF_RB_NO_WAKEUP, TC_ACT_UNSPEC};
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_ktime_get_ns, bpf_skb_load_bytes};
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use core::mem::MaybeUninit;
use hopscope_ebpf::{Counters, Counts, FrameHead, HEADERS, HEADERS_AND_TEXT, kind, thin};

use super::header::{Content, Segment, read};
use super::maps::{FLOW_COUNTERS, LOSSES, NEW, RECORDS, counts, settings, watching};

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
///
/// Each step stands here once: what is inlined several times makes a program that the processor's
/// cache has no room for.
#[inline(always)]
fn tap(ctx: &TcContext, ethernet: bool, out: bool) -> i32 {
    let Some(counts) = counts() else {
        return TC_ACT_UNSPEC;
    };
    if !watching() {
        return TC_ACT_UNSPEC;
    }
    let mut segment = MaybeUninit::uninit();
    let content = read(ctx, ethernet, &mut segment);
    let segment = match content {
        // SAFETY: was filled.
        Content::Segment => Some(unsafe { segment.assume_init_mut() }),
        Content::Hidden => None,
        Content::Other => return TC_ACT_UNSPEC,
    };
    if segment
        .as_ref()
        .is_some_and(|segment| !settings().asks_for(segment.key.ports))
    {
        return TC_ACT_UNSPEC;
    }
    let segment = segment.map(|segment| {
        read_last(ctx, segment);
        &*segment
    });
    let now = now();
    let flow = segment.and_then(|segment| count(segment, now, counts));
    // SAFETY: an entry's memory stays an entry's while a program runs. What another processor writes to
    // the same flow at the same time can make a count one too low. Where it ends the flow and begins
    // another one with this entry before this program is done, that one's can be one too high.
    let flow = flow.map(|flow| unsafe { &mut *flow });
    let mut telling = true;
    let mut with_cookie = out;
    if let (Some(flow), Some(segment)) = (&flow, segment) {
        telling = thin::is_telling(flow, &segment.seen, now, counts);
        // Every frame of a socket has the same cookie: its first one tells it.
        with_cookie &= segment.seen.is_first(flow);
    }
    // What finds no room is counted, so that it is not missing in sums, and its flow is told in the end.
    let told = telling && tell(ctx, flow.as_deref(), segment, with_cookie, now);
    if let (Some(flow), Some(segment)) = (flow, segment)
        && thin::take(flow, &segment.seen, now, told)
        && told
    {
        let _ = FLOW_COUNTERS.remove(&segment.key);
    }
    TC_ACT_UNSPEC
}

/// Reads the last bytes of the payload. Where it is shorter, those before are the header's.
#[inline(always)]
fn read_last(ctx: &TcContext, segment: &mut Segment) {
    if segment.seen.len == 0 || settings().all_segments != 0 {
        return;
    }
    let last = &raw mut segment.seen.last;
    let length = size_of::<[u8; 4]>() as u32;
    let from = segment.payload + segment.seen.len - length;
    // SAFETY: writes within the segment.
    let read = unsafe { bpf_skb_load_bytes(ctx.skb.skb.cast(), from, last.cast(), length) };
    segment.seen.last_known = read == 0;
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: has no conditions.
    unsafe { bpf_ktime_get_ns() }
}

/// The flow that a segment belongs to; none where all are told anyway, or where there is no room.
#[inline(always)]
fn count(segment: &Segment, now: u64, counts: &mut Counts) -> Option<*mut Counters> {
    counts.segments += 1;
    if settings().all_segments != 0 {
        return None;
    }
    // The first segment of a connection is hardly ever preceded by others: no need to look for them.
    let mut flow = if segment.seen.opens() {
        None
    } else {
        FLOW_COUNTERS.get_ptr_mut(&segment.key)
    };
    if flow.is_none() {
        begin(segment, now);
        flow = FLOW_COUNTERS.get_ptr_mut(&segment.key);
        counts.untracked += u64::from(flow.is_none());
    }
    flow
}

/// Begins a flow, where none is under way.
#[inline(always)]
fn begin(segment: &Segment, now: u64) {
    if let Some(new) = NEW.get_ptr_mut(0) {
        // SAFETY: this processor's own, and nothing else uses it meanwhile.
        let new = unsafe { &mut *new };
        new.since = now;
        new.last_at = now;
        new.active_at = now;
        let _ = FLOW_COUNTERS.insert(&segment.key, &*new, u64::from(BPF_NOEXIST));
    }
}

/// Tells a frame to user space, with what its flow has counted, if it has counted anything. False where
/// there was no room.
#[inline(always)]
fn tell(
    ctx: &TcContext,
    flow: Option<&Counters>,
    segment: Option<&Segment>,
    with_cookie: bool,
    now: u64,
) -> bool {
    let since = flow.map_or(0, |flow| flow.since);
    let head = Head {
        now,
        with_cookie,
        since,
    };
    // Without payload only headers are worth telling, where there is room for them.
    let headers = match segment {
        Some(segment) if segment.seen.len == 0 && segment.payload <= HEADERS as u32 => {
            segment.payload
        }
        _ => 0,
    };
    let counted = match (flow, segment) {
        (Some(flow), Some(segment)) if segment.seen.brings_counters(flow) => Some(flow),
        _ => None,
    };
    let told = match counted {
        None if headers > 0 => write::<HEADERS>(ctx, &head, headers),
        None => write::<HEADERS_AND_TEXT>(ctx, &head, HEADERS_AND_TEXT as u32),
        Some(flow) if headers > 0 => write_counted::<HEADERS>(ctx, &head, flow, headers),
        Some(flow) => write_counted::<HEADERS_AND_TEXT>(ctx, &head, flow, HEADERS_AND_TEXT as u32),
    };
    if !told {
        lose(ctx);
    }
    told
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

/// What a record begins with, as far as it is known before.
struct Head {
    now: u64,
    with_cookie: bool,
    since: u64,
}

#[repr(C)]
struct Record<const BYTES: usize> {
    head: FrameHead,
    bytes: [u8; BYTES],
}

#[repr(C)]
struct CountedRecord<const BYTES: usize> {
    head: FrameHead,
    counters: Counters,
    bytes: [u8; BYTES],
}

/// Puts a frame's first bytes, `wanted` of them at most, into the ring. Nobody is woken: user space
/// looks into the ring many times a second, which costs less than being woken for every record.
#[inline(always)]
fn write<const BYTES: usize>(ctx: &TcContext, head: &Head, wanted: u32) -> bool {
    let Some(mut entry) = RECORDS.reserve::<Record<BYTES>>(0) else {
        return false;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: writes within the record.
    unsafe {
        let bytes = &raw mut (*record).bytes;
        fill(
            ctx,
            kind::FRAME,
            head,
            &raw mut (*record).head,
            bytes,
            wanted,
        );
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    true
}

/// The same with the counters of its flow.
#[inline(always)]
fn write_counted<const BYTES: usize>(
    ctx: &TcContext,
    head: &Head,
    flow: &Counters,
    wanted: u32,
) -> bool {
    let Some(mut entry) = RECORDS.reserve::<CountedRecord<BYTES>>(0) else {
        return false;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: writes within the record.
    unsafe {
        let bytes = &raw mut (*record).bytes;
        (*record).counters = *flow;
        fill(
            ctx,
            kind::COUNTED_FRAME,
            head,
            &raw mut (*record).head,
            bytes,
            wanted,
        );
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    true
}

/// # Safety
///
/// `to` and `bytes` can be written.
#[inline(always)]
unsafe fn fill<const BYTES: usize>(
    ctx: &TcContext,
    kind: u32,
    head: &Head,
    to: *mut FrameHead,
    bytes: *mut [u8; BYTES],
    wanted: u32,
) {
    let len = ctx.len();
    let captured = len.min(wanted).min(BYTES as u32);
    // SAFETY: by the caller.
    unsafe {
        (*to).kind = kind;
        (*to).interface = (*ctx.skb.skb).ifindex;
        (*to).at = head.now;
        (*to).since = head.since;
        (*to).wire_len = len;
        (*to).cookie = if head.with_cookie {
            bpf_get_socket_cookie(ctx.skb.skb.cast())
        } else {
            0
        };
        let copied =
            captured > 0 && bpf_skb_load_bytes(ctx.skb.skb.cast(), 0, bytes.cast(), captured) == 0;
        (*to).captured = if copied { captured } else { 0 };
    }
}
