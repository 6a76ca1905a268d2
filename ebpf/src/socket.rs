//! What the probe tells of sockets.

/// Why a socket is told of.
pub mod moment {
    /// A process connects (SYN_SENT).
    pub const CONNECTING: u32 = 1;
    /// It was established.
    pub const ESTABLISHED: u32 = 2;
    /// It leaves the states in which data flows both ways, or is closed.
    pub const CLOSING: u32 = 3;
    /// A RST was sent.
    pub const RESET_SENT: u32 = 4;
    /// A RST was taken in.
    pub const RESET_RECEIVED: u32 = 5;
    /// A segment was sent again.
    pub const RETRANSMITTED: u32 = 6;
    /// An error is waiting for its process.
    pub const ERROR: u32 = 7;
    /// It was found by going through all sockets.
    pub const FOUND: u32 = 8;
}

/// Something that happened to a socket.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "bpf"), derive(zerocopy::FromBytes))]
pub struct SocketRecord {
    /// [`super::kind::SOCKET`].
    pub kind: u32,
    /// One of [`moment`].
    pub moment: u32,
    /// When.
    pub at: u64,
    /// The socket's cookie; zero where there is none.
    pub cookie: u64,
    /// The namespace, by its inode.
    pub namespace: u32,
    /// The state before, as the kernel numbers them.
    pub old_state: u32,
    /// The state after.
    pub new_state: u32,
    /// `sk_err`, or the reason of a reset.
    pub code: u32,
    /// Who is on the processor: the one who did it, where it was done in a system call.
    pub pid: u32,
    /// Nothing: keeps what follows aligned.
    pub reserved: u32,
    /// That process's name; that thread's, where this kernel does not say more.
    pub comm: [u8; 16],
    /// The socket's ends.
    pub endpoints: Endpoints,
    /// Its options, as the kernel holds them.
    pub options: OptionFields,
}

/// The two ends of a socket.
#[repr(C, align(8))]
#[derive(Clone, Copy, Default)]
#[cfg_attr(not(target_arch = "bpf"), derive(zerocopy::FromBytes))]
pub struct Endpoints {
    /// Its own address; IPv4 in its IPv4-mapped form.
    pub local: [u8; 16],
    /// The peer's.
    pub peer: [u8; 16],
    /// Its own port.
    pub local_port: u16,
    /// The peer's.
    pub peer_port: u16,
    /// Nothing: keeps the length a multiple of eight.
    pub reserved: u32,
}

/// Options as the kernel holds them; what [`super::Fields`] does not know stays zero.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[cfg_attr(
    not(target_arch = "bpf"),
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)
)]
pub struct OptionFields {
    /// Bits: see `enum sock_flags`.
    pub flags: u64,
    /// SO_LINGER, in jiffies.
    pub linger_time: u64,
    /// TCP_KEEPIDLE in jiffies; zero: the namespace's.
    pub keepidle: u32,
    /// TCP_KEEPINTVL in jiffies; zero: the namespace's.
    pub keepintvl: u32,
    /// TCP_USER_TIMEOUT in milliseconds.
    pub user_timeout: u32,
    /// TCP_KEEPCNT; zero: the namespace's.
    pub keepcnt: u8,
    /// The byte that holds TCP_NODELAY.
    pub nonagle: u8,
    /// TCP_DEFER_ACCEPT, in retransmissions of the SYN-ACK.
    pub defer_accept: u8,
    /// The byte that holds whether TCP_CONGESTION was set.
    pub congestion_set: u8,
    /// TCP_CONGESTION.
    pub congestion: [u8; 16],
    /// The namespace's TCP_KEEPIDLE at that moment, in jiffies.
    pub default_keepidle: u32,
    /// Its TCP_KEEPINTVL likewise.
    pub default_keepintvl: u32,
    /// Its TCP_KEEPCNT.
    pub default_keepcnt: u8,
    /// Nothing: keeps the length a multiple of eight.
    pub reserved: [u8; 7],
}
