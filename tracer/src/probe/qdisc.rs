//! The queueing discipline `clsact`, which filters hang on where there is no TCX (man 8 tc-bpf).
//!
//! aya adds it and does not take it away again.

use std::io;

use crate::netlink::{Message, Netlink, order, request_all};

/// include/uapi/linux/rtnetlink.h.
const RTM_DELQDISC: u16 = 37;
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;

/// `TC_H_CLSACT` and its two places for filters (include/uapi/linux/pkt_sched.h).
const CLSACT: u32 = 0xffff_fff1;
const HANDLE: u32 = 0xffff_0000;
const INGRESS: u32 = 0xffff_fff2;
const EGRESS: u32 = 0xffff_fff3;

/// Takes it from an interface of the calling thread's namespace, unless anybody's filters hang on it.
///
/// # Errors
///
/// Where the kernel refuses, or the interface is gone.
pub(super) fn remove_if_unused(interface: u32) -> io::Result<()> {
    let mut netlink = Netlink::open(None, 0)?;
    for place in [INGRESS, EGRESS] {
        if has_filters(&mut netlink, interface, place)? {
            return Ok(());
        }
    }
    netlink.send(&order(RTM_DELQDISC, &head(interface, HANDLE, CLSACT)))?;
    netlink.receive(true).map(drop)
}

fn has_filters(netlink: &mut Netlink, interface: u32, place: u32) -> io::Result<bool> {
    netlink.send(&request_all(RTM_GETTFILTER, &head(interface, 0, place)))?;
    let mut found = false;
    loop {
        for message in netlink.receive(true)? {
            match message {
                Message::Done => return Ok(found),
                Message::Of(kind, _) => found |= kind == RTM_NEWTFILTER,
            }
        }
    }
}

/// `struct tcmsg`: nothing of a family, interface, handle, parent, no info.
fn head(interface: u32, handle: u32, parent: u32) -> Vec<u8> {
    let words = [0, interface, handle, parent, 0];
    words.into_iter().flat_map(u32::to_ne_bytes).collect()
}
