//! Reading a `struct sock` by the offsets that this kernel's own description gives.
//!
//! What is read goes straight into the record: a program has 512 bytes of stack.

use aya_ebpf::helpers::{bpf_probe_read_kernel, generated};
use core::ptr;
use hopscope_ebpf::{Endpoints, Fields, MISSING, OptionFields};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The field of a kernel structure at `base`.
#[inline(always)]
pub(super) fn field<T>(base: *const u8, offset: u32) -> Option<T> {
    if offset == MISSING {
        return None;
    }
    // SAFETY: the helper checks the address; the types read have no invalid values.
    unsafe { bpf_probe_read_kernel(base.wrapping_add(offset as usize).cast::<T>()) }.ok()
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
pub(super) fn namespace(sock: *const u8, fields: &Fields) -> Option<u32> {
    let net: *const u8 = field(sock, fields.net)?;
    field(net, fields.net_inode)
}

/// The ends of a socket; false where it has none of the internet's.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
pub(super) unsafe fn endpoints(to: *mut Endpoints, sock: *const u8, fields: &Fields) -> bool {
    let Some(family) = field::<u16>(sock, fields.family) else {
        return false;
    };
    // SAFETY: by the caller.
    unsafe {
        ptr::write_bytes(to, 0, 1);
        copy(&raw mut (*to).local_port, sock, fields.local_port);
        (*to).peer_port = u16::from_be(field(sock, fields.peer_port).unwrap_or_default());
        match family {
            AF_INET => {
                v4(&raw mut (*to).local, sock, fields.local_v4);
                v4(&raw mut (*to).peer, sock, fields.peer_v4);
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

/// Copies an IPv4 address, into its IPv4-mapped form.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
pub(super) unsafe fn v4(to: *mut [u8; 16], base: *const u8, offset: u32) {
    // SAFETY: by the caller.
    unsafe {
        ptr::write_bytes(to, 0, 1);
        let bytes = to.cast::<u8>();
        *bytes.add(10) = 0xff;
        *bytes.add(11) = 0xff;
        copy(bytes.add(12).cast::<[u8; 4]>(), base, offset);
    }
}

/// The options of a socket; those that cannot be read stay zero.
///
/// # Safety
///
/// `to` can be written.
#[inline(always)]
pub(super) unsafe fn options(to: *mut OptionFields, sock: *const u8, fields: &Fields) {
    // SAFETY: by the caller.
    unsafe {
        copy(&raw mut (*to).flags, sock, fields.flags);
        copy(&raw mut (*to).linger_time, sock, fields.linger_time);
        copy(&raw mut (*to).keepidle, sock, fields.keepidle);
        copy(&raw mut (*to).keepintvl, sock, fields.keepintvl);
        copy(&raw mut (*to).user_timeout, sock, fields.user_timeout);
        copy(&raw mut (*to).keepcnt, sock, fields.keepcnt);
        copy(&raw mut (*to).nonagle, sock, fields.nonagle);
        copy(&raw mut (*to).defer_accept, sock, fields.defer_accept);
        if let Some(operations) = field::<*const u8>(sock, fields.congestion) {
            copy(
                &raw mut (*to).congestion,
                operations,
                fields.congestion_name,
            );
        }
    }
}
