//! What the kernel probe and user space share: records, map keys and values, settings.
//!
//! Everything here is plain data with a layout that does not depend on the machine it was compiled
//! for: `#[repr(C)]`, no padding between fields, little endian. Times are nanoseconds of
//! CLOCK_MONOTONIC (`bpf_ktime_get_ns`); zero stands for "never".
#![no_std]

mod flow;
mod settings;
mod socket;
pub mod tail;
pub mod thin;

pub use flow::{Counters, FLOWS, FlowKey, SILENCE_NS, Sent, mark, side, state};
pub use settings::{Fields, MISSING, NAMESPACES, PORTS, Settings};
pub use socket::{Endpoints, OptionFields, SocketRecord, moment};

/// Kinds of records in the ring: the first field of each.
pub mod kind {
    /// A [`super::FrameHead`], then bytes of the frame.
    pub const FRAME: u32 = 1;
    /// A [`super::FrameHead`], [`super::Counters`], then bytes of the frame.
    pub const COUNTED_FRAME: u32 = 2;
    /// A [`super::SocketRecord`].
    pub const SOCKET: u32 = 3;
}

/// Bytes told of a frame without payload: those of Ethernet, IPv6 and TCP with the options of a SYN,
/// or with IPv4 of all of them.
pub const HEADERS: usize = 96;

/// Bytes told of other frames: headers and the first lines of a request.
pub const HEADERS_AND_TEXT: usize = 384;

/// A frame that is told.
#[repr(C)]
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "bpf"), derive(zerocopy::FromBytes))]
pub struct FrameHead {
    /// One of [`kind`].
    pub kind: u32,
    /// The interface, by its index in its namespace.
    pub interface: u32,
    /// When.
    pub at: u64,
    /// The socket that sent it; zero where that was told before, where the frame came in, or where
    /// no socket sent it.
    pub cookie: u64,
    /// [`Counters::since`] of its flow; zero where the flow is not counted.
    pub since: u64,
    /// Length of the frame.
    pub wire_len: u32,
    /// How many bytes of it are told.
    pub captured: u32,
}

/// What each processor counts.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[cfg_attr(not(target_arch = "bpf"), derive(zerocopy::FromBytes))]
pub struct Counts {
    /// TCP segments, told or not.
    pub segments: u64,
    /// Records about sockets that found no room in the ring.
    pub lost: u64,
    /// Segments told because their flow found no room among those counted.
    pub untracked: u64,
    /// Turns of a conversation that were only counted, because many were told already.
    pub turns_not_told: u64,
    /// Beginning of the current stretch of time, for the budget of turns told.
    pub stretch: u64,
    /// Turns told in it.
    pub told: u64,
}

/// Turns of a conversation told in a stretch of time, per processor; more are only counted.
pub const TURNS_TOLD: u64 = 8;

/// That stretch of time.
pub const STRETCH_NS: u64 = 10_000_000;

/// The compiled probe, as it lies in the repository: built from these sources by `make probe`.
#[cfg(not(target_arch = "bpf"))]
pub static OBJECT: &[u8] = include_bytes!("../object/hopscope-probe");
