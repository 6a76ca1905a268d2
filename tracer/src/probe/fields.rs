//! Where this kernel keeps what the probe reads.

use hopscope_ebpf::{Fields, MISSING};

use super::btf::Types;
use crate::socket::{Reader, hz};

/// A bit field.
const CONGESTION_SET: &str = "icsk_ca_setsockopt";

/// The places of all fields that the probe knows to read.
pub(super) fn of(types: &Types) -> Fields {
    let place = |structure: &str, path: &str| types.offset(structure, path).unwrap_or(MISSING);
    let common = |name: &str| place("sock", &format!("__sk_common.{name}"));
    Fields {
        family: common("skc_family"),
        state: common("skc_state"),
        local_port: common("skc_num"),
        sent_port: place("inet_sock", "inet_sport"),
        peer_port: common("skc_dport"),
        local_v4: common("skc_rcv_saddr"),
        peer_v4: common("skc_daddr"),
        local_v6: common("skc_v6_rcv_saddr"),
        peer_v6: common("skc_v6_daddr"),
        net: common("skc_net.net"),
        net_inode: place("net", "ns.inum"),
        default_keepidle: place("net", "ipv4.sysctl_tcp_keepalive_time"),
        default_keepintvl: place("net", "ipv4.sysctl_tcp_keepalive_intvl"),
        default_keepcnt: place("net", "ipv4.sysctl_tcp_keepalive_probes"),
        // Two bytes since 5.6; a bit field before, which is not read.
        protocol: place("sock", "sk_protocol"),
        error: place("sock", "sk_err"),
        flags: common("skc_flags"),
        linger_time: place("sock", "sk_lingertime"),
        keepidle: place("tcp_sock", "keepalive_time"),
        keepintvl: place("tcp_sock", "keepalive_intvl"),
        keepcnt: place("tcp_sock", "keepalive_probes"),
        user_timeout: place("inet_connection_sock", "icsk_user_timeout"),
        nonagle: place("tcp_sock", "nonagle"),
        defer_accept: place(
            "inet_connection_sock",
            "icsk_accept_queue.rskq_defer_accept",
        ),
        congestion: place("inet_connection_sock", "icsk_ca_ops"),
        congestion_set: place("inet_connection_sock", CONGESTION_SET),
        congestion_name: place("tcp_congestion_ops", "name"),
        skb_head: place("sk_buff", "head"),
        skb_network: place("sk_buff", "network_header"),
        skb_transport: place("sk_buff", "transport_header"),
        skb_dev: place("sk_buff", "dev"),
        dev_net: place("net_device", "nd_net.net"),
        task_leader: place("task_struct", "group_leader"),
        task_comm: place("task_struct", "comm"),
        task_flags: place("task_struct", "flags"),
    }
}

/// What it takes to understand what was read from these places.
pub(super) fn reader(types: &Types) -> Reader {
    let flags = types.values("sock_flags");
    let flag = |name: &str| {
        let number = flags.iter().find(|(_, known)| *known == name)?.0;
        u32::try_from(*number).ok()
    };
    Reader {
        fields: of(types),
        keepopen: flag("SOCK_KEEPOPEN"),
        linger: flag("SOCK_LINGER"),
        congestion_set: types.bit("inet_connection_sock", CONGESTION_SET),
        hz: hz(),
    }
}

/// What must be known for sockets to be told of at all.
pub(super) fn names_sockets(fields: &Fields) -> bool {
    [
        fields.family,
        fields.local_port,
        fields.peer_port,
        fields.local_v4,
        fields.peer_v4,
        fields.net,
        fields.net_inode,
    ]
    .iter()
    .all(|field| *field != MISSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_them_all() {
        let Ok(types) = Types::of_kernel() else {
            println!("skipped: this kernel has no BTF");
            return;
        };
        let fields = of(&types);
        assert!(names_sockets(&fields));
        assert!(fields.default_keepidle != MISSING && fields.default_keepcnt != MISSING);
        assert!(fields.keepidle != MISSING && fields.congestion_name != MISSING);
        assert!(fields.task_leader != MISSING && fields.task_comm != MISSING);
        assert!(fields.task_flags != MISSING);
        let reader = reader(&types);
        assert!(reader.keepopen.is_some() && reader.linger.is_some());
        assert!(reader.congestion_set.is_some_and(|bit| bit < 8));
    }
}
