//! Options from the fields in which the kernel keeps them.

use std::time::Duration;

use hopscope_ebpf::{Fields, MISSING, OptionFields};
use rustix::time::{ClockId, clock_getres};

use super::{Defaults, Options, Origin, Reading, State};

/// `TCP_NAGLE_OFF` (include/net/tcp.h), in the low bits of the byte that holds `nonagle`.
const NAGLE_OFF: u8 = 1;

/// `TCP_TIMEOUT_INIT` and `TCP_RTO_MAX`: what TCP_DEFER_ACCEPT is counted in (`retrans_to_secs`,
/// net/ipv4/tcp.c).
const FIRST_TIMEOUT: u64 = 1;
const LONGEST_TIMEOUT: u64 = 120;

/// What must be known to understand the fields.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// Which fields this kernel has.
    pub(crate) fields: Fields,
    /// Bit numbers of SOCK_KEEPOPEN and SOCK_LINGER (`enum sock_flags`), which differ between
    /// kernels.
    pub(crate) keepopen: Option<u32>,
    pub(crate) linger: Option<u32>,
    /// Ticks of the kernel in a second (CONFIG_HZ).
    pub(crate) hz: u64,
}

/// The kernel's ticks in a second: the coarse clocks advance once a tick
/// (`posix_get_coarse_res`, kernel/time/posix-timers.c).
pub(crate) fn hz() -> u64 {
    let tick = clock_getres(ClockId::MonotonicCoarse).tv_nsec;
    let tick = u64::try_from(tick).unwrap_or_default().max(1);
    (1_000_000_000 + tick / 2) / tick
}

impl Reader {
    /// The options of a socket; `defaults` are those of its namespace, where they could be read.
    pub(crate) fn options(&self, raw: &OptionFields, defaults: Result<&Defaults, &str>) -> Options {
        let own = |ticks: u32| (ticks != 0).then(|| self.ticks(ticks.into()));
        let fields = &self.fields;
        Options {
            keepalive: self.flag(raw, self.keepopen),
            keepidle: or_default(fields.keepidle, own(raw.keepidle), defaults, |d| d.keepidle),
            keepintvl: or_default(fields.keepintvl, own(raw.keepintvl), defaults, |d| {
                d.keepintvl
            }),
            keepcnt: or_default(
                fields.keepcnt,
                (raw.keepcnt != 0).then(|| raw.keepcnt.into()),
                defaults,
                |d| d.keepcnt,
            ),
            user_timeout: there(fields.user_timeout, || {
                Duration::from_millis(raw.user_timeout.into())
            }),
            linger: match self.flag(raw, self.linger) {
                Reading::Read {
                    value: true,
                    origin,
                } => Reading::Read {
                    value: Some(self.ticks(raw.linger_time)),
                    origin,
                },
                Reading::Read { origin, .. } => Reading::Read {
                    value: None,
                    origin,
                },
                Reading::NotRead { reason } => Reading::NotRead { reason },
            },
            nodelay: there(fields.nonagle, || raw.nonagle & NAGLE_OFF != 0),
            defer_accept: there(fields.defer_accept, || seconds_deferred(raw.defer_accept)),
            congestion: congestion(fields, &raw.congestion, defaults),
        }
    }

    fn ticks(&self, ticks: u64) -> Duration {
        Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / self.hz.max(1)))
    }

    fn flag(&self, raw: &OptionFields, bit: Option<u32>) -> Reading<bool> {
        match bit {
            Some(bit) if self.fields.flags != MISSING => set(raw.flags >> bit & 1 == 1),
            _ => not_there(),
        }
    }
}

/// What begins as zero is the socket's own where it is not.
fn set<T: Default + PartialEq>(value: T) -> Reading<T> {
    let origin = if value == T::default() {
        Origin::Default
    } else {
        Origin::Socket
    };
    Reading::Read { value, origin }
}

fn there<T: Default + PartialEq>(field: u32, value: impl FnOnce() -> T) -> Reading<T> {
    if field == MISSING {
        not_there()
    } else {
        set(value())
    }
}

fn not_there<T>() -> Reading<T> {
    Reading::NotRead {
        reason: "this kernel does not describe the field that holds it (BTF)".to_owned(),
    }
}

fn or_default<T>(
    field: u32,
    own: Option<T>,
    defaults: Result<&Defaults, &str>,
    default: impl FnOnce(&Defaults) -> T,
) -> Reading<T> {
    match (own, defaults) {
        _ if field == MISSING => not_there(),
        (Some(value), _) => Reading::Read {
            value,
            origin: Origin::Socket,
        },
        (None, Ok(defaults)) => Reading::Read {
            value: default(defaults),
            origin: Origin::Default,
        },
        (None, Err(why)) => Reading::NotRead {
            reason: format!("it is the namespace's default, and {why}"),
        },
    }
}

fn congestion(
    fields: &Fields,
    name: &[u8; 16],
    defaults: Result<&Defaults, &str>,
) -> Reading<String> {
    if fields.congestion == MISSING || fields.congestion_name == MISSING {
        return not_there();
    }
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(16);
    let value = String::from_utf8_lossy(&name[..end]).into_owned();
    // A socket takes the default over when it is created; later it cannot be told apart.
    let equal = defaults.is_ok_and(|defaults| defaults.congestion == value);
    let origin = if equal {
        Origin::EqualsDefault
    } else {
        Origin::Socket
    };
    Reading::Read { value, origin }
}

/// How long that many retransmissions of a SYN-ACK take.
fn seconds_deferred(retransmissions: u8) -> Duration {
    let mut timeout = FIRST_TIMEOUT;
    let mut sum = 0;
    for _ in 0..retransmissions {
        sum += timeout;
        timeout = (timeout * 2).min(LONGEST_TIMEOUT);
    }
    Duration::from_secs(sum)
}

impl State {
    /// From the kernel's number (include/net/tcp_states.h).
    pub(crate) const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 | 12 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Closed,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_ticks_at_a_usual_rate() {
        assert!([100, 250, 300, 1000].contains(&hz()), "{}", hz());
    }

    #[test]
    fn deferring_doubles() {
        let seconds = |times| seconds_deferred(times).as_secs();
        assert_eq!((seconds(0), seconds(1), seconds(3)), (0, 1, 7));
        assert_eq!(seconds(8), 1 + 2 + 4 + 8 + 16 + 32 + 64 + 120);
    }
}
