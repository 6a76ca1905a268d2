//! The tracing programs: what becomes of sockets, of the namespaces that are watched.

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{BPF_RB_NO_WAKEUP, bpf_pidns_info};
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_ktime_get_ns, generated};
use aya_ebpf::macros::btf_tracepoint;
use aya_ebpf::programs::BtfTracePointContext;
use hopscope_ebpf::{Endpoints, Fields, SocketRecord, kind, moment};

use super::maps::{NAMESPACES, RECORDS, counts, fields, settings, watching};
use super::socket::{copy, endpoints, field, local_port, mapped, namespace, options};

const IPPROTO_TCP: u16 = 6;

/// Of `task_struct.flags`: a thread of the kernel's own (include/linux/sched.h).
const PF_KTHREAD: u32 = 0x0020_0000;

/// States as the kernel numbers them (include/net/tcp_states.h).
mod tcp {
    pub(super) const ESTABLISHED: u32 = 1;
    pub(super) const SYN_SENT: u32 = 2;
    pub(super) const FIN_WAIT1: u32 = 4;
    pub(super) const CLOSE: u32 = 7;
    pub(super) const CLOSE_WAIT: u32 = 8;
    pub(super) const LAST_ACK: u32 = 9;
}

/// `sock:inet_sock_set_state`, since Linux 4.16. It is passed ten times in the life of a connection,
/// so what it does is done fast; where this kernel's verifier will not have it so, the one below does
/// the same.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(super) fn state_changed(ctx: BtfTracePointContext) -> i32 {
    change_state::<true>(&ctx)
}

/// The same, slower.
#[btf_tracepoint(function = "inet_sock_set_state")]
pub(super) fn state_changed_copying(ctx: BtfTracePointContext) -> i32 {
    change_state::<false>(&ctx)
}

#[inline(always)]
fn change_state<const DIRECT: bool>(ctx: &BtfTracePointContext) -> i32 {
    let old = ctx.arg::<i32>(1) as u32;
    let new = ctx.arg::<i32>(2) as u32;
    let moment = match (old, new) {
        (_, tcp::SYN_SENT) => moment::CONNECTING,
        (_, tcp::ESTABLISHED) => moment::ESTABLISHED,
        (tcp::ESTABLISHED | tcp::CLOSE_WAIT, tcp::FIN_WAIT1 | tcp::LAST_ACK | tcp::CLOSE) => {
            moment::CLOSING
        }
        // Connecting was given up, by its process or for an error.
        (tcp::SYN_SENT, tcp::CLOSE) => moment::CLOSING,
        _ => return 0,
    };
    let event = Event {
        moment,
        old,
        new,
        code: None,
    };
    tell::<DIRECT>(ctx, ctx.arg(0), event);
    0
}

/// `tcp:tcp_receive_reset`, since Linux 4.16.
#[btf_tracepoint(function = "tcp_receive_reset")]
pub(super) fn reset_received(ctx: BtfTracePointContext) -> i32 {
    tell::<false>(&ctx, ctx.arg(0), Event::of(moment::RESET_RECEIVED));
    0
}

/// `tcp:tcp_retransmit_skb`, since Linux 4.15.
#[btf_tracepoint(function = "tcp_retransmit_skb")]
pub(super) fn retransmitted(ctx: BtfTracePointContext) -> i32 {
    tell::<false>(&ctx, ctx.arg(0), Event::of(moment::RETRANSMITTED));
    0
}

/// `sock:inet_sk_error_report`, since Linux 5.15.
#[btf_tracepoint(function = "inet_sk_error_report")]
pub(super) fn error(ctx: BtfTracePointContext) -> i32 {
    tell::<false>(&ctx, ctx.arg(0), Event::of(moment::ERROR));
    0
}

/// `tcp:tcp_send_reset`, since Linux 4.16; with a reason since 6.10.
#[btf_tracepoint(function = "tcp_send_reset")]
pub(super) fn reset_sent(ctx: BtfTracePointContext) -> i32 {
    tell_reset(&ctx, 0);
    0
}

/// The same where the kernel gives a reason.
#[btf_tracepoint(function = "tcp_send_reset")]
pub(super) fn reset_sent_with_reason(ctx: BtfTracePointContext) -> i32 {
    tell_reset(&ctx, ctx.arg::<i32>(2) as u32);
    0
}

/// Something that happened to a socket.
struct Event {
    moment: u32,
    old: u32,
    new: u32,
    /// `sk_err` where there is none.
    code: Option<u32>,
}

impl Event {
    const fn of(moment: u32) -> Self {
        Self {
            moment,
            old: 0,
            new: 0,
            code: None,
        }
    }
}

#[inline(always)]
fn tell_reset(ctx: &BtfTracePointContext, reason: u32) {
    let fields = fields();
    let sock: *const u8 = ctx.arg(0);
    let answered: *const u8 = ctx.arg(1);
    if sock.is_null() {
        // The verifier has no sums with what may be null.
        if !answered.is_null() {
            reset_alone(ctx, namespace_of(answered, fields), answered, reason);
        }
        return;
    }
    // A listener has no part in what it refuses: its ends are not those of the segment.
    let connected = field::<u16, false>(sock, fields.peer_port).is_some_and(|port| port != 0);
    if !connected && !answered.is_null() {
        reset_alone(ctx, namespace::<false>(sock, fields), answered, reason);
        return;
    }
    let event = Event {
        code: Some(reason),
        ..Event::of(moment::RESET_SENT)
    };
    tell::<false>(ctx, sock, event);
}

#[inline(always)]
fn tell<const DIRECT: bool>(ctx: &BtfTracePointContext, sock: *const u8, event: Event) {
    let fields = fields();
    let Some(namespace) = watched(namespace::<DIRECT>(sock, fields)) else {
        return;
    };
    // Other protocols share these tracepoints, but for that of resets: what stands for a socket in
    // TIME-WAIT, or before it is accepted, sends them too and is too small to have this field.
    if event.moment != moment::RESET_SENT
        && field::<u16, DIRECT>(sock, fields.protocol)
            .is_some_and(|protocol| protocol != IPPROTO_TCP)
    {
        return;
    }
    let peer = field::<u16, DIRECT>(sock, fields.peer_port).unwrap_or_default();
    // `tcp_disconnect` leaves an error behind, ECONNRESET, after it has forgotten the peer: the socket's
    // own process has aborted it, or given up connecting, and got no error.
    if event.moment == moment::ERROR && peer == 0 {
        return;
    }
    if settings().port_count > 0 {
        let local = local_port::<DIRECT>(sock, fields);
        if !settings().asks_for([local, u16::from_be(peer)]) {
            return;
        }
    }
    // SAFETY: a socket, as the kernel's own argument.
    let cookie = unsafe { bpf_get_socket_cookie(sock.cast_mut().cast()) };
    let code = event
        .code
        .or_else(|| field::<_, DIRECT>(sock, fields.error))
        .unwrap_or_default();
    record(ctx, &event, code, cookie, namespace, |record| {
        // SAFETY: within the record.
        unsafe {
            if matches!(event.moment, moment::ESTABLISHED | moment::CLOSING) {
                options::<DIRECT>(&raw mut (*record).options, sock, fields);
            }
            endpoints::<DIRECT>(&raw mut (*record).endpoints, sock, fields)
        }
    });
}

/// The inode of a namespace, where it is watched.
#[inline(always)]
fn watched(namespace: Option<u32>) -> Option<u32> {
    if !watching() {
        return None;
    }
    let namespace = namespace?;
    let settings = settings();
    let found = if settings.many_namespaces != 0 {
        NAMESPACES.get_ptr(&namespace).is_some()
    } else {
        let mut found = false;
        let mut index = 0;
        while index < settings.namespaces.len() {
            found |= settings.namespaces[index] == namespace;
            index += 1;
        }
        found
    };
    found.then_some(namespace)
}

/// A segment that belongs to no connection was answered: the ends are those of that segment, the
/// other way round.
#[inline(always)]
fn reset_alone(ctx: &BtfTracePointContext, namespace: Option<u32>, skb: *const u8, reason: u32) {
    let Some(namespace) = watched(namespace) else {
        return;
    };
    let event = Event::of(moment::RESET_SENT);
    record(ctx, &event, reason, 0, namespace, |record| {
        // SAFETY: within the record.
        unsafe {
            let ends = &raw mut (*record).endpoints;
            answered(ends, skb, fields())
                && settings().asks_for([(*ends).local_port, (*ends).peer_port])
        }
    });
}

/// The namespace that a segment came into, unless a socket has it already, which takes its device.
#[inline(always)]
fn namespace_of(skb: *const u8, fields: &Fields) -> Option<u32> {
    let device: *const u8 = field::<_, false>(skb, fields.skb_dev)?;
    let net: *const u8 = field::<_, false>(device, fields.dev_net)?;
    field::<_, false>(net, fields.net_inode)
}

/// The ends of the answer to a segment.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
unsafe fn answered(to: *mut Endpoints, skb: *const u8, fields: &Fields) -> bool {
    let (Some(head), Some(network), Some(transport)) = (
        field::<*const u8, false>(skb, fields.skb_head),
        field::<u16, false>(skb, fields.skb_network).map(u32::from),
        field::<u16, false>(skb, fields.skb_transport).map(u32::from),
    ) else {
        return false;
    };
    let (Some(version), Some(ports)) = (
        field::<u8, false>(head, network),
        field::<[u16; 2], false>(head, transport),
    ) else {
        return false;
    };
    // SAFETY: by the caller.
    unsafe {
        (*to).local_port = u16::from_be(ports[1]);
        (*to).peer_port = u16::from_be(ports[0]);
        match version >> 4 {
            4 => {
                let peer = field::<u32, false>(head, network + 12);
                let local = field::<u32, false>(head, network + 16);
                mapped(&raw mut (*to).peer, peer.unwrap_or_default());
                mapped(&raw mut (*to).local, local.unwrap_or_default());
            }
            6 => {
                copy(&raw mut (*to).peer, head, network + 8);
                copy(&raw mut (*to).local, head, network + 24);
            }
            _ => return false,
        }
    }
    true
}

/// Puts a record into the ring, unless `fill` cannot complete it.
#[inline(always)]
fn record(
    ctx: &BtfTracePointContext,
    event: &Event,
    code: u32,
    cookie: u64,
    namespace: u32,
    fill: impl FnOnce(*mut SocketRecord) -> bool,
) {
    let Some(mut entry) = RECORDS.reserve::<SocketRecord>(0) else {
        if let Some(counts) = counts() {
            counts.lost += 1;
        }
        return;
    };
    let record = entry.as_mut_ptr();
    // SAFETY: within the record, every field of which is written.
    unsafe {
        clear(record);
        (*record).kind = kind::SOCKET;
        (*record).moment = event.moment;
        (*record).at = bpf_ktime_get_ns();
        (*record).cookie = cookie;
        (*record).namespace = namespace;
        (*record).old_state = event.old;
        (*record).new_state = event.new;
        (*record).code = code;
        // Otherwise whoever happens to be on the processor.
        if matches!(event.moment, moment::CONNECTING | moment::CLOSING) && !is_kernel_thread() {
            (*record).pid = pid(ctx);
            generated::bpf_get_current_comm((&raw mut (*record).comm).cast(), 16);
            if ctx.tgid() != ctx.pid() {
                name_process(&raw mut (*record).comm);
            }
        }
    }
    if fill(record) {
        entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    } else {
        entry.discard(u64::from(BPF_RB_NO_WAKEUP));
    }
}

/// The number of the process: in the pid namespace asked for where it is in it, otherwise the machine's.
#[inline(always)]
fn pid(ctx: &BtfTracePointContext) -> u32 {
    let settings = settings();
    if settings.pid_namespace != 0 {
        let mut inside = bpf_pidns_info { pid: 0, tgid: 0 };
        // SAFETY: the helper writes as many bytes as it is told.
        let failed = unsafe {
            generated::bpf_get_ns_current_pid_tgid(
                u64::from(settings.pid_device),
                u64::from(settings.pid_namespace),
                &raw mut inside,
                size_of::<bpf_pidns_info>() as u32,
            )
        };
        if failed == 0 {
            return inside.tgid;
        }
    }
    ctx.tgid()
}

/// Zeros a record word by word: the compiler would call a function that does it byte by byte.
///
/// # Safety
///
/// `record` can be written.
#[inline(always)]
unsafe fn clear(record: *mut SocketRecord) {
    let mut word = 0;
    while word < size_of::<SocketRecord>() / 8 {
        // SAFETY: by the caller; a record is aligned to words, and its length a multiple of them.
        unsafe { record.cast::<u64>().add(word).write_volatile(0) };
        word += 1;
    }
}

/// Whether the kernel's own thread is on the processor: it finishes what others left behind, as MPTCP's
/// worker does with subflows (`mptcp_worker`, net/mptcp/protocol.c), and is not who decided it.
#[inline(always)]
fn is_kernel_thread() -> bool {
    // SAFETY: has no conditions.
    let task = unsafe { generated::bpf_get_current_task() } as *const u8;
    field::<u32, false>(task, fields().task_flags).is_some_and(|flags| flags & PF_KTHREAD != 0)
}

/// A thread may have a name of its own: the process is named after its first one.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
unsafe fn name_process(to: *mut [u8; 16]) {
    let fields = fields();
    // SAFETY: has no conditions.
    let task = unsafe { generated::bpf_get_current_task() } as *const u8;
    if let Some(leader) = field::<*const u8, false>(task, fields.task_leader) {
        // SAFETY: by the caller.
        unsafe { copy(to, leader, fields.task_comm) };
    }
}
