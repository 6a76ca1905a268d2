//! The kernel's tracer, in an instance of its own: what each TCP socket did, and when.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, bail};

use super::process::run;

/// Where the tracer is mounted.
pub const TRACEFS: &str = "/sys/kernel/tracing";

/// The events recorded; a filter narrows those that other work on the machine would flood.
const EVENTS: [(&str, Option<&str>); 8] = [
    ("sock/inet_sock_set_state", None),
    ("sock/inet_sk_error_report", None),
    ("tcp/tcp_send_reset", None),
    ("tcp/tcp_receive_reset", None),
    ("tcp/tcp_retransmit_skb", None),
    (
        "timer/timer_expire_entry",
        Some("function.function == tcp_keepalive_timer || function.function == tcp_write_timer"),
    ),
    ("timer/timer_expire_exit", None),
    ("net/net_dev_queue", None),
];

/// One line of the trace.
#[derive(Debug, Clone)]
pub struct Event {
    /// Seconds on the kernel's monotonic clock.
    pub at: f64,
    /// The processor it happened on.
    pub cpu: u32,
    /// Whoever was on the processor: the actor only if it happened in a system call.
    pub comm: String,
    /// Its number.
    pub pid: u32,
    /// Address of the socket in the kernel; 0 if the event names none.
    pub socket: u64,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum What {
    /// A socket changed its state; states by the kernel's names.
    State {
        /// Its own end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
        /// State left.
        old: String,
        /// State entered.
        new: String,
    },
    /// A RST was sent, perhaps for no socket at all.
    SentReset {
        /// From.
        local: SocketAddr,
        /// To.
        remote: SocketAddr,
        /// The kernel's reason, where it gives one.
        reason: String,
    },
    /// A RST was accepted.
    ReceivedReset,
    /// A socket got an error number; the kernel names its ends only.
    Error {
        /// Its own end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
        /// 110 is ETIMEDOUT, 104 ECONNRESET.
        number: i32,
    },
    /// A segment was sent once more.
    Retransmit,
    /// A TCP timer began to run: its address lies inside its socket.
    TimerStart {
        /// Address of the timer.
        timer: u64,
        /// Whether it is the keepalive timer (else the retransmission and window probe timer).
        keepalive: bool,
    },
    /// A timer ended.
    TimerEnd(u64),
    /// A packet was given to a device.
    Sent,
    /// A mark written by the lab.
    Mark(String),
}

/// A tracer instance that is recording. Dropped, it is removed.
#[derive(Debug)]
pub struct Trace {
    dir: PathBuf,
}

impl Trace {
    /// Makes the instance and switches the events on.
    ///
    /// # Errors
    /// When the kernel has no tracer, or not these events.
    pub fn start() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if !Path::new(TRACEFS).join("instances").exists() {
            run("mount", &["-t", "tracefs", "nodev", TRACEFS])?;
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = Path::new(TRACEFS).join(format!("instances/hs{}-{count}", process::id()));
        fs::create_dir(&dir).with_context(|| format!("creating {}: root?", dir.display()))?;
        let trace = Self { dir };
        trace.set("trace_clock", "mono")?;
        trace.set("buffer_size_kb", "16384")?;
        // Addresses of sockets and timers must be comparable.
        trace.set("options/hash-ptr", "0")?;
        for (event, filter) in EVENTS {
            if let Some(filter) = filter {
                // Older kernels lack filters on function names: then there is only more to read.
                let _unfiltered = trace.set(&format!("events/{event}/filter"), filter);
            }
            trace.set(&format!("events/{event}/enable"), "1")?;
        }
        Ok(trace)
    }

    /// Writes a mark between the events.
    ///
    /// # Errors
    /// When the tracer takes none.
    pub fn mark(&self, text: &str) -> Result<()> {
        self.set("trace_marker", text)
    }

    /// Stops recording and returns all events in order.
    ///
    /// # Errors
    /// When the kernel lost events, or writes them in a form not known here.
    pub fn stop(&self) -> Result<Vec<Event>> {
        self.set("tracing_on", "0")?;
        let plain = self.text()?;
        // The readable form has addresses of hosts but not the socket; the raw one the reverse.
        self.set("options/fields", "1")?;
        let fields = self.text()?;
        if plain.contains("[LOST ") || self.overwritten()? {
            bail!("the kernel lost trace events: the machine is too busy, run again");
        }
        let lines = |text: &str| -> Vec<String> {
            let events = text.lines().filter(|line| !line.starts_with('#'));
            events.map(str::to_owned).collect()
        };
        let (plain, fields) = (lines(&plain), lines(&fields));
        if plain.len() != fields.len() {
            bail!("the trace changed while it was read: run again");
        }
        plain
            .iter()
            .zip(&fields)
            .map(|(plain, fields)| {
                parse(plain, fields).with_context(|| format!("unknown trace line: {plain}"))
            })
            .collect()
    }

    /// Whether new events took the place of old ones, which leaves no mark among those that are left.
    fn overwritten(&self) -> Result<bool> {
        let processors = self.dir.join("per_cpu");
        for processor in fs::read_dir(&processors)
            .with_context(|| format!("reading {}", processors.display()))?
        {
            let path = processor?.path().join("stats");
            let stats =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            let overrun = stats
                .lines()
                .find_map(|line| line.strip_prefix("overrun: "));
            let overrun = overrun.with_context(|| format!("{} has no overrun", path.display()))?;
            if overrun.trim() != "0" {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn text(&self) -> Result<String> {
        let path = self.dir.join("trace");
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    fn set(&self, file: &str, value: &str) -> Result<()> {
        let path = self.dir.join(file);
        File::options()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(value.as_bytes()))
            .with_context(|| format!("writing {value:?} to {}", path.display()))
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // A destructor cannot report; an instance left over holds memory only.
        let _removed = fs::remove_dir(&self.dir);
    }
}

/// `            curl-4523    [001] b.s1.  1497.320080: net_dev_queue: dev=lo ...`
fn parse(plain: &str, fields: &str) -> Option<Event> {
    let (head, rest) = plain.split_once(": ")?;
    let (name, text) = rest.split_once(": ")?;
    let (task, place) = head.split_once(" [")?;
    let (comm, pid) = task.trim().rsplit_once('-')?;
    let (comm, pid) = (comm.to_owned(), pid.parse().ok()?);
    let cpu = place.split_once(']')?.0.parse().ok()?;
    let at = place.rsplit(' ').next()?.parse().ok()?;
    let what = match name {
        "inet_sock_set_state" => What::State {
            local: endpoint(text, "saddr", "saddrv6", "sport")?,
            remote: endpoint(text, "daddr", "daddrv6", "dport")?,
            old: value(text, "oldstate")?
                .trim_start_matches("TCP_")
                .to_owned(),
            new: value(text, "newstate")?
                .trim_start_matches("TCP_")
                .to_owned(),
        },
        "tcp_send_reset" => What::SentReset {
            local: socket_addr(value(text, "src")?)?,
            remote: socket_addr(value(text, "dest")?)?,
            reason: value(text, "reason").unwrap_or("unknown").to_owned(),
        },
        "tcp_receive_reset" => What::ReceivedReset,
        "inet_sk_error_report" => What::Error {
            local: endpoint(text, "saddr", "saddrv6", "sport")?,
            remote: endpoint(text, "daddr", "daddrv6", "dport")?,
            number: value(text, "error")?.parse().ok()?,
        },
        "tcp_retransmit_skb" => What::Retransmit,
        "timer_expire_entry" => What::TimerStart {
            timer: hex(value(text, "timer")?)?,
            keepalive: value(text, "function")? == "tcp_keepalive_timer",
        },
        "timer_expire_exit" => What::TimerEnd(hex(value(text, "timer")?)?),
        "net_dev_queue" => What::Sent,
        "tracing_mark_write" => What::Mark(text.to_owned()),
        _ => return None,
    };
    let socket = value(fields, "skaddr").and_then(hex).unwrap_or(0);
    Some(Event {
        at,
        cpu,
        comm,
        pid,
        socket,
        what,
    })
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split(' ')
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

fn endpoint(text: &str, v4: &str, v6: &str, port: &str) -> Option<SocketAddr> {
    let key = if value(text, "family")? == "AF_INET" {
        v4
    } else {
        v6
    };
    let addr: IpAddr = value(text, key)?.parse().ok()?;
    let port = value(text, port)?.parse().ok()?;
    Some(SocketAddr::new(addr.to_canonical(), port))
}

fn socket_addr(text: &str) -> Option<SocketAddr> {
    let addr: SocketAddr = text.parse().ok()?;
    Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
}
