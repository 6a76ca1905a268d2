//! What user space tells the probe before it is loaded.

/// Ports that can be asked for at once.
pub const PORTS: usize = 16;

/// Namespaces that are compared one by one; more are looked up in a map.
pub const NAMESPACES: usize = 8;

/// A field that this kernel does not have.
pub const MISSING: u32 = u32::MAX;

/// What to tell.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[cfg_attr(
    not(target_arch = "bpf"),
    derive(zerocopy::IntoBytes, zerocopy::Immutable)
)]
pub struct Settings {
    /// Only segments from or to one of these.
    pub ports: [u16; PORTS],
    /// How many `ports` there are; zero for all.
    pub port_count: u32,
    /// Not zero: every segment is told.
    pub all_segments: u32,
    /// The inodes of the namespaces whose sockets are watched, where there are few.
    pub namespaces: [u32; NAMESPACES],
    /// Not zero: there are more than few.
    pub many_namespaces: u32,
    /// The inode of the pid namespace whose numbers are told of the processes in it; zero: those of the
    /// machine are told of all.
    pub pid_namespace: u32,
    /// The device of that inode, as the kernel writes it.
    pub pid_device: u32,
}

/// Offsets of fields in the kernel's structures, in bytes, from its own description of them (BTF);
/// [`MISSING`] where it has no such field.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(target_arch = "bpf"),
    derive(zerocopy::IntoBytes, zerocopy::Immutable)
)]
pub struct Fields {
    /// `sock.__sk_common.skc_family`.
    pub family: u32,
    /// `sock.__sk_common.skc_state`.
    pub state: u32,
    /// `sock.__sk_common.skc_num`: the local port.
    pub local_port: u32,
    /// `inet_sock.inet_sport`: the local port as it is sent, in network order. It outlives the binding:
    /// a socket that is closed gives its port back, and `skc_num` is zero (`inet_put_port`).
    pub sent_port: u32,
    /// `sock.__sk_common.skc_dport`: the peer's port, in network order.
    pub peer_port: u32,
    /// `sock.__sk_common.skc_rcv_saddr`.
    pub local_v4: u32,
    /// `sock.__sk_common.skc_daddr`.
    pub peer_v4: u32,
    /// `sock.__sk_common.skc_v6_rcv_saddr`.
    pub local_v6: u32,
    /// `sock.__sk_common.skc_v6_daddr`.
    pub peer_v6: u32,
    /// `sock.__sk_common.skc_net`.
    pub net: u32,
    /// `net.ns.inum`.
    pub net_inode: u32,
    /// `net.ipv4.sysctl_tcp_keepalive_time`.
    pub default_keepidle: u32,
    /// `net.ipv4.sysctl_tcp_keepalive_intvl`.
    pub default_keepintvl: u32,
    /// `net.ipv4.sysctl_tcp_keepalive_probes`.
    pub default_keepcnt: u32,
    /// `sock.sk_protocol`.
    pub protocol: u32,
    /// `sock.sk_err`.
    pub error: u32,
    /// `sock.__sk_common.skc_flags`.
    pub flags: u32,
    /// `sock.sk_lingertime`.
    pub linger_time: u32,
    /// `tcp_sock.keepalive_time`.
    pub keepidle: u32,
    /// `tcp_sock.keepalive_intvl`.
    pub keepintvl: u32,
    /// `tcp_sock.keepalive_probes`.
    pub keepcnt: u32,
    /// `inet_connection_sock.icsk_user_timeout`.
    pub user_timeout: u32,
    /// `tcp_sock.nonagle`: the byte that holds it.
    pub nonagle: u32,
    /// `inet_connection_sock.icsk_accept_queue.rskq_defer_accept`.
    pub defer_accept: u32,
    /// `inet_connection_sock.icsk_ca_ops`.
    pub congestion: u32,
    /// `inet_connection_sock.icsk_ca_setsockopt`: the byte that holds it.
    pub congestion_set: u32,
    /// `tcp_congestion_ops.name`.
    pub congestion_name: u32,
    /// `sk_buff.head`.
    pub skb_head: u32,
    /// `sk_buff.network_header`.
    pub skb_network: u32,
    /// `sk_buff.transport_header`.
    pub skb_transport: u32,
    /// `sk_buff.dev`.
    pub skb_dev: u32,
    /// `net_device.nd_net`.
    pub dev_net: u32,
    /// `task_struct.group_leader`.
    pub task_leader: u32,
    /// `task_struct.comm`.
    pub task_comm: u32,
    /// `task_struct.flags`.
    pub task_flags: u32,
}

impl Settings {
    /// Whether what has these ports is asked for.
    #[inline(always)]
    #[must_use]
    pub fn asks_for(&self, [one, other]: [u16; 2]) -> bool {
        if self.port_count == 0 {
            return true;
        }
        let mut found = false;
        let mut index = 0;
        while index < self.ports.len() {
            let port = self.ports[index];
            found |= port != 0 && (port == one || port == other);
            index += 1;
        }
        found
    }
}

impl Fields {
    /// Nothing is known of the kernel.
    pub const UNKNOWN: Self = Self {
        family: MISSING,
        state: MISSING,
        local_port: MISSING,
        sent_port: MISSING,
        peer_port: MISSING,
        local_v4: MISSING,
        peer_v4: MISSING,
        local_v6: MISSING,
        peer_v6: MISSING,
        net: MISSING,
        net_inode: MISSING,
        default_keepidle: MISSING,
        default_keepintvl: MISSING,
        default_keepcnt: MISSING,
        protocol: MISSING,
        error: MISSING,
        flags: MISSING,
        linger_time: MISSING,
        keepidle: MISSING,
        keepintvl: MISSING,
        keepcnt: MISSING,
        user_timeout: MISSING,
        nonagle: MISSING,
        defer_accept: MISSING,
        congestion: MISSING,
        congestion_set: MISSING,
        congestion_name: MISSING,
        skb_head: MISSING,
        skb_network: MISSING,
        skb_transport: MISSING,
        skb_dev: MISSING,
        dev_net: MISSING,
        task_leader: MISSING,
        task_comm: MISSING,
        task_flags: MISSING,
    };
}
