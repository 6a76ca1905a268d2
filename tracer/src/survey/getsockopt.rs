//! Options of another process's socket, by asking the socket itself: pidfd_getfd(2) (Linux 5.6), then
//! getsockopt(2).
//!
//! While its options are asked for, the socket is open in this process too. If its process closes it
//! in these microseconds, the FIN goes out when this process lets go.

use std::io;
use std::mem;
use std::time::Duration;

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::net::{ipproto, sockopt};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

use super::owner::Holder;
use crate::socket::{Defaults, LONGEST_LINGER, Options, Origin, Reading};

/// The options of the socket with this cookie that `holder` has; or why they cannot be had.
pub(super) fn options(
    holder: &Holder,
    cookie: u64,
    defaults: Option<&Defaults>,
) -> Result<Options, String> {
    let socket = borrow(holder).map_err(|error| told(holder, &error))?;
    // The number may mean another socket by now.
    match sockopt::socket_cookie(&socket) {
        Ok(found) if found == cookie => Ok(ask(&socket, defaults)),
        Ok(_) if is_mptcp(&socket) => Err(SUBFLOW.to_owned()),
        Ok(_) => Err(CLOSED.to_owned()),
        Err(error) => Err(format!("getsockopt(SO_COOKIE): {}", io::Error::from(error))),
    }
}

const CLOSED: &str = "its process closed it before its options were asked for";

/// An MPTCP socket (RFC 8684) stands for several TCP sockets, which share its inode
/// (`mptcp_sock_graft`, net/mptcp/protocol.h) and have no descriptor of their own.
const SUBFLOW: &str = "its process's descriptor is an MPTCP socket, and this TCP subflow of it has none \
                       of its own: only --method kernel reads its options";

fn is_mptcp(socket: &OwnedFd) -> bool {
    sockopt::socket_protocol(socket).is_ok_and(|protocol| protocol == Some(ipproto::MPTCP))
}

fn borrow(holder: &Holder) -> rustix::io::Result<OwnedFd> {
    let thread = i32::try_from(holder.thread).ok().and_then(Pid::from_raw);
    let flags = if holder.thread == holder.process.pid {
        PidfdFlags::empty()
    } else {
        PidfdFlags::from_bits_retain(libc::PIDFD_THREAD)
    };
    let thread = pidfd_open(thread.ok_or(rustix::io::Errno::SRCH)?, flags)?;
    pidfd_getfd(thread, holder.fd, PidfdGetfdFlags::empty())
}

fn told(holder: &Holder, error: &rustix::io::Errno) -> String {
    use rustix::io::Errno;
    match *error {
        Errno::SRCH | Errno::BADF => CLOSED.to_owned(),
        Errno::PERM | Errno::ACCESS => format!(
            "pidfd_getfd from {}: not permitted; needs CAP_SYS_PTRACE: run as root",
            holder.process.comm
        ),
        Errno::NOSYS => "pidfd_getfd needs Linux 5.6 or newer".to_owned(),
        Errno::INVAL if holder.thread != holder.process.pid => format!(
            "the first thread of {} has ended, and pidfd_open of another needs Linux 6.9 or newer",
            holder.process.comm
        ),
        error => format!(
            "pidfd_getfd from {}: {}",
            holder.process.comm,
            io::Error::from(error)
        ),
    }
}

fn ask(socket: &OwnedFd, defaults: Option<&Defaults>) -> Options {
    let switch = |is_set: &bool| Origin::of_switch(*is_set);
    Options {
        keepalive: reading("SO_KEEPALIVE", sockopt::socket_keepalive(socket), switch),
        keepidle: reading("TCP_KEEPIDLE", sockopt::tcp_keepidle(socket), |value| {
            Origin::of_value(value, defaults.map(|defaults| &defaults.keepidle))
        }),
        keepintvl: reading("TCP_KEEPINTVL", sockopt::tcp_keepintvl(socket), |value| {
            Origin::of_value(value, defaults.map(|defaults| &defaults.keepintvl))
        }),
        keepcnt: reading("TCP_KEEPCNT", sockopt::tcp_keepcnt(socket), |value| {
            Origin::of_value(value, defaults.map(|defaults| &defaults.keepcnt))
        }),
        user_timeout: reading(
            "TCP_USER_TIMEOUT",
            sockopt::tcp_user_timeout(socket).map(|ms| Duration::from_millis(ms.into())),
            |time| Origin::of_switch(!time.is_zero()),
        ),
        linger: reading("SO_LINGER", linger(socket), |linger| {
            Origin::of_switch(linger.is_some())
        }),
        nodelay: reading("TCP_NODELAY", sockopt::tcp_nodelay(socket), switch),
        defer_accept: reading("TCP_DEFER_ACCEPT", defer_accept(socket), |time| {
            Origin::of_switch(!time.is_zero())
        }),
        congestion: reading("TCP_CONGESTION", sockopt::tcp_congestion(socket), |value| {
            Origin::of_initial(value, defaults.map(|defaults| &defaults.congestion))
        }),
    }
}

fn reading<T>(
    name: &str,
    value: rustix::io::Result<T>,
    origin: impl FnOnce(&T) -> Origin,
) -> Reading<T> {
    match value {
        Ok(value) => Reading::Read {
            origin: origin(&value),
            value,
        },
        Err(error) => Reading::NotRead {
            reason: format!("getsockopt({name}): {}", io::Error::from(error)),
        },
    }
}

fn linger(socket: &impl AsFd) -> rustix::io::Result<Option<Duration>> {
    let linger = sockopt::socket_linger(socket)?;
    Ok(linger.map(|time| time.min(LONGEST_LINGER)))
}

/// TCP_DEFER_ACCEPT, which rustix does not have.
#[expect(unsafe_code, reason = "getsockopt(2) writes to where it is told")]
fn defer_accept(socket: &impl AsFd) -> rustix::io::Result<Duration> {
    let mut seconds: libc::c_int = 0;
    let mut length = libc::socklen_t::try_from(mem::size_of_val(&seconds)).unwrap_or(0);
    // SAFETY: the descriptor is open while it is borrowed; the kernel writes at most `length` bytes to
    // `seconds`, which is as long, and the length written to `length`.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_DEFER_ACCEPT,
            (&raw mut seconds).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        let errno = io::Error::last_os_error();
        return Err(rustix::io::Errno::from_io_error(&errno).unwrap_or(rustix::io::Errno::IO));
    }
    Ok(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::socket::Process;

    fn holder(listener: &TcpListener) -> Holder {
        Holder {
            process: Process {
                pid: std::process::id(),
                comm: "own".to_owned(),
            },
            thread: std::process::id(),
            fd: listener.as_raw_fd(),
        }
    }

    fn origin_of<T>(reading: &Reading<T>) -> Option<Origin> {
        match reading {
            Reading::Read { origin, .. } => Some(*origin),
            Reading::NotRead { .. } => None,
        }
    }

    #[test]
    fn values_and_where_they_come_from() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        sockopt::set_socket_keepalive(&listener, true)?;
        sockopt::set_tcp_keepidle(&listener, Duration::from_secs(7))?;
        let cookie = sockopt::socket_cookie(&listener)?;
        let defaults = Defaults {
            keepidle: Duration::from_secs(7200),
            keepintvl: sockopt::tcp_keepintvl(&listener)?,
            keepcnt: sockopt::tcp_keepcnt(&listener)? + 1,
            congestion: "none".to_owned(),
        };
        let read = match options(&holder(&listener), cookie, Some(&defaults)) {
            Ok(read) => read,
            Err(reason) => {
                println!("skipped: {reason}");
                return Ok(());
            }
        };
        let (value, origin) = (Duration::from_secs(7), Origin::Socket);
        assert_eq!(read.keepidle, Reading::Read { value, origin });
        assert_eq!(
            read.keepalive,
            Reading::Read {
                value: true,
                origin
            }
        );
        assert_eq!(origin_of(&read.keepintvl), Some(Origin::EqualsDefault));
        assert_eq!(origin_of(&read.keepcnt), Some(Origin::Socket));
        assert_eq!(origin_of(&read.user_timeout), Some(Origin::Default));
        assert_eq!(origin_of(&read.defer_accept), Some(Origin::Default));
        assert_eq!(origin_of(&read.congestion), Some(Origin::Unknown));
        Ok(())
    }

    #[test]
    fn a_subflow_of_mptcp_is_not_said_to_be_closed() -> io::Result<()> {
        use rustix::net::{AddressFamily, SocketType, socket};
        let mptcp = match socket(
            AddressFamily::INET,
            SocketType::STREAM,
            Some(ipproto::MPTCP),
        ) {
            Ok(mptcp) => TcpListener::from(mptcp),
            Err(error) => {
                println!("skipped: this kernel has no MPTCP: {error}");
                return Ok(());
            }
        };
        // That of its subflow is another one.
        let cookie = sockopt::socket_cookie(&mptcp)? + 1;
        let told = options(&holder(&mptcp), cookie, None);
        let why = told.err().unwrap_or_default();
        assert!(
            why.contains("MPTCP") || why.contains("not permitted"),
            "{why}"
        );
        Ok(())
    }

    #[test]
    fn another_socket_under_the_same_number_is_not_taken_for_it() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let cookie = sockopt::socket_cookie(&listener)?;
        let told = options(&holder(&listener), cookie + 1, None);
        let why = told.err().unwrap_or_default();
        assert!(!why.is_empty() && !why.contains("MPTCP"), "{why}");
        Ok(())
    }
}
