//! How times and lengths are said.

use std::time::Duration;

use crate::socket::Process;
use crate::time::Time;

/// `15:07:02.114`.
pub(super) fn clock(at: Time) -> String {
    let written = at.to_string();
    // RFC 3339 has the time of day from the eleventh character on.
    written
        .get(11..23)
        .map_or_else(|| written.clone(), str::to_owned)
}

/// `6.00 s`, `1.4 ms`, `0.2 ms`.
pub(super) fn length(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds >= 100.0 {
        format!("{seconds:.1} s")
    } else if seconds >= 0.1 {
        format!("{seconds:.2} s")
    } else {
        format!("{:.1} ms", seconds * 1e3)
    }
}

/// A timer's length: whole where it nearly is.
pub(super) fn timer(time: Duration) -> String {
    match super::timeouts::whole_seconds(time) {
        Some(whole) => format!("{whole} s"),
        None => length(time),
    }
}

/// What to do where a process may have ended.
pub(super) fn restarted(who: &str, at: Time) -> String {
    format!(
        "look whether the process at {who} ended or was restarted at {}: its log, the kernel's (out of memory), restarts of the pod",
        clock(at)
    )
}

/// Who called close, as evidence.
pub(super) fn closed_by(process: &Process) -> String {
    format!(
        "the kernel says that {} (pid {}) closed it",
        process.comm, process.pid
    )
}

/// `RST` or `FIN`.
pub(super) const fn kind(rst: bool) -> &'static str {
    if rst { "RST" } else { "FIN" }
}

/// `3 probes`, `1 probe`.
pub(super) fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
