//! The programs.
#![expect(
    unsafe_code,
    reason = "BPF programs work on raw pointers; the kernel's verifier proves each access"
)]

mod header;
mod maps;
mod socket;
mod sockets;
mod tap;
mod trace;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Tracing programs may call helpers that the kernel offers to GPL-compatible programs only; MIT or
/// Apache-2.0 with GPL is what the kernel calls "Dual MIT/GPL".
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
