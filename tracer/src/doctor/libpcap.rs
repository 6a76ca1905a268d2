//! libpcap: which one, and whether it can capture.

#![expect(
    unsafe_code,
    reason = "the pcap crate does not tell the version of the library that it runs with"
)]

use std::ffi::{CStr, c_char};

use super::{Check, Verdict};
use crate::live::try_capture;

unsafe extern "C" {
    /// man 3 pcap_lib_version.
    safe fn pcap_lib_version() -> *const c_char;
}

fn version() -> String {
    // SAFETY: it returns a string that lives as long as the library and is never changed.
    let text = unsafe { CStr::from_ptr(pcap_lib_version()) };
    text.to_string_lossy().into_owned()
}

/// Really captures, for a moment.
pub(super) fn check() -> Check {
    let version = version();
    match try_capture() {
        Ok(interface) => Check::works("libpcap", format!("{version}: captures on {interface}")),
        Err(error) => Check::not(Verdict::Missing, "libpcap", version, error),
    }
}
