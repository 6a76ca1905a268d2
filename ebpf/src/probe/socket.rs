//! Reading a `struct sock` by the offsets that this kernel's own description gives.
//!
//! What is read goes straight into the record: a program has 512 bytes of stack.

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated};
use hopscope_ebpf::{Endpoints, Fields, MISSING, OptionFields};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The field of a kernel structure at `base`.
///
/// `DIRECT` loads it as the kernel itself would, in a nanosecond: the verifier knows the type of what
/// a tracepoint passes, and takes offsets that fall on a field of that size. A copy through a helper
/// takes any, in tens of nanoseconds.
#[inline(always)]
pub(super) fn field<T, const DIRECT: bool>(base: *const u8, offset: u32) -> Option<T> {
    if offset == MISSING {
        return None;
    }
    let place = base.wrapping_add(offset as usize).cast::<T>();
    if DIRECT {
        // SAFETY: the verifier has checked the place; a fault reads zeros.
        return Some(unsafe { place.read() });
    }
    // SAFETY: the helper checks the address; the types read have no invalid values.
    unsafe { bpf_probe_read_kernel(place) }.ok()
}

/// Copies a field to `to`, which stays as it is where this kernel has no such field.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
pub(super) unsafe fn copy<T>(to: *mut T, base: *const u8, offset: u32) {
    if offset != MISSING {
        let from = base.wrapping_add(offset as usize);
        // SAFETY: by the caller; the helper checks the address that it reads.
        unsafe {
            generated::bpf_probe_read_kernel(to.cast(), size_of::<T>() as u32, from.cast());
        }
    }
}

/// The inode of the namespace that a socket belongs to.
#[inline(always)]
pub(super) fn namespace<const DIRECT: bool>(sock: *const u8, fields: &Fields) -> Option<u32> {
    let net: *const u8 = field::<_, DIRECT>(sock, fields.net)?;
    field::<_, DIRECT>(net, fields.net_inode)
}

/// The local port of a socket, also of one that has given it back; zero where it has none.
#[inline(always)]
pub(super) fn local_port<const DIRECT: bool>(sock: *const u8, fields: &Fields) -> u16 {
    let bound = field::<u16, DIRECT>(sock, fields.local_port).unwrap_or_default();
    if bound != 0 {
        return bound;
    }
    // It lies behind what the verifier knows of the argument.
    u16::from_be(field::<u16, false>(sock, fields.sent_port).unwrap_or_default())
}

/// The ends of a socket; false where it has none of the internet's.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
pub(super) unsafe fn endpoints<const DIRECT: bool>(
    to: *mut Endpoints,
    sock: *const u8,
    fields: &Fields,
) -> bool {
    let (Some(family), Some(peer_port)) = (
        field::<u16, DIRECT>(sock, fields.family),
        field::<u16, DIRECT>(sock, fields.peer_port),
    ) else {
        return false;
    };
    // SAFETY: by the caller.
    unsafe {
        (*to).local_port = local_port::<DIRECT>(sock, fields);
        (*to).peer_port = u16::from_be(peer_port);
        match family {
            AF_INET => {
                let local = field::<u32, DIRECT>(sock, fields.local_v4);
                let peer = field::<u32, DIRECT>(sock, fields.peer_v4);
                mapped(&raw mut (*to).local, local.unwrap_or_default());
                mapped(&raw mut (*to).peer, peer.unwrap_or_default());
            }
            AF_INET6 => {
                copy(&raw mut (*to).local, sock, fields.local_v6);
                copy(&raw mut (*to).peer, sock, fields.peer_v6);
            }
            _ => return false,
        }
    }
    true
}

/// Writes an IPv4 address in its IPv4-mapped form.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
pub(super) unsafe fn mapped(to: *mut [u8; 16], address: u32) {
    // SAFETY: by the caller; two words of a record, whose addresses are aligned to them.
    unsafe {
        to.cast::<[u64; 2]>()
            .write([0, u64::from(address) << 32 | 0xffff_0000])
    };
}

/// The options of a socket; those that cannot be read stay zero.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
pub(super) unsafe fn options<const DIRECT: bool>(
    to: *mut OptionFields,
    sock: *const u8,
    fields: &Fields,
) {
    if let Some(net) = field::<*const u8, DIRECT>(sock, fields.net) {
        // SAFETY: by the caller.
        unsafe { defaults::<DIRECT>(&mut *to, net, fields) };
    }
    // The verifier knows no more than a `struct sock` until the helper has looked.
    let tcp: *const u8 = if DIRECT {
        // SAFETY: a socket, as the kernel's own argument.
        let tcp = unsafe { generated::bpf_skc_to_tcp_sock(sock.cast_mut().cast()) };
        if tcp.is_null() {
            return;
        }
        tcp.cast_const().cast()
    } else {
        sock
    };
    // SAFETY: by the caller.
    unsafe {
        let to = &mut *to;
        to.flags = field::<_, DIRECT>(sock, fields.flags).unwrap_or_default();
        to.linger_time = field::<_, DIRECT>(sock, fields.linger_time).unwrap_or_default();
        to.keepidle = field::<_, DIRECT>(tcp, fields.keepidle).unwrap_or_default();
        to.keepintvl = field::<_, DIRECT>(tcp, fields.keepintvl).unwrap_or_default();
        to.user_timeout = field::<_, DIRECT>(tcp, fields.user_timeout).unwrap_or_default();
        to.keepcnt = field::<_, DIRECT>(tcp, fields.keepcnt).unwrap_or_default();
        to.nonagle = field::<_, DIRECT>(tcp, fields.nonagle).unwrap_or_default();
        to.congestion_set = field::<_, DIRECT>(tcp, fields.congestion_set).unwrap_or_default();
        to.defer_accept = field::<_, DIRECT>(tcp, fields.defer_accept).unwrap_or_default();
        if let Some(operations) = field::<*const u8, DIRECT>(tcp, fields.congestion) {
            copy(&raw mut to.congestion, operations, fields.congestion_name);
        }
    }
}

/// What sockets of a namespace have that hold no value of their own: it may change at any time.
#[inline(always)]
fn defaults<const DIRECT: bool>(to: &mut OptionFields, net: *const u8, fields: &Fields) {
    to.default_keepidle = field::<_, DIRECT>(net, fields.default_keepidle).unwrap_or_default();
    to.default_keepintvl = field::<_, DIRECT>(net, fields.default_keepintvl).unwrap_or_default();
    to.default_keepcnt = field::<_, DIRECT>(net, fields.default_keepcnt).unwrap_or_default();
}
