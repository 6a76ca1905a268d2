//! All sockets of a namespace, one after the other: the BPF iterator `tcp`, since Linux 5.9. Who reads
//! the iterator's file gets the records of the namespace in which the file was made.

use aya_ebpf::bindings::seq_file;
use aya_ebpf::helpers::{bpf_get_socket_cookie, bpf_seq_write};
use core::mem;
use hopscope_ebpf::{SocketRecord, kind, moment};

use super::maps::fields;
use super::socket::{endpoints, field, options};

/// States in which the kernel keeps no `struct sock` but a shorter one with the same beginning
/// (include/net/tcp_states.h).
mod short {
    pub(super) const TIME_WAIT: u8 = 6;
    pub(super) const NEW_SYN_RECV: u8 = 12;
}

/// `struct bpf_iter__tcp`, net/ipv4/tcp_ipv4.c.
#[repr(C)]
pub(super) struct Context {
    meta: *const Meta,
    /// Null when all were told.
    sock: *mut u8,
}

/// `struct bpf_iter_meta`, include/linux/bpf.h.
#[repr(C)]
struct Meta {
    seq: *mut seq_file,
}

/// Writes a record of the socket, with its options.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/tcp")]
pub(super) extern "C" fn sockets(ctx: *const Context) -> i32 {
    // SAFETY: the kernel's own argument.
    let (meta, sock) = unsafe { ((*ctx).meta, (*ctx).sock) };
    let fields = fields();
    if sock.is_null() {
        return 0;
    }
    let Some(state) = field::<u8, false>(sock, fields.state) else {
        return 0;
    };
    if matches!(state, short::TIME_WAIT | short::NEW_SYN_RECV) {
        return 0;
    }
    // SAFETY: a record is plain data; `sock` is a whole socket, and the record is written to where the
    // kernel says, which takes all of it or leaves it for the next reading.
    unsafe {
        let mut record: SocketRecord = mem::zeroed();
        record.kind = kind::SOCKET;
        record.moment = moment::FOUND;
        record.cookie = bpf_get_socket_cookie(sock.cast());
        record.new_state = u32::from(state);
        if endpoints::<false>(&raw mut record.endpoints, sock, fields) {
            options::<false>(&raw mut record.options, sock, fields);
            let length = size_of::<SocketRecord>() as u32;
            bpf_seq_write((*meta).seq, (&raw const record).cast(), length);
        }
    }
    0
}
