//! Options from the fields in which the kernel keeps them.

use std::time::Duration;

use hopscope_ebpf::{Fields, MISSING, OptionFields};
use rustix::time::{ClockId, clock_getres};

use super::{Defaults, LONGEST_LINGER, Options, Origin, Reading, State};

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
    /// Bit of `icsk_ca_setsockopt` in its byte.
    pub(crate) congestion_set: Option<u32>,
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
    /// The options of a socket; `defaults` are what those of its namespace were at some time, where that
    /// could be read: those at the moment of `raw` come before them.
    pub(crate) fn options(&self, raw: &OptionFields, defaults: Result<&Defaults, &str>) -> Options {
        let own = |ticks: u32| (ticks != 0).then(|| self.ticks(ticks.into()));
        let fields = &self.fields;
        let known = |field: u32| field != MISSING;
        let keepidle =
            known(fields.default_keepidle).then(|| self.ticks(raw.default_keepidle.into()));
        let keepintvl =
            known(fields.default_keepintvl).then(|| self.ticks(raw.default_keepintvl.into()));
        let keepcnt = known(fields.default_keepcnt).then(|| raw.default_keepcnt.into());
        let keepidle = keepidle.map_or_else(|| defaults.map(|d| d.keepidle), Ok);
        let keepintvl = keepintvl.map_or_else(|| defaults.map(|d| d.keepintvl), Ok);
        let keepcnt = keepcnt.map_or_else(|| defaults.map(|d| d.keepcnt), Ok);
        let own_keepcnt = (raw.keepcnt != 0).then(|| raw.keepcnt.into());
        Options {
            keepalive: self.flag(raw, self.keepopen),
            keepidle: or_default(fields.keepidle, own(raw.keepidle), keepidle),
            keepintvl: or_default(fields.keepintvl, own(raw.keepintvl), keepintvl),
            keepcnt: or_default(fields.keepcnt, own_keepcnt, keepcnt),
            user_timeout: there(fields.user_timeout, || {
                Duration::from_millis(raw.user_timeout.into())
            }),
            linger: match self.flag(raw, self.linger) {
                Reading::Read { value: true, .. } if fields.linger_time == MISSING => not_there(),
                Reading::Read {
                    value: true,
                    origin,
                } => Reading::Read {
                    value: Some(self.ticks(raw.linger_time).min(LONGEST_LINGER)),
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
            congestion: self.congestion(raw, defaults),
        }
    }

    fn ticks(&self, ticks: u64) -> Duration {
        let (hz, nanos) = (self.hz.max(1), 1_000_000_000);
        Duration::from_secs(ticks / hz) + Duration::from_nanos(ticks % hz * nanos / hz)
    }

    fn flag(&self, raw: &OptionFields, bit: Option<u32>) -> Reading<bool> {
        match bit {
            Some(bit) if self.fields.flags != MISSING => set(raw.flags >> bit & 1 == 1),
            _ => not_there(),
        }
    }

    /// A socket takes the default over when it is created, unless TCP_CONGESTION is set, on it or on
    /// the listener that it was accepted from (`tcp_ca_openreq_child`, net/ipv4/tcp_minisocks.c).
    fn congestion(&self, raw: &OptionFields, defaults: Result<&Defaults, &str>) -> Reading<String> {
        let fields = &self.fields;
        if fields.congestion == MISSING || fields.congestion_name == MISSING {
            return not_there();
        }
        let name = &raw.congestion;
        let end = name.iter().position(|byte| *byte == 0);
        let value = String::from_utf8_lossy(&name[..end.unwrap_or(name.len())]).into_owned();
        let default = defaults.ok().map(|defaults| &defaults.congestion);
        let own = self
            .congestion_set
            .filter(|_| fields.congestion_set != MISSING);
        let origin = match own.map(|bit| raw.congestion_set >> bit & 1 == 1) {
            Some(true) => Origin::Socket,
            Some(false) if default == Some(&value) => Origin::Default,
            // Of an earlier default, or of the route.
            Some(false) => Origin::Unknown,
            None => Origin::of_initial(&value, default),
        };
        Reading::Read { value, origin }
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

fn or_default<T>(field: u32, own: Option<T>, default: Result<T, &str>) -> Reading<T> {
    match (own, default) {
        _ if field == MISSING => not_there(),
        (Some(value), _) => Reading::Read {
            value,
            origin: Origin::Socket,
        },
        (None, Ok(value)) => Reading::Read {
            value,
            origin: Origin::Default,
        },
        (None, Err(why)) => Reading::NotRead {
            reason: format!("it is the namespace's default, and {why}"),
        },
    }
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

    fn reader() -> Reader {
        // Every field somewhere: where does not matter here.
        let fields = Fields {
            flags: 0,
            linger_time: 0,
            keepidle: 0,
            keepintvl: 0,
            keepcnt: 0,
            user_timeout: 0,
            nonagle: 0,
            defer_accept: 0,
            congestion: 0,
            congestion_set: 0,
            congestion_name: 0,
            ..Fields::UNKNOWN
        };
        Reader {
            fields,
            keepopen: Some(3),
            linger: Some(4),
            congestion_set: Some(6),
            hz: 300,
        }
    }

    fn defaults() -> Defaults {
        Defaults {
            keepidle: Duration::from_secs(600),
            keepintvl: Duration::from_secs(75),
            keepcnt: 9,
            congestion: "reno".to_owned(),
        }
    }

    fn raw() -> OptionFields {
        let mut congestion = [0; 16];
        congestion[..4].copy_from_slice(b"reno");
        OptionFields {
            flags: 1 << 3 | 1 << 4,
            linger_time: 4 * 300,
            keepidle: 7 * 300,
            user_timeout: 3500,
            nonagle: 0x51,
            congestion,
            ..OptionFields::default()
        }
    }

    fn read<T>(value: T, origin: Origin) -> Reading<T> {
        Reading::Read { value, origin }
    }

    #[test]
    fn fields_become_options() {
        let options = reader().options(&raw(), Ok(&defaults()));
        let seconds = Duration::from_secs;
        assert_eq!(options.keepalive, read(true, Origin::Socket));
        assert_eq!(options.keepidle, read(seconds(7), Origin::Socket));
        assert_eq!(options.keepintvl, read(seconds(75), Origin::Default));
        assert_eq!(options.keepcnt, read(9, Origin::Default));
        let timeout = Duration::from_millis(3500);
        assert_eq!(options.user_timeout, read(timeout, Origin::Socket));
        assert_eq!(options.linger, read(Some(seconds(4)), Origin::Socket));
        assert_eq!(options.nodelay, read(true, Origin::Socket));
        assert_eq!(options.defer_accept, read(Duration::ZERO, Origin::Default));
        let reno = || "reno".to_owned();
        assert_eq!(options.congestion, read(reno(), Origin::Default));
        let mut set = raw();
        set.congestion_set = 1 << 6;
        // MAX_SCHEDULE_TIMEOUT, which a negative time is taken for.
        set.linger_time = i64::MAX.unsigned_abs();
        let options = reader().options(&set, Ok(&defaults()));
        assert_eq!(options.congestion, read(reno(), Origin::Socket));
        assert_eq!(options.linger, read(Some(LONGEST_LINGER), Origin::Socket));
        let other = Defaults {
            congestion: "bbr".to_owned(),
            ..defaults()
        };
        let options = reader().options(&raw(), Ok(&other));
        assert_eq!(options.congestion, read(reno(), Origin::Unknown));
    }

    #[test]
    fn the_default_is_the_one_of_that_moment() {
        let mut reader = reader();
        reader.fields.default_keepidle = 0;
        reader.fields.default_keepintvl = 0;
        reader.fields.default_keepcnt = 0;
        let mut raw = raw();
        (raw.default_keepidle, raw.default_keepintvl) = (55 * 300, 6 * 300);
        raw.default_keepcnt = 3;
        let seconds = Duration::from_secs;
        for earlier in [Ok(&defaults()), Err("it cannot be read")] {
            let options = reader.options(&raw, earlier);
            assert_eq!(options.keepidle, read(seconds(7), Origin::Socket));
            assert_eq!(options.keepintvl, read(seconds(6), Origin::Default));
            assert_eq!(options.keepcnt, read(3, Origin::Default));
        }
    }

    #[test]
    fn what_the_kernel_does_not_describe_is_not_read() {
        let mut reader = reader();
        reader.fields = Fields {
            flags: 0,
            keepidle: 0,
            ..Fields::UNKNOWN
        };
        let options = reader.options(&raw(), Err("it cannot be read"));
        assert_eq!(options.keepalive, read(true, Origin::Socket));
        assert_eq!(
            options.keepidle,
            read(Duration::from_secs(7), Origin::Socket)
        );
        let not_read = options.reasons().flatten();
        // SO_LINGER is on, but for how long?
        assert_eq!(not_read.filter(|reason| reason.contains("BTF")).count(), 7);
        assert!(!options.is_complete());
    }

    #[test]
    fn without_the_default_a_value_that_is_not_set_is_not_known() {
        let options = reader().options(&raw(), Err("it cannot be read"));
        let reason = "it is the namespace's default, and it cannot be read";
        assert_eq!(options.keepintvl.reason(), Some(reason));
        assert_eq!(options.keepidle.reason(), None);
    }

    #[test]
    fn what_is_missing_is_taken_from_elsewhere() {
        let mut some = reader();
        some.fields.user_timeout = MISSING;
        let some = some.options(&raw(), Ok(&defaults()));
        let other = reader().options(&OptionFields::default(), Ok(&defaults()));
        let both = some.or(other);
        assert!(both.is_complete());
        assert_eq!(both.user_timeout, read(Duration::ZERO, Origin::Default));
        assert_eq!(both.keepidle, some.keepidle);
    }

    #[test]
    fn deferring_doubles() {
        let seconds = |times| seconds_deferred(times).as_secs();
        assert_eq!((seconds(0), seconds(1), seconds(3)), (0, 1, 7));
        assert_eq!(seconds(8), 1 + 2 + 4 + 8 + 16 + 32 + 64 + 120);
    }
}
