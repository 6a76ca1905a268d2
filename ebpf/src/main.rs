//! The kernel probe: TC programs that count segments and tell the telling ones, and tracing programs
//! that tell what becomes of sockets.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod probe;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
