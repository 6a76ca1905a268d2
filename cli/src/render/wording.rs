//! What happens, in words: for the timeline of a flow and for events as they come.

use rustix::io::Errno;
use tracer::flow::What;

use super::units::{bytes, seconds};

/// Added to the FIN or RST that came first.
pub(super) const FIRST_TO_END: &str = ": the first to end it";

/// What a side does; the side itself stands before it.
pub(super) fn what(what: What) -> String {
    match what {
        What::Syn { attempt: 1 } => "asks for a connection (SYN)".to_owned(),
        What::Syn { attempt } => format!("asks again (SYN number {attempt})"),
        What::SynAck => "accepts it (SYN-ACK)".to_owned(),
        What::Data { bytes: 0, .. } => "sends data that was not captured".to_owned(),
        What::Data { bytes: sent, .. } => format!("sends {}", bytes(sent)),
        What::KeepaliveProbe { number, after } => {
            let after = after
                .map(|after| format!(" after {} of silence", seconds(after.as_secs_f64())))
                .unwrap_or_default();
            format!("sends keepalive probe #{number}{after}")
        }
        What::KeepaliveAnswer { after } => {
            format!("answers the probe after {}", seconds(after.as_secs_f64()))
        }
        What::ZeroWindowProbe => "probes the window of zero (no keepalive probe)".to_owned(),
        What::Probe => "sends a probe (of a window of zero, or keepalive)".to_owned(),
        What::ZeroWindow => "can take no more: window 0".to_owned(),
        What::WindowOpened { after } => {
            format!(
                "can take data again: window open after {}",
                seconds(after.as_secs_f64())
            )
        }
        What::Retransmission { bytes: 0, .. } => "sends its FIN again".to_owned(),
        What::Retransmission { bytes: sent, .. } => format!("retransmits {}", bytes(sent.into())),
        What::Fin => "closes (FIN)".to_owned(),
        What::Rst => "resets the connection (RST)".to_owned(),
        _ => "does something this version has no words for".to_owned(),
    }
}

/// The name of an error number that TCP gives to its users (net/ipv4/tcp*.c).
pub(super) fn errno_name(errno: i32) -> String {
    let names = [
        (Errno::TIMEDOUT, "ETIMEDOUT"),
        (Errno::CONNRESET, "ECONNRESET"),
        (Errno::CONNREFUSED, "ECONNREFUSED"),
        (Errno::CONNABORTED, "ECONNABORTED"),
        (Errno::PIPE, "EPIPE"),
        (Errno::HOSTUNREACH, "EHOSTUNREACH"),
        (Errno::NETUNREACH, "ENETUNREACH"),
        (Errno::PROTO, "EPROTO"),
        (Errno::NOPROTOOPT, "ENOPROTOOPT"),
        (Errno::MSGSIZE, "EMSGSIZE"),
        (Errno::ACCESS, "EACCES"),
    ];
    let known = names
        .iter()
        .find(|(known, _)| known.raw_os_error() == errno);
    known.map_or_else(|| format!("{errno}"), |(_, name)| (*name).to_owned())
}
